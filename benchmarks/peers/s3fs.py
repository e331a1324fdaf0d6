"""s3fs: the fsspec filesystem over aiobotocore, by its coroutines where the case is asynchronous."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.peers.base import CHUNK, NO_ARROW, NO_BUFFER, Peer
from benchmarks.peers.botocore_config import CONFIG

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence


class Adapter(Peer):
    """An S3FileSystem without caches."""

    module = distribution = "s3fs"
    not_served: ClassVar = {"into": NO_BUFFER, "listarrow": NO_ARROW}

    async def aopen(self) -> None:
        self.fs = self.build(asynchronous=True)
        self.session = await self.fs.set_session()

    async def aclose(self) -> None:
        await self.session.close()

    @cached_property
    def blocking(self) -> Any:
        """The one whose loop runs in a thread of its own."""
        return self.build()

    def build(self, asynchronous: bool = False) -> Any:
        from s3fs import S3FileSystem

        endpoint = self.endpoint
        return S3FileSystem(
            asynchronous=asynchronous,
            skip_instance_cache=True,
            use_listings_cache=False,
            key=endpoint.access_key_id,
            secret=endpoint.secret_access_key,
            endpoint_url=endpoint.url,
            client_kwargs={"region_name": endpoint.region, "verify": endpoint.ca_file or True},
            config_kwargs=CONFIG,
        )

    def _path(self, key: str) -> str:
        return f"{self.endpoint.bucket}/{key}"

    def get(self, key: str) -> Any:
        return self.blocking.cat_file(self._path(key))

    async def aget(self, key: str) -> Any:
        return await self.fs._cat_file(self._path(key))

    async def ahead(self, key: str) -> int:
        size: int = (await self.fs._info(self._path(key)))["size"]
        return size

    async def aput(self, key: str, body: bytes) -> object:
        return await self.fs._pipe_file(self._path(key), body)

    def stream(self, key: str) -> Iterator[Any]:
        with self.blocking.open(self._path(key), "rb", block_size=CHUNK, cache_type="none") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    async def astream(self, key: str) -> AsyncIterator[Any]:
        file = await self.fs.open_async(self._path(key), "rb")
        async with file:
            while chunk := await file.read(CHUNK):
                yield chunk

    async def aget_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> Sequence[Any]:
        ends = [start + length for start, length in zip(starts, lengths, strict=True)]
        ranges: Sequence[Any] = await self.fs._cat_ranges([self._path(key)] * len(starts), list(starts), ends)
        return ranges

    async def alist(self, prefix: str) -> Any:
        return await self.fs._find(self._path(prefix), detail=True)

    async def adelete(self, keys: Sequence[str]) -> object:
        return await self.fs._rm([self._path(key) for key in keys])

    def paths(self, listing: Any) -> Sequence[str]:
        return [path.partition("/")[2] for path in listing]
