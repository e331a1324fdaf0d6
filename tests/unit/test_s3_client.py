"""What S3Store puts on the wire. No network: see `fake_io`."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obstore_c import exceptions as exc
from obstore_c._backend import PutOptions
from obstore_c._lib.columns import Columns
from obstore_c.store import S3Store
from unit.fake_io import Answer, FakeIO, Sent, answer, run

KEYS = {"access_key_id": "id", "secret_access_key": "secret"}
OBJECT = answer(200, b"hello", etag='"v1"')


def backend(**config: Any) -> Any:
    return S3Store("data", **({"endpoint": "https://h.example", "skip_signature": True} | config))._backend


def sent_by(operation: str, *args: Any, reply: Answer = OBJECT, **config: Any) -> Sent:
    io = FakeIO(reply)
    run(getattr(backend(**config), operation)(io, *args))
    return io.sent[0]


def put(path: str = "k", payload: bytes = b"x", config: dict[str, Any] | None = None, **options: Any) -> Sent:
    return sent_by("put", path, payload, PutOptions(**options), **(config or {}))


# --- where ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({}, "https://h.example/data/k"),
        (
            {"endpoint": "http://h.example:9000/base/", "allow_http": True},
            "http://h.example:9000/base/data/k",
        ),
        ({"endpoint": "https://h.example:443"}, "https://h.example/data/k"),
        ({"endpoint": None}, "https://s3.us-east-1.amazonaws.com/data/k"),
        ({"endpoint": None, "region": "eu-west-3"}, "https://s3.eu-west-3.amazonaws.com/data/k"),
        ({"endpoint": None, "region": "cn-north-1"}, "https://s3.cn-north-1.amazonaws.com.cn/data/k"),
        (
            {"endpoint": None, "virtual_hosted_style_request": True},
            "https://data.s3.us-east-1.amazonaws.com/k",
        ),
        (
            {"endpoint": "https://data.h.example", "virtual_hosted_style_request": True},
            "https://data.h.example/k",
        ),
        ({"prefix": "a b/c"}, "https://h.example/data/a%20b/c/k"),
        ({"prefix": "/a/"}, "https://h.example/data/a/k"),
    ],
    ids=repr,
)
def test_url(config: dict[str, Any], url: str) -> None:
    config = {key: value for key, value in ({"endpoint": "https://h.example"} | config).items() if value}
    io = FakeIO(OBJECT)
    run(S3Store("data", skip_signature=True, **config)._backend.get(io, "k", None))
    assert io.sent[0].url == url


@pytest.mark.parametrize("style", [True, False], ids=["virtual", "path"])
def test_url_of_the_bucket_itself(style: bool) -> None:
    io = FakeIO(answer(200, b"<ListBucketResult/>"))
    run(backend(virtual_hosted_style_request=style).list(None, None).next_page(io))
    assert io.sent[0].path == ("/" if style else "/data")
    assert io.sent[0].query == "encoding-type=url&list-type=2"


HOSTILE = (
    "a//b",
    "/a",
    "a/",
    "..",
    "a/../b",
    ".",
    "a b+c",
    "é",
    "%41",
    "?#&=;",
    "a\x01\x7f",
    "~-._",
    '"<>\\^`{|}',
)


@pytest.mark.parametrize("key", HOSTILE)
@pytest.mark.parametrize("operation", ["get", "head", "put", "delete", "copy"])
def test_any_key_is_one_escaped_path(operation: str, key: str) -> None:
    args: dict[str, tuple[Any, ...]] = {
        "get": (key, None),
        "put": (key, b"", PutOptions()),
        "delete": ([key],),
        "copy": ("from", key, True),
    }
    sent = sent_by(operation, *args.get(operation, (key,)))
    assert sent.query == ""
    assert unquote(sent.path) == "/data/" + key
    assert sent.path.isascii()
    assert not set(sent.path) & set(' "<>#?^`{|}\\+;&=')


@pytest.mark.parametrize("operation", ["get", "delete", "head", "put"])
def test_empty_path_never_addresses_the_bucket(operation: str) -> None:
    args: dict[str, tuple[Any, ...]] = {
        "get": ("", None),
        "head": ("",),
        "put": ("", b"", PutOptions()),
        "delete": ([""],),
    }
    with pytest.raises(ValueError, match="empty"):
        sent_by(operation, *args[operation])
    assert sent_by(operation, *args[operation], prefix="a").path == "/data/a"


# --- put --------------------------------------------------------------------------------------------------


def test_put_attributes() -> None:
    sent = put(
        attributes={
            "Content-Type": "text/plain",
            "cache-control": "no-store",
            "Storage-Class": "STANDARD_IA",
            "Owner": "bä  r",
        }
    )
    assert sent.headers == {
        "content-type": "text/plain",
        "cache-control": "no-store",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-meta-owner": "bä  r",
    }


@pytest.mark.parametrize("name", ["a b", "a:b", "é", "a\nb", ""])
def test_put_metadata_that_is_no_header_name(name: str) -> None:
    with pytest.raises(ValueError):
        put(attributes={name: "x"})


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
def test_put_metadata_that_would_break_the_line(value: str) -> None:
    with pytest.raises(ValueError):
        put(attributes={"name": value})
    with pytest.raises(ValueError):
        put(attributes={"Content-Type": value})


def test_put_tags_are_percent_encoded() -> None:
    sent = put(tags={"a b": "c+d&e=f", "é": "%"})
    assert sent.headers["x-amz-tagging"] == "a%20b=c%2Bd%26e%3Df&%C3%A9=%25"


@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1))
def test_put_any_tags_can_be_read_back(tags: dict[str, str]) -> None:
    try:
        sent = put(tags=tags)
    except UnicodeEncodeError:
        assert any("\ud800" <= c <= "\udfff" for text in (*tags, *tags.values()) for c in text)
    else:
        assert dict(parse_qsl(sent.headers["x-amz-tagging"], True, True)) == tags


def test_put_without_tags_where_they_are_disabled() -> None:
    assert put(tags={"a": "b"}, config={"disable_tagging": True}).headers == {}


def test_put_default_content_type() -> None:
    config = {"client_options": {"default_content_type": "a/b"}}
    assert put(config=config).headers == {"content-type": "a/b"}
    assert put(config=config, attributes={"Content-Type": "c/d"}).headers == {"content-type": "c/d"}


def test_put_mode() -> None:
    assert put(mode="create").headers == {"if-none-match": "*"}
    assert put(mode={"e_tag": '"x"', "version": None}).headers == {"if-match": '"x"'}


@pytest.mark.parametrize("mode", [{"version": "1"}, {"e_tag": None}])
def test_put_update_without_an_etag(mode: Any) -> None:
    with pytest.raises(exc.GenericError, match="e_tag"):
        put(mode=mode)


def test_put_mode_where_it_is_disabled() -> None:
    with pytest.raises(exc.NotSupportedError):
        put(mode="create", config={"conditional_put": "disabled"})
    put(config={"conditional_put": "disabled"})


@pytest.mark.parametrize("size", [0, 1, 4096, 1 << 20])
def test_put_signs_the_payload(size: int) -> None:
    payload = bytes(size)
    sent = put(payload=payload, config=KEYS | {"skip_signature": False})
    assert sent.headers["x-amz-content-sha256"] == hashlib.sha256(payload).hexdigest()
    assert sent.body == payload


def test_put_unsigned_payload() -> None:
    sent = put(config=KEYS | {"skip_signature": False, "unsigned_payload": True})
    assert sent.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"


@pytest.mark.parametrize("signed", [True, False])
def test_put_checksum(signed: bool) -> None:
    sent = put(payload=b"abc", config=KEYS | {"skip_signature": not signed, "checksum_algorithm": "sha256"})
    expected = base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
    assert sent.headers["x-amz-checksum-sha256"] == expected


def test_put_result() -> None:
    io = FakeIO(answer(200, etag='"v1"', x_amz_version_id="7"), answer(200))
    assert run(backend().put(io, "k", b"", PutOptions())) == {"e_tag": '"v1"', "version": "7"}
    assert run(backend().put(io, "k", b"", PutOptions())) == {"e_tag": None, "version": None}


# --- headers of every request -----------------------------------------------------------------------------


def test_default_headers_and_requester_pays() -> None:
    config = {"client_options": {"default_headers": {"X-Custom": "a"}}, "request_payer": True}
    expected = {"x-custom": "a", "x-amz-request-payer": "requester"}
    assert sent_by("get", "k", None, **config).headers == expected
    assert put(config=config).headers == expected
    assert sent_by("delete", ["k"], **config).headers == expected
    signed = KEYS | {"skip_signature": False}
    names = sent_by("get", "k", None, **config, **signed).headers["authorization"]
    assert "x-amz-request-payer;x-custom" in names


def test_encryption_headers_go_with_what_needs_them() -> None:
    kms = {"server_side_encryption": "aws:kms", "sse_kms_key_id": "key"}
    assert "x-amz-server-side-encryption" in put(config=kms).headers
    assert "x-amz-server-side-encryption" in sent_by("copy", "a", "b", True, **kms).headers
    assert sent_by("get", "k", None, **kms).headers == {}
    own = {
        "server_side_encryption": "sse-c",
        "sse_customer_key_base64": base64.b64encode(b"k" * 32).decode(),
    }
    name = "x-amz-server-side-encryption-customer-key"
    assert name in put(config=own).headers
    assert name in sent_by("get", "k", None, **own).headers
    assert name in sent_by("head", "k", **own).headers
    copied = sent_by("copy", "a", "b", True, **own).headers
    assert {name, "x-amz-copy-source-server-side-encryption-customer-key"} <= set(copied)
    assert name not in sent_by("delete", ["k"], **own).headers


def test_session_token() -> None:
    sent = sent_by("get", "k", None, session_token="token", skip_signature=False, **KEYS)
    assert sent.headers["x-amz-security-token"] == "token"
    assert "x-amz-security-token" in sent.headers["authorization"]


def test_skip_signature_asks_for_no_credentials() -> None:
    def never() -> Any:
        raise AssertionError

    assert "authorization" not in sent_by("get", "k", None, credential_provider=never).headers


def test_no_credentials_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(exc.UnauthenticatedError, match="skip_signature=True"):
        sent_by("get", "k", None, skip_signature=False)


# --- copy, rename, delete ---------------------------------------------------------------------------------


def test_copy() -> None:
    sent = sent_by("copy", "a b+é", "c d", True, prefix="p q")
    assert (sent.method, sent.path) == ("PUT", "/data/p%20q/c%20d")
    assert sent.headers == {"x-amz-copy-source": "data/p%20q/a%20b%2B%C3%A9"}


def test_copy_without_overwriting_is_not_supported_by_default() -> None:
    with pytest.raises(exc.NotSupportedError):
        sent_by("copy", "a", "b", False)
    with pytest.raises(exc.NotSupportedError):
        sent_by("rename", "a", "b", False)


@pytest.mark.parametrize(
    ("how", "status"), [("header:if-none-match:*", 412), ("header-with-status: if-none-match: *: 409", 409)]
)
def test_copy_without_overwriting_by_header(how: str, status: int) -> None:
    assert sent_by("copy", "a", "b", False, copy_if_not_exists=how).headers["if-none-match"] == "*"
    with pytest.raises(exc.AlreadyExistsError):
        sent_by("copy", "a", "b", False, copy_if_not_exists=how, reply=answer(status))


def test_rename_copies_then_deletes() -> None:
    io = FakeIO(answer(200), answer(204))
    run(backend().rename(io, "a", "b", True))
    assert [(sent.method, sent.path) for sent in io.sent] == [("PUT", "/data/b"), ("DELETE", "/data/a")]


def test_rename_whose_copy_failed_deletes_nothing() -> None:
    error = b"<Error><Code>AccessDenied</Code></Error>"
    io = FakeIO(answer(200, error))
    with pytest.raises(exc.PermissionDeniedError, match="copy 'a' to 'b'"):
        run(backend().rename(io, "a", "b", True))


def keys_in(sent: Sent) -> list[str]:
    root = ElementTree.fromstring(sent.body or b"")
    return [key.text or "" for key in root.iter("{http://s3.amazonaws.com/doc/2006-03-01/}Key")]


def test_delete_many() -> None:
    names = ["a b", "c&<é>", "d\te"]
    sent = sent_by("delete", names, prefix="p&q", reply=answer(200, b"<DeleteResult/>"))
    assert (sent.method, sent.path, sent.query) == ("POST", "/data", "delete=")
    assert keys_in(sent) == [f"p&q/{name}" for name in names]
    digest = hashlib.md5(sent.body or b"").digest()
    assert sent.headers["content-md5"] == base64.b64encode(digest).decode()


def test_delete_many_in_thousands() -> None:
    io = FakeIO(lambda _: answer(200, b"<DeleteResult/>"))
    names = [f"{n:05}" for n in range(2500)]
    run(backend().delete(io, names))
    assert [len(keys_in(sent)) for sent in io.sent] == [1000, 1000, 500]
    assert [key for sent in io.sent for key in keys_in(sent)] == names


def test_delete_many_keys_that_xml_cannot_carry_go_alone() -> None:
    io = FakeIO(lambda sent: answer(204) if sent.method == "DELETE" else answer(200, b"<DeleteResult/>"))
    run(backend().delete(io, ["a", "b\x01", "c"]))
    assert keys_in(io.sent[0]) == ["a", "c"]
    assert [sent.path for sent in io.sent[1:]] == ["/data/b%01"]


def test_delete_many_one_by_one_where_bulk_is_disabled() -> None:
    io = FakeIO(lambda _: answer(204))
    run(backend(disable_bulk_delete=True).delete(io, ["a", "b"]))
    assert [(sent.method, sent.path) for sent in io.sent] == [("DELETE", "/data/a"), ("DELETE", "/data/b")]


def test_delete_nothing_sends_nothing() -> None:
    run(backend().delete(FakeIO(), []))


def test_delete_many_names_the_key_that_was_refused() -> None:
    body = (
        b"<DeleteResult><Error><Key>p/gone</Key><Code>NoSuchKey</Code></Error>"
        b"<Error><Key>p/b</Key><Code>AccessDenied</Code><Message>No</Message></Error></DeleteResult>"
    )
    io = FakeIO(answer(200, body), answer(200, b"<DeleteResult/>"))
    with pytest.raises(exc.PermissionDeniedError, match=r"delete 'b' in .* 403 AccessDenied, No"):
        run(backend(prefix="p").delete(io, [f"{n}" for n in range(1500)]))
    assert io.unused == 0  # the other thousand was deleted all the same


# --- list -------------------------------------------------------------------------------------------------


def page(*keys: str, token: str | None = None, prefixes: tuple[str, ...] = ()) -> Answer:
    items = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2024-03-01T00:00:00Z</LastModified><Size>1</Size></Contents>"
        for key in keys
    )
    items += "".join(f"<CommonPrefixes><Prefix>{each}</Prefix></CommonPrefixes>" for each in prefixes)
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    truncated = "true" if token else "false"
    return answer(
        200,
        f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{more}{items}</ListBucketResult>".encode(),
    )


def query_of(sent: Sent) -> dict[str, str]:
    return dict(parse_qsl(sent.query, True))


@pytest.mark.parametrize(
    ("store_prefix", "prefix", "offset", "query"),
    [
        (None, None, None, {}),
        (None, "", None, {}),
        (None, "a", None, {"prefix": "a/"}),
        (None, "a/", None, {"prefix": "a/"}),
        (None, "a//", None, {"prefix": "a//"}),
        (None, "/a", None, {"prefix": "/a/"}),
        (None, "a b+é", None, {"prefix": "a b+é/"}),
        (None, None, "x", {"start-after": "x"}),
        (None, "a", "b", {"prefix": "a/", "start-after": "b"}),
        ("p", None, None, {"prefix": "p/"}),
        ("p", "a", "a/b", {"prefix": "p/a/", "start-after": "p/a/b"}),
    ],
)
def test_list_query(
    store_prefix: str | None, prefix: str | None, offset: str | None, query: dict[str, str]
) -> None:
    io = FakeIO(page())
    run(backend(prefix=store_prefix).list(prefix, offset).next_page(io))
    assert query_of(io.sent[0]) == {"list-type": "2", "encoding-type": "url"} | query
    assert "+" not in io.sent[0].query


def test_list_asks_for_the_next_page_before_it_returns_this_one() -> None:
    io = FakeIO(page("p/a", token="t&amp;1="), page("p/b", token="t2"), page("p/c"))
    pager = backend(prefix="p").list(None, "0")
    assert [meta["path"] for meta in run(pager.next_page(io))] == ["a"]
    assert len(io.sent) == 2
    assert query_of(io.sent[1])["continuation-token"] == "t&1="
    assert "start-after" not in query_of(io.sent[1])
    assert [meta["path"] for meta in run(pager.next_page(io))] == ["b"]
    assert [meta["path"] for meta in run(pager.next_page(io))] == ["c"]
    assert run(pager.next_page(io)) is None
    assert len(io.sent) == 3


def test_list_whose_token_is_another_than_it_seemed() -> None:
    seeming = page("a", token="t").body.replace(
        b"<IsTruncated>", b"<!--<NextContinuationToken>x</NextContinuationToken>--><IsTruncated>"
    )
    io = FakeIO(answer(200, seeming), page("z"), page("b"))
    pager = backend().list(None, None)
    assert [meta["path"] for meta in run(pager.next_page(io))] == ["a"]
    assert [query_of(sent).get("continuation-token") for sent in io.sent] == [None, "x", "t"]
    assert io.sent[1].transfer.cancelled
    assert [meta["path"] for meta in run(pager.next_page(io))] == ["b"]
    assert run(pager.next_page(io)) is None


def test_list_page_that_makes_no_sense_can_be_asked_for_again() -> None:
    io = FakeIO(page("<", token="t"), page("z"), page("a", token="t"), page("b"))
    pager = backend().list(None, None)
    with pytest.raises(exc.GenericError, match="makes no sense"):
        run(pager.next_page(io))
    assert io.sent[1].transfer.cancelled
    assert [meta["path"] for meta in run(pager.next_page(io))] == ["a"]
    assert [meta["path"] for meta in run(pager.next_page(io))] == ["b"]


def test_list_that_goes_in_a_circle_ends() -> None:
    io = FakeIO(page("a", token="t"), page("b", token="t"), page("b", token="t"))
    pager = backend().list(None, None)
    run(pager.next_page(io))
    with pytest.raises(exc.GenericError, match="again"):
        run(pager.next_page(io))


def test_list_into_columns() -> None:
    io = FakeIO(page("p/a", token="t"), page("p/b", "p/c"))
    pager = backend(prefix="p").list(None, "a")
    columns = Columns("a")
    assert run(pager.next_into(io, columns))
    assert run(pager.next_into(io, columns))
    assert not run(pager.next_into(io, columns))
    assert [meta["path"] for meta in columns.take_dicts()] == ["b", "c"]


def test_list_that_is_dropped_cancels_the_next_page() -> None:
    io = FakeIO(page("a", token="t"), page("b"))
    pager = backend().list(None, None)
    run(pager.next_page(io))
    del pager
    assert io.sent[1].transfer.cancelled


def test_list_that_failed_can_be_continued() -> None:
    io = FakeIO(page("a", token="t"), answer(403), page("b"))
    pager = backend().list(None, None)
    run(pager.next_page(io))
    with pytest.raises(exc.PermissionDeniedError):
        run(pager.next_page(io))
    assert [meta["path"] for meta in run(pager.next_page(io))] == ["b"]


def test_list_with_delimiter_joins_all_pages() -> None:
    io = FakeIO(page("p/a/1", token="t", prefixes=("p/a/b/",)), page("p/a/2", prefixes=("p/a/c/", "p/a//")))
    prefixes, objects = run(backend(prefix="p").list_with_delimiter(io, "a"))
    assert prefixes == ["a/b", "a/c", "a//"]
    assert [meta["path"] for meta in objects] == ["a/1", "a/2"]
    assert query_of(io.sent[0])["delimiter"] == "/"


# --- sign -------------------------------------------------------------------------------------------------


def test_sign() -> None:
    config = KEYS | {"skip_signature": False, "prefix": "p"}
    found = run(backend(**config).sign(FakeIO(), "GET", ["a b", "c"], 60))
    assert found[0].startswith("https://h.example/data/p/a%20b?X-Amz-Algorithm=AWS4-HMAC-SHA256&")
    assert "X-Amz-Expires=60" in found[0]
    assert len(found) == 2


def test_sign_without_credentials() -> None:
    with pytest.raises(exc.UnauthenticatedError):
        run(backend().sign(FakeIO(), "GET", ["a"], 60))


def test_sign_for_requester_pays() -> None:
    config = KEYS | {"skip_signature": False, "request_payer": True}
    (url,) = run(backend(**config).sign(FakeIO(), "GET", ["a"], 60))
    assert "x-amz-request-payer=requester" in url
