"""The servers of the tests do what they are said to do; obstore is the client."""

from __future__ import annotations

import socket
import ssl
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import obstore
import pytest
from obstore.exceptions import BaseError, PermissionDeniedError

from servers import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.backends import Backend
    from servers.certificates import Authority


def _works(call: Callable[[], object], failure: type[BaseException] = BaseError) -> bool:
    try:
        call()
    except failure:
        return False
    return True


def test_backend_is_empty_and_holds_what_is_put(backend: Backend) -> None:
    store = backend.reference_store()
    assert obstore.list(store).collect() == []
    obstore.put(store, "a/b c.txt", b"hello")
    assert bytes(obstore.get(store, "a/b c.txt").bytes()) == b"hello"


def test_capability_conditional_put(backend: Backend) -> None:
    store = backend.reference_store()
    obstore.put(store, "key", b"1")
    refused = not _works(lambda: obstore.put(store, "key", b"2", mode="create"))
    assert refused == backend.can.conditional_put


def test_capability_conditional_get(backend: Backend) -> None:
    store = backend.reference_store()
    obstore.put(store, "key", b"1")
    options: list[Any] = [{"if_match": '"other"'}, {"if_unmodified_since": datetime(2001, 1, 1, tzinfo=UTC)}]
    refused = {not _works(lambda each=each: obstore.get(store, "key", options=each)) for each in options}
    assert refused == {backend.can.conditional_get}


def test_capability_range_status_206(backend: Backend) -> None:
    store = backend.reference_store()
    obstore.put(store, "key", b"0123456789")
    works = _works(lambda: obstore.get_range(store, "key", start=2, end=4))
    assert works == backend.can.range_status_206


def test_capability_quoted_list_etags(backend: Backend) -> None:
    store = backend.reference_store()
    obstore.put(store, "key", b"1")
    same = obstore.list(store).collect()[0]["e_tag"] == obstore.head(store, "key")["e_tag"]
    assert same == backend.can.quoted_list_etags


def test_capability_multipart_etags(backend: Backend) -> None:
    store = backend.reference_store()
    put = obstore.put(store, "key", bytes(6 << 20), use_multipart=True)
    assert (put["e_tag"] == obstore.head(store, "key")["e_tag"]) == backend.can.multipart_etags


def test_capability_copy_if_not_exists(backend: Backend) -> None:
    store = backend.reference_store()
    obstore.put(store, "key", b"1")
    works = _works(lambda: obstore.copy(store, "key", "new", overwrite=False))
    assert works == backend.can.copy_if_not_exists


def test_capability_attributes(backend: Backend) -> None:
    store = backend.reference_store()
    attributes: Any = {"Content-Type": "text/x-test", "Cache-Control": "no-store", "owner": "me"}
    obstore.put(store, "key", b"1", attributes=attributes)
    assert (dict(obstore.get(store, "key").attributes) == attributes) == backend.can.attributes


def test_capability_checks_signature(s3_backend: Backend) -> None:
    store = s3_backend.reference_store(secret_access_key="another", retry_config={"max_retries": 0})
    refused = not _works(lambda: obstore.put(store, "key", b"1"), PermissionDeniedError)
    assert refused == s3_backend.can.checks_signature


@pytest.mark.needs("conditional_put", "http")
def test_marker_needs_drops_backends(backend: Backend) -> None:
    assert backend.name == "moto"


def _get(url: str, **headers: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read()


def test_faults_are_answered_in_order_and_recorded(fault_server: faults.FaultServer) -> None:
    fault_server.script(faults.error(503, "SlowDown", retry_after="1"), faults.ok(b"fine"))
    fault_server.script(faults.ok(b"special"), path="/special")
    assert _get(fault_server.url + "/a%2F?b=c") == (
        503,
        b"<Error><Code>SlowDown</Code><Message></Message></Error>",
    )
    assert _get(fault_server.url + "/special") == (200, b"special")
    assert _get(fault_server.url + "/", x="y") == (200, b"fine")
    assert _get(fault_server.url + "/more")[0] == 599
    assert [request.target for request in fault_server.requests] == ["/a%2F?b=c", "/special", "/", "/more"]
    assert fault_server.requests[2].header("X") == "y"
    assert [request.target for request in fault_server.unexpected] == ["/more"]


def test_faults_record_bodies_of_both_framings(fault_server: faults.FaultServer) -> None:
    fault_server.script(lambda request: faults.ok(request.body))
    for body in (b"plain", iter([b"chun", b"ked"])):
        request = urllib.request.Request(fault_server.url, data=body, method="PUT")
        with urllib.request.urlopen(request) as response:
            response.read()
    assert [request.body for request in fault_server.requests] == [b"plain", b"chunked"]


def _exchange(port: int) -> bytes | type[OSError]:
    """What a client gets: the body, or the error that it ends with."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=0.5) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        try:
            while b"abcd" not in received and (more := client.recv(4096)):
                received += more
        except OSError as error:
            return type(error)
    return received.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        pytest.param(faults.reset(), ConnectionResetError, id="reset"),
        pytest.param(faults.closed(), b"", id="closed"),
        pytest.param(faults.hang(), TimeoutError, id="hang"),
        pytest.param(faults.truncated(b"abcd", 2), b"ab", id="truncated"),
        pytest.param(faults.truncated(b"abcd", 2, end="reset"), ConnectionResetError, id="truncated-reset"),
        pytest.param(faults.slow(b"abcd", 1, 0.01), b"abcd", id="slow"),
        pytest.param(faults.Reply(raw=b"HTTP/1.1 2OO\r\n", end="close"), b"", id="garbage"),
    ],
)
def test_fault_reaches_the_client(
    fault_server: faults.FaultServer, fault: faults.Reply, seen: object
) -> None:
    fault_server.script(fault)
    assert _exchange(fault_server.port) == seen


def test_blob_answers_ranges_and_conditions(fault_server: faults.FaultServer) -> None:
    fault_server.script(faults.blob(b"0123456789", etag='"e"'))
    assert _get(fault_server.url, Range="bytes=2-4") == (206, b"234")
    assert _get(fault_server.url, Range="bytes=7-") == (206, b"789")
    assert _get(fault_server.url, Range="bytes=-3") == (206, b"789")
    assert _get(fault_server.url, Range="bytes=10-")[0] == 416
    assert _get(fault_server.url, **{"If-Match": '"f"'})[0] == 412
    assert _get(fault_server.url, **{"If-None-Match": '"e"'})[0] == 304


def test_tls_is_trusted_through_the_authority(
    tls_fault_server: faults.FaultServer, authority: Authority
) -> None:
    tls_fault_server.script(faults.ok(b"hidden"))
    trusting = ssl.create_default_context(cadata=authority.pem.decode())
    with urllib.request.urlopen(tls_fault_server.url, context=trusting) as response:
        assert response.read() == b"hidden"
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(tls_fault_server.url)
