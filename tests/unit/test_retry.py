"""Which failures are tried again, when and how often. No network, no waiting: see `fake_io`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from obstore_c import exceptions as exc
from obstore_c._backend import PutOptions
from obstore_c._client.errors import Failure
from obstore_c._client.headers import http_date
from obstore_c._client.request import Request
from obstore_c._ops import retry
from obstore_c._ops.retry import Attempts, Throttle, may_repeat
from obstore_c.store import S3Store
from unit.fake_io import FakeIO, answer, broken, run, xml_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore_c._ops.backend import HttpBackend

OBJECT = answer(200, b"hello", etag='"v1"', last_modified="Fri, 01 Mar 2024 00:00:00 GMT")


def backend(retries: int = 10, timeout: float = 180, **config: Any) -> HttpBackend:
    store = S3Store(
        "data",
        endpoint="https://s3.example.com",
        retry_config={
            "max_retries": retries,
            "retry_timeout": timedelta(seconds=timeout),
            "backoff": {
                "init_backoff": timedelta(seconds=1),
                "max_backoff": timedelta(seconds=10),
                "base": 2,
            },
        },
        **({"skip_signature": True} | config),
    )
    return store._backend


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """No jitter: every pause is as long as it can be."""
    monkeypatch.setattr("random.random", lambda: 1.0)


OPERATIONS: dict[str, Callable[[HttpBackend, FakeIO], Any]] = {
    "get": lambda b, io: b.get(io, "k", None),
    "get_range": lambda b, io: b.get_range(io, "k", 0, 5),
    "get_ranges": lambda b, io: b.get_ranges(io, "k", [(0, 5)], 0),
    "head": lambda b, io: b.head(io, "k"),
    "put": lambda b, io: b.put(io, "k", b"x", PutOptions()),
    "create": lambda b, io: b.put(io, "k", b"x", PutOptions(mode="create")),
    "update": lambda b, io: b.put(io, "k", b"x", PutOptions(mode={"e_tag": '"v1"'})),
    "delete": lambda b, io: b.delete(io, ["k"]),
    "delete_many": lambda b, io: b.delete(io, ["k", "l"]),
    "list": lambda b, io: b.list(None, None).next_page(io),
    "list_with_delimiter": lambda b, io: b.list_with_delimiter(io, None),
    "copy": lambda b, io: b.copy(io, "a", "b", True),
}
GOOD = {
    "get_range": answer(206, b"hello", content_range="bytes 0-4/5"),
    "get_ranges": answer(206, b"hello", content_range="bytes 0-4/5"),
    "list": answer(200, b"<ListBucketResult/>"),
    "list_with_delimiter": answer(200, b"<ListBucketResult/>"),
    "delete": answer(204),
    "delete_many": answer(200, b"<DeleteResult/>"),
    "copy": answer(200, b"<CopyObjectResult/>"),
}
ONCE_ONLY = ("create", "update")


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_busy_server_is_asked_again(name: str, status: int) -> None:
    io = FakeIO(answer(status), GOOD.get(name, OBJECT))
    if name in ONCE_ONLY and status not in (408, 429, 503):
        with pytest.raises(exc.GenericError, match=f"{status} \\(1 attempt"):
            run(OPERATIONS[name](backend(), io))
        return
    run(OPERATIONS[name](backend(), io))
    assert io.unused == 0
    assert io.sent[0].delay == 0
    assert 0 <= io.sent[1].delay <= 1
    assert (io.sent[0].url, io.sent[0].body) == (io.sent[1].url, io.sent[1].body)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 405, 409, 411, 412, 416, 501, 505])
def test_final_answer_is_not_asked_for_again(name: str, status: int) -> None:
    io = FakeIO(answer(status))
    with pytest.raises((exc.BaseError, FileNotFoundError), match=f"{status} \\(1 attempt"):
        run(OPERATIONS[name](backend(), io))
    assert len(io.sent) == 1


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("curl_code", [5, 6, 7, 16, 28, 35, 52, 55, 56, 92])
def test_broken_connection_is_tried_again_where_that_does_no_harm(name: str, curl_code: int) -> None:
    io = FakeIO(broken(curl_code), GOOD.get(name, OBJECT))
    if name in ONCE_ONLY:
        with pytest.raises(exc.GenericError, match="1 attempt"):
            run(OPERATIONS[name](backend(), io))
    else:
        run(OPERATIONS[name](backend(), io))
        assert io.unused == 0


@pytest.mark.parametrize("name", ONCE_ONLY)
def test_request_that_never_left_is_sent_again_in_any_case(name: str) -> None:
    io = FakeIO(broken(7, retry_safe=True), answer(200, etag='"v2"'))
    assert run(OPERATIONS[name](backend(), io)) == {"e_tag": '"v2"', "version": None}


@pytest.mark.parametrize("curl_code", [1, 3, 58, 60, 77])
def test_what_will_not_mend_is_not_tried_again(curl_code: int) -> None:
    io = FakeIO(broken(curl_code))
    with pytest.raises(exc.GenericError, match="1 attempt"):
        run(OPERATIONS["get"](backend(), io))


@pytest.mark.parametrize("name", ONCE_ONLY)
def test_conflicting_writes_are_repeated(name: str) -> None:
    io = FakeIO(xml_error(409, "ConditionalRequestConflict"), answer(200, etag='"v2"'))
    assert run(OPERATIONS[name](backend(), io))["e_tag"] == '"v2"'


def test_conflict_that_stays_is_told_as_obstore_does() -> None:
    io = FakeIO(lambda _: xml_error(409, "ConditionalRequestConflict"))
    with pytest.raises(exc.AlreadyExistsError, match="3 attempts"):
        run(OPERATIONS["update"](backend(retries=2), io))


@pytest.mark.parametrize("code", ["RequestTimeout", "SlowDown", "Throttling"])
@pytest.mark.parametrize("name", ["get", "create"])
def test_refusal_is_known_by_its_code_as_well(name: str, code: str) -> None:
    io = FakeIO(xml_error(400, code), OBJECT)
    run(OPERATIONS[name](backend(), io))
    assert io.unused == 0


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_number_of_retries(retries: int) -> None:
    io = FakeIO(lambda _: answer(503))
    with pytest.raises(exc.GenericError, match=f"\\({retries + 1} attempt"):
        run(OPERATIONS["get"](backend(retries), io))
    assert len(io.sent) == retries + 1


@pytest.mark.usefixtures("longest")
def test_pauses_grow_up_to_the_bound() -> None:
    io = FakeIO(lambda _: answer(503))
    with pytest.raises(exc.GenericError):
        run(OPERATIONS["get"](backend(6), io))
    assert [sent.delay for sent in io.sent] == [0, 1, 2, 4, 8, 10, 10]


def test_pauses_are_jittered() -> None:
    delays = set()
    for _ in range(5):
        io = FakeIO(answer(503), OBJECT)
        run(OPERATIONS["get"](backend(), io))
        delays.add(io.sent[1].delay)
    assert len(delays) == 5


@pytest.mark.usefixtures("longest")
def test_pause_that_would_end_after_the_timeout_is_not_begun() -> None:
    io = FakeIO(lambda _: answer(503))
    with pytest.raises(exc.GenericError, match="3 attempts"):
        run(OPERATIONS["get"](backend(timeout=2.5), io))
    assert [sent.delay for sent in io.sent] == [0, 1, 2]


@pytest.mark.usefixtures("longest")
@pytest.mark.parametrize(("value", "pause"), [("0", 1), ("7", 7), ("1.5", 1.5), ("nonsense", 1), ("-3", 1)])
def test_retry_after_is_honoured(value: str, pause: float) -> None:
    io = FakeIO(answer(503, retry_after=value), OBJECT)
    run(OPERATIONS["get"](backend(), io))
    assert io.sent[1].delay == pause


def test_retry_after_as_a_date() -> None:
    from datetime import UTC, datetime

    io = FakeIO(answer(503, retry_after=http_date(datetime.now(UTC) + timedelta(seconds=20))), OBJECT)
    run(OPERATIONS["get"](backend(), io))
    assert 15 < io.sent[1].delay <= 20


def test_retry_after_beyond_the_budget_fails_at_once() -> None:
    io = FakeIO(answer(503, retry_after="3600"))
    with pytest.raises(exc.GenericError, match="1 attempt"):
        run(OPERATIONS["get"](backend(), io))


def test_last_failure_is_the_one_that_is_told() -> None:
    io = FakeIO(answer(503), broken(7, "refused"), xml_error(403, "AccessDenied", "No."))
    with pytest.raises(exc.PermissionDeniedError, match=r"403 AccessDenied, No \(3 attempts"):
        run(OPERATIONS["get"](backend(), io))


def test_failed_transfer_is_cancelled_before_the_next() -> None:
    io = FakeIO(answer(503), OBJECT)
    run(OPERATIONS["get"](backend(), io))
    assert [sent.transfer.cancelled for sent in io.sent] == [True, False]


# --- regions ----------------------------------------------------------------------------------------------


def amazon(**config: Any) -> HttpBackend:
    return S3Store("data", **({"skip_signature": True, "region": "us-east-1"} | config))._backend


ELSEWHERE = {
    "header": answer(301, x_amz_bucket_region="eu-west-3"),
    "header-head-400": answer(400, x_amz_bucket_region="eu-west-3"),
    "malformed": xml_error(400, "AuthorizationHeaderMalformed", Region="eu-west-3"),
    "endpoint": xml_error(307, "TemporaryRedirect", Endpoint="data.s3-eu-west-3.amazonaws.com"),
    "endpoint-dot": xml_error(301, "PermanentRedirect", Endpoint="data.s3.eu-west-3.amazonaws.com"),
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_wrong_region_is_found_used_and_remembered(kind: str) -> None:
    bound = amazon()
    io = FakeIO(ELSEWHERE[kind], OBJECT, OBJECT)
    run(bound.get(io, "k", None))
    run(bound.get(io, "k", None))
    assert [sent.url for sent in io.sent] == [
        "https://s3.us-east-1.amazonaws.com/data/k",
        "https://s3.eu-west-3.amazonaws.com/data/k",
        "https://s3.eu-west-3.amazonaws.com/data/k",
    ]
    assert io.sent[1].delay == 0


def test_wrong_region_at_a_custom_endpoint_changes_the_signature_only() -> None:
    keys = {"access_key_id": "id", "secret_access_key": "secret", "skip_signature": False}
    bound = backend(region="us-east-1", **keys)
    io = FakeIO(ELSEWHERE["malformed"], OBJECT)
    run(bound.get(io, "k", None))
    assert io.sent[0].url == io.sent[1].url
    assert "/us-east-1/s3/" in io.sent[0].headers["authorization"]
    assert "/eu-west-3/s3/" in io.sent[1].headers["authorization"]


def test_requests_that_were_under_way_follow_as_well() -> None:
    bound = amazon()
    io = FakeIO(lambda sent: ELSEWHERE["header"] if "us-east-1" in sent.url else answer(206, b"x", **CONTENT))
    ranges = [(0, 1)] * 5
    assert len(run(bound.get_ranges(io, "k", ranges, 0))) == 5
    assert sum("eu-west-3" in sent.url for sent in io.sent) == 5


CONTENT = {"content_range": "bytes 0-0/1"}


def test_region_that_leads_nowhere_ends() -> None:
    io = FakeIO(lambda _: answer(301, x_amz_bucket_region="eu-west-3"))
    with pytest.raises(exc.GenericError, match=r"3 attempts.*another region"):
        run(amazon().get(io, "k", None))


def test_denied_with_the_region_we_have_is_final() -> None:
    io = FakeIO(answer(403, x_amz_bucket_region="us-east-1"))
    with pytest.raises(exc.PermissionDeniedError, match="1 attempt"):
        run(amazon().head(io, "k"))


@pytest.mark.parametrize("region", ["evil.com/", "a b", "-x-", "", "a" * 50, "EU"])
def test_region_that_is_none_is_not_believed(region: str) -> None:
    io = FakeIO(answer(301, x_amz_bucket_region=region))
    with pytest.raises(exc.GenericError, match="1 attempt"):
        run(amazon().get(io, "k", None))


# --- errors inside a 200 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
def test_copy_that_failed_with_200_is_repeated(code: str) -> None:
    io = FakeIO(xml_error(200, code), GOOD["copy"])
    run(OPERATIONS["copy"](backend(), io))
    assert io.unused == 0


def test_copy_that_failed_with_200_for_good() -> None:
    io = FakeIO(xml_error(200, "AccessDenied"))
    with pytest.raises(exc.PermissionDeniedError):
        run(OPERATIONS["copy"](backend(), io))


def test_delete_many_sends_what_was_left_again() -> None:
    left = b"<DeleteResult><Error><Key>l</Key><Code>InternalError</Code></Error></DeleteResult>"
    io = FakeIO(answer(200, left), GOOD["delete_many"])
    run(OPERATIONS["delete_many"](backend(), io))
    assert b"<Key>k</Key>" in (io.sent[0].body or b"")
    assert b"<Key>k</Key>" not in (io.sent[1].body or b"")
    assert b"<Key>l</Key>" in (io.sent[1].body or b"")


def test_delete_many_sends_what_was_left_again_beside_what_was_refused() -> None:
    left = (
        b"<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code></Error>"
        b"<Error><Key>l</Key><Code>SlowDown</Code></Error></DeleteResult>"
    )
    io = FakeIO(answer(200, left), GOOD["delete_many"])
    with pytest.raises(exc.PermissionDeniedError, match="delete 'k'"):
        run(OPERATIONS["delete_many"](backend(), io))
    assert b"<Key>k</Key>" not in (io.sent[1].body or b"")
    assert b"<Key>l</Key>" in (io.sent[1].body or b"")


@pytest.mark.parametrize("tag", ["Error", "s3:Error", "Error xmlns=''"])
def test_delete_many_finds_a_refused_key_however_it_is_written(tag: str) -> None:
    refused = f"<{tag}><Key>l</Key><Code>AccessDenied</Code></{tag.partition(' ')[0]}>"
    body = f'<DeleteResult xmlns:s3="x">{refused}</DeleteResult>'.encode()
    with pytest.raises(exc.PermissionDeniedError, match="delete 'l'"):
        run(OPERATIONS["delete_many"](backend(), FakeIO(answer(200, body))))


def test_delete_many_gives_up_some_day() -> None:
    left = b"<DeleteResult><Error><Key>l</Key><Code>SlowDown</Code></Error></DeleteResult>"
    io = FakeIO(lambda _: answer(200, left))
    with pytest.raises(exc.GenericError, match=r"503 SlowDown \(3 attempts"):
        run(OPERATIONS["delete_many"](backend(2), io))


# --- credentials ------------------------------------------------------------------------------------------


def test_expired_token_is_renewed_once() -> None:
    asked = []

    def provider() -> dict[str, Any]:
        asked.append(1)
        return {"access_key_id": f"id{len(asked)}", "secret_access_key": "s", "expires_at": None}

    bound = backend(credential_provider=provider, skip_signature=False)
    io = FakeIO(xml_error(400, "ExpiredToken"), OBJECT)
    run(bound.get(io, "k", None))
    assert [sent.headers["authorization"].split("=")[1][:3] for sent in io.sent] == ["id1", "id2"]
    io = FakeIO(lambda _: xml_error(400, "ExpiredToken"))
    with pytest.raises(exc.GenericError, match="2 attempts"):
        run(bound.get(io, "k", None))


def test_expired_token_without_a_provider_is_final() -> None:
    bound = backend(access_key_id="id", secret_access_key="s", session_token="t", skip_signature=False)
    io = FakeIO(xml_error(400, "ExpiredToken"))
    with pytest.raises(exc.GenericError, match="session token has expired"):
        run(bound.get(io, "k", None))


# --- parts ------------------------------------------------------------------------------------------------


def test_budget_is_renewed_by_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(retry.time, "monotonic", lambda: now[0])
    attempts = Attempts(backend(retries=2, timeout=60).client)
    request = Request("get", "k", "GET", "/k", "", [])
    for _ in range(5):
        attempts.next_delay(request, Failure(503))
        now[0] += 50
        attempts.renew()
    attempts.next_delay(request, Failure(503))
    attempts.next_delay(request, Failure(503))
    with pytest.raises(exc.GenericError, match="8 attempts, 250 s"):
        attempts.next_delay(request, Failure(503))


def test_throttle_spreads_a_storm_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(retry.time, "monotonic", lambda: now[0])
    throttle = Throttle()
    waits = [throttle.take() for _ in range(1000)]
    assert waits[:500] == [0.0] * 500
    assert waits[500:] == sorted(waits[500:])
    assert waits[-1] == pytest.approx(500 / Throttle.PER_SECOND)
    now[0] += 10
    assert throttle.take() == pytest.approx(1 / Throttle.PER_SECOND)
    for _ in range(50):
        throttle.give_back()
    assert throttle.take() == 0.0


@pytest.mark.parametrize("idempotent", [True, False])
def test_may_repeat_truncated_body(idempotent: bool) -> None:
    request = Request("get", "k", "GET", "/k", "", [], idempotent=idempotent)
    assert may_repeat(request, Failure(200, curl_code=18)) is idempotent
