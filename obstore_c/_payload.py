"""What `put` can be given, and how it becomes bytes.

A buffer is sent as it is, from the caller's memory. Everything else is a `Source`, which is read first: piece
by piece, so that a store that uploads in parts never holds more than some parts. Reading may block, so under
asyncio it happens in worker threads.
"""

from __future__ import annotations

import io as stdio
from collections.abc import AsyncIterable, Iterable
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import TypeAlias

    from ._backend import Backend, PutOptions
    from ._ops.io import IO, Buffer
    from ._put import PutResult

    Piece: TypeAlias = bytes | memoryview

# What a source is read in when all of it is wanted.
_PIECE = 4 << 20
# Most bodies are small: memory for a whole part is taken only when this is not enough.
_FIRST_MEMORY = 64 << 10


def as_buffer(file: object) -> Buffer | None:
    """Return `file` as contiguous bytes without a copy, or None if it is no buffer.

    Raises:
        TypeError: a buffer with gaps, such as every second element of an array.
    """
    if isinstance(file, bytes):
        return file
    try:
        view = memoryview(cast("Buffer", file))
    except TypeError:
        return None
    if not view.c_contiguous:
        raise TypeError("file must be a contiguous buffer; copy it first, for example with bytes(file)")
    if not view.nbytes:
        return b""
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


async def put_file(io: IO, backend: Backend, path: str, file: object, options: PutOptions) -> PutResult:
    """Operation: store what has to be read first."""
    if type(file) is stdio.BytesIO:
        result = await backend.put(io, path, file.getbuffer()[file.tell() :], options)
        file.seek(0, 2)
        return result
    source = source_of(file, blocking=io.blocking)
    try:
        await source.open(io)
        return await backend.put_source(io, path, source, options)
    finally:
        source.close()


def source_of(file: object, *, blocking: bool) -> Source:
    """Return the source that reads `file`, which is no buffer.

    Raises:
        TypeError: `file` is nothing that has bytes.
        ValueError: an asynchronous iterator in a blocking call.
    """
    if isinstance(file, (str, PathLike)):
        return PathSource(fspath(file))
    if isinstance(file, AsyncIterable) and not blocking:
        return AsyncSource(aiter(file))
    if type(file) in _RAW_READERS:
        return FileSource(file)
    if hasattr(file, "read"):
        return ReadSource(file)
    if isinstance(file, Iterable):
        return IterableSource(file)
    if isinstance(file, AsyncIterable):
        raise ValueError("put cannot wait for an asynchronous iterator; await put_async instead")
    raise TypeError(
        f"file must be a buffer, a path, a binary file or an iterator of buffers, not {type(file).__name__}"
    )


class Source:
    """Bytes that come one after another; read by one operation, once."""

    size: int | None = None
    """How many there are in all, if that is known; `read` then raises when it turns out to be wrong."""

    async def open(self, io: IO) -> None:
        """Prepare for reading, and find out the size."""

    async def read(self, io: IO, size: int) -> Piece:
        """Return the next `size` bytes, fewer only at the end. Nobody else changes them afterwards."""
        raise NotImplementedError

    async def read_all(self, io: IO) -> Piece:
        """Return everything."""
        if self.size is not None:
            return await self.read(io, self.size)
        pieces: list[Piece] = []
        while piece := await self.read(io, _PIECE):
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Let go of what `open` took."""


class BufferSource(Source):
    """Memory of the caller."""

    def __init__(self, buffer: Buffer) -> None:
        self._rest = memoryview(buffer)
        self.size = self._rest.nbytes

    async def read(self, io: IO, size: int) -> Piece:
        part, self._rest = self._rest[:size], self._rest[size:]
        return part


# --- files ------------------------------------------------------------------------------------------------


class FileSource(Source):
    """A binary file of the standard library, from its position on, read straight into the memory of parts.

    A subclass may do anything in its `read`, so it is not read this way.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._position = 0

    async def open(self, io: IO) -> None:
        await io.call(self._measure)

    def _measure(self) -> None:
        from os import fstat
        from stat import S_ISREG

        # A `BufferedReader` may read from something else, whose file has another size: a GzipFile does.
        raw = getattr(self._file, "raw", self._file)
        if type(raw) is not stdio.FileIO:
            return
        state = fstat(raw.fileno())
        # Files without a size, as in /proc, may have content all the same.
        if S_ISREG(state.st_mode) and (rest := state.st_size - self._file.tell()) > 0:
            self.size = rest

    async def read(self, io: IO, size: int) -> Piece:
        return await io.call(self._read, size)

    def _read(self, size: int) -> Piece:
        if self.size is not None:
            size = min(size, self.size - self._position)
        memory = Memory(size, at_once=self.size is not None or self._position > 0)
        while not memory.is_full:
            count = self._file.readinto(memory.room())
            if count is None:
                raise BlockingIOError("file is in non-blocking mode, and there is nothing to read right now")
            if count == 0:
                break
            memory.filled += count
        self._position += memory.filled
        self._check_size(memory)
        return memory.content()

    def _check_size(self, memory: Memory) -> None:
        if self.size is None:
            return
        if not memory.is_full:
            raise _changed(f"shrank from {self.size} to {self._position} bytes")
        if self._position == self.size and self._file.read(1):
            raise _changed(f"grew beyond the {self.size} bytes that it had")


_RAW_READERS = (stdio.FileIO, stdio.BufferedReader, stdio.BufferedRandom)


def _changed(how: str) -> Exception:
    from .exceptions import GenericError

    return GenericError(f"file {how} while it was being uploaded; nothing was stored")


class PathSource(FileSource):
    """A local file by name."""

    def __init__(self, path: str | bytes) -> None:
        from _thread import allocate_lock

        super().__init__(None)
        self._path = path
        self._closing = False
        self._reading = allocate_lock()

    def _measure(self) -> None:
        try:
            self._file = stdio.FileIO(self._path)
        except FileNotFoundError as error:
            if isinstance(self._path, str):
                error.add_note(
                    "A str is taken for the path of a local file; pass bytes to store text itself."
                )
            raise
        super()._measure()
        self._close_if_asked()

    def _read(self, size: int) -> Piece:
        with self._reading:
            content = super()._read(size)
        self._close_if_asked()
        return content

    def close(self) -> None:
        # A cancelled operation leaves a worker thread behind that may be reading: its descriptor must not
        # become another file's, so then the thread closes it.
        self._closing = True
        self._close_if_asked()

    def _close_if_asked(self) -> None:
        if self._closing and self._file is not None and self._reading.acquire(blocking=False):
            self._file.close()
            self._reading.release()


# --- pieces of any size -----------------------------------------------------------------------------------


class IterableSource(Source):
    """Buffers that an iterable yields."""

    def __init__(self, items: Iterable[object]) -> None:
        self._items = iter(items)
        self._in_memory = isinstance(items, (list, tuple))
        self._pieces = Pieces()

    async def read(self, io: IO, size: int) -> Piece:
        return self._read(size) if self._in_memory else await io.call(self._read, size)

    def _read(self, size: int) -> Piece:
        pieces = self._pieces
        while (part := pieces.take(size)) is None:
            if (item := self._next(size)) is None:
                return pieces.take_rest()
            pieces.add(item)
        return part

    def _next(self, size: int) -> Buffer | None:
        """The next buffer, None at the end. One of `size` bytes would be just right."""
        for item in self._items:
            return _checked(item, "file yielded")
        return None


class ReadSource(IterableSource):
    """Whatever has a `read(size)`, from its position on."""

    def __init__(self, file: Any) -> None:
        super().__init__(())
        self._in_memory = False
        self._file = file

    def _next(self, size: int) -> Buffer | None:
        data = self._file.read(size)
        if data is None:
            raise BlockingIOError("file is in non-blocking mode, and there is nothing to read right now")
        return _checked(data, "file.read() returned") or None


class AsyncSource(Source):
    """Buffers that an asynchronous iterator yields."""

    def __init__(self, items: AsyncIterator[object]) -> None:
        self._items = items
        self._pieces = Pieces()

    async def read(self, io: IO, size: int) -> Piece:
        pieces = self._pieces
        while (part := pieces.take(size)) is None:
            try:
                item = await anext(self._items)
            except StopAsyncIteration:
                return pieces.take_rest()
            pieces.add(_checked(item, "file yielded"))
        return part


class Pieces:
    """Makes parts of one size out of buffers of any size.

    What can change after it was yielded, such as an array that a generator fills again and again, is copied
    at once. A part that lies within one `bytes` object is a view of it.
    """

    __slots__ = ("_at_once", "_immutable", "_memory", "_rest")

    def __init__(self) -> None:
        self._rest = memoryview(b"")
        self._immutable = True
        self._memory: Memory | None = None
        self._at_once = False

    def add(self, item: Buffer) -> None:
        """Take the next buffer. `take` has used up the one before."""
        from ._lib.buffer import Bytes

        self._rest = memoryview(item)
        self._immutable = type(self._rest.obj) in (bytes, Bytes)

    def take(self, size: int) -> Piece | None:
        """Return the next `size` bytes, or None if `add` has to bring more: then ask for as many again."""
        rest = self._rest
        if self._memory is None and self._immutable and len(rest) >= size:
            self._rest = rest[size:]
            return rest[:size]
        if not len(rest):
            return None
        if self._memory is None:
            self._memory = Memory(size, at_once=self._at_once)
        self._rest = self._memory.fill(rest)
        return self.take_rest() if self._memory.is_full else None

    def take_rest(self) -> Piece:
        """Return what there is, fewer bytes than a part."""
        memory, self._memory = self._memory, None
        self._at_once = True  # the first part was full, so the next will be, too
        return b"" if memory is None else memory.content()


class Memory:
    """Memory of a part while it is filled.

    Args:
        size: how much it can hold.
        at_once: take all of it; else only a bit until that is full.
    """

    __slots__ = ("_size", "_view", "filled")

    def __init__(self, size: int, *, at_once: bool) -> None:
        self._size = size
        self.filled = 0
        small = size <= _FIRST_MEMORY or not at_once
        self._view = memoryview(bytearray(min(size, _FIRST_MEMORY))) if small else _slab(size)

    @property
    def is_full(self) -> bool:
        """Whether there is no room left."""
        return self.filled == self._size

    def room(self) -> memoryview:
        """Memory to write into; count what was written in `filled`."""
        if self.filled == len(self._view) < self._size:
            grown = _slab(self._size)
            grown[: self.filled] = self._view
            self._view = grown
        return self._view[self.filled :]

    def fill(self, data: memoryview) -> memoryview:
        """Copy as much of `data` as there is room for, and return the rest of it."""
        while len(data) and not self.is_full:
            room = self.room()
            count = min(len(room), len(data))
            room[:count] = data[:count]
            self.filled += count
            data = data[count:]
        return data

    def content(self) -> memoryview:
        """What was written."""
        return self._view[: self.filled]


def _slab(size: int) -> memoryview:
    from ._lib.engine import Slab

    return memoryview(Slab(size))


def _checked(item: object, what: str) -> Buffer:
    buffer = as_buffer(item)
    if buffer is None:
        hint = "; open it in binary mode" if isinstance(item, str) else ""
        raise TypeError(f"{what} {type(item).__name__} where bytes were expected{hint}")
    return buffer
