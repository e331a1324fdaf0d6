"""A fast client for object stores, with the API of obstore.

Make a store (see `obstore_c.store`) and call the functions here with it, or its methods of the same names.
Each exists
twice: `get` blocks, `get_async` is awaited.

Example:
    >>> import obstore_c as obs
    >>> from obstore_c.store import MemoryStore
    >>> store = MemoryStore()
    >>> _ = obs.put(store, "file.txt", b"hello world")
    >>> bytes(obs.get(store, "file.txt").bytes())
    b'hello world'
"""

from __future__ import annotations

TYPE_CHECKING = False  # as `typing` has it, whose import would take longer than everything here
if TYPE_CHECKING:
    from typing import Any

    from . import exceptions, store
    from ._attributes import Attribute, Attributes
    from ._copy import copy, copy_async
    from ._delete import delete, delete_async
    from ._download import download, download_async
    from ._get import (
        BytesStream,
        GetOptions,
        GetResult,
        OffsetRange,
        SuffixRange,
        get,
        get_async,
        get_range,
        get_range_async,
        get_ranges,
        get_ranges_async,
    )
    from ._get_into import get_into, get_into_async
    from ._head import head, head_async
    from ._lib.buffer import Bytes
    from ._list import (
        ListChunkType,
        ListResult,
        ListStream,
        ObjectMeta,
        list,
        list_with_delimiter,
        list_with_delimiter_async,
    )
    from ._put import PutMode, PutResult, UpdateVersion, put, put_async
    from ._rename import rename, rename_async
    from ._scheme import parse_scheme
    from ._sign import HTTP_METHOD, SignCapableStore, sign, sign_async

__version__ = "0.1.0"

__all__ = [
    "HTTP_METHOD",
    "Attribute",
    "Attributes",
    "Bytes",
    "BytesStream",
    "GetOptions",
    "GetResult",
    "ListChunkType",
    "ListResult",
    "ListStream",
    "ObjectMeta",
    "OffsetRange",
    "PutMode",
    "PutResult",
    "SignCapableStore",
    "SuffixRange",
    "UpdateVersion",
    "__version__",
    "copy",
    "copy_async",
    "delete",
    "delete_async",
    "download",
    "download_async",
    "exceptions",
    "get",
    "get_async",
    "get_into",
    "get_into_async",
    "get_range",
    "get_range_async",
    "get_ranges",
    "get_ranges_async",
    "head",
    "head_async",
    "list",
    "list_with_delimiter",
    "list_with_delimiter_async",
    "parse_scheme",
    "put",
    "put_async",
    "rename",
    "rename_async",
    "sign",
    "sign_async",
    "store",
]

# Which module each name is loaded from when it is first used. `import obstore_c` by itself loads nothing.
_HOME = {
    "_attributes": ("Attribute", "Attributes"),
    "_copy": ("copy", "copy_async"),
    "_delete": ("delete", "delete_async"),
    "_download": ("download", "download_async"),
    "_get": (
        "BytesStream",
        "GetOptions",
        "GetResult",
        "OffsetRange",
        "SuffixRange",
        "get",
        "get_async",
        "get_range",
        "get_range_async",
        "get_ranges",
        "get_ranges_async",
    ),
    "_get_into": ("get_into", "get_into_async"),
    "_head": ("head", "head_async"),
    "_lib.buffer": ("Bytes",),
    "_list": (
        "ListChunkType",
        "ListResult",
        "ListStream",
        "ObjectMeta",
        "list",
        "list_with_delimiter",
        "list_with_delimiter_async",
    ),
    "_put": ("PutMode", "PutResult", "UpdateVersion", "put", "put_async"),
    "_rename": ("rename", "rename_async"),
    "_scheme": ("parse_scheme",),
    "_sign": ("HTTP_METHOD", "SignCapableStore", "sign", "sign_async"),
    "exceptions": (),
    "store": (),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names or (module,)}


def __getattr__(name: str) -> Any:
    module_name = _MODULE_OF.get(name)
    if module_name is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f".{module_name}", __name__)
    value = globals()[name] = module if name == module_name else getattr(module, name)
    return value


def __dir__() -> Any:
    return sorted({*globals(), *__all__})
