"""What goes over the wire, next to what obstore sends for the same call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import obstore.store
import pytest

from servers.faults import Reply

if TYPE_CHECKING:
    from servers.faults import FaultServer, Request

    from .conftest import MakeStore

MOMENT = datetime(2024, 3, 1, 2, 3, 4, tzinfo=UTC)
HEADERS = {"ETag": '"v1"', "Last-Modified": "Fri, 01 Mar 2024 00:00:00 GMT"}
KEY = "a b/c+d/é%41?#&=;~.txt"

CALLS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "get": ("get", (KEY,), {}),
    "head": ("head", (KEY,), {}),
    "get head": ("get", (KEY,), {"options": {"head": True}}),
    "get range": ("get", (KEY,), {"options": {"range": (0, 5)}}),
    "get offset": ("get", (KEY,), {"options": {"range": {"offset": 3}}}),
    "get suffix": ("get", (KEY,), {"options": {"range": {"suffix": 3}}}),
    "get conditions": (
        "get",
        (KEY,),
        {
            "options": {
                "if_match": '"a"',
                "if_none_match": '"b"',
                "if_modified_since": MOMENT,
                "if_unmodified_since": MOMENT,
                "version": "v1.2-3_x",
            }
        },
    ),
    "get_range": ("get_range", (KEY,), {"start": 5, "end": 10}),
    "put": ("put", (KEY, b"data"), {}),
    "put empty": ("put", (KEY, b""), {}),
    "put attributes": (
        "put",
        (KEY, b"data"),
        {
            "attributes": {
                "Content-Type": "a/b",
                "Cache-Control": "c",
                "Storage-Class": "GLACIER",
                "own": "x  y",
            }
        },
    ),
    "put tags": ("put", (KEY, b"data"), {"tags": {"a": "b&c=d"}}),
    "put create": ("put", (KEY, b"data"), {"mode": "create"}),
    "put update": ("put", (KEY, b"data"), {"mode": {"e_tag": '"x"', "version": "1"}}),
    "copy": ("copy", (KEY, "to/" + KEY), {}),
    "list": ("list_with_delimiter", (), {}),
    "list prefix": ("list_with_delimiter", ("a b/c",), {}),
}
CONFIGS: dict[str, dict[str, Any]] = {
    "keys": {},
    "anonymous": {"skip_signature": True},
    "token": {"session_token": "token+/="},
    "unsigned payload": {"unsigned_payload": True},
    "requester pays": {"request_payer": True},
    "prefix": {"prefix": "p q/r"},
    "checksum": {"checksum_algorithm": "sha256"},
    "kms": {"server_side_encryption": "aws:kms", "sse_kms_key_id": "k", "sse_bucket_key_enabled": True},
    "sse-c": {"server_side_encryption": "sse-c", "sse_customer_key_base64": "a2tr" * 10 + "a2s="},
    "default headers": {"client_options": {"allow_http": True, "default_headers": {"x-custom": "1"}}},
}
# Set by the HTTP library, or different at every call.
_NOT_COMPARED = {"accept", "authorization", "connection", "host", "user-agent", "x-amz-date"}


def seen(request: Request) -> tuple[Any, ...]:
    headers = {name.lower(): value for name, value in request.headers if name.lower() not in _NOT_COMPARED}
    if not request.body:
        headers.pop("content-length", None)  # ours is there even where obstore's is not
        headers.pop("x-amz-content-sha256", None)  # unsigned payloads: ours leaves only payloads unsigned
    query = [pair for pair in parse_qsl(request.query, True) if pair != ("encoding-type", "url")]
    return request.method, request.path, sorted(query), sorted(headers.items()), request.body


def answer(request: Request) -> Reply:
    if "list-type" in request.query:
        return Reply(200, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
    headers = dict(HEADERS)
    body = b"0123456789"
    if (value := request.header("range")) is not None:
        start, end = {"0-4": (0, 5), "3-": (3, 10), "-3": (7, 10), "5-9": (5, 10)}[value.partition("=")[2]]
        headers["Content-Range"] = f"bytes {start}-{end - 1}/10"
        return Reply(206, body[start:end], headers)
    return Reply(200, b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>", headers)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", CALLS)
def test_request_is_obstores(
    fault_server: FaultServer, make_store: MakeStore, name: str, config: str
) -> None:
    fault_server.script(answer)
    ours = make_store(**CONFIGS[config])
    arguments = {
        "endpoint": fault_server.url,
        "access_key_id": "id",
        "secret_access_key": "secret",
        "region": "us-east-1",
        "client_options": {"allow_http": True},
    }
    reference = obstore.store.S3Store("data", **(arguments | CONFIGS[config]))  # type: ignore[arg-type]
    method, args, kwargs = CALLS[name]
    for store in (ours, reference):
        getattr(store, method)(*args, **kwargs)
    mine, theirs = map(seen, fault_server.requests)
    assert mine == theirs
    signed = [request.header("authorization") is not None for request in fault_server.requests]
    assert signed[0] == signed[1]
