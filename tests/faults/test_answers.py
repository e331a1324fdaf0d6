"""Answers that are wrong without failing, and endpoints that cannot be reached: over real sockets."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from obstore_c import exceptions as exc
from obstore_c.store import S3Store
from servers.faults import Reply, error, hang, ok, slow

if TYPE_CHECKING:
    from servers.certificates import Authority
    from servers.faults import FaultServer

    from .conftest import Call, MakeStore

DATA = bytes(range(256)) * 40
LONG = bytes(range(250)) * 40_000
HEADERS = {"etag": '"v1"', "last_modified": "Fri, 01 Mar 2024 00:00:00 GMT"}


# --- ranges -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [DATA, LONG], ids=["collected", "streamed"])
@pytest.mark.parametrize("chunked", [False, True])
def test_server_that_ignores_ranges(
    fault_server: FaultServer, make_store: MakeStore, call: Call, data: bytes, chunked: bool
) -> None:
    fault_server.script(lambda _: Reply(200, data, {"ETag": '"v1"'}, chunked=chunked))
    store = make_store()
    if chunked:  # it is unknown how much comes
        with pytest.raises(exc.GenericError, match="ignored the range"):
            call(store, "get_range", "k", start=100, end=200)
        return
    assert bytes(call(store, "get_range", "k", start=100, end=200)) == data[100:200]
    parts = call(store, "get_ranges", "k", starts=[5, 1000, 6], ends=[10, 2000, 7], coalesce=0)
    assert [bytes(part) for part in parts] == [data[5:10], data[1000:2000], data[6:7]]
    result = call(store, "get", "k", options={"range": {"suffix": 1000}})
    assert bytes(call(result, "bytes")) == data[-1000:]
    with pytest.raises(exc.GenericError, match="outside of the object"):
        call(store, "get_range", "k", start=len(data), end=len(data) + 1)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 5_000_000], ids=["empty", "collected", "streamed"])
def test_any_framing(
    fault_server: FaultServer, make_store: MakeStore, call: Call, size: int, chunked: bool
) -> None:
    data = bytes(size)
    fault_server.script(Reply(200, data, {"etag": '"v1"'}, chunked=chunked, length=None if chunked else size))
    assert bytes(call(call(make_store(), "get", "k"), "bytes")) == data


def test_body_that_ends_with_the_connection(
    fault_server: FaultServer, make_store: MakeStore, call: Call
) -> None:
    fault_server.script(Reply(200, DATA, {"etag": '"v1"'}, length=-1, end="close"))
    result = call(make_store(), "get", "k")
    assert bytes(call(result, "bytes")) == DATA
    assert result.meta["size"] == len(DATA)


def test_error_inside_a_200(fault_server: FaultServer, make_store: MakeStore, call: Call) -> None:
    fault_server.script(ok(b"<Error><Code>AccessDenied</Code><Message>No</Message></Error>"))
    with pytest.raises(exc.PermissionDeniedError, match="403 AccessDenied, No"):
        call(make_store(), "copy", "a", "b")


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"<Other/>", b"<!DOCTYPE a [<!ENTITY x 'y'>]><ListBucketResult>&x;</ListBucketResult>"],
)
def test_listing_that_is_none(
    fault_server: FaultServer, make_store: MakeStore, call: Call, body: bytes
) -> None:
    fault_server.script(ok(body))
    with pytest.raises(exc.GenericError, match="the server sent"):
        call(make_store(), "list_with_delimiter")


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "no NextContinuationToken"),
        ("<NextContinuationToken/>", "no NextContinuationToken"),
        ("<NextContinuationToken>x</NextContinuationToken>", "list in bucket .* the same page again"),
    ],
    ids=["no-token", "empty-token", "same-token"],
)
def test_listing_without_a_way_on_is_neither_cut_short_nor_endless(
    fault_server: FaultServer, make_store: MakeStore, call: Call, token: str, message: str
) -> None:
    page = f"<ListBucketResult><IsTruncated>true</IsTruncated>{token}</ListBucketResult>".encode()
    fault_server.script(lambda _: ok(page))
    with pytest.raises(exc.GenericError, match=message):
        call(make_store(), "list_with_delimiter")


# --- endpoints --------------------------------------------------------------------------------------------


def test_refused_connection(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    store = lonely(f"http://127.0.0.1:{port}")
    with pytest.raises(exc.GenericError, match=r"refused .* Check that the server runs"):
        call(store, "get", "k")


def lonely(endpoint: str, **config: Any) -> S3Store:
    options = {
        "endpoint": endpoint,
        "skip_signature": True,
        "client_options": {"allow_http": True},
        "retry_config": {"max_retries": 0},
    }
    return S3Store("data", **(options | config))


def test_server_that_speaks_something_else(
    fault_server: FaultServer, make_store: MakeStore, call: Call
) -> None:
    fault_server.script(Reply(raw=b"220 mail.example.com ESMTP\r\n", end="close"))
    with pytest.raises(exc.GenericError, match=r"does not speak HTTP .*1 attempt.* Check scheme and port"):
        call(make_store(), "get", "k")


def test_unknown_host(call: Call) -> None:
    with pytest.raises(exc.GenericError, match=r"host is unknown .* Check the endpoint's spelling"):
        call(lonely("http://no-such-host.invalid"), "get", "k")


def test_certificate_nobody_knows(tls_fault_server: FaultServer, call: Call) -> None:
    store = lonely(tls_fault_server.url, retry_config={"max_retries": 3})
    with pytest.raises(exc.GenericError, match=r"certificate was not accepted .*1 attempt.*root_certificate"):
        call(store, "get", "k")


def test_certificate_of_a_private_authority(
    tls_fault_server: FaultServer, authority: Authority, call: Call
) -> None:
    tls_fault_server.script(ok(DATA, **HEADERS))
    store = lonely(tls_fault_server.url, client_options={"root_certificate": authority.pem})
    assert bytes(call(store, "get", "k").bytes()) == DATA


def test_server_that_never_answers(fault_server: FaultServer, make_store: MakeStore, call: Call) -> None:
    fault_server.script(lambda _: hang())
    store = make_store(retries=1, client_options={"allow_http": True, "timeout": "200ms"})
    started = time.monotonic()
    with pytest.raises(exc.GenericError, match=r"it took too long .*2 attempts.* Raise timeout"):
        call(store, "get", "k")
    assert 0.3 < time.monotonic() - started < 3


@pytest.mark.slow  # libcurl averages over five seconds
def test_server_that_stalls(fault_server: FaultServer, make_store: MakeStore, call: Call) -> None:
    fault_server.script(
        Reply(200, DATA[:100], {"etag": '"v1"'}, length=len(DATA), end="hang"),
        lambda _: error(412, "PreconditionFailed"),
    )
    store = make_store(client_options={"allow_http": True, "read_timeout": "1s"})
    with pytest.raises(exc.PreconditionError, match="after 100 bytes"):
        call(store, "get", "k")


def test_slow_server_is_no_fault(fault_server: FaultServer, make_store: MakeStore, call: Call) -> None:
    """Longer than read_timeout in all, but bytes keep moving."""
    fault_server.script(slow(DATA[:1000], piece=100, pause=0.25, **HEADERS))
    store = make_store(client_options={"allow_http": True, "read_timeout": "1s"})
    assert bytes(call(store, "get", "k").bytes()) == DATA[:1000]


# --- what is sent -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["a//b", "/a", "a/", "..", "a/../b", "./a", "a b+c", "é", "%41", "?#&=;", "a\x01\x7f"]
)
def test_key_arrives_as_it_is(fault_server: FaultServer, make_store: MakeStore, call: Call, key: str) -> None:
    from urllib.parse import unquote

    fault_server.script(lambda _: ok(**HEADERS))
    call(make_store(), "put", key, b"x")
    (request,) = fault_server.requests
    assert unquote(request.target) == "/data/" + key


def test_no_expect_header_and_no_compression(fault_server: FaultServer, make_store: MakeStore) -> None:
    fault_server.script(lambda _: ok(b"x", content_encoding="gzip", **HEADERS))
    store = make_store()
    store.put("k", bytes(2_000_000))
    assert bytes(store.get("k").bytes()) == b"x"
    for request in fault_server.requests:
        assert request.header("expect") is None
        assert request.header("accept-encoding") is None
    assert fault_server.requests[0].header("content-length") == "2000000"


@pytest.mark.parametrize("signed", [True, False])
def test_default_header_gives_way_to_the_requests_own(
    fault_server: FaultServer, make_store: MakeStore, call: Call, signed: bool
) -> None:
    fault_server.script(lambda _: ok(**HEADERS))
    client_options = {"allow_http": True, "default_headers": {"Content-Type": "a/b", "X-Team": "c"}}
    store = make_store(client_options=client_options, skip_signature=not signed)
    call(store, "put", "k", b"x")
    call(store, "put", "k", b"x", attributes={"Content-Type": "d/e"})
    found = [
        [value for name, value in request.headers if name.lower() == "content-type"]
        for request in fault_server.requests
    ]
    assert found == [["a/b"], ["d/e"]]
    assert [request.header("x-team") for request in fault_server.requests] == ["c", "c"]


def test_empty_put_has_a_length(fault_server: FaultServer, make_store: MakeStore, call: Call) -> None:
    fault_server.script(lambda _: ok(b"<CopyObjectResult/>", **HEADERS))
    store = make_store()
    call(store, "put", "k", b"")
    call(store, "copy", "a", "b")
    assert [request.header("content-length") for request in fault_server.requests] == ["0", "0"]
