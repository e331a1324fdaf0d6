"""delete: remove objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._checks import backend_of, check_paths
from ._ops.drive import run, run_async

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from .store import ObjectStoreMethods


def delete(store: ObjectStoreMethods, paths: str | Sequence[str]) -> None:
    """Delete one object or many.

    Many are deleted by as few requests as the provider allows.

    Args:
        store: the store to delete from.
        paths: a key, or a sequence of keys.

    Raises:
        FileNotFoundError: there is no such object, and the provider says so. S3 and memory do not: there,
            deleting what does not exist succeeds.

    Example:
        >>> from obstore_c.store import MemoryStore
        >>> store = MemoryStore()
        >>> _ = store.put("a", b""), store.put("b", b"")
        >>> store.delete(["a", "b"])
        >>> store.list().collect()
        []
    """
    backend = backend_of(store)
    return run(backend.delete, check_paths(backend, paths))


def delete_async(store: ObjectStoreMethods, paths: str | Sequence[str]) -> Coroutine[Any, Any, None]:
    """Call `delete` asynchronously."""
    backend = backend_of(store)
    return run_async(backend.delete, check_paths(backend, paths))
