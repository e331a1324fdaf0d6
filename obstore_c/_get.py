"""get, get_range, get_ranges: read objects, whole or in part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ._backend import CollectedBody
from ._checks import backend_for, check_count
from ._get_options import GetOptions, OffsetRange, SuffixRange, check_get_options, check_span, check_spans
from ._lib.buffer import Bytes
from ._ops.drive import run, run_async

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from ._attributes import Attributes
    from ._backend import Body
    from ._list import ObjectMeta
    from .store import ObjectStoreMethods

__all__ = [
    "BytesStream",
    "GetOptions",
    "GetResult",
    "OffsetRange",
    "SuffixRange",
    "get",
    "get_async",
    "get_range",
    "get_range_async",
    "get_ranges",
    "get_ranges_async",
]

_DEFAULT_CHUNK_SIZE = 10 * 1024 * 1024
# Over the network: every chunk is handed over by itself, and a smaller one is not worth what that costs.
_LEAST_CHUNK_SIZE = 64 * 1024


class GetResult:
    """An object that is being read: what is known about it, and its bytes, which can be taken once.

    Take them whole with `bytes` or `bytes_async`, or in pieces with `stream`. Iterating over the result, with
    `for` or with `async for`, is streaming with the default chunk size. A small object has arrived when `get`
    returns; of a large one the rest comes while it is read.

    Example:
        >>> from obstore_c.store import MemoryStore
        >>> store = MemoryStore()
        >>> _ = store.put("data", b"0123456789")
        >>> result = store.get("data")
        >>> result.meta["size"], result.range
        (10, (0, 10))
        >>> [len(chunk) for chunk in result.stream(min_chunk_size=4)]
        [4, 4, 2]
    """

    __slots__ = ("_attributes", "_body", "_meta", "_range")

    def __init__(
        self,
        meta: ObjectMeta | Callable[[], ObjectMeta],
        attributes: Attributes | Callable[[], Attributes],
        range: tuple[int, int] | Callable[[], tuple[int, int]],
        body: Bytes | Body,
    ) -> None:
        """Not for users. A callable is called when its value is first asked for: most never are."""
        self._meta = meta
        self._attributes = attributes
        self._range = range
        self._body: Bytes | Body | None = body

    @property
    def meta(self) -> ObjectMeta:
        """The object's metadata. `size` is that of the whole object, also when only a range was asked for."""
        meta = self._meta
        if callable(meta):
            meta = self._meta = meta()
        return meta

    @property
    def attributes(self) -> Attributes:
        """The attributes that were stored with the object."""
        attributes = self._attributes
        if callable(attributes):
            attributes = self._attributes = attributes()
        return attributes

    @property
    def range(self) -> tuple[int, int]:
        """The part of the object that this result holds, as `(start, end)` with `end` exclusive."""
        span = self._range
        if callable(span):
            span = self._range = span()
        return span

    def bytes(self) -> Bytes:
        """Wait for all bytes and return them as one buffer, without a copy.

        Raises:
            ValueError: the bytes have been taken before.
        """
        body = self._take()
        return body if body.__class__ is Bytes else run(cast("Body", body).collect)

    def bytes_async(self) -> Coroutine[Any, Any, Bytes]:
        """Call `bytes` asynchronously."""
        body = self._take()
        return _given(body) if isinstance(body, Bytes) else run_async(body.collect)

    def buffer(self) -> Bytes:
        """Wait for all bytes: another name of `bytes`."""
        return self.bytes()

    def buffer_async(self) -> Coroutine[Any, Any, Bytes]:
        """Call `buffer` asynchronously."""
        return self.bytes_async()

    def stream(self, min_chunk_size: int = _DEFAULT_CHUNK_SIZE) -> BytesStream:
        """Return the bytes as a stream of chunks. Memory in use is bounded, however large the object.

        Args:
            min_chunk_size: the least size of every chunk but the last, in bytes; 0 leaves the choice to this
                package. Chunks are no larger than that, or 64 KiB if that is more.

        Raises:
            ValueError: the bytes have been taken before.
        """
        size = check_count("min_chunk_size", min_chunk_size) or _DEFAULT_CHUNK_SIZE
        body = self._take()
        if isinstance(body, Bytes):
            return BytesStream(CollectedBody(body), size)
        return BytesStream(body, max(size, _LEAST_CHUNK_SIZE))

    def __iter__(self) -> BytesStream:
        """Stream with chunks of the default size, 10 MiB."""
        return self.stream()

    def __aiter__(self) -> BytesStream:
        """Stream with chunks of the default size, 10 MiB."""
        return self.stream()

    def __repr__(self) -> str:
        start, end = self.range
        state = ", already taken" if self._body is None else ""
        meta = self.meta
        return f"<GetResult: bytes {start} to {end} of {meta['path']!r}, which has {meta['size']}{state}>"

    def _change_meta(self, change: Callable[[ObjectMeta], ObjectMeta]) -> None:
        """Have `change` applied to the metadata when it is asked for."""
        meta = self._meta
        self._meta = lambda: change(meta() if callable(meta) else meta)

    def _take(self) -> Bytes | Body:
        body, self._body = self._body, None
        if body is None:
            raise ValueError("the bytes of this result have been taken; call get again for more")
        return body


async def _given(data: Bytes) -> Bytes:
    return data


class BytesStream:
    """The bytes of one `get`, in chunks, for `for` or `async for`. Made by `GetResult.stream`.

    Every chunk but the last has the size that was asked for. Dropping the stream ends the transfer.
    """

    __slots__ = ("_body", "_busy", "_size")

    def __init__(self, body: Body, size: int) -> None:
        """Not for users."""
        self._body: Body | None = body
        self._size = size
        self._busy = False

    def __iter__(self) -> BytesStream:
        """Return the stream itself."""
        return self

    def __aiter__(self) -> BytesStream:
        """Return the stream itself."""
        return self

    def __next__(self) -> bytes:
        """Wait for the next chunk."""
        chunk = run(self._read)
        if chunk is None:
            raise StopIteration
        return chunk

    async def __anext__(self) -> bytes:
        """Wait for the next chunk."""
        chunk = await run_async(self._read)
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def _read(self, io: Any) -> bytes | None:
        if self._body is None:
            return None
        if self._busy:
            raise RuntimeError("this stream is being read already; one reader at a time")
        self._busy = True
        try:
            chunk = await self._body.read_chunk(io, self._size)
        finally:
            self._busy = False
        if chunk is None:
            self._body = None
        return chunk


def get(store: ObjectStoreMethods, path: str, *, options: GetOptions | None = None) -> GetResult:
    """Read an object.

    Args:
        store: the store to read from.
        path: the object's key.

    Keyword Args:
        options: conditions, a range, a version: see `GetOptions`.

    Returns:
        The object's metadata and its bytes, which are still to be taken: `get(store, path).bytes()`.

    Raises:
        FileNotFoundError: there is no such object.
        PreconditionError: `if_match` or `if_unmodified_since` does not hold.
        NotModifiedError: `if_none_match` or `if_modified_since` does not hold.

    Example:
        >>> import obstore_c as obs
        >>> from obstore_c.store import MemoryStore
        >>> store = MemoryStore()
        >>> _ = obs.put(store, "file.txt", b"hello world")
        >>> bytes(obs.get(store, "file.txt").bytes())
        b'hello world'
        >>> bytes(obs.get(store, "file.txt", options={"range": {"suffix": 5}}).bytes())
        b'world'
    """
    backend = backend_for(store, path)
    return run(backend.get, path, options if options is None else check_get_options(options))


def get_async(
    store: ObjectStoreMethods, path: str, *, options: GetOptions | None = None
) -> Coroutine[Any, Any, GetResult]:
    """Call `get` asynchronously."""
    backend = backend_for(store, path)
    return run_async(backend.get, path, options if options is None else check_get_options(options))


def get_range(
    store: ObjectStoreMethods, path: str, *, start: int, end: int | None = None, length: int | None = None
) -> Bytes:
    """Read one range of an object.

    Args:
        store: the store to read from.
        path: the object's key.

    Keyword Args:
        start: the first byte.
        end: the byte after the last one.
        length: how many bytes; give either `end` or `length`.

    Returns:
        The bytes: fewer than asked for if the object ends within the range.

    Raises:
        FileNotFoundError: there is no such object.
        GenericError: the range starts at or after the object's end.
        ValueError: the range is empty, or `end` and `length` are both given or both missing.

    Example:
        >>> from obstore_c.store import MemoryStore
        >>> store = MemoryStore()
        >>> _ = store.put("file.txt", b"hello world")
        >>> bytes(store.get_range("file.txt", start=6, length=5))
        b'world'
    """
    backend = backend_for(store, path)
    return run(backend.get_range, path, *check_span(start, end, length))


def get_range_async(
    store: ObjectStoreMethods, path: str, *, start: int, end: int | None = None, length: int | None = None
) -> Coroutine[Any, Any, Bytes]:
    """Call `get_range` asynchronously."""
    backend = backend_for(store, path)
    return run_async(backend.get_range, path, *check_span(start, end, length))


def get_ranges(
    store: ObjectStoreMethods,
    path: str,
    *,
    starts: Sequence[int],
    ends: Sequence[int] | None = None,
    lengths: Sequence[int] | None = None,
    coalesce: int = 1024 * 1024,
) -> list[Bytes]:
    """Read several ranges of an object at once.

    Ranges that are near each other are fetched by one request; the requests run in parallel.

    Args:
        store: the store to read from.
        path: the object's key.

    Keyword Args:
        starts: the first byte of each range.
        ends: the byte after the last one of each range.
        lengths: how many bytes each range has; give either `ends` or `lengths`.
        coalesce: ranges at most this many bytes apart share a request; 0 means one request for each range.

    Returns:
        The bytes of each range, in the order given; fewer where the object ends within the range.

    Raises:
        FileNotFoundError: there is no such object.
        GenericError: a range starts at or after the object's end.
        ValueError: a range is empty, the sequences differ in length, or `ends` and `lengths` are both given
            or missing.

    Example:
        >>> from obstore_c.store import MemoryStore
        >>> store = MemoryStore()
        >>> _ = store.put("file.txt", b"hello world")
        >>> [bytes(part) for part in store.get_ranges("file.txt", starts=[0, 6], ends=[2, 8])]
        [b'he', b'wo']
    """
    backend = backend_for(store, path)
    spans = check_spans(starts, ends, lengths)
    return run(backend.get_ranges, path, spans, check_count("coalesce", coalesce))


def get_ranges_async(
    store: ObjectStoreMethods,
    path: str,
    *,
    starts: Sequence[int],
    ends: Sequence[int] | None = None,
    lengths: Sequence[int] | None = None,
    coalesce: int = 1024 * 1024,
) -> Coroutine[Any, Any, list[Bytes]]:
    """Call `get_ranges` asynchronously."""
    backend = backend_for(store, path)
    spans = check_spans(starts, ends, lengths)
    return run_async(backend.get_ranges, path, spans, check_count("coalesce", coalesce))
