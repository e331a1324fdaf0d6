"""XML answers: listings (Cython) and small documents."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from xml.sax.saxutils import escape as sax_escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obstore_c._client import xml
from obstore_c._lib import listxml

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def listing(*items: str, head: str = "", root: str = "ListBucketResult") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{NAMESPACE}">{head}{"".join(items)}</{root}>'
    ).encode()


def contents(key: str, modified: str = "2024-03-01T12:34:56.789Z", size: str = "5") -> str:
    return (
        f"<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>&quot;e&quot;</ETag>"
        f"<Size>{size}</Size><Owner><ID>Key</ID></Owner><StorageClass>STANDARD</StorageClass></Contents>"
    )


def test_list_object_has_all_fields() -> None:
    page = xml.parse_list(listing(contents("a/b")), "")
    assert page.objects == [
        {
            "path": "a/b",
            "last_modified": datetime(2024, 3, 1, 12, 34, 56, 789000, UTC),
            "size": 5,
            "e_tag": '"e"',
            "version": None,
        }
    ]
    assert (page.prefixes, page.token) == ([], None)


def test_list_without_etag() -> None:
    item = contents("a").replace("<ETag>&quot;e&quot;</ETag>", "")
    assert xml.parse_list(listing(item), "").objects[0]["e_tag"] is None


def test_list_empty() -> None:
    page = xml.parse_list(listing("<KeyCount>0</KeyCount><IsTruncated>false</IsTruncated>"), "")
    assert (page.objects, page.prefixes, page.token) == ([], [], None)


def test_list_common_prefixes_are_not_the_page_prefix() -> None:
    head = "<Prefix>a/</Prefix><Delimiter>/</Delimiter>"
    items = "".join(f"<CommonPrefixes><Prefix>a/{n}/</Prefix></CommonPrefixes>" for n in range(2))
    assert xml.parse_list(listing(items, head=head), "a/").prefixes == ["0/", "1/"]


@pytest.mark.parametrize(
    ("head", "token"),
    [
        (
            "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b==</NextContinuationToken>",
            "a&b==",
        ),
        ("<IsTruncated>false</IsTruncated><NextContinuationToken>x</NextContinuationToken>", None),
    ],
    ids=["more", "last"],
)
def test_list_token(head: str, token: str | None) -> None:
    assert xml.parse_list(listing(head=head), "").token == token
    assert xml.parse_list(listing(contents("a"), head), "").token == token


@pytest.mark.parametrize(
    "token", ["", "<NextContinuationToken></NextContinuationToken>", "<NextMarker>a</NextMarker>"]
)
def test_list_that_is_cut_off_without_a_token_is_refused(token: str) -> None:
    """A server that answers with ListObjects' first version would else give its first 1,000 keys for all."""
    with pytest.raises(xml.XMLError, match="no NextContinuationToken"):
        xml.parse_list(listing(contents("a"), "<IsTruncated>true</IsTruncated>" + token), "")


@pytest.mark.parametrize("position", ["before", "after"])
def test_list_decodes_keys_wherever_the_encoding_is_named(position: str) -> None:
    name = "<EncodingType>url</EncodingType>"
    items = contents("a+b%2Bc%25%C3%A9%0A%") + "<CommonPrefixes><Prefix>d+e%2F</Prefix></CommonPrefixes>"
    page = xml.parse_list(listing(name + items if position == "before" else items + name), "")
    assert page.objects[0]["path"] == "a b+c%é\n%"
    assert page.prefixes == ["d e/"]


def test_list_leaves_out_the_mark_of_the_stores_folder() -> None:
    found = xml.parse_list(listing(contents("p/"), contents("p/a"), contents("p/a/")), "p/").objects
    assert [each["path"] for each in found] == ["a", "a/"]


def test_list_without_encoding_takes_keys_as_they_are() -> None:
    assert xml.parse_list(listing(contents("a+b%20")), "").objects[0]["path"] == "a+b%20"


def test_list_key_that_is_no_utf8_does_not_hide_the_others() -> None:
    page = xml.parse_list(listing("<EncodingType>url</EncodingType>", contents("%FF"), contents("b")), "")
    assert [each["path"] for each in page.objects] == ["\ufffd", "b"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-03-01T12:34:56Z", datetime(2024, 3, 1, 12, 34, 56, tzinfo=UTC)),
        ("2024-03-01T12:34:56.123456Z", datetime(2024, 3, 1, 12, 34, 56, 123456, UTC)),
        ("2024-03-01T12:34:56.123456789Z", datetime(2024, 3, 1, 12, 34, 56, 123456, UTC)),
        ("2024-03-01T12:34:56+02:00", datetime(2024, 3, 1, 10, 34, 56, tzinfo=UTC)),
        ("2024-03-01T12:34:56", datetime(2024, 3, 1, 12, 34, 56, tzinfo=UTC)),
        ("2024-03-01 12:34:56.5Z", datetime(2024, 3, 1, 12, 34, 56, 500000, UTC)),
    ],
)
def test_list_date_in_any_iso_form(text: str, moment: datetime) -> None:
    found = xml.parse_list(listing(contents("a", modified=text)), "").objects[0]["last_modified"]
    assert found == moment
    assert found.tzinfo is UTC


def test_list_with_namespace_prefixes() -> None:
    body = (
        b'<s3:ListBucketResult xmlns:s3="x"><s3:Contents><s3:Key>k</s3:Key>'
        b"<s3:LastModified>2024-03-01T12:34:56Z</s3:LastModified><s3:Size>1</s3:Size></s3:Contents>"
        b"</s3:ListBucketResult>"
    )
    assert xml.parse_list(body, "").objects[0]["path"] == "k"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"<ListBucketResult>",
        listing(contents("a"))[:-30],
        listing(contents("a"), root="Error"),
        b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + listing(contents("&a;")),
        listing(contents("&undefined;")),
        listing(contents("a", modified="yesterday")),
        listing(contents("a", modified="2024-13-01T12:34:56Z")),
        listing(contents("a", size="-1")),
        listing(contents("a", size="")),
        listing(contents("a", size="9" * 19)),
        listing("<Contents><Key>a</Key></Contents>"),
        listing("<CommonPrefixes></CommonPrefixes>"),
        listing(contents("a")).decode().encode("utf-16"),
        listing(contents("a")) + b"<more/>",
        b"\xff" + listing(contents("a")),
    ],
    ids=lambda body: repr(body[:60]),
)
def test_list_refuses_what_makes_no_sense(body: bytes) -> None:
    with pytest.raises(xml.XMLError, match="the server sent"):
        xml.parse_list(body, "")


def test_list_declared_encoding_is_not_believed() -> None:
    body = listing(contents("é")).replace(b"UTF-8", b"ISO-8859-1")
    assert xml.parse_list(body, "").objects[0]["path"] == "é"


# What XML 1.0 can carry: https://www.w3.org/TR/xml/#charsets
xml_text = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=1
)


@given(st.lists(xml_text, max_size=20), xml_text)
def test_list_returns_every_key(keys: list[str], prefix: str) -> None:
    body = listing(*(contents(sax_escape(prefix + key)) for key in keys))
    assert [each["path"] for each in xml.parse_list(body, prefix).objects] == keys


@given(st.binary(max_size=200))
def test_list_of_anything_is_an_error_and_no_crash(body: bytes) -> None:
    with pytest.raises(ValueError):
        listxml.parse_list(body)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=5))
def test_list_of_damaged_bytes_is_an_error_or_a_listing(damage: list[tuple[int, int]]) -> None:
    body = bytearray(listing("<EncodingType>url</EncodingType>", contents("a%41+"), contents("b")))
    for position, value in damage:
        body[position % len(body)] = value
    with contextlib.suppress(xml.XMLError):
        xml.parse_list(body, "")


def test_list_of_a_wrong_type() -> None:
    with pytest.raises(TypeError):
        listxml.parse_list("text")  # type: ignore[arg-type]


# --- small documents --------------------------------------------------------------------------------------


def test_parse_gives_a_tree() -> None:
    root = xml.parse(
        f'<DeleteResult xmlns="{NAMESPACE}"><Error><Key>a&amp;b</Key></Error><Error/></DeleteResult>'.encode()
    )
    assert root.name == "DeleteResult"
    assert [error.value("Key") for error in root.all("Error")] == ["a&b", ""]
    assert root.value("Key") == ""


@pytest.mark.parametrize("body", [b"", b"x", b"<a>", b"<!DOCTYPE a><a/>", b"<a>&b;</a>"])
def test_parse_refuses_what_makes_no_sense(body: bytes) -> None:
    with pytest.raises(xml.XMLError):
        xml.parse(body)


@given(xml_text)
def test_escape_is_undone_by_parsing(text: str) -> None:
    assert xml.representable(text)
    assert xml.parse(f"<a>{xml.escape(text)}</a>".encode()).text == text


def test_escape_keeps_line_breaks_and_markup() -> None:
    text = "a\r\n\tb<c>&amp;"
    assert xml.parse(f"<a>{xml.escape(text)}</a>".encode()).text == text


@pytest.mark.parametrize("text", ["a\x01", "\x1f", "\ufffe", "\uffff", "\ud800", "\x00"])
def test_representable_is_false_for_what_xml_cannot_carry(text: str) -> None:
    assert not xml.representable(text)


@pytest.mark.parametrize("text", ["", "a b", "é", "\t", "\U0001f600", "\x85", "\x7f"])
def test_representable_is_true_for_the_rest(text: str) -> None:
    assert xml.representable(text)
    assert xml.parse(f"<a>{xml.escape(text)}</a>".encode()).text == text
