"""Failing servers, over real sockets: the table says what the server does and what must come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from obstore_c import exceptions as exc
from servers.faults import Reply, blob, closed, error, ok, reset, truncated

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.faults import FaultServer

    from .conftest import Call, MakeStore

DATA = bytes(range(256)) * 40
HEADERS = {"etag": '"v1"', "last_modified": "Fri, 01 Mar 2024 00:00:00 GMT"}
GOOD = ok(DATA, **HEADERS)
EMPTY_PAGE = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"

# What the server does first; then it answers as it should.
PASSING = {
    "500": [error(500, "InternalError")],
    "502": [Reply(502, b"<html>bad gateway</html>")],
    "503 twice": [error(503, "SlowDown"), error(503, "ServiceUnavailable")],
    "429": [error(429, "TooManyRequests", retry_after="0")],
    "408": [error(408, "RequestTimeout")],
    "reset": [reset()],
    "closed": [closed()],
    "reset, then 500": [reset(), error(500)],
}
VERBS: dict[str, tuple[Callable[[Call, Any], Any], Reply]] = {
    "get": (lambda call, store: bytes(call(store, "get", "k").bytes()) == DATA, GOOD),
    "head": (lambda call, store: call(store, "head", "k")["size"] == len(DATA), GOOD),
    "put": (lambda call, store: call(store, "put", "k", DATA)["e_tag"] == '"v1"', ok(**HEADERS)),
    "delete": (lambda call, store: call(store, "delete", "k") is None, ok(status=204)),
    "delete many": (
        lambda call, store: call(store, "delete", ["k", "l"]) is None,
        ok(b"<DeleteResult></DeleteResult>"),
    ),
    "copy": (lambda call, store: call(store, "copy", "a", "b") is None, ok(b"<CopyObjectResult/>")),
    "list": (lambda call, store: store.list().collect() == [], ok(EMPTY_PAGE)),
    "list_with_delimiter": (
        lambda call, store: call(store, "list_with_delimiter")["objects"] == [],
        ok(EMPTY_PAGE),
    ),
}


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("verb", VERBS)
def test_fault_that_passes(
    fault_server: FaultServer, make_store: MakeStore, call: Call, verb: str, fault: str
) -> None:
    works, reply = VERBS[verb]
    fault_server.script(*PASSING[fault], reply)
    assert works(call, make_store())
    assert len(fault_server.requests) == len(PASSING[fault]) + 1
    assert len({request.body for request in fault_server.requests}) == 1
    assert fault_server.unexpected == []


@pytest.mark.parametrize("fault", ["reset", "500"])
@pytest.mark.parametrize("mode", ["create", {"e_tag": '"v1"'}], ids=["create", "update"])
def test_conditional_put_is_not_sent_twice(
    fault_server: FaultServer, make_store: MakeStore, call: Call, mode: Any, fault: str
) -> None:
    fault_server.script(*PASSING[fault], ok(**HEADERS))
    with pytest.raises(exc.GenericError, match="1 attempt"):
        call(make_store(), "put", "k", DATA, mode=mode)
    assert len(fault_server.requests) == 1


def test_each_attempt_is_signed_anew(fault_server: FaultServer, make_store: MakeStore) -> None:
    fault_server.script(error(503, "SlowDown", retry_after="1.1"), GOOD)
    make_store().get("k")
    first, second = fault_server.requests
    assert first.header("x-amz-date") != second.header("x-amz-date")
    assert first.header("authorization") != second.header("authorization")
    assert second.time - first.time >= 1.0


def test_failure_that_stays_is_told_with_its_attempts(
    fault_server: FaultServer, make_store: MakeStore, call: Call
) -> None:
    fault_server.script(lambda _: error(503, "SlowDown", "Please reduce your request rate."))
    with pytest.raises(exc.GenericError, match=r"503 SlowDown, Please reduce your request rate \(3 attempts"):
        call(make_store(retries=2), "get", "k")
    assert len(fault_server.requests) == 3


@pytest.mark.parametrize("retries", [0, 1])
def test_retries_off(fault_server: FaultServer, make_store: MakeStore, retries: int) -> None:
    fault_server.script(lambda _: reset())
    with pytest.raises(exc.GenericError, match="the connection broke"):
        make_store(retries=retries).get("k")
    assert len(fault_server.requests) == retries + 1


# --- bodies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("size", [10_000, 5_000_000], ids=["collected", "streamed"])
def test_truncated_body_is_resumed(
    fault_server: FaultServer, make_store: MakeStore, call: Call, size: int, end: Any
) -> None:
    data = bytes(range(250)) * (size // 250)
    cut = size // 3
    fault_server.script(truncated(data, at=cut, end=end, **HEADERS), blob(data))
    result = call(make_store(), "get", "k")
    assert bytes(call(result, "bytes")) == data
    first, *rest = fault_server.requests
    assert first.header("range") is None
    resumed = rest[-1]
    assert resumed.header("if-match") == '"v1"'
    # A reset may lose bytes that were on their way, never gain any.
    start = int((resumed.header("range") or "").removeprefix("bytes=").split("-")[0])
    assert 0 < start <= cut
    if end == "close":
        assert start == cut


def test_truncated_again_and_again(fault_server: FaultServer, make_store: MakeStore) -> None:
    """Every attempt brings 100 KB: more attempts than the policy allows for a standstill."""
    data = bytes(range(250)) * 4_000
    whole = blob(data)

    def answer(request: Any) -> Reply:
        reply = whole(request)
        return (
            truncated(reply.body, at=min(len(reply.body), 100_000), **reply.headers) if reply.body else reply
        )

    fault_server.script(answer)
    assert bytes(make_store(retries=2).get("k").bytes()) == data
    assert len(fault_server.requests) == 10


def test_truncated_range_is_resumed(fault_server: FaultServer, make_store: MakeStore, call: Call) -> None:
    headers = HEADERS | {"content_range": f"bytes 100-4099/{len(DATA)}"}
    fault_server.script(
        Reply(
            206,
            DATA[100:1100],
            {k.replace("_", "-"): v for k, v in headers.items()},
            length=4000,
            end="close",
        ),
        blob(DATA),
    )
    assert bytes(call(make_store(), "get_range", "k", start=100, end=4100)) == DATA[100:4100]
    assert fault_server.requests[1].header("range") == "bytes=1100-4099"


@pytest.mark.parametrize("size", [10_000, 5_000_000], ids=["collected", "streamed"])
def test_object_that_changed_meanwhile_is_an_error(
    fault_server: FaultServer, make_store: MakeStore, call: Call, size: int
) -> None:
    fault_server.script(truncated(bytes(size), at=5000, **HEADERS), blob(b"x" * size, etag='"v2"'))
    with pytest.raises(exc.PreconditionError, match="was changed while it was being read"):
        call(call(make_store(), "get", "k"), "bytes")


def test_stream_is_resumed_chunk_by_chunk(fault_server: FaultServer, make_store: MakeStore) -> None:
    data = bytes(range(250)) * 40_000
    fault_server.script(
        truncated(data, at=5_000_123, **HEADERS),
        reset(),
        error(503),
        blob(data),
    )
    chunks = list(make_store().get("k").stream(min_chunk_size=1_000_000))
    assert b"".join(chunks) == data
    assert {len(chunk) for chunk in chunks} == {1_000_000}


async def test_stream_is_resumed_by_asyncio(fault_server: FaultServer, make_store: MakeStore) -> None:
    data = bytes(range(250)) * 40_000
    fault_server.script(truncated(data, at=5_000_123, end="reset", **HEADERS), blob(data))
    result = await make_store().get_async("k")
    assert b"".join([chunk async for chunk in result.stream(min_chunk_size=999_999)]) == data


# --- regions ----------------------------------------------------------------------------------------------


def test_wrong_region_is_corrected_and_remembered(
    fault_server: FaultServer, make_store: MakeStore, call: Call
) -> None:
    def answer(request: Any) -> Reply:
        if "/eu-west-3/s3/" in (request.header("authorization") or ""):
            return GOOD
        body = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>"
        return Reply(400, b"" if request.method == "HEAD" else body, {"x-amz-bucket-region": "eu-west-3"})

    fault_server.script(answer)
    store = make_store()
    call(store, "head", "k")
    assert bytes(call(store, "get", "k").bytes()) == DATA
    call(store, "put", "k", b"x")
    assert [request.method for request in fault_server.requests] == ["HEAD", "HEAD", "GET", "PUT"]
