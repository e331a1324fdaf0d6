"""list, list_with_delimiter: find objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypedDict, TypeVar, cast, overload

from ._checks import backend_of, check_count, check_flag, check_prefix
from ._ops.drive import run, run_async

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Coroutine, Sequence
    from datetime import datetime

    from arro3.core import RecordBatch, Table

    from ._backend import Backend, Pager
    from ._ops.io import IO
    from .store import ObjectStoreMethods


class ObjectMeta(TypedDict):
    """What a store knows about an object."""

    path: str
    """The object's key."""

    last_modified: datetime
    """When it was stored, in UTC."""

    size: int
    """How many bytes it has."""

    e_tag: str | None
    """What identifies its content, in quotes."""

    version: str | None
    """Its version, None where the store has no versions."""


ListChunkType = TypeVar("ListChunkType", covariant=True)
"""What a listing comes in: a list of `ObjectMeta`, or with `return_arrow=True` an Arrow `RecordBatch` or
`Table`."""


class ListResult(TypedDict, Generic[ListChunkType]):
    """One level of a listing."""

    common_prefixes: Sequence[str]
    """What would be folders: the prefixes that the deeper keys share, without the final slash."""

    objects: ListChunkType
    """The objects of this level."""


class ListStream(Generic[ListChunkType]):
    """A listing, in chunks, for `for` or `async for`. Made by `list`.

    Requests are sent as the chunks are taken; when it is done, it stays empty.
    """

    __slots__ = ("_busy", "_chunk_size", "_found", "_pager")

    def __init__(self, pager: Pager, chunk_size: int, found: Found) -> None:
        """Not for users."""
        self._pager: Pager | None = pager
        self._chunk_size = chunk_size
        self._found = found
        self._busy = False

    def __iter__(self) -> ListStream[ListChunkType]:
        """Return the stream itself."""
        return self

    def __aiter__(self) -> ListStream[ListChunkType]:
        """Return the stream itself."""
        return self

    def __next__(self) -> ListChunkType:
        """Wait for the next chunk."""
        if not self._has(self._chunk_size):
            run(self._read, self._chunk_size)
        if not len(self._found):
            raise StopIteration
        return cast("ListChunkType", self._found.take(self._chunk_size))

    async def __anext__(self) -> ListChunkType:
        """Wait for the next chunk."""
        if not self._has(self._chunk_size):
            await run_async(self._read, self._chunk_size)
        if not len(self._found):
            raise StopAsyncIteration
        return cast("ListChunkType", self._found.take(self._chunk_size))

    def collect(self) -> ListChunkType:
        """Wait for all that is left of the listing and return it as one chunk, whatever `chunk_size` says."""
        if not self._has(None):
            run(self._read, None)
        return cast("ListChunkType", self._found.take(None))

    async def collect_async(self) -> ListChunkType:
        """Call `collect` asynchronously."""
        if not self._has(None):
            await run_async(self._read, None)
        return cast("ListChunkType", self._found.take(None))

    def _has(self, count: int | None) -> bool:
        """Whether `count` objects, or the last ones, are here; None: all of them."""
        if self._busy:
            raise RuntimeError("this listing is being read already; one reader at a time")
        return self._pager is None or (count is not None and len(self._found) >= count)

    async def _read(self, io: IO, count: int | None) -> None:
        """Operation: read as many pages as it takes."""
        self._busy = True
        try:
            while self._pager is not None and (count is None or len(self._found) < count):
                if not await self._found.read_page(io, self._pager):
                    self._pager = None
        finally:
            self._busy = False


class Found(Protocol):
    """The objects that a listing found and nobody took yet, in the form in which they will be taken."""

    def __len__(self) -> int: ...

    async def read_page(self, io: IO, pager: Pager) -> bool:
        """Add the next page; False if there is none left."""
        ...

    def take(self, count: int | None) -> Any:
        """Take the first `count` objects away, or as many as there are; all of them if None."""
        ...


class FoundDicts:
    """Objects as dicts. `after`: those up to this path are left out."""

    __slots__ = ("_after", "_objects", "_taken")

    def __init__(self, after: str | None = None) -> None:
        self._after = after
        self._objects: builtins.list[ObjectMeta] = []
        self._taken = 0

    def __len__(self) -> int:
        return len(self._objects) - self._taken

    async def read_page(self, io: IO, pager: Pager) -> bool:
        page = await pager.next_page(io)
        if page is None:
            return False
        if self._after is not None:
            # There are servers that keep to it only if it is a key of theirs.
            page = [meta for meta in page if meta["path"] > self._after]
        del self._objects[: self._taken]
        self._taken = 0
        self._objects += page
        return True

    def take(self, count: int | None) -> builtins.list[ObjectMeta]:
        start = self._taken
        self._taken = len(self._objects) if count is None else min(start + count, len(self._objects))
        chunk = self._objects[start : self._taken]
        if self._taken == len(self._objects):
            self._objects, self._taken = [], 0
        return chunk


@overload
def list(
    store: ObjectStoreMethods,
    prefix: str | None = None,
    *,
    offset: str | None = None,
    chunk_size: int = 50,
    return_arrow: Literal[False] = False,
) -> ListStream[Sequence[ObjectMeta]]: ...
@overload
def list(
    store: ObjectStoreMethods,
    prefix: str | None = None,
    *,
    offset: str | None = None,
    chunk_size: int = 50,
    return_arrow: Literal[True],
) -> ListStream[RecordBatch]: ...
@overload
def list(
    store: ObjectStoreMethods,
    prefix: str | None = None,
    *,
    offset: str | None = None,
    chunk_size: int = 50,
    return_arrow: bool,
) -> ListStream[RecordBatch] | ListStream[Sequence[ObjectMeta]]: ...
def list(
    store: ObjectStoreMethods,
    prefix: str | None = None,
    *,
    offset: str | None = None,
    chunk_size: int = 50,
    return_arrow: bool = False,
) -> ListStream[RecordBatch] | ListStream[Sequence[ObjectMeta]]:
    """List the objects below a prefix, at any depth.

    There is no `list_async`: the stream that is returned serves both `for` and `async for`.

    Args:
        store: the store to list.
        prefix: list only keys below this one. A prefix ends at a slash: `"a"` and `"a/"` find `a/b` but not
            `ab`.

    Keyword Args:
        offset: list only keys that come after this one.
        chunk_size: how many objects each chunk has, the last one excepted. It has no influence on the
            requests, which ask for as many objects as the provider gives at once.
        return_arrow: give Arrow `RecordBatch`es (of the package `arro3-core`) instead of lists of dicts.

    Returns:
        A stream of chunks. The order is the provider's; S3 and memory sort by key.

    Raises:
        ImportError: `return_arrow` is True and `arro3-core` is not installed.

    Example:
        >>> from obstore_c.store import MemoryStore
        >>> store = MemoryStore()
        >>> for name in ("a/1", "a/2", "ab"):
        ...     _ = store.put(name, b"")
        >>> for chunk in store.list("a", chunk_size=10):
        ...     print([meta["path"] for meta in chunk])
        ['a/1', 'a/2']
    """
    backend = _checked_backend(store, prefix)
    check_prefix(offset, "offset")
    check_count("chunk_size", chunk_size, at_least=1)
    found: Found
    if check_flag("return_arrow", return_arrow):
        from ._arrow import FoundRows

        found = FoundRows(offset or None)
    else:
        found = FoundDicts(offset or None)
    return ListStream(backend.list(prefix, offset or None), chunk_size, found)


@overload
def list_with_delimiter(
    store: ObjectStoreMethods, prefix: str | None = None, *, return_arrow: Literal[True]
) -> ListResult[Table]: ...
@overload
def list_with_delimiter(
    store: ObjectStoreMethods, prefix: str | None = None, *, return_arrow: Literal[False] = False
) -> ListResult[Sequence[ObjectMeta]]: ...
def list_with_delimiter(
    store: ObjectStoreMethods, prefix: str | None = None, *, return_arrow: bool = False
) -> ListResult[Table] | ListResult[Sequence[ObjectMeta]]:
    """List one level below a prefix: its objects, and the prefixes of what is deeper.

    Args:
        store: the store to list.
        prefix: the level to list, None for the top. It ends at a slash, as in `list`.

    Keyword Args:
        return_arrow: give an Arrow `Table` (of the package `arro3-core`) instead of a list of dicts.

    Returns:
        The objects and the common prefixes. Paths are complete: `prefix` is not removed from them.

    Raises:
        ImportError: `return_arrow` is True and `arro3-core` is not installed.

    Example:
        >>> from obstore_c.store import MemoryStore
        >>> store = MemoryStore()
        >>> for name in ("a/1", "a/2/3", "b"):
        ...     _ = store.put(name, b"")
        >>> found = store.list_with_delimiter("a")
        >>> found["common_prefixes"], [meta["path"] for meta in found["objects"]]
        (['a/2'], ['a/1'])
    """
    backend = _checked_backend(store, prefix)
    return run(_list_level, backend, prefix, _table_builder(return_arrow))


@overload
def list_with_delimiter_async(
    store: ObjectStoreMethods, prefix: str | None = None, *, return_arrow: Literal[True]
) -> Coroutine[Any, Any, ListResult[Table]]: ...
@overload
def list_with_delimiter_async(
    store: ObjectStoreMethods, prefix: str | None = None, *, return_arrow: Literal[False] = False
) -> Coroutine[Any, Any, ListResult[Sequence[ObjectMeta]]]: ...
def list_with_delimiter_async(
    store: ObjectStoreMethods, prefix: str | None = None, *, return_arrow: bool = False
) -> Coroutine[Any, Any, ListResult[Table]] | Coroutine[Any, Any, ListResult[Sequence[ObjectMeta]]]:
    """Call `list_with_delimiter` asynchronously."""
    backend = _checked_backend(store, prefix)
    return run_async(_list_level, backend, prefix, _table_builder(return_arrow))


async def _list_level(
    io: IO, backend: Backend, prefix: str | None, build: Callable[[builtins.list[ObjectMeta]], Any]
) -> ListResult[Any]:
    common_prefixes, objects = await backend.list_with_delimiter(io, prefix)
    return {"common_prefixes": common_prefixes, "objects": build(objects)}


def _checked_backend(store: ObjectStoreMethods, prefix: str | None) -> Backend:
    check_prefix(prefix)
    return backend_of(store)


def _as_it_is(objects: builtins.list[ObjectMeta]) -> builtins.list[ObjectMeta]:
    return objects


def _table_builder(return_arrow: bool) -> Callable[[builtins.list[ObjectMeta]], Any]:
    if not check_flag("return_arrow", return_arrow):
        return _as_it_is
    from ._arrow import table

    return table
