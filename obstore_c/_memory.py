"""MemoryStore: objects in this process' memory, with the semantics of a cloud store."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from datetime import UTC, datetime
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, NoReturn

from ._backend import Backend, Listing, common_prefix, segment_prefix
from ._get import GetResult
from ._lib.buffer import Bytes
from .exceptions import (
    AlreadyExistsError,
    GenericError,
    NotModifiedError,
    ObjectNotFoundError,
    PreconditionError,
)
from .store import ObjectStoreMethods

if TYPE_CHECKING:
    import builtins
    from collections.abc import Sequence

    from ._attributes import Attributes
    from ._backend import PutOptions
    from ._get import GetOptions
    from ._list import ObjectMeta
    from ._ops.io import IO, Buffer
    from ._put import PutMode, PutResult

_PAGE_SIZE = 1000

# One lock for all stores: it is held for microseconds, under the GIL. Reentrant, because a finaliser that
# runs while it is held may use a store as well.
_lock = RLock()


def _renew_lock() -> None:
    """In a forked child: a thread of the parent that held the lock is not here to release it."""
    global _lock
    _lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class MemoryStore(ObjectStoreMethods):
    """A store in memory: for tests, for caches, and to try things out.

    It may be used from several threads at once. What is read is a snapshot: an object that is replaced or
    deleted while it is being read, or a listing that is under way, keeps what it had.

    Example:
        >>> store = MemoryStore()
        >>> store.put("file.txt", b"hello world")
        {'e_tag': '"0"', 'version': None}
        >>> bytes(store.get_range("file.txt", start=0, length=5))
        b'hello'
        >>> store.rename("file.txt", "folder/file.txt")
        >>> store.list_with_delimiter()["common_prefixes"]
        ['folder']
    """

    def __init__(self) -> None:
        """Create an empty store."""
        self._backend: MemoryBackend = MemoryBackend()

    def __repr__(self) -> str:
        count = len(self._backend)
        return f"<MemoryStore with {count} object{'' if count == 1 else 's'}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle or copy a MemoryStore: its objects are in this process only")


class _Object:
    """An object as it was stored; never changed, only replaced."""

    __slots__ = ("attributes", "data", "last_modified", "serial")

    def __init__(self, data: Bytes, attributes: Attributes, serial: int) -> None:
        self.data = data
        self.attributes = attributes
        self.serial = serial
        self.last_modified = datetime.now(UTC)

    @property
    def e_tag(self) -> str:
        return f'"{self.serial}"'

    def meta(self, path: str) -> ObjectMeta:
        return {
            "path": path,
            "last_modified": self.last_modified,
            "size": len(self.data),
            "e_tag": self.e_tag,
            "version": None,
        }


class MemoryBackend(Backend):
    """The objects of one MemoryStore."""

    def __init__(self) -> None:
        self._objects: dict[str, _Object] = {}
        self._sorted: builtins.list[str] | None = []
        self._next_serial = 0

    def __len__(self) -> int:
        return len(self._objects)

    async def get(self, io: IO, path: str, options: GetOptions | None) -> GetResult:
        found = self._find(path)
        size = len(found.data)
        meta, attributes = partial(found.meta, path), found.attributes.copy
        if options is None:
            return GetResult(meta, attributes, (0, size), found.data)
        _check_conditions(path, found, options)
        start, end = _resolve_range(path, options.get("range"), size)
        body = Bytes() if options.get("head") else found.data[start:end]
        return GetResult(meta, attributes, (start, end), body)

    async def get_range(self, io: IO, path: str, start: int, end: int) -> Bytes:
        data = self._find(path).data
        _check_start(path, start, len(data))
        return data[start:end]

    async def get_ranges(
        self, io: IO, path: str, ranges: builtins.list[tuple[int, int]], coalesce: int
    ) -> builtins.list[Bytes]:
        data = self._find(path).data
        for start, _end in ranges:
            _check_start(path, start, len(data))
        return [data[start:end] for start, end in ranges]

    async def head(self, io: IO, path: str) -> ObjectMeta:
        return self._find(path).meta(path)

    async def put(self, io: IO, path: str, payload: Buffer, options: PutOptions) -> PutResult:
        # Only bytes cannot change under us; of every other buffer there has to be a copy.
        data = Bytes(payload if payload.__class__ is bytes else bytes(payload))
        with _lock:
            self._check_mode(path, options.mode)
            stored = self._store(path, data, options.attributes or {})
        return {"e_tag": stored.e_tag, "version": None}

    async def delete(self, io: IO, paths: builtins.list[str]) -> None:
        with _lock:
            for path in paths:
                if self._objects.pop(path, None) is not None:
                    self._sorted = None

    def list(self, prefix: str | None, offset: str | None) -> _MemoryPager:
        with _lock:
            keys = self._keys_below(segment_prefix(prefix), offset)
            return _MemoryPager([(key, self._objects[key]) for key in keys])

    async def list_with_delimiter(self, io: IO, prefix: str | None) -> Listing:
        stem = segment_prefix(prefix)
        directories: builtins.list[str] = []
        objects: builtins.list[ObjectMeta] = []
        with _lock:
            keys = self._keys_below(stem, None)
            position = 0
            while position < len(keys):
                key = keys[position]
                slash = key.find("/", len(stem))
                if slash < 0:
                    objects.append(self._objects[key].meta(key))
                    position += 1
                else:
                    directories.append(key[: slash + 1])
                    position = bisect_left(keys, _after(key[: slash + 1]), position)
        return sorted(map(common_prefix, directories)), objects

    async def copy(self, io: IO, from_: str, to: str, overwrite: bool) -> None:
        with _lock:
            found = self._find(from_)
            if not overwrite:
                self._check_mode(to, "create")
            self._store(to, found.data, found.attributes)

    async def rename(self, io: IO, from_: str, to: str, overwrite: bool) -> None:
        with _lock:
            await self.copy(io, from_, to, overwrite)
            await self.delete(io, [from_])

    def _find(self, path: str) -> _Object:
        found = self._objects.get(path)
        if found is None:
            raise ObjectNotFoundError(f"there is no object {path!r} in this MemoryStore")
        return found

    def _store(self, path: str, data: Bytes, attributes: Attributes) -> _Object:
        if path not in self._objects:
            self._sorted = None
        stored = self._objects[path] = _Object(data, attributes, self._next_serial)
        self._next_serial += 1
        return stored

    def _check_mode(self, path: str, mode: PutMode | None) -> None:
        found = self._objects.get(path)
        if mode == "create":
            if found is not None:
                raise AlreadyExistsError(f"there is an object {path!r} already")
        elif isinstance(mode, dict):
            wanted = mode.get("e_tag")
            if wanted is None:
                raise GenericError(f"cannot update {path!r}: in a MemoryStore, mode needs an e_tag")
            if found is None:
                raise PreconditionError(f"cannot update {path!r}: there is no such object")
            if found.e_tag != wanted:
                raise PreconditionError(f"cannot update {path!r}: its e_tag is {found.e_tag}, not {wanted}")

    def _keys_below(self, stem: str, offset: str | None) -> Sequence[str]:
        """The keys that start with `stem` and come after `offset`, in order."""
        if self._sorted is None:
            self._sorted = sorted(self._objects)
        keys = self._sorted
        start = bisect_left(keys, stem)
        if offset is not None:
            start = max(start, bisect_right(keys, offset))
        return keys[start : bisect_left(keys, _after(stem)) if stem else None]


class _MemoryPager:
    """A listing of the objects that were there when it was asked for."""

    def __init__(self, found: builtins.list[tuple[str, _Object]]) -> None:
        self._found = found
        self._position = 0

    async def next_page(self, io: IO) -> builtins.list[ObjectMeta] | None:
        page = self._found[self._position : self._position + _PAGE_SIZE]
        self._position += _PAGE_SIZE
        return [found.meta(key) for key, found in page] or None


def _after(directory: str) -> str:
    """The first string that sorts after everything that starts with `directory`, which ends with a slash."""
    return directory[:-1] + "0"  # "0" is the character after "/"


def _check_start(path: str, start: int, size: int) -> None:
    if start >= size:
        raise GenericError(f"cannot read {path!r} from byte {start}: it has {size} bytes")


def _resolve_range(path: str, wanted: object, size: int) -> tuple[int, int]:
    if wanted is None:
        return 0, size
    if isinstance(wanted, tuple):
        start, end = wanted
    elif isinstance(wanted, dict) and "suffix" in wanted:
        return max(0, size - wanted["suffix"]), size
    else:
        assert isinstance(wanted, dict)
        start, end = wanted["offset"], size
    _check_start(path, start, size)
    return start, min(end, size)


def _check_conditions(path: str, found: _Object, options: GetOptions) -> None:
    """Check in the order of RFC 9110, section 13.2.2: a date counts only where there is no e_tag to go by."""
    if_match, before = options.get("if_match"), options.get("if_unmodified_since")
    if if_match is not None:
        if not _names(if_match, found):
            raise PreconditionError(f"{path!r} has the e_tag {found.e_tag}, not {if_match}")
    elif before is not None and found.last_modified > before:
        raise PreconditionError(f"{path!r} has changed at {found.last_modified}, after {before}")
    if_none_match, after = options.get("if_none_match"), options.get("if_modified_since")
    if if_none_match is not None:
        if _names(if_none_match, found):
            raise NotModifiedError(f"{path!r} has the e_tag {found.e_tag} still")
    elif after is not None and found.last_modified <= after:
        raise NotModifiedError(f"{path!r} has not changed since {after}")


def _names(condition: str, found: _Object) -> bool:
    return condition == "*" or found.e_tag in (each.strip() for each in condition.split(","))
