"""copy: duplicate an object within a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._checks import backend_of, check_flag, check_path
from ._ops.drive import run, run_async

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ._backend import Backend
    from .store import ObjectStoreMethods


def copy(store: ObjectStoreMethods, from_: str, to: str, *, overwrite: bool = True) -> None:
    """Copy an object to another key of the same store. The bytes stay with the provider.

    Args:
        store: the store.
        from_: the key of the object.
        to: the key of the copy.

    Keyword Args:
        overwrite: whether an object that is at `to` already may be replaced. False needs a store that can
            check and copy in one step.

    Raises:
        FileNotFoundError: there is no object at `from_`.
        AlreadyExistsError: there is one at `to`, and `overwrite` is False.
        NotSupportedError: the store cannot copy with `overwrite=False`.

    Example:
        >>> from obstore_c.store import MemoryStore
        >>> store = MemoryStore()
        >>> _ = store.put("a", b"hello")
        >>> store.copy("a", "b")
        >>> bytes(store.get("b").bytes())
        b'hello'
    """
    return run(checked_pair(store, from_, to, overwrite).copy, from_, to, overwrite)


def copy_async(
    store: ObjectStoreMethods, from_: str, to: str, *, overwrite: bool = True
) -> Coroutine[Any, Any, None]:
    """Call `copy` asynchronously."""
    return run_async(checked_pair(store, from_, to, overwrite).copy, from_, to, overwrite)


def checked_pair(store: ObjectStoreMethods, from_: str, to: str, overwrite: bool) -> Backend:
    """Check the arguments that copy and rename share; return the backend."""
    backend = backend_of(store)
    check_path(from_, "from_", empty_allowed=backend.empty_path_allowed)
    check_path(to, "to", empty_allowed=backend.empty_path_allowed)
    check_flag("overwrite", overwrite)
    return backend
