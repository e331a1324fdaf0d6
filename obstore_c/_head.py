"""head: what is known about an object, without its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._checks import backend_for
from ._ops.drive import run, run_async

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ._list import ObjectMeta
    from .store import ObjectStoreMethods


def head(store: ObjectStoreMethods, path: str) -> ObjectMeta:
    """Look an object up.

    Args:
        store: the store to ask.
        path: the object's key.

    Returns:
        The object's path, size, date, e_tag and version.

    Raises:
        FileNotFoundError: there is no such object.

    Example:
        >>> from obstore_c.store import MemoryStore
        >>> store = MemoryStore()
        >>> _ = store.put("file.txt", b"hello world")
        >>> store.head("file.txt")["size"]
        11
    """
    backend = backend_for(store, path)
    return run(backend.head, path)


def head_async(store: ObjectStoreMethods, path: str) -> Coroutine[Any, Any, ObjectMeta]:
    """Call `head` asynchronously."""
    backend = backend_for(store, path)
    return run_async(backend.head, path)
