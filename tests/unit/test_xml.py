"""XML answers: small documents. Listings are in test_listxml.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obstore_c._client import xml

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

# What XML 1.0 can carry: https://www.w3.org/TR/xml/#charsets
xml_text = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=1
)


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
