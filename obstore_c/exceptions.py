"""The exceptions raised by obstore_c.

Every exception here derives from `BaseError`. Some operations raise a builtin besides: a missing object is a
`FileNotFoundError`, an argument that cannot be right is a `TypeError` or `ValueError`.

Example:
    >>> import obstore_c as obs
    >>> from obstore_c.exceptions import BaseError
    >>> from obstore_c.store import MemoryStore
    >>> try:
    ...     obs.get(MemoryStore(), "absent")
    ... except FileNotFoundError:
    ...     print("no such object")
    ... except BaseError:
    ...     print("something else")
    no such object
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import deprecated
else:

    def deprecated(_message: str):
        return lambda decorated: decorated


__all__ = [
    "AlreadyExistsError",
    "BaseError",
    "GenericError",
    "InvalidPathError",
    "JoinError",
    "NotFoundError",
    "NotModifiedError",
    "NotSupportedError",
    "PermissionDeniedError",
    "PreconditionError",
    "UnauthenticatedError",
    "UnknownConfigurationKeyError",
]


class BaseError(Exception):
    """The base of all exceptions of this package."""


class GenericError(BaseError):
    """A failure that no other class describes: the network, the server, a response that makes no sense."""


@deprecated("A missing object is reported as the builtin FileNotFoundError; catch that.")
class NotFoundError(BaseError):
    """There is no object at the path. Kept as an older name; catch the builtin `FileNotFoundError`."""


class ObjectNotFoundError(NotFoundError, FileNotFoundError):
    """What is raised for a missing object: the builtin `FileNotFoundError` and part of this hierarchy.

    Don't name it in an `except` clause; `except FileNotFoundError` is what obstore's users write.
    """


class InvalidPathError(BaseError):
    """The path cannot name an object in this store."""


class JoinError(BaseError):
    """Background work ended without a result."""


class NotSupportedError(BaseError):
    """The store cannot do what was asked."""


class AlreadyExistsError(BaseError):
    """An object is already there and must not be overwritten."""


class PreconditionError(BaseError):
    """A condition such as `if_match` does not hold for the object."""


class NotModifiedError(BaseError):
    """The object has not changed since the version the caller already has."""


class PermissionDeniedError(BaseError):
    """The credentials are valid but do not allow the operation."""


class UnauthenticatedError(BaseError):
    """The credentials are missing, wrong or expired."""


class ConfigurationError(GenericError, ValueError):
    """What is raised for a configuration value that cannot be right: a `GenericError` and a `ValueError`."""


class UnknownConfigurationKeyError(BaseError, ValueError):
    """A configuration key that the store does not know.

    Example:
        >>> print(UnknownConfigurationKeyError.for_key("regoin", ["region", "bucket"], "S3 configuration"))
        Unknown S3 configuration key 'regoin'; did you mean 'region'?
    """

    @classmethod
    def for_key(
        cls, key: str, known: Iterable[str], what: str, prefix: str = ""
    ) -> UnknownConfigurationKeyError:
        """Build the error for `key`, naming the nearest of the `known` keys if one is near.

        Args:
            key: the key as the user wrote it.
            known: every key that is accepted.
            what: whose keys they are, for the message: `"S3 configuration"`.
            prefix: what keys may have in front, and the `known` ones have not.
        """
        from difflib import get_close_matches  # only a mistake pays for this import

        near = get_close_matches(key.lower().removeprefix(prefix), list(known), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return cls(f"Unknown {what} key {key!r}{hint}")
