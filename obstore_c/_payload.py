"""What `put` can be given, and how it becomes bytes.

A buffer is sent as it is, from the caller's memory. Everything else is read first: reading may block, so
under asyncio it happens in a worker thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ._backend import Backend, PutOptions
    from ._ops.io import IO, Buffer
    from ._put import PutResult


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
    return await backend.put(io, path, await read_payload(io, file), options)


async def read_payload(io: IO, file: object) -> Buffer:
    """Operation: return all bytes of `file`, whatever it is.

    Raises:
        TypeError: `file` is nothing that has bytes, or yields something else than bytes.
        ValueError: an asynchronous iterator in a blocking call.
        OSError: a local file that cannot be read.
    """
    buffer = as_buffer(file)
    if buffer is not None:
        return buffer
    if isinstance(file, (str, PathLike)):
        return await io.call(_read_path, fspath(file))
    if isinstance(file, AsyncIterable) and not io.blocking:
        return _joined([_checked(item) async for item in file])
    if hasattr(file, "read"):
        return await io.call(_read_file, file)
    if isinstance(file, (list, tuple)):
        return _drain(file)
    if isinstance(file, Iterable):
        return await io.call(_drain, file)
    if isinstance(file, AsyncIterable):
        raise ValueError("put cannot wait for an asynchronous iterator; await put_async instead")
    raise TypeError(
        f"file must be a buffer, a path, a binary file or an iterator of buffers, not {type(file).__name__}"
    )


def _read_path(path: str | bytes) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (pathlib would cost its import)
            return file.read()
    except FileNotFoundError as error:
        if isinstance(path, str):
            error.add_note("A str is taken for the path of a local file; pass bytes to store text itself.")
        raise


def _read_file(file: Any) -> Buffer:
    # Until it gives nothing, since a raw file may return less than all.
    parts = []
    while part := file.read():
        parts.append(_checked(part, "file.read() returned"))
    if part is not None:
        _checked(part, "file.read() returned")
    return _joined(parts)


def _drain(items: Iterable[object]) -> Buffer:
    return _joined([_checked(item) for item in items])


def _checked(item: object, what: str = "file yielded") -> Buffer:
    buffer = as_buffer(item)
    if buffer is None:
        hint = "; open it in binary mode" if isinstance(item, str) else ""
        raise TypeError(f"{what} {type(item).__name__} where bytes were expected{hint}")
    return buffer


def _joined(parts: list[Buffer]) -> Buffer:
    return parts[0] if len(parts) == 1 else b"".join(parts)
