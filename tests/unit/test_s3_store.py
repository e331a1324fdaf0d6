"""S3Store from the outside: properties, equality, pickling, credentials."""

from __future__ import annotations

import copy
import os
import pickle
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import obstore.store
import pytest

from obstore_c import exceptions as exc
from obstore_c._s3.credential import Credential
from obstore_c.store import ObjectStoreMethods, S3Store, from_url
from unit.fake_io import FakeIO, answer, run

CONFIG: dict[str, Any] = {
    "region": "eu-west-1",
    "access_key_id": "the-key-id",
    "secret_access_key": "the-secret",
    "session_token": "the-token",
}
OBJECT = answer(200, b"hello", etag='"v1"')


def test_properties_are_obstores() -> None:
    arguments: dict[str, Any] = {
        "prefix": "a/b/",
        "config": CONFIG,
        "client_options": {"timeout": timedelta(seconds=5), "allow_http": True},
        "retry_config": {"max_retries": 3},
    }
    ours, reference = S3Store("data", **arguments), obstore.store.S3Store("data", **arguments)
    for name in ("prefix", "config", "client_options", "retry_config", "credential_provider"):
        assert getattr(ours, name) == getattr(reference, name), name
    assert repr(ours) == repr(reference)


def test_properties_without_arguments_are_obstores() -> None:
    ours, reference = S3Store("data", skip_signature=True), obstore.store.S3Store("data", skip_signature=True)
    for name in ("prefix", "config", "client_options", "retry_config", "credential_provider"):
        assert getattr(ours, name) == getattr(reference, name), name
    assert repr(ours) == repr(reference) == 'S3Store(bucket="data")'


@pytest.mark.parametrize("prefix", [None, "", "/", "a", "a/", "/a/"])
def test_prefix_is_obstores(prefix: str | None) -> None:
    reference = obstore.store.S3Store("data", prefix=prefix, skip_signature=True)
    assert (S3Store("data", prefix=prefix, skip_signature=True).prefix or "") == (reference.prefix or "")


def test_nothing_shows_a_secret() -> None:
    store = S3Store("data", **CONFIG)
    io = FakeIO(answer(403))
    with pytest.raises(exc.PermissionDeniedError) as error:
        run(store._backend.get(io, "k", None))
    shown = repr(store) + str(store) + str(error.value) + repr(store._options) + repr(vars(store))
    assert "the-secret" not in shown
    assert "the-token" not in shown


def test_pickle_and_copy() -> None:
    store = S3Store(
        "data", prefix="p", client_options={"timeout": "5s"}, retry_config={"max_retries": 1}, **CONFIG
    )
    for other in (pickle.loads(pickle.dumps(store)), copy.copy(store), copy.deepcopy(store)):
        assert other == store
        assert other.config == store.config
        assert other.prefix == "p"
        assert other.retry_config == store.retry_config
    arguments, keywords = store.__getnewargs_ex__()
    assert S3Store(*arguments, **keywords) == store


class Sub(S3Store):
    pass


def test_pickle_of_a_subclass() -> None:
    assert type(pickle.loads(pickle.dumps(Sub("data", **CONFIG)))) is Sub
    assert repr(Sub("data", **CONFIG)) == 'Sub(bucket="data")'


@pytest.mark.parametrize(
    "other",
    [
        {"bucket": "other"},
        {"prefix": "q"},
        {"region": "eu-west-2"},
        {"client_options": {"timeout": "6s"}},
        {"retry_config": {"max_retries": 2}},
        {"credential_provider": dict},
    ],
    ids=repr,
)
def test_equality(other: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"bucket": "data", "prefix": "p"} | CONFIG
    assert S3Store(**arguments) == S3Store(**arguments)
    assert S3Store(**arguments) != S3Store(**(arguments | other))
    assert S3Store(**arguments) != "data"
    with pytest.raises(TypeError):
        hash(S3Store(**arguments))


def test_from_url() -> None:
    store = S3Store.from_url("s3://data/a/b", **CONFIG)
    assert (store.prefix, store.config["bucket"]) == ("a/b", "data")
    assert store == S3Store("data", prefix="a/b", **CONFIG)
    assert from_url("s3://data/a/b", **CONFIG) == store
    assert type(Sub.from_url("s3://data")) is Sub
    assert isinstance(store, ObjectStoreMethods)


@pytest.mark.parametrize("prefix", ["a\nb", "a\0", 5])
def test_bad_prefix(prefix: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        S3Store("data", prefix=prefix, skip_signature=True)


def test_making_a_store_asks_for_no_credentials() -> None:
    def never() -> Any:
        raise AssertionError

    S3Store("data", credential_provider=never)


# --- credential providers ---------------------------------------------------------------------------------


class Provider:
    """Counts how often it is asked."""

    def __init__(self, lifetime: float | None = None) -> None:
        self.lifetime = lifetime
        self.asked = 0

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        lifetime = self.lifetime
        expires = None if lifetime is None else datetime.now(UTC) + timedelta(seconds=lifetime)
        return {
            "access_key_id": f"id{self.asked}",
            "secret_access_key": "secret",
            "token": None,
            "expires_at": expires,
        }


class AsyncProvider(Provider):
    async def __call__(self) -> dict[str, Any]:  # type: ignore[override]
        return super().__call__()


def key_ids(store: S3Store, count: int, blocking: bool) -> list[str]:
    io = FakeIO(lambda _: OBJECT, blocking=blocking)
    for _ in range(count):
        run(store._backend.get(io, "k", None))
    return [sent.headers["authorization"].split("Credential=")[1].split("/")[0] for sent in io.sent]


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("kind", [Provider, AsyncProvider])
def test_provider_is_asked_once_for_what_never_expires(kind: type[Provider], blocking: bool) -> None:
    provider = kind()
    store = S3Store("data", credential_provider=provider)
    assert key_ids(store, 3, blocking) == ["id1"] * 3
    assert store.credential_provider is provider


def test_provider_that_returns_a_coroutine() -> None:
    provider = AsyncProvider()
    assert key_ids(S3Store("data", credential_provider=lambda: provider()), 2, blocking=True) == ["id1"] * 2


@pytest.mark.parametrize("lifetime", [-10, 0])
def test_expired_credential_is_renewed(lifetime: float) -> None:
    assert key_ids(S3Store("data", credential_provider=Provider(lifetime)), 2, blocking=True) == [
        "id1",
        "id2",
    ]


def test_credential_is_renewed_before_it_expires() -> None:
    now = time.time()
    assert Credential("id", "secret", None, now + 3600).stale_at == pytest.approx(now + 3300, abs=1)
    assert Credential("id", "secret", None, now + 100).stale_at == pytest.approx(now + 80, abs=1)
    assert Credential("id", "secret").stale_at == float("inf")


@pytest.mark.parametrize(
    "found",
    [
        None,
        "text",
        {},
        {"access_key_id": "a"},
        {"access_key_id": 1, "secret_access_key": "b", "expires_at": None},
        {"access_key_id": "a", "secret_access_key": "b", "token": 5},
        {"access_key_id": "a", "secret_access_key": "b", "expires_at": 5},
        {"access_key_id": "a", "secret_access_key": "b", "expires_at": datetime(2030, 1, 1)},
    ],
    ids=repr,
)
def test_provider_that_returns_something_else(found: Any) -> None:
    with pytest.raises(TypeError, match="credential_provider"):
        key_ids(S3Store("data", credential_provider=lambda: found), 1, blocking=True)


def test_provider_that_fails_can_be_asked_again() -> None:
    answers: list[Any] = [OSError("no"), {"access_key_id": "id9", "secret_access_key": "b"}]

    def provider() -> Any:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    store = S3Store("data", credential_provider=provider)
    with pytest.raises(OSError, match="no"):
        key_ids(store, 1, blocking=True)
    assert key_ids(store, 1, blocking=True) == ["id9"]


def test_one_caller_fetches_and_the_others_wait() -> None:
    provider = Provider()
    store = S3Store("data", credential_provider=provider)
    client = store._backend.client
    client._refreshing_in = os.getpid()
    io = FakeIO(OBJECT)

    async def sleep(seconds: float) -> None:
        client._use(Credential("other", "secret"))

    io.sleep = sleep  # type: ignore[method-assign]
    run(store._backend.get(io, "k", None))
    assert provider.asked == 0
    assert "Credential=other/" in io.sent[0].headers["authorization"]


def test_fork_while_fetching_does_not_block_the_child() -> None:
    store = S3Store("data", credential_provider=Provider())
    store._backend.client._refreshing_in = os.getpid() + 1
    assert key_ids(store, 1, blocking=True) == ["id1"]


def test_express_buckets_are_refused_until_their_sessions_are_there() -> None:
    with pytest.raises(exc.NotSupportedError, match="s3_express is not supported yet"):
        S3Store("data--usw2-az1--x-s3", s3_express=True, access_key_id="AKID", secret_access_key="secret")
