"""rename: move an object within a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._copy import checked_pair
from ._ops.drive import run, run_async
from .exceptions import AlreadyExistsError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ._backend import Backend
    from ._ops.io import IO
    from .store import ObjectStoreMethods


def rename(store: ObjectStoreMethods, from_: str, to: str, *, overwrite: bool = True) -> None:
    """Move an object to another key of the same store.

    Where the provider has no such operation, this is a copy followed by a delete: it is not atomic, and an
    object that is replaced at `from_` in between is deleted unseen. An object renamed to its own name stays.

    Args:
        store: the store.
        from_: the key of the object.
        to: its new key.

    Keyword Args:
        overwrite: whether an object that is at `to` already may be replaced.

    Raises:
        FileNotFoundError: there is no object at `from_`.
        AlreadyExistsError: there is one at `to`, and `overwrite` is False.
        NotSupportedError: the store cannot do it with `overwrite=False`.

    Example:
        >>> from obstore_c.store import MemoryStore
        >>> store = MemoryStore()
        >>> _ = store.put("a", b"hello")
        >>> store.rename("a", "b")
        >>> [meta["path"] for meta in store.list().collect()]
        ['b']
    """
    return run(_rename, checked_pair(store, from_, to, overwrite), from_, to, overwrite)


def rename_async(
    store: ObjectStoreMethods, from_: str, to: str, *, overwrite: bool = True
) -> Coroutine[Any, Any, None]:
    """Call `rename` asynchronously."""
    return run_async(_rename, checked_pair(store, from_, to, overwrite), from_, to, overwrite)


async def _rename(io: IO, backend: Backend, from_: str, to: str, overwrite: bool) -> None:
    if from_ != to:
        return await backend.rename(io, from_, to, overwrite)
    # Copy and delete would leave nothing.
    await backend.head(io, from_)
    if not overwrite:
        raise AlreadyExistsError(f"cannot rename {from_!r} to itself with overwrite=False: it exists")
    return None
