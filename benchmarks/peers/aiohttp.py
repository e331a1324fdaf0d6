"""aiohttp, raw: plain HTTP, nothing signed, no retries."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.peers.base import CHUNK, NO_BUFFER, Peer
from benchmarks.peers.botocore_config import byte_range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Adapter(Peer):
    """One ClientSession."""

    module = distribution = "aiohttp"
    store_options = ("unsigned_payload",)
    not_served: ClassVar = {
        "blocking": "has coroutines only",
        "build": "builds its session in a coroutine",
        "into": NO_BUFFER,
        "list": "raw HTTP: no listings",
        "listarrow": "raw HTTP: no listings",
        "delete": "raw HTTP: no DeleteObjects",
    }

    async def aopen(self) -> None:
        import aiohttp

        ca_file = self.endpoint.ca_file
        trust = ssl.create_default_context(cafile=ca_file) if ca_file else True
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=trust), raise_for_status=True, read_bufsize=1 << 20
        )

    async def aclose(self) -> None:
        await self.session.close()

    async def aget(self, key: str) -> Any:
        async with self.session.get(self.endpoint.address(key)) as response:
            return await response.read()

    async def aget_range(self, key: str, start: int, length: int) -> Any:
        headers = {"Range": byte_range(start, length)}
        async with self.session.get(self.endpoint.address(key), headers=headers) as response:
            return await response.read()

    async def ahead(self, key: str) -> int:
        async with self.session.head(self.endpoint.address(key)) as response:
            return int(response.headers["Content-Length"])

    async def aput(self, key: str, body: bytes) -> object:
        async with self.session.put(self.endpoint.address(key), data=body) as response:
            return response.status

    async def astream(self, key: str) -> AsyncIterator[Any]:
        async with self.session.get(self.endpoint.address(key)) as response:
            async for chunk in response.content.iter_chunked(CHUNK):
                yield chunk
