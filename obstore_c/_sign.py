"""sign: URLs that let others act on an object for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union, overload

from ._checks import backend_of, check_paths
from ._ops.drive import run, run_async

if TYPE_CHECKING:
    import builtins
    from collections.abc import Coroutine, Sequence
    from datetime import timedelta

    from ._backend import Backend
    from ._ops.io import IO
    from .store import ObjectStoreMethods, S3Store

HTTP_METHOD: TypeAlias = Literal[
    "GET", "PUT", "POST", "HEAD", "PATCH", "TRACE", "DELETE", "OPTIONS", "CONNECT"
]
"""The HTTP methods that a URL can be signed for."""

SignCapableStore: TypeAlias = Union["S3Store"]
"""The stores that can sign."""

_METHODS = frozenset(("GET", "PUT", "POST", "HEAD", "PATCH", "TRACE", "DELETE", "OPTIONS", "CONNECT"))


@overload
def sign(  # type: ignore[overload-overlap] # a str is a sequence of str
    store: ObjectStoreMethods, method: HTTP_METHOD, paths: str, expires_in: timedelta
) -> str: ...
@overload
def sign(
    store: ObjectStoreMethods, method: HTTP_METHOD, paths: Sequence[str], expires_in: timedelta
) -> builtins.list[str]: ...
def sign(
    store: ObjectStoreMethods, method: HTTP_METHOD, paths: str | Sequence[str], expires_in: timedelta
) -> str | builtins.list[str]:
    """Create URLs that anyone may use, without credentials, until they expire.

    Nothing is sent to the object store: whether the object exists shows when the URL is used.

    Args:
        store: a store that has signed URLs.
        method: the HTTP method that the URL is good for, in capitals.
        paths: a key, or a sequence of keys.
        expires_in: for how long the URL is good; providers have limits (S3: 7 days).

    Returns:
        One URL for one key, a list of URLs for a sequence.

    Raises:
        NotSupportedError: the store has no signed URLs.
        ValueError: not an HTTP method, or a negative time.

    Example:
        >>> from datetime import timedelta
        >>> from obstore_c.store import S3Store
        >>> store = S3Store("bucket", region="us-east-1", access_key_id="id", secret_access_key="secret")
        >>> store.sign("GET", "file.txt", timedelta(hours=1)).split("?")[0]
        'https://s3.us-east-1.amazonaws.com/bucket/file.txt'
    """
    backend = backend_of(store)
    urls = run(backend.sign, *_arguments(backend, method, paths, expires_in))
    return urls[0] if isinstance(paths, str) else urls


@overload
def sign_async(  # type: ignore[overload-overlap]
    store: ObjectStoreMethods, method: HTTP_METHOD, paths: str, expires_in: timedelta
) -> Coroutine[Any, Any, str]: ...
@overload
def sign_async(
    store: ObjectStoreMethods, method: HTTP_METHOD, paths: Sequence[str], expires_in: timedelta
) -> Coroutine[Any, Any, builtins.list[str]]: ...
def sign_async(
    store: ObjectStoreMethods, method: HTTP_METHOD, paths: str | Sequence[str], expires_in: timedelta
) -> Coroutine[Any, Any, str] | Coroutine[Any, Any, builtins.list[str]]:
    """Call `sign` asynchronously."""
    backend = backend_of(store)
    arguments = _arguments(backend, method, paths, expires_in)
    if isinstance(paths, str):
        return run_async(_sign_one, backend, *arguments)
    return run_async(backend.sign, *arguments)


async def _sign_one(io: IO, backend: Backend, method: str, paths: builtins.list[str], seconds: int) -> str:
    return (await backend.sign(io, method, paths, seconds))[0]


def _arguments(
    backend: Backend, method: str, paths: str | Sequence[str], expires_in: timedelta
) -> tuple[str, builtins.list[str], int]:
    from datetime import timedelta

    if not isinstance(method, str):
        raise TypeError(f"method must be a str, not {type(method).__name__}")
    if method not in _METHODS:
        hint = f"; did you mean {method.upper()!r}?" if method.upper() in _METHODS else ""
        raise ValueError(f"cannot sign for the HTTP method {method!r}{hint}")
    if not isinstance(expires_in, timedelta):
        raise TypeError(f"expires_in must be a timedelta, not {type(expires_in).__name__}")
    if expires_in < timedelta(0):
        raise ValueError(f"expires_in must not be negative, got {expires_in}")
    return method, check_paths(backend, paths), int(expires_in.total_seconds())
