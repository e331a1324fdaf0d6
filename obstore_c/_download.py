"""download: read an object into a file."""

from __future__ import annotations

from os import PathLike, fsdecode
from typing import TYPE_CHECKING, Any

from ._checks import backend_for
from ._get_options import check_read_options
from ._ops.drive import run, run_async

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ._get_options import GetOptions
    from ._list import ObjectMeta
    from .store import ObjectStoreMethods

__all__ = ["download", "download_async"]


def download(
    store: ObjectStoreMethods,
    path: str,
    file: str | bytes | PathLike[str] | PathLike[bytes],
    *,
    options: GetOptions | None = None,
) -> ObjectMeta:
    """Read an object into a local file, which appears whole or not at all.

    The bytes are written to a new file in the same directory, which then takes the place of `file`. Until
    then a file of that name stays as it is, also if the download fails, is cancelled or is interrupted.
    Large objects come over several connections; at most 128 MiB of them are in memory at a time. obstore
    has nothing like it.

    Args:
        store: the store to read from.
        path: the object's key.
        file: the file's name. Its directory must exist. A file that is replaced passes its permissions on; a
            symbolic link stays, and what it leads to is replaced.

    Keyword Args:
        options: conditions, a range, a version: see `GetOptions`.

    Returns:
        The object's metadata.

    Raises:
        FileNotFoundError: there is no such object, or no such directory.
        OSError: the file cannot be written: no permission, disk full, ...
        ValueError: `file` is a device or a pipe.
        PreconditionError: a condition does not hold, or the object was changed while it was being read.
        NotModifiedError: `if_none_match` or `if_modified_since` does not hold; the file is left alone.

    Example:
        >>> import os, tempfile
        >>> from obstore_c.store import MemoryStore
        >>> store = MemoryStore()
        >>> _ = store.put("file.txt", b"hello world")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     meta = store.download("file.txt", os.path.join(folder, "copy.txt"))
        ...     print(meta["size"], os.listdir(folder))
        11 ['copy.txt']
    """
    backend = backend_for(store, path)
    return run(_operation(), backend, path, _check_file(file), _checked(options))


def download_async(
    store: ObjectStoreMethods,
    path: str,
    file: str | bytes | PathLike[str] | PathLike[bytes],
    *,
    options: GetOptions | None = None,
) -> Coroutine[Any, Any, ObjectMeta]:
    """Call `download` asynchronously. The file is written by a thread."""
    backend = backend_for(store, path)
    return run_async(_operation(), backend, path, _check_file(file), _checked(options))


def _operation() -> Callable[..., Coroutine[Any, Any, ObjectMeta]]:
    from ._ops.download import download as operation  # late: most programs never need it

    return operation


def _check_file(file: object) -> str:
    if not isinstance(file, (str, bytes, PathLike)):
        raise TypeError(f"file must be a path, as str or os.PathLike, not {type(file).__name__}")
    name = fsdecode(file)
    if not name or "\0" in name:
        raise ValueError(f"file is no name that a file can have: {name!r}")
    return name


def _checked(options: GetOptions | None) -> GetOptions | None:
    return options if options is None else check_read_options(options)
