"""The stores, and `from_url`, which picks the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from . import _copy, _delete, _download, _get, _get_into, _head, _list, _put, _rename, _sign
from ._scheme import parse_scheme, shown
from .exceptions import BaseError, NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._backend import Backend
    from ._client.types import BackoffConfig, ClientConfig, RetryConfig
    from ._memory import MemoryStore
    from ._prefix import PrefixStore
    from ._s3.store import S3Store
    from ._s3.types import S3Config, S3Credential, S3CredentialProvider

__all__ = [
    "BackoffConfig",
    "ClientConfig",
    "MemoryStore",
    "ObjectStore",
    "ObjectStoreMethods",
    "PrefixStore",
    "RetryConfig",
    "S3Config",
    "S3Credential",
    "S3CredentialProvider",
    "S3Store",
    "from_url",
]

# Where the names live that are loaded when they are first used: nobody pays for the providers of others.
_LAZY = {
    "BackoffConfig": "_client.types",
    "ClientConfig": "_client.types",
    "MemoryStore": "_memory",
    "PrefixStore": "_prefix",
    "RetryConfig": "_client.types",
    "S3Config": "_s3.types",
    "S3Credential": "_s3.types",
    "S3CredentialProvider": "_s3.types",
    "S3Store": "_s3.store",
}


class ObjectStoreMethods:
    """The operations of every store, as methods: `store.get(path)` is `obstore_c.get(store, path)`.

    All stores derive from it, so `isinstance(value, ObjectStoreMethods)` tells whether something is a store.
    It is not meant to be derived from elsewhere.
    """

    _backend: Backend

    copy = _copy.copy
    copy_async = _copy.copy_async
    delete = _delete.delete
    delete_async = _delete.delete_async
    download = _download.download
    download_async = _download.download_async
    get = _get.get
    get_async = _get.get_async
    get_into = _get_into.get_into
    get_into_async = _get_into.get_into_async
    get_range = _get.get_range
    get_range_async = _get.get_range_async
    get_ranges = _get.get_ranges
    get_ranges_async = _get.get_ranges_async
    head = _head.head
    head_async = _head.head_async
    list = _list.list
    list_async = _list.list  # another name of it: the stream serves both
    list_with_delimiter = _list.list_with_delimiter
    list_with_delimiter_async = _list.list_with_delimiter_async
    put = _put.put
    put_async = _put.put_async
    rename = _rename.rename
    rename_async = _rename.rename_async
    sign = _sign.sign
    sign_async = _sign.sign_async


ObjectStore: TypeAlias = ObjectStoreMethods
"""Any store, for annotations."""


def from_url(
    url: str,
    *,
    config: Any = None,
    client_options: Any = None,
    retry_config: Any = None,
    credential_provider: Callable[..., Any] | None = None,
    **kwargs: Any,
) -> ObjectStore:
    """Make the store that a URL belongs to.

    The path of the URL, after the bucket, becomes the store's prefix. For exact types call `from_url` of the
    class.

    | URL | store |
    |---|---|
    | `s3://bucket/prefix`, `s3a://...`, `https://` URLs of Amazon S3 and Cloudflare R2 | `S3Store` |
    | `memory:///` | `MemoryStore` |

    Args:
        url: the URL.

    Keyword Args:
        config: configuration of the store; it overrides what the URL says.
        client_options: options of the HTTP client.
        retry_config: when and how often to try again.
        credential_provider: a callback that supplies credentials.
        kwargs: configuration of the store, as keyword arguments.

    Raises:
        ValueError: not a URL.
        GenericError: a URL of no store.
        BaseError: configuration for a store that takes none.

    Example:
        >>> from_url("memory:///")
        <MemoryStore with 0 objects>
    """
    scheme = parse_scheme(url)
    if scheme == "memory":
        if config or kwargs:
            raise BaseError("a MemoryStore takes no configuration")
        from ._memory import MemoryStore

        return MemoryStore()
    if scheme == "s3":
        from ._s3.store import S3Store

        return S3Store.from_url(
            url,
            config=config,
            client_options=client_options,
            retry_config=retry_config,
            credential_provider=credential_provider,
            **kwargs,
        )
    raise NotSupportedError(f"{shown(url)} needs a kind of store that does not exist here yet: {scheme}")


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f".{module}", __package__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
