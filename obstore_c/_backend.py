"""What a store has to be able to do, inside.

The public verbs check their arguments and hand them to a `Backend`; everything a backend is given here has
been checked. An operation is a coroutine whose first argument `io` knows how to wait. It awaits nothing else,
so one body serves the blocking verbs and asyncio alike (see `_ops/drive.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ._checks import too_small
from ._lib.buffer import Bytes
from .exceptions import NotSupportedError

if TYPE_CHECKING:
    import builtins

    from ._attributes import Attributes
    from ._get import GetOptions, GetResult
    from ._list import ObjectMeta
    from ._ops.io import IO, Buffer
    from ._payload import Source
    from ._put import PutMode, PutResult


class Pager(Protocol):
    """A listing, page by page, in the provider's own page size."""

    async def next_page(self, io: IO) -> builtins.list[ObjectMeta] | None:
        """Return the next page, or None after the last one. The caller may change the dicts it is given."""
        ...


class Body(Protocol):
    """The bytes of a `GetResult` that has not been read. It is read once, by one reader."""

    async def collect(self, io: IO) -> Bytes:
        """Return everything."""
        ...

    async def read_chunk(self, io: IO, size: int) -> bytes | None:
        """Return the next `size` bytes, fewer only at the end, None after it."""
        ...

    async def read_piece(self, io: IO) -> tuple[int, Buffer] | None:
        """Return a piece that was not read yet and where it starts, None after the last one.

        Pieces have some megabytes and come in any order. Drop each before the next one is read: its memory is
        used again.
        """
        ...

    async def read_into(self, io: IO, memory: memoryview) -> int:
        """Fill `memory` from its start with everything, and return how many bytes that is. Once.

        Raises:
            ValueError: the memory is too small.
        """
        ...

    def close(self) -> None:
        """Give up what is still on its way; may be called again."""
        ...


class CollectedBody:
    """A body that is in memory."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: Bytes) -> None:
        self._data: Bytes | None = data
        self._position = 0

    async def collect(self, io: IO) -> Bytes:
        data = self._require()
        self._data = None
        return data

    async def read_chunk(self, io: IO, size: int) -> bytes | None:
        data = self._require()
        start = self._position
        if start >= len(data):
            return None
        self._position = start + size
        return data[start : start + size].to_bytes()

    async def read_piece(self, io: IO) -> tuple[int, Buffer] | None:
        data = self._require()
        start, self._position = self._position, len(data)
        return (start, data[start:]) if start < len(data) else None

    async def read_into(self, io: IO, memory: memoryview) -> int:
        data = self._require()
        if len(data) > len(memory):
            raise too_small("this body", len(data), len(memory))
        memory[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._data = None

    def _require(self) -> Bytes:
        if self._data is None:
            raise ValueError("this body has been closed")
        return self._data


class PutOptions:
    """How to store an object. Checked: `attributes` and `tags` are None or not empty, "overwrite" is None."""

    __slots__ = ("attributes", "chunk_size", "max_concurrency", "mode", "tags", "use_multipart")

    def __init__(
        self,
        attributes: Attributes | None = None,
        tags: dict[str, str] | None = None,
        mode: PutMode | None = None,
        use_multipart: bool | None = None,
        chunk_size: int = 5 * 1024 * 1024,
        max_concurrency: int = 12,
    ) -> None:
        self.attributes = attributes
        self.tags = tags
        self.mode = mode
        self.use_multipart = use_multipart
        self.chunk_size = chunk_size
        self.max_concurrency = max_concurrency


DEFAULT_PUT_OPTIONS = PutOptions()

Listing: TypeAlias = "tuple[builtins.list[str], builtins.list[ObjectMeta]]"
"""What `list_with_delimiter` gives: the common prefixes and the objects of one level."""


class Backend(ABC):
    """The operations of one store. `MemoryBackend` is the shortest complete example.

    Keys are used as given. Listing prefixes are made of whole segments: see `segment_prefix`.
    """

    empty_path_allowed = False
    """Whether the empty path names something, as it does where the store's URL or prefix is itself an
    object."""

    @abstractmethod
    async def get(self, io: IO, path: str, options: GetOptions | None) -> GetResult:
        """Start reading an object."""

    async def get_into(self, io: IO, path: str, view: memoryview, options: GetOptions | None) -> int:
        """Read an object into `view`, from its start, and return how many bytes that is.

        When this raises, nothing is written into `view` any more.
        """
        return await fill(io, path, await self.get(io, path, options), view)

    @abstractmethod
    async def get_range(self, io: IO, path: str, start: int, end: int) -> Bytes:
        """Read the bytes from `start` to before `end`, fewer if the object ends earlier."""

    @abstractmethod
    async def get_ranges(
        self, io: IO, path: str, ranges: builtins.list[tuple[int, int]], coalesce: int
    ) -> builtins.list[Bytes]:
        """Read several ranges, merging those at most `coalesce` bytes apart into one request."""

    @abstractmethod
    async def head(self, io: IO, path: str) -> ObjectMeta:
        """Look an object up."""

    @abstractmethod
    async def put(self, io: IO, path: str, payload: Buffer, options: PutOptions) -> PutResult:
        """Store an object. `payload` is contiguous; it must not be kept after the operation."""

    async def put_source(self, io: IO, path: str, source: Source, options: PutOptions) -> PutResult:
        """Store what has to be read first. A store that takes an object piece by piece reads it so."""
        return await self.put(io, path, await source.read_all(io), options)

    @abstractmethod
    async def delete(self, io: IO, paths: builtins.list[str]) -> None:
        """Delete objects."""

    @abstractmethod
    def list(self, prefix: str | None, offset: str | None) -> Pager:
        """Prepare a listing of all keys below `prefix` that come after `offset`; nothing is sent yet."""

    @abstractmethod
    async def list_with_delimiter(self, io: IO, prefix: str | None) -> Listing:
        """List one level below `prefix`."""

    @abstractmethod
    async def copy(self, io: IO, from_: str, to: str, overwrite: bool) -> None:
        """Copy an object within the store."""

    @abstractmethod
    async def rename(self, io: IO, from_: str, to: str, overwrite: bool) -> None:
        """Move an object within the store. `from_` and `to` differ."""

    async def sign(
        self, io: IO, method: str, paths: builtins.list[str], expires_in_seconds: int
    ) -> builtins.list[str]:
        """Create a signed URL for each path."""
        raise NotSupportedError("this store has no signed URLs; S3, Google Cloud Storage and Azure have")


async def fill(io: IO, path: str, result: GetResult, view: memoryview) -> int:
    """Operation: `get_into` with the result of a `get`."""
    body = result._take()
    if not isinstance(body, Bytes):
        return await body.read_into(io, view)
    size = len(body)
    if size > len(view):
        raise too_small(path, size, len(view))
    view[:size] = memoryview(body)
    return size


def segment_prefix(prefix: str | None) -> str:
    """Return the string that all keys below `prefix` start with.

    Both `"a"` and `"a/"` mean the keys that start with `"a/"`, never `"ab"`; None and `""` mean every key.
    All else is taken as given, so `"a//"` means the keys below the empty segment in `"a/"`.
    """
    if not prefix or prefix.endswith("/"):
        return prefix or ""
    return prefix + "/"


def common_prefix(directory: str) -> str:
    """Return how `list_with_delimiter` reports the keys that start with `directory`, which ends with a slash.

    That is without the slash, unless the segment is empty: `"a//"` stays, because `"a/"` would mean its
    parent, and a walk that descends into what it finds would never end.
    """
    stem = directory[:-1]
    return directory if not stem or stem.endswith("/") else stem
