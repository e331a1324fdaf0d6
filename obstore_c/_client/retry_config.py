"""`RetryPolicy`: how often a failed request is tried again, and after how long."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from math import isfinite
from typing import TYPE_CHECKING

from obstore_c._client.duration import seconds
from obstore_c.exceptions import ConfigurationError, UnknownConfigurationKeyError

if TYPE_CHECKING:
    from obstore_c._client.types import RetryConfig

_KEYS = ("backoff", "max_retries", "retry_timeout")
_BACKOFF_KEYS = ("base", "init_backoff", "max_backoff")


class RetryPolicy:
    """The `retry_config` of a store, checked. Immutable; two with the same numbers are equal.

    Args:
        config: the user's `retry_config`; what it leaves out has obstore's defaults. Durations are
            timedeltas, or text as in `client_options`.

    Attributes:
        max_retries: how often one request is tried again at most; 0 is never.
        retry_timeout: how many seconds after the start, or after the last progress, a retry may begin.
        init_backoff: upper bound of the first pause, in seconds.
        max_backoff: upper bound of any pause, in seconds.
        base: by how much the upper bound grows from retry to retry.

    Raises:
        UnknownConfigurationKeyError: a key is not known.
        ConfigurationError: a value cannot be right (a `ValueError`).
        TypeError: a value has the wrong type.

    Example:
        >>> policy = RetryPolicy({"max_retries": 3, "backoff": {"init_backoff": timedelta(seconds=1)}})
        >>> policy.max_retries, policy.retry_timeout
        (3, 180.0)
        >>> 0 <= policy.backoff(1) <= 1
        True
    """

    __slots__ = ("base", "init_backoff", "max_backoff", "max_retries", "retry_timeout")

    def __init__(self, config: RetryConfig | Mapping[str, object] | None = None) -> None:
        given = _present(config, _KEYS, "retry_config")
        backoff = _present(given.get("backoff"), _BACKOFF_KEYS, "backoff")
        self.max_retries = _count("max_retries", given.get("max_retries", 10))
        self.retry_timeout = seconds("retry_timeout", given.get("retry_timeout", timedelta(minutes=3)))
        self.init_backoff = seconds("init_backoff", backoff.get("init_backoff", timedelta(milliseconds=100)))
        self.max_backoff = seconds("max_backoff", backoff.get("max_backoff", timedelta(seconds=15)))
        self.base = _factor("base", backoff.get("base", 2.0))

    def backoff(self, attempt: int) -> float:
        """Draw the pause before a retry: anything up to a bound that grows exponentially ("full jitter").

        Clients that failed together don't come back together
        (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).

        Args:
            attempt: which retry it is, from 1.

        Returns:
            Seconds.
        """
        from random import random  # only a failure pays for this import

        try:
            bound = min(self.max_backoff, self.init_backoff * self.base ** (attempt - 1))
        except OverflowError:
            bound = self.max_backoff
        return bound * random()

    def as_config(self) -> RetryConfig:
        """Make the dictionary that a store shows as its `retry_config`, with all defaults filled in."""
        return {
            "backoff": {
                "init_backoff": timedelta(seconds=self.init_backoff),
                "max_backoff": timedelta(seconds=self.max_backoff),
                "base": self.base,
            },
            "max_retries": self.max_retries,
            "retry_timeout": timedelta(seconds=self.retry_timeout),
        }

    def _numbers(self) -> tuple[float, ...]:
        return self.max_retries, self.retry_timeout, self.init_backoff, self.max_backoff, self.base

    def __eq__(self, other: object) -> bool:
        return self._numbers() == other._numbers() if isinstance(other, RetryPolicy) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._numbers())

    def __repr__(self) -> str:
        return (
            f"RetryPolicy(max_retries={self.max_retries}, retry_timeout={self.retry_timeout} s, "
            f"backoff={self.init_backoff} s * {self.base}^n <= {self.max_backoff} s)"
        )


def _present(config: object, known: tuple[str, ...], what: str) -> dict[str, object]:
    """The entries of a dictionary that are not None, all of them known."""
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise TypeError(f"{what} must be a dict, not {type(config).__name__}")
    for key in config:
        if key not in known:
            raise UnknownConfigurationKeyError.for_key(str(key), known, what)
    return {key: value for key, value in config.items() if value is not None}


def _count(name: str, value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < 0:
        raise ConfigurationError(f"{name} cannot be negative: {value}")
    return int(value)


def _factor(name: str, value: object) -> float:
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    if not (isfinite(value) and value > 0):
        raise ConfigurationError(f"{name} must be more than 0 and finite, not {value}")
    return float(value)
