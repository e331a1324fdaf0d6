"""Credentials of S3: what they are, where they come from, when they have to be renewed."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from obstore_c.exceptions import UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from obstore_c._ops.io import IO

# A credential is renewed that many seconds before it expires, or after four fifths of its life if that is
# later.
_MARGIN = 300.0
_SHARE_LEFT = 0.2


class Credential:
    """A key pair, perhaps with a session token.

    Attributes:
        stale_at: when to renew it, in seconds since 1970; infinity if it never expires.
    """

    __slots__ = ("access_key_id", "secret_access_key", "stale_at", "token")

    def __init__(
        self,
        access_key_id: str,
        secret_access_key: str,
        token: str | None = None,
        expires_at: float | None = None,
    ) -> None:
        self.access_key_id = access_key_id
        self.secret_access_key = secret_access_key
        self.token = token
        self.stale_at = float("inf")
        if expires_at is not None:
            self.stale_at = expires_at - min(_MARGIN, (expires_at - time.time()) * _SHARE_LEFT)

    def __repr__(self) -> str:
        return "<Credential>"


class CredentialSource(Protocol):
    """Where credentials come from."""

    renewable: bool
    """Whether asking again may give a newer one."""

    async def fetch(self, io: IO) -> Credential:
        """Get a credential that is valid now."""
        ...


class StaticSource:
    """The key pair from the configuration."""

    renewable = False

    def __init__(self, credential: Credential) -> None:
        self.credential = credential

    async def fetch(self, io: IO) -> Credential:
        return self.credential


class MissingSource:
    """No credentials were given, and none are looked for elsewhere."""

    renewable = False

    async def fetch(self, io: IO) -> Credential:
        raise UnauthenticatedError(
            "no credentials: give access_key_id and secret_access_key (or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or a credential_provider), or skip_signature=True for public buckets"
        )


class ProviderSource:
    """The user's `credential_provider`: a function or a coroutine function that returns an `S3Credential`."""

    renewable = True

    def __init__(self, provider: Callable[[], Any]) -> None:
        self._provider = provider

    async def fetch(self, io: IO) -> Credential:
        """Ask the provider. A coroutine runs on the caller's event loop; for a blocking verb, on its own."""
        provider = self._provider
        if _is_coroutine_function(provider):
            found = await (io.call(_run_to_the_end, provider()) if io.blocking else provider())
        else:
            found = await io.call(provider)
            if hasattr(found, "__await__"):
                found = await (io.call(_run_to_the_end, found) if io.blocking else found)
        return _checked(found)


def _is_coroutine_function(function: Callable[..., Any]) -> bool:
    from inspect import iscoroutinefunction

    return iscoroutinefunction(function) or iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def _run_to_the_end(awaitable: Coroutine[Any, Any, Any]) -> Any:
    import asyncio

    return asyncio.run(awaitable)


def _checked(found: Mapping[str, Any]) -> Credential:
    try:
        key_id, secret, token = found["access_key_id"], found["secret_access_key"], found.get("token")
        expires_at = found.get("expires_at")
    except (TypeError, KeyError, AttributeError):
        raise TypeError(
            "credential_provider must return a dict with access_key_id, secret_access_key, token, expires_at"
        ) from None
    if not isinstance(key_id, str) or not isinstance(secret, str) or not isinstance(token, str | None):
        raise TypeError("credential_provider returned a key id, a secret or a token that is not a str")
    if expires_at is None:
        return Credential(key_id, secret, token)
    if not isinstance(expires_at, datetime) or expires_at.tzinfo is None:
        raise TypeError("credential_provider returned an expires_at that is not a datetime with a time zone")
    return Credential(key_id, secret, token, expires_at.timestamp())
