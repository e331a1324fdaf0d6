"""The API that obstore and obstore_c share, so that both are measured by the same lines."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.base import Peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from benchmarks.cases import Case
    from benchmarks.server.endpoint import Endpoint


class ObstoreApi(Peer):
    """Adapter for a library with obstore's functions."""

    store_options = ("unsigned_payload",)

    def __init__(self, endpoint: Endpoint, case: Case) -> None:
        super().__init__(endpoint, case)
        self.obs = import_module(self.module)
        self.store_class = import_module(f"{self.module}.store").S3Store
        self.store = self.build()

    def build(self) -> Any:
        """An S3Store for the endpoint."""
        endpoint = self.endpoint
        client: dict[str, Any] = {"allow_http": True, "timeout": "10m"}
        if endpoint.ca_file:
            client["root_certificate"] = Path(endpoint.ca_file).read_bytes()
        return self.store_class(
            endpoint.bucket,
            endpoint=endpoint.url,
            region=endpoint.region,
            access_key_id=endpoint.access_key_id,
            secret_access_key=endpoint.secret_access_key,
            virtual_hosted_style_request=False,
            client_options=client,
            **self.case.store,
        )

    def get(self, key: str) -> Any:
        return self.obs.get(self.store, key).bytes()

    async def aget(self, key: str) -> Any:
        result = await self.obs.get_async(self.store, key)
        return await result.bytes_async()

    async def aget_into(self, key: str, buffer: bytearray) -> Any:
        if not hasattr(self.obs, "get_into_async"):
            return await self.aget(key)
        await self.obs.get_into_async(self.store, key, buffer)
        return buffer

    def head(self, key: str) -> int:
        size: int = self.obs.head(self.store, key)["size"]
        return size

    async def ahead(self, key: str) -> int:
        meta = await self.obs.head_async(self.store, key)
        size: int = meta["size"]
        return size

    def put(self, key: str, body: bytes) -> object:
        return self.obs.put(self.store, key, body)

    async def aput(self, key: str, body: bytes) -> object:
        return await self.obs.put_async(self.store, key, body)

    def stream(self, key: str) -> Iterator[Any]:
        return iter(self.obs.get(self.store, key).stream())

    async def astream(self, key: str) -> AsyncIterator[Any]:
        result = await self.obs.get_async(self.store, key)
        async for chunk in result.stream():
            yield chunk

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> Sequence[Any]:
        ranges: Sequence[Any] = self.obs.get_ranges(
            self.store, key, starts=starts, lengths=lengths, coalesce=0
        )
        return ranges

    async def aget_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> Sequence[Any]:
        ranges: Sequence[Any] = await self.obs.get_ranges_async(
            self.store, key, starts=starts, lengths=lengths, coalesce=0
        )
        return ranges

    def list(self, prefix: str) -> Any:
        return self.obs.list(self.store, prefix).collect()

    async def alist(self, prefix: str) -> Any:
        return await self.obs.list(self.store, prefix).collect_async()

    async def alist_arrow(self, prefix: str) -> Any:
        return await self.obs.list(self.store, prefix, return_arrow=True).collect_async()

    def delete(self, keys: Sequence[str]) -> object:
        return self.obs.delete(self.store, keys)

    async def adelete(self, keys: Sequence[str]) -> object:
        return await self.obs.delete_async(self.store, keys)

    def paths(self, listing: Any) -> Sequence[str]:
        if hasattr(listing, "num_rows"):
            return [path.as_py() for path in listing["path"]]
        return [meta["path"] for meta in listing]
