"""download: an object becomes a file, whole or not at all.

The bytes go into a new file in the same directory, which takes the name of the file asked for when it is
complete. Whatever goes wrong before leaves nothing behind, except that a process that is killed leaves a file
called `.obstore_c-*.partial`.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from errno import EISDIR
from pathlib import Path
from typing import TYPE_CHECKING

from obstore_c._lib.buffer import Bytes

if TYPE_CHECKING:
    from obstore_c._backend import Backend
    from obstore_c._get import GetOptions
    from obstore_c._list import ObjectMeta
    from obstore_c._ops.io import IO, Buffer

_WRITE_AT_ONCE = 8 << 20
_FLAGS = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)


async def download(
    io: IO, backend: Backend, path: str, target: str, options: GetOptions | None
) -> ObjectMeta:
    """Store an object as the file `target`, and return its metadata."""
    result = await backend.get(io, path, options)
    body = result._take()
    file = NewFile(target)
    try:
        if isinstance(body, Bytes):
            await io.call(file.save, body)  # one way to a thread and back, not three
        else:
            await io.call(file.open)
            while (piece := await body.read_piece(io)) is not None:
                start, data = piece
                box = [data]
                del piece, data
                await io.call(file.write_from, box, start)
            await io.call(file.finish)
    except GeneratorExit:
        file.discard()
        raise
    except BaseException:
        try:
            await io.call(file.discard)
        finally:
            file.discard()
        raise
    finally:
        if not isinstance(body, Bytes):
            body.close()
    return result.meta


class NewFile:
    """A file in the making. Its methods block; they may be called from several threads.

    Under asyncio a thread may be writing still when the task that asked for it is cancelled. So there is a
    lock, and nothing happens any more once `discard` has returned.
    """

    __slots__ = ("_descriptor", "_lock", "_name", "_over", "_target")

    def __init__(self, target: str) -> None:
        from threading import Lock

        self._target: str | Path = target
        self._lock = Lock()
        self._descriptor = -1
        self._name: Path | None = None
        self._over = False

    def open(self) -> None:
        """Make the new file, with the permissions that `open` would give it.

        Raises:
            OSError: the directory is missing, must not be written, ...
            ValueError: the target is no regular file.
        """
        with self._lock:
            self._check()
            permissions = _permissions_of(self._target)
            self._target = Path(self._target).resolve()  # a link stays, what it leads to is replaced
            self._name = self._target.parent / f".obstore_c-{os.urandom(8).hex()}.partial"
            self._descriptor = os.open(self._name, _FLAGS, 0o666)
            if permissions is not None and hasattr(os, "fchmod"):
                os.fchmod(self._descriptor, permissions)

    def write(self, data: Buffer, start: int) -> None:
        """Write `data` to its place."""
        with self._lock:
            self._check()
            os.lseek(self._descriptor, start, os.SEEK_SET)  # Windows has no pwrite
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]

    def write_from(self, box: list[Buffer], start: int) -> None:
        """Write what is in the box and take it out: whoever called may still have his arguments."""
        self.write(box.pop(), start)

    def finish(self) -> None:
        """Let the new file take the target's name."""
        with self._lock:
            self._check()
            self._close()
            assert self._name is not None
            self._name.replace(self._target)
            self._over = True

    def save(self, data: Bytes) -> None:
        """All of it at once."""
        self.open()
        for start in range(0, len(data), _WRITE_AT_ONCE):
            self.write(data[start : start + _WRITE_AT_ONCE], start)
        self.finish()

    def discard(self) -> None:
        """Remove the new file, unless it was finished. May be called again."""
        with self._lock:
            if self._over:
                return
            self._over = True
            with suppress(OSError):
                self._close()
            if self._name is not None:
                with suppress(OSError):  # it was never made, or somebody else has tidied up
                    self._name.unlink()

    def _check(self) -> None:
        if self._over:
            raise RuntimeError("this file was given up")

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _permissions_of(target: str | Path) -> int | None:
    """The permissions of the file that will be replaced, None if there is none."""
    if str(target).endswith(os.sep):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), target)
    try:
        mode = Path(target).stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), target)
    if not stat.S_ISREG(mode):
        raise ValueError(f"{str(target)!r} is not a regular file, so it cannot be replaced by one")
    return stat.S_IMODE(mode)
