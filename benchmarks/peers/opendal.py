"""opendal: Rust, tokio and reqwest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.peers.base import CHUNK, NO_ARROW, NO_BUFFER, ONE_BY_ONE, Peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from benchmarks.cases import Case
    from benchmarks.server.endpoint import Endpoint


class Adapter(Peer):
    """opendal's two operators."""

    module = distribution = "opendal"
    wants_new_keys = True
    not_served: ClassVar = {"into": NO_BUFFER, "listarrow": NO_ARROW, "delete": ONE_BY_ONE}
    # It never hashes a payload, so both kinds of put are the same to it.
    store_options = ("unsigned_payload",)

    def __init__(self, endpoint: Endpoint, case: Case) -> None:
        super().__init__(endpoint, case)
        if endpoint.ca_file:
            # It has no option for a certificate authority; its TLS library reads this.
            os.environ["SSL_CERT_FILE"] = endpoint.ca_file
        import opendal

        self.blocking, self.operator = self.build(), opendal.AsyncOperator("s3", **self._options())

    def build(self) -> Any:
        import opendal

        return opendal.Operator("s3", **self._options())

    def _options(self) -> dict[str, str]:
        endpoint = self.endpoint
        return {
            "bucket": endpoint.bucket,
            "endpoint": endpoint.url,
            "region": endpoint.region,
            "access_key_id": endpoint.access_key_id,
            "secret_access_key": endpoint.secret_access_key,
            "disable_config_load": "true",
            "disable_ec2_metadata": "true",
        }

    def get(self, key: str) -> Any:
        return self.blocking.read(key)

    async def aget(self, key: str) -> Any:
        return await self.operator.read(key)

    async def aget_range(self, key: str, start: int, length: int) -> Any:
        return await self.operator.read(key, offset=start, size=length)

    def head(self, key: str) -> int:
        size: int = self.blocking.stat(key).content_length
        return size

    async def ahead(self, key: str) -> int:
        size: int = (await self.operator.stat(key)).content_length
        return size

    def put(self, key: str, body: bytes) -> object:
        return self.blocking.write(key, body)

    async def aput(self, key: str, body: bytes) -> object:
        return await self.operator.write(key, body)

    def stream(self, key: str) -> Iterator[Any]:
        with self.blocking.open(key, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    async def astream(self, key: str) -> AsyncIterator[Any]:
        async with await self.operator.open(key, "rb") as file:
            while chunk := await file.read(CHUNK):
                yield chunk

    async def alist(self, prefix: str) -> Any:
        return [entry async for entry in await self.operator.scan(f"{prefix}/")]

    def paths(self, listing: Any) -> Sequence[str]:
        return [entry.path for entry in listing]
