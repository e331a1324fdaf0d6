"""put: store an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, cast

from ._attributes import check_attributes
from ._backend import DEFAULT_PUT_OPTIONS, PutOptions
from ._checks import backend_for, check_count, check_flag, check_text, unknown_key
from ._ops.drive import run, run_async
from ._payload import as_buffer, put_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Coroutine, Iterable
    from pathlib import Path
    from typing import IO

    from typing_extensions import Buffer

    from ._attributes import Attributes
    from .store import ObjectStoreMethods


class UpdateVersion(TypedDict, total=False):
    """The version of an object that a `put` may replace: what an earlier `put` returned."""

    e_tag: str | None
    """Its e_tag, in quotes as the store gave it."""

    version: str | None
    """Its version, where the store has versions."""


class PutResult(TypedDict):
    """What the store says about an object it has stored. Can be given back as `mode`."""

    e_tag: str | None
    """The object's e_tag, in quotes."""

    version: str | None
    """The object's version, None where the store has no versions."""


PutMode: TypeAlias = Literal["create", "overwrite"] | UpdateVersion | PutResult
"""What `put` does with an object that is already there.

- `"overwrite"` replaces it.
- `"create"` leaves it alone and raises `AlreadyExistsError`.
- an `UpdateVersion`, such as the result of an earlier `put`, replaces that very version, and raises
  `PreconditionError` if it has been replaced or deleted since.
"""


def put(
    store: ObjectStoreMethods,
    path: str,
    file: IO[bytes] | Path | bytes | Buffer | Iterable[Buffer],
    *,
    attributes: Attributes | None = None,
    tags: dict[str, str] | None = None,
    mode: PutMode | None = None,
    use_multipart: bool | None = None,
    chunk_size: int = 5 * 1024 * 1024,
    max_concurrency: int = 12,
) -> PutResult:
    """Store an object. It appears whole or not at all.

    Args:
        store: the store to write to.
        path: the object's key.
        file: its bytes. A buffer (`bytes`, `bytearray`, `memoryview`, a NumPy array, ...) is sent from where
            it is and must not be changed meanwhile. A binary file is read from its current position. A `Path`
            (or a `str`) names a local file. An iterator yields buffers, which it may use again.

    Keyword Args:
        attributes: headers and metadata to store with the object: see `Attributes`.
        tags: tags to store with the object.
        mode: what to do if there is an object already: see `PutMode`. By default it is replaced.
        use_multipart: whether to upload in parts, several at a time. By default that depends on the size:
            more than 16 MiB, or than `chunk_size` if that is larger or nobody knows the size. False reads all
            of `file` into memory first. See docs/uploads.md.
        chunk_size: the least size of such a part, in bytes. S3 wants 5 MiB at least.
        max_concurrency: how many parts may be on their way at once. What is no buffer takes `chunk_size`
            bytes of memory for each of them, and for two more.

    Returns:
        The new object's e_tag and version.

    Raises:
        AlreadyExistsError: `mode` is "create" and there is an object already.
        PreconditionError: `mode` is a version and the object has another.
        GenericError: the server or the network failed, or a local file changed its length meanwhile. Nothing
            was stored.
        TypeError: `file` has no bytes, or something else has the wrong type.

    Example:
        >>> from obstore_c.store import MemoryStore
        >>> store = MemoryStore()
        >>> first = store.put("file.txt", b"hello")
        >>> store.put("file.txt", b"hello world", mode=first)
        {'e_tag': '"1"', 'version': None}
    """
    backend = backend_for(store, path)
    options = _options(attributes, tags, mode, use_multipart, chunk_size, max_concurrency)
    payload = as_buffer(file)
    if payload is None:
        return run(put_file, backend, path, file, options)
    return run(backend.put, path, payload, options)


def put_async(
    store: ObjectStoreMethods,
    path: str,
    file: IO[bytes] | Path | bytes | Buffer | AsyncIterable[Buffer] | Iterable[Buffer],
    *,
    attributes: Attributes | None = None,
    tags: dict[str, str] | None = None,
    mode: PutMode | None = None,
    use_multipart: bool | None = None,
    chunk_size: int = 5 * 1024 * 1024,
    max_concurrency: int = 12,
) -> Coroutine[Any, Any, PutResult]:
    """Call `put` asynchronously.

    Here `file` may be an asynchronous iterator as well, such as another store's `GetResult`.
    """
    backend = backend_for(store, path)
    options = _options(attributes, tags, mode, use_multipart, chunk_size, max_concurrency)
    payload = as_buffer(file)
    if payload is None:
        return run_async(put_file, backend, path, file, options)
    return run_async(backend.put, path, payload, options)


def _options(
    attributes: Attributes | None,
    tags: dict[str, str] | None,
    mode: PutMode | None,
    use_multipart: bool | None,
    chunk_size: int,
    max_concurrency: int,
) -> PutOptions:
    if (
        attributes is None
        and tags is None
        and mode is None
        and use_multipart is None
        and chunk_size == DEFAULT_PUT_OPTIONS.chunk_size
        and max_concurrency == DEFAULT_PUT_OPTIONS.max_concurrency
    ):
        return DEFAULT_PUT_OPTIONS
    return PutOptions(
        None if attributes is None else check_attributes(attributes) or None,
        None if tags is None else _check_tags(tags) or None,
        None if mode is None else _check_mode(mode),
        None if use_multipart is None else check_flag("use_multipart", use_multipart),
        check_count("chunk_size", chunk_size, at_least=1),
        check_count("max_concurrency", max_concurrency) or 1,
    )


def _check_tags(tags: dict[str, str]) -> dict[str, str]:
    if not isinstance(tags, dict):
        raise TypeError(f"tags must be a dict of strings, not {type(tags).__name__}")
    for name, value in tags.items():
        check_text("a name in tags", name)
        check_text(f"tags[{name!r}]", value)
    return dict(tags)


def _check_mode(mode: PutMode) -> PutMode | None:
    if isinstance(mode, str):
        known = mode.lower()
        if known not in ("create", "overwrite"):
            raise ValueError(f'mode must be "create", "overwrite" or the version to replace, got {mode!r}')
        return "create" if known == "create" else None
    if not isinstance(mode, dict):
        raise TypeError(f"mode must be a str or a dict, not {type(mode).__name__}")
    checked: dict[str, str] = {}
    for key, value in mode.items():
        if key not in ("e_tag", "version"):
            raise unknown_key(key, ("e_tag", "version"), "mode")
        if value is not None:
            checked[key] = check_text(f"mode[{key!r}]", cast("str", value))
    if not checked:
        raise ValueError("mode names no version to replace: its e_tag and version are both missing or None")
    return cast("UpdateVersion", checked)
