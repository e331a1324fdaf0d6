"""Stores that live below a prefix of another store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._backend import Backend, Listing
from ._checks import backend_of, check_path
from .store import ObjectStoreMethods

if TYPE_CHECKING:
    import builtins

    from ._backend import Pager, PutOptions
    from ._get import GetOptions, GetResult
    from ._list import ObjectMeta
    from ._ops.io import IO, Buffer
    from ._payload import Source


class PrefixStore(ObjectStoreMethods):
    """A part of another store, seen as a store of its own.

    Every path that is given to it gets the prefix, and loses it again in what it returns. Nothing outside of
    the prefix can be reached.

    Example:
        >>> from obstore_c.store import MemoryStore
        >>> store = MemoryStore()
        >>> part = PrefixStore(store, "data/2024")
        >>> _ = part.put("file.txt", b"hello")
        >>> part.list().collect()[0]["path"], store.list().collect()[0]["path"]
        ('file.txt', 'data/2024/file.txt')
    """

    def __init__(self, store: ObjectStoreMethods, prefix: str) -> None:
        """Make a store of what is below `prefix`.

        Args:
            store: any store.
            prefix: what the keys start with, as whole segments; slashes around it do not count.
        """
        inner = backend_of(store)
        self._store = store
        self._prefix = normal_prefix(prefix)
        self._backend: Backend = PrefixBackend(inner, self._prefix) if self._prefix else inner

    @property
    def store(self) -> ObjectStoreMethods:
        """The store that this is a part of."""
        return self._store

    @property
    def prefix(self) -> str:
        """The prefix, without slashes around it."""
        return self._prefix

    def __repr__(self) -> str:
        return f"PrefixStore({self._store!r}, {self._prefix!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PrefixStore):
            return NotImplemented
        return self._prefix == other._prefix and self._store == other._store

    def __hash__(self) -> int:
        return hash((PrefixStore, self._prefix))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._store, self._prefix)


def normal_prefix(prefix: str | None) -> str:
    """Return a store's prefix without slashes around it; empty means that there is none."""
    if prefix is None:
        return ""
    check_path(prefix, "prefix", empty_allowed=True)
    return prefix.strip("/")


class PrefixBackend(Backend):
    """The operations of `inner`, below a prefix that is not empty and has no slashes around it."""

    empty_path_allowed = True  # it is the object whose key is the prefix itself

    def __init__(self, inner: Backend, prefix: str) -> None:
        self._inner = inner
        self._prefix = prefix
        self._stem = prefix + "/"

    def _full(self, path: str) -> str:
        return self._stem + path if path else self._prefix

    def _relative(self, meta: ObjectMeta) -> ObjectMeta:
        meta["path"] = meta["path"][len(self._stem) :]
        return meta

    async def get(self, io: IO, path: str, options: GetOptions | None) -> GetResult:
        result = await self._inner.get(io, self._full(path), options)
        result._change_meta(self._relative)
        return result

    def get_into(self, io: IO, path: str, view: memoryview, options: GetOptions | None) -> Any:
        return self._inner.get_into(io, self._full(path), view, options)

    def get_range(self, io: IO, path: str, start: int, end: int) -> Any:
        return self._inner.get_range(io, self._full(path), start, end)

    def get_ranges(self, io: IO, path: str, ranges: builtins.list[tuple[int, int]], coalesce: int) -> Any:
        return self._inner.get_ranges(io, self._full(path), ranges, coalesce)

    async def head(self, io: IO, path: str) -> ObjectMeta:
        return self._relative(await self._inner.head(io, self._full(path)))

    def put(self, io: IO, path: str, payload: Buffer, options: PutOptions) -> Any:
        return self._inner.put(io, self._full(path), payload, options)

    def put_source(self, io: IO, path: str, source: Source, options: PutOptions) -> Any:
        return self._inner.put_source(io, self._full(path), source, options)

    def delete(self, io: IO, paths: builtins.list[str]) -> Any:
        return self._inner.delete(io, [self._full(path) for path in paths])

    def list(self, prefix: str | None, offset: str | None) -> _PrefixPager:
        pager = self._inner.list(self._stem + (prefix or ""), None if offset is None else self._stem + offset)
        return _PrefixPager(self, pager)

    async def list_with_delimiter(self, io: IO, prefix: str | None) -> Listing:
        directories, objects = await self._inner.list_with_delimiter(io, self._stem + (prefix or ""))
        return [each[len(self._stem) :] for each in directories], self._relative_page(objects)

    def copy(self, io: IO, from_: str, to: str, overwrite: bool) -> Any:
        return self._inner.copy(io, self._full(from_), self._full(to), overwrite)

    def rename(self, io: IO, from_: str, to: str, overwrite: bool) -> Any:
        return self._inner.rename(io, self._full(from_), self._full(to), overwrite)

    def sign(self, io: IO, method: str, paths: builtins.list[str], expires_in_seconds: int) -> Any:
        return self._inner.sign(io, method, [self._full(path) for path in paths], expires_in_seconds)

    def _relative_page(self, objects: builtins.list[ObjectMeta]) -> builtins.list[ObjectMeta]:
        # The key that is the prefix and a slash is how consoles mark a folder: this store itself, not
        # something in it.
        return [self._relative(meta) for meta in objects if len(meta["path"]) > len(self._stem)]


class _PrefixPager:
    """A listing of the inner store, with the prefix taken away."""

    def __init__(self, backend: PrefixBackend, pager: Pager) -> None:
        self._backend = backend
        self._pager = pager

    async def next_page(self, io: IO) -> builtins.list[ObjectMeta] | None:
        page = await self._pager.next_page(io)
        return None if page is None else self._backend._relative_page(page)
