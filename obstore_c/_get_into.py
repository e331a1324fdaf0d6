"""get_into: read an object into memory that the caller has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._checks import backend_for
from ._get_options import check_read_options
from ._lib.engine import CallerMemory
from ._ops.drive import run, run_async

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from typing_extensions import Buffer

    from ._backend import Backend
    from ._get_options import GetOptions
    from ._ops.io import IO
    from .store import ObjectStoreMethods

__all__ = ["get_into", "get_into_async"]


def get_into(
    store: ObjectStoreMethods, path: str, buffer: Buffer, *, options: GetOptions | None = None
) -> int:
    """Read an object into a buffer.

    Over HTTP the bytes are written where they belong as they arrive, without a copy, and large objects come
    over several connections. obstore has nothing like it.

    Args:
        store: the store to read from.
        path: the object's key.
        buffer: anything writable and contiguous, of whatever item type: a `bytearray`, a `memoryview`, a
            NumPy array, pinned memory. It is filled from its start; what is behind the last byte stays as it
            is, unless a server ignores a `range`. Don't touch it until the call is over. After an exception
            its content is undefined, and nothing is written into it any more.

    Keyword Args:
        options: conditions, a range, a version: see `GetOptions`.

    Returns:
        How many bytes were written.

    Raises:
        FileNotFoundError: there is no such object.
        TypeError: the buffer is read-only or has gaps, or is no buffer at all.
        ValueError: there are more bytes to read than the buffer has room for.
        PreconditionError: a condition does not hold, or the object was changed while it was being read.
        NotModifiedError: `if_none_match` or `if_modified_since` does not hold.

    Example:
        >>> from obstore_c.store import MemoryStore
        >>> store = MemoryStore()
        >>> _ = store.put("file.txt", b"hello world")
        >>> buffer = bytearray(16)
        >>> count = store.get_into("file.txt", buffer)
        >>> count, bytes(buffer[:count])
        (11, b'hello world')
        >>> store.get_into("file.txt", memoryview(buffer)[:5], options={"range": (6, 11)})
        5
        >>> bytes(buffer[:count])
        b'world world'
    """
    backend = backend_for(store, path)
    _check_buffer(buffer)
    return run(_get_into, backend, path, buffer, options if options is None else check_read_options(options))


def get_into_async(
    store: ObjectStoreMethods, path: str, buffer: Buffer, *, options: GetOptions | None = None
) -> Coroutine[Any, Any, int]:
    """Call `get_into` asynchronously."""
    backend = backend_for(store, path)
    _check_buffer(buffer)
    return run_async(
        _get_into, backend, path, buffer, options if options is None else check_read_options(options)
    )


def _check_buffer(buffer: object) -> None:
    try:
        CallerMemory(buffer)  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError) as error:
        # Python's own readinto() says TypeError to all of them.
        raise TypeError(f"buffer must be a writable and contiguous buffer: {error}") from None


async def _get_into(io: IO, backend: Backend, path: str, buffer: Buffer, options: GetOptions | None) -> int:
    view = memoryview(CallerMemory(buffer))
    try:
        return await backend.get_into(io, path, view, options)
    except BaseException as error:
        _forget_locals(error)
        raise
    finally:
        del view


def _forget_locals(error: BaseException) -> None:
    """Clear our frames in the traceback: they hold views of the buffer, which then could not be resized."""
    from contextlib import suppress

    seen: BaseException | None = error
    while seen is not None:
        traceback = seen.__traceback__
        while traceback is not None:
            frame = traceback.tb_frame
            if frame.f_globals.get("__name__", "").startswith("obstore_c."):
                with suppress(RuntimeError):  # it is running
                    frame.clear()
            traceback = traceback.tb_next
        seen = seen.__context__
