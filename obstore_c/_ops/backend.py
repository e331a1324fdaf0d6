"""The backend of every store that speaks HTTP: the operations, bound to a provider's client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from obstore_c._backend import Backend
from obstore_c._ops import copy as copying
from obstore_c._ops import delete as deleting
from obstore_c._ops import get as getting
from obstore_c._ops import get_into as into
from obstore_c._ops import list as listing
from obstore_c._ops import put as putting

if TYPE_CHECKING:
    import builtins
    from collections.abc import Coroutine

    from obstore_c._backend import Listing, PutOptions
    from obstore_c._client.provider import Client
    from obstore_c._get import GetOptions, GetResult
    from obstore_c._lib.buffer import Bytes
    from obstore_c._list import ObjectMeta
    from obstore_c._ops.io import IO, Buffer
    from obstore_c._payload import Source
    from obstore_c._put import PutResult


class HttpBackend(Backend):
    """Implements `Backend` with what a `Client` knows.

    The methods return the operation's coroutine instead of awaiting it: one frame less in every step of
    every request.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        # With a prefix the empty path is the key "prefix/"; without one it would be the bucket.
        self.empty_path_allowed = client.empty_path_allowed

    def get(self, io: IO, path: str, options: GetOptions | None) -> Coroutine[Any, Any, GetResult]:
        return getting.get(io, self.client, path, options)

    def get_into(
        self, io: IO, path: str, view: memoryview, options: GetOptions | None
    ) -> Coroutine[Any, Any, int]:
        return into.get_into(io, self.client, path, view, options)

    def get_range(self, io: IO, path: str, start: int, end: int) -> Coroutine[Any, Any, Bytes]:
        return getting.get_range(io, self.client, path, start, end)

    def get_ranges(
        self, io: IO, path: str, ranges: builtins.list[tuple[int, int]], coalesce: int
    ) -> Coroutine[Any, Any, builtins.list[Bytes]]:
        return getting.get_ranges(io, self.client, path, ranges, coalesce)

    def head(self, io: IO, path: str) -> Coroutine[Any, Any, ObjectMeta]:
        return getting.head(io, self.client, path)

    def put(self, io: IO, path: str, payload: Buffer, options: PutOptions) -> Coroutine[Any, Any, PutResult]:
        return putting.put(io, self.client, path, payload, options)

    def put_source(
        self, io: IO, path: str, source: Source, options: PutOptions
    ) -> Coroutine[Any, Any, PutResult]:
        return putting.put_source(io, self.client, path, source, options)

    def delete(self, io: IO, paths: builtins.list[str]) -> Coroutine[Any, Any, None]:
        return deleting.delete(io, self.client, paths)

    def list(self, prefix: str | None, offset: str | None) -> listing.Pager:
        return listing.Pager(self.client, prefix, offset)

    def list_with_delimiter(self, io: IO, prefix: str | None) -> Coroutine[Any, Any, Listing]:
        return listing.list_with_delimiter(io, self.client, prefix)

    def copy(self, io: IO, from_: str, to: str, overwrite: bool) -> Coroutine[Any, Any, None]:
        return copying.copy(io, self.client, from_, to, overwrite)

    def rename(self, io: IO, from_: str, to: str, overwrite: bool) -> Coroutine[Any, Any, None]:
        return copying.rename(io, self.client, from_, to, overwrite)

    async def sign(
        self, io: IO, method: str, paths: builtins.list[str], expires_in_seconds: int
    ) -> builtins.list[str]:
        client = self.client
        if client.stale_at < time.time():
            await client.refresh(io)
        return [client.presign(method, path, expires_in_seconds) for path in paths]
