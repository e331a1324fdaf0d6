"""Sending a request until it works or will not: which failures are tried again, when, and how often.

The first attempt is made by the operations themselves, in `send`. Only when it failed is anything else here
entered.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias

from obstore_c._client import errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from obstore_c._client.errors import Failure
    from obstore_c._client.provider import Client
    from obstore_c._client.request import Request
    from obstore_c._client.retry_config import RetryPolicy
    from obstore_c._ops.io import IO, Buffer, Response, Transfer

Sent: TypeAlias = "tuple[Transfer, Response]"
Salvage: TypeAlias = "Callable[[IO, Client, Request, Transfer, Response, Attempts], Awaitable[Sent | None]]"

# The server says that it did nothing, so that even what must happen once only may be sent again.
_REFUSED_BEFORE_DOING = frozenset({408, 429, 503})
# "Not implemented" and "version not supported" are answers, not accidents.
_FINAL_5XX = frozenset({501, 505})
# A put or delete that crossed another one: S3 asks for it to be repeated.
_CONFLICTS = frozenset({"ConditionalRequestConflict", "OperationAborted"})
# The same with other statuses: S3 sends RequestTimeout with 400, and not every server has a 429.
_REFUSED_CODES = frozenset(
    {
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "RequestLimitExceeded",
    }
)
_EXPIRED = frozenset({"ExpiredToken", "TokenRefreshRequired"})
_REDIRECTS_AT_MOST = 2


async def send(io: IO, client: Client, request: Request, hold_above: int = -1) -> Sent:
    """Send a request and return the transfer and its good answer.

    Args:
        io: who waits.
        client: the provider, which signs.
        request: what to send.
        hold_above: a longer body is left on hold (`IO.start`).

    Raises:
        Exception: as `obstore_c._client.errors` has it, when trying again is of no use or not allowed any
            more.
    """
    if client.stale_at < time.time():
        await client.refresh(io)
    transfer = begin(io, client, request, hold_above)
    response = await transfer
    if is_good(request, response, client):
        return transfer, response
    return await recover(io, client, request, transfer, response, hold_above)


def begin(
    io: IO,
    client: Client,
    request: Request,
    hold_above: int = -1,
    delay: float = 0.0,
    into: Buffer | None = None,
    background: bool = False,
) -> Transfer:
    """Sign a request as of now and put it on its way; the options are those of `IO.start`."""
    url, headers = client.sign(request, delay)
    return io.start(
        client.profile,
        request.method,
        url,
        headers,
        request.body,
        delay=delay,
        hold_above=hold_above,
        into=into,
        background=background,
    )


def is_good(request: Request, response: Response, client: Client) -> bool:
    """Whether the request did what it should."""
    if response.curl_code or not 200 <= response.status < 300:
        return False
    return not (request.inspect and client.failure(request, response).code)


async def recover(
    io: IO,
    client: Client,
    request: Request,
    transfer: Transfer,
    response: Response,
    hold_above: int = -1,
    attempts: Attempts | None = None,
    salvage: Salvage | None = None,
) -> Sent:
    """Go on after a failed attempt: repeat it as often as the policy allows, or raise.

    `salvage` may have a use for what a failed attempt brought.
    """
    attempts = attempts or Attempts(client, response)
    while True:
        if salvage is not None and (sent := await salvage(io, client, request, transfer, response, attempts)):
            return sent
        transfer.cancel()
        failure = client.failure(request, response)
        delay = attempts.next_delay(request, failure)
        await client.refresh(io)
        transfer = begin(io, client, request, hold_above, delay)
        response = await transfer
        if is_good(request, response, client):
            attempts.succeeded()
            return transfer, response


class Attempts:
    """What one operation has left: how many more attempts, and until when.

    The budget is for one standstill: whoever sees bytes arrive calls `renew`.
    """

    __slots__ = (
        "_client",
        "_deadline",
        "_policy",
        "_redirects",
        "_refreshed",
        "_retries",
        "_started",
        "made",
    )

    def __init__(self, client: Client, response: Response | None = None) -> None:
        now = time.monotonic()
        self._client = client
        self._policy: RetryPolicy = client.retry
        self._started = now - (response.timings.get("total", 0.0) if response is not None else 0.0)
        self._deadline = self._started + self._policy.retry_timeout
        self._retries = 0
        self._redirects = 0
        self._refreshed = False
        self.made = 1

    def renew(self) -> None:
        """Progress was made: start counting anew."""
        self._retries = 0
        self._deadline = time.monotonic() + self._policy.retry_timeout

    def succeeded(self) -> None:
        """The last repetition worked."""
        self._client.throttle.give_back()

    def next_delay(self, request: Request, failure: Failure) -> float:
        """Seconds until the next attempt.

        Raises:
            Exception: there is none: the failure is final, the budget is spent, or sending twice could do
                harm.
        """
        if self._mended(failure):
            self.made += 1
            return 0.0
        if not may_repeat(request, failure) or self._retries >= self._policy.max_retries:
            raise self.error(request, failure)
        delay = self._pause(failure)
        if time.monotonic() + delay > self._deadline:
            raise self.error(request, failure)
        self._retries += 1
        self.made += 1
        return delay

    def _mended(self, failure: Failure) -> bool:
        """Whether the reason is gone, so that it is worth trying again at once."""
        if failure.code in _EXPIRED and not self._refreshed:
            self._refreshed = True
            return self._client.forget_credential()
        if self._redirects < _REDIRECTS_AT_MOST and self._client.follow(failure):
            self._redirects += 1
            return True
        return False

    def error(self, request: Request, failure: Failure) -> Exception:
        """The exception that ends the operation."""
        elapsed = time.monotonic() - self._started
        return errors.error(request, failure, where=self._client.where, attempts=self.made, elapsed=elapsed)

    def _pause(self, failure: Failure) -> float:
        """The policy's pause, or longer: what the server asks for, what all retries of the store leave."""
        pause = self._policy.backoff(self._retries + 1)
        return max(pause, failure.retry_after or 0.0, self._client.throttle.take())


def may_repeat(request: Request, failure: Failure) -> bool:
    """Whether sending `request` again may help and can do no harm."""
    if failure.curl_code:
        if failure.curl_code in errors.CURL_FINAL:
            return False
        return request.idempotent or failure.retry_safe
    status = failure.status
    if status in _REFUSED_BEFORE_DOING or failure.code in _REFUSED_CODES or failure.code in _CONFLICTS:
        return True
    return request.idempotent and status >= 500 and status not in _FINAL_5XX


class Throttle:
    """A token bucket over all retries of a store, against retry storms.

    It delays instead of refusing: a thousand operations that fail together come back spread over time, and
    none of them gives up for it. Retries that work fill the bucket again, so a server that recovers is not
    held back. Threads share it without a lock; a lost update shifts one retry by milliseconds.
    """

    __slots__ = ("_tokens", "_updated")

    CAPACITY = 500.0
    PER_SECOND = 50.0

    def __init__(self) -> None:
        self._tokens = self.CAPACITY
        self._updated = time.monotonic()

    def take(self) -> float:
        """Reserve one retry and return the seconds to wait for it."""
        now = time.monotonic()
        self._tokens = min(self.CAPACITY, self._tokens + (now - self._updated) * self.PER_SECOND) - 1.0
        self._updated = now
        return max(0.0, -self._tokens / self.PER_SECOND)

    def give_back(self) -> None:
        """A retry worked."""
        self._tokens = min(self.CAPACITY, self._tokens + 1.0)
