"""RetryPolicy, compared with obstore's retry_config."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import S3Store

from obstore_c._client.retry_config import RetryPolicy
from obstore_c.exceptions import UnknownConfigurationKeyError

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"max_retries": 3},
        {"max_retries": 0},
        {"retry_timeout": SECOND},
        {"backoff": {}},
        {"backoff": {"base": 3}},
        {"backoff": {"init_backoff": SECOND, "max_backoff": 2 * SECOND, "base": 0.5}, "max_retries": 1},
    ],
    ids=repr,
)
def test_what_a_store_shows_is_obstores(config: Any) -> None:
    assert RetryPolicy(config).as_config() == S3Store("b", retry_config=config).retry_config


def test_defaults_are_obstores() -> None:
    policy = RetryPolicy()
    assert (
        policy
        == RetryPolicy({})
        == RetryPolicy({"backoff": None, "max_retries": None, "retry_timeout": None})
    )
    assert (policy.max_retries, policy.retry_timeout) == (10, 180)
    assert (policy.init_backoff, policy.max_backoff, policy.base) == (0.1, 15, 2)


def test_equality_and_hash() -> None:
    assert RetryPolicy({"max_retries": 3}) == RetryPolicy({"max_retries": 3, "retry_timeout": 180 * SECOND})
    assert hash(RetryPolicy()) == hash(RetryPolicy({}))
    assert RetryPolicy({"max_retries": 3}) != RetryPolicy()
    assert RetryPolicy() != 5


def test_round_trip() -> None:
    policy = RetryPolicy({"max_retries": 7, "backoff": {"init_backoff": 0.3 * SECOND, "base": 1.7}})
    assert RetryPolicy(policy.as_config()) == policy


def test_durations_may_be_text() -> None:
    assert RetryPolicy({"retry_timeout": "1m"}).retry_timeout == 60


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"max_retires": 3}, UnknownConfigurationKeyError, "'max_retires'; did you mean 'max_retries'"),
        ({"backoff": {"bas": 3}}, UnknownConfigurationKeyError, "'bas'; did you mean 'base'"),
        ({1: 3}, UnknownConfigurationKeyError, "'1'"),
        ([], TypeError, "retry_config must be a dict, not list"),
        ({"backoff": 2}, TypeError, "backoff must be a dict, not int"),
        ({"max_retries": 1.5}, TypeError, "max_retries must be an int"),
        ({"max_retries": "3"}, TypeError, "max_retries must be an int"),
        ({"max_retries": -1}, ValueError, "max_retries cannot be negative"),
        ({"retry_timeout": 5}, TypeError, "retry_timeout must be a timedelta"),
        ({"retry_timeout": -SECOND}, ValueError, "retry_timeout cannot be negative"),
        ({"backoff": {"base": "2"}}, TypeError, "base must be a number"),
        ({"backoff": {"base": 0}}, ValueError, "base must be more than 0"),
        ({"backoff": {"base": float("nan")}}, ValueError, "base must be more than 0"),
    ],
    ids=repr,
)
def test_wrong_value_is_refused(config: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        RetryPolicy(config)


@given(st.integers(1, 3000), st.floats(1.1, 1e6))
def test_backoff_stays_within_its_bound(attempt: int, base: float) -> None:
    policy = RetryPolicy({"backoff": {"base": base}})
    assert 0 <= policy.backoff(attempt) <= 15
    assert policy.backoff(1) <= 0.1


def test_backoff_is_spread_over_all_of_its_range() -> None:
    pauses = [RetryPolicy({"backoff": {"init_backoff": SECOND}}).backoff(2) for _ in range(300)]
    assert min(pauses) < 0.4
    assert max(pauses) > 1.6
    assert max(pauses) <= 2
