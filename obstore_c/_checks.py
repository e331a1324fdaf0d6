"""Checks of arguments: what cannot be right is refused before anything is sent.

The rule for classes: a wrong type is a `TypeError`, a wrong value a `ValueError`, a key that no store could
have an `InvalidPathError` (which is a `ValueError` as well, like in obstore).
"""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING

from .exceptions import InvalidPathError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._backend import Backend
    from .store import ObjectStoreMethods


class NegativeError(ValueError, OverflowError):
    """A position or a size below zero; an `OverflowError` too, which is what obstore's users catch."""


class InvalidKeyError(InvalidPathError, ValueError):
    """A key that cannot be put on the wire; a `ValueError` too, which is what obstore's users catch."""


def backend_for(store: ObjectStoreMethods, path: str) -> Backend:
    """Return the backend of `store` after a look at both arguments.

    This runs for every request, hence one test that nearly every key passes: a printable `str` holds no
    control character and no lone surrogate.
    """
    try:
        backend = store._backend
    except AttributeError:
        raise _not_a_store(store) from None
    if path.__class__ is not str or not path or not path.isprintable():
        check_path(path, empty_allowed=backend.empty_path_allowed)
    return backend


def backend_of(store: ObjectStoreMethods) -> Backend:
    """Return the backend of `store`, for verbs whose paths are checked apart."""
    try:
        return store._backend
    except AttributeError:
        raise _not_a_store(store) from None


def _not_a_store(store: object) -> TypeError:
    if isinstance(store, type):
        name = store.__name__
        return TypeError(f"store must be a store, not the class {name} itself; create one: {name}(...)")
    return TypeError(f"store must be a store of obstore_c (S3Store, MemoryStore, ...), not {_name_of(store)}")


def _name_of(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def check_path(path: str, what: str = "path", *, empty_allowed: bool = False) -> None:
    """Refuse what cannot be the key of an object.

    A key is sent as it is, so nothing else is refused: `a//b`, `/a` and `dir/` are keys of their own.
    """
    if not isinstance(path, str):
        raise TypeError(f"{what} must be a str, not {_name_of(path)}")
    if not path and not empty_allowed:
        raise InvalidKeyError(f"{what} is empty; an object needs a name")
    for character, name in (("\0", "NUL"), ("\r", "carriage return"), ("\n", "line feed")):
        if character in path:
            raise InvalidKeyError(f"{what} {path!r} contains a {name}, which cannot be part of a request")
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise InvalidKeyError(f"{what} {path!r} is not valid Unicode: {error.reason}") from None


def check_paths(backend: Backend, paths: object) -> list[str]:
    """Return one path or a sequence of paths as a list of checked paths."""
    from collections.abc import Sequence

    if isinstance(paths, str):
        paths = [paths]
    elif not isinstance(paths, Sequence) or isinstance(paths, (bytes, bytearray, memoryview)):
        raise TypeError(f"paths must be a str or a sequence of str, not {_name_of(paths)}")
    for path in paths:
        check_path(path, "an item of paths", empty_allowed=backend.empty_path_allowed)
    return list(paths)


def check_prefix(prefix: str | None, what: str = "prefix") -> None:
    """Refuse a listing's prefix or offset that no key could start with."""
    if prefix is not None and (prefix.__class__ is not str or not prefix.isprintable()):
        check_path(prefix, what, empty_allowed=True)


def check_text(what: str, text: str) -> str:
    """Return `text` if it is a `str` that fits on one line of a header."""
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a str, not {_name_of(text)}")
    if "\n" in text or "\r" in text or "\0" in text:
        raise ValueError(f"{what} must not contain CR, LF or NUL, got {text!r}")
    return text


def check_flag(what: str, flag: bool) -> bool:
    """Return `flag` if it is a `bool`; a mere truth value is more often a mistake than meant."""
    if flag is not True and flag is not False:
        raise TypeError(f"{what} must be a bool, not {_name_of(flag)}")
    return flag


def check_count(what: str, value: int, at_least: int = 0) -> int:
    """Return `value` as an int of at least `at_least`."""
    try:
        count = index(value)
    except TypeError:
        raise TypeError(f"{what} must be an int, not {_name_of(value)}") from None
    if count < 0:
        raise NegativeError(f"{what} must not be negative, got {count}")
    if count < at_least:
        raise ValueError(f"{what} must be at least {at_least}, got {count}")
    return count


def too_small(path: object, size: int | None, room: int) -> ValueError:
    """Build the error for a buffer with room for less than the `size` bytes (None: unknown) to be read."""
    found = f"{size} bytes" if size is not None else f"more than {room} bytes"
    return ValueError(
        f"the buffer is too small: there are {found} to read of {path!r}, and it has room for {room}"
    )


def unknown_key(key: object, known: Iterable[str], what: str) -> ValueError:
    """Build the error for a key that `what` does not have, with the nearest one that it has."""
    from difflib import get_close_matches  # only a mistake pays for this import

    known = sorted(known)
    near = get_close_matches(str(key).lower(), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return ValueError(f"unknown key {key!r} in {what}; {hint}")
