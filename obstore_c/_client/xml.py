"""XML answers of S3 and its relatives, read with expat. Nothing in them is expanded: a DOCTYPE is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore_c.exceptions import GenericError

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore_c._lib.columns import Columns
    from obstore_c._ops.io import Buffer


class XMLError(GenericError):
    """The answer is not the XML it should be."""


class ListPage:
    """What a page of a listing has beside objects: common prefixes, and the token of the next page if any."""

    __slots__ = ("prefixes", "token")

    def __init__(self, prefixes: list[str], token: str | None) -> None:
        self.prefixes = prefixes
        self.token = token


def escape(text: str) -> str:
    """Text as element content. Line breaks are written as references, which parsers must keep."""
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\r", "&#13;")
        .replace("\n", "&#10;")
        .replace("\t", "&#9;")
    )


def representable(text: str) -> bool:
    """Whether XML 1.0 can carry this text at all (https://www.w3.org/TR/xml/#charsets)."""
    if text.isprintable():
        return True
    return not any(
        (c < " " and c not in "\t\n\r") or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff" for c in text
    )


class Element:
    """An element of a small answer. Names come without their namespace prefix."""

    __slots__ = ("children", "name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = ""
        self.children: list[Element] = []

    def all(self, name: str) -> list[Element]:
        """The children of that name."""
        return [child for child in self.children if child.name == name]

    def value(self, name: str) -> str:
        """The text of the first child of that name, "" if there is none."""
        for child in self.children:
            if child.name == name:
                return child.text
        return ""


def parse(body: Buffer) -> Element:
    """A small answer as a tree.

    >>> parse(b"<Error><Code>NoSuchKey</Code></Error>").value("Code")
    'NoSuchKey'
    """
    stack = [Element("")]

    def start(name: str, _attributes: object) -> None:
        element = Element(name.rpartition(":")[2])
        stack[-1].children.append(element)
        stack.append(element)

    def end(_name: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        stack[-1].text += data

    _run(body, start, end, text)
    return stack[0].children[0]


def next_token(body: Buffer) -> str | None:
    """What is probably the token in a ListObjectsV2 answer that has not been read yet."""
    from obstore_c._lib import listxml

    return listxml.next_token(body)


def parse_list(body: Buffer, columns: Columns, prefix: str) -> ListPage:
    """Add what a ListObjectsV2 answer names. `prefix`, the store's own, comes off the front of every key."""
    from obstore_c._lib import listxml

    try:
        return ListPage(*listxml.parse_list(body, columns, prefix))
    except ValueError as error:
        raise XMLError(f"the server sent a listing that makes no sense: {error}") from None


def _run(
    body: Buffer,
    start: Callable[[str, object], None],
    end: Callable[[str], None],
    text: Callable[[str], object],
) -> None:
    """Feed `body` to expat; every way it can be wrong becomes an `XMLError`."""
    from pyexpat import ExpatError, ParserCreate

    document = bytes(body)
    # Without a document type there are no entities to define, so none to expand or to fetch. In another
    # encoding it would be other bytes: hence the one given below, and no NUL, which UTF-16 cannot do without.
    if b"<!DOCTYPE" in document or b"\0" in document:
        raise XMLError(
            "the server sent XML with a DOCTYPE or in another encoding than UTF-8, which is refused"
        )
    parser = ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    try:
        parser.Parse(document, True)
    except ExpatError as error:
        raise XMLError(f"the server sent something that is not XML: {error}") from None
