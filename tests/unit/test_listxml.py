"""Listings in XML: the quick reader, the complete one, and that both read the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from obstore_c._client import xml
from obstore_c._lib import listexpat, listxml
from obstore_c._lib.columns import Columns

if TYPE_CHECKING:
    from collections.abc import Callable

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
URL = "<EncodingType>url</EncodingType>"


def listing(*items: str, head: str = "", root: str = "ListBucketResult") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{NAMESPACE}">{head}{"".join(items)}</{root}>'
    ).encode()


def contents(key: str, modified: str = "2024-03-01T12:34:56.789Z", size: str = "5") -> str:
    return (
        f"<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>&quot;e&quot;</ETag>"
        f"<Size>{size}</Size><Owner><ID>Key</ID></Owner><StorageClass>STANDARD</StorageClass></Contents>"
    )


class Page(NamedTuple):
    objects: list[Any]
    prefixes: list[str]
    token: str | None

    @property
    def paths(self) -> list[str]:
        return [each["path"] for each in self.objects]


def read(body: bytes, prefix: str = "") -> Page:
    columns = Columns()
    page = xml.parse_list(body, columns, prefix)
    return Page(columns.take_dicts(), page.prefixes, page.token)


def scanned(body: bytes, prefix: str = "") -> Page | None:
    """What the quick reader makes of it; None: it is not for it."""
    columns = Columns()
    found = listxml.scan(body, columns, prefix)
    if found is None:
        assert len(columns) == 0
        return None
    return Page(columns.take_dicts(), *found)


def complete(body: bytes, prefix: str = "") -> Page | str:
    """What expat makes of it."""
    return outcome(listexpat.parse_list, body, prefix)


def outcome(reader: Callable[..., Any], body: bytes, prefix: str) -> Page | str:
    """A page, or what is wrong with it."""
    columns = Columns()
    try:
        found = reader(body, columns, prefix)
    except ValueError as error:
        assert len(columns) == 0
        return f"{error}"
    return Page(columns.take_dicts(), *found)


# --- what a page says -------------------------------------------------------------------------------------


def test_object_has_all_fields() -> None:
    page = read(listing(contents("a/b")))
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


def test_object_without_etag() -> None:
    item = contents("a").replace("<ETag>&quot;e&quot;</ETag>", "")
    assert read(listing(item)).objects[0]["e_tag"] is None


def test_empty_page() -> None:
    assert read(listing("<KeyCount>0</KeyCount><IsTruncated>false</IsTruncated>")) == ([], [], None)


def test_common_prefixes_are_not_the_page_prefix() -> None:
    head = "<Prefix>a/</Prefix><Delimiter>/</Delimiter>"
    items = "".join(f"<CommonPrefixes><Prefix>a/{n}/</Prefix></CommonPrefixes>" for n in range(2))
    assert read(listing(items, head=head), "a/").prefixes == ["0/", "1/"]


MORE = "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b==</NextContinuationToken>"


@pytest.mark.parametrize(
    ("head", "token"),
    [
        (MORE, "a&b=="),
        (MORE.replace("true", "false"), None),
    ],
    ids=["more", "last"],
)
def test_token(head: str, token: str | None) -> None:
    for body in (listing(head=head), listing(contents("a"), head), listing(contents("a") * 100, head)):
        assert read(body).token == token
        assert listxml.next_token(body) == token


@pytest.mark.parametrize(
    "token",
    [
        "",
        "<NextContinuationToken></NextContinuationToken>",
        "<NextContinuationToken/>",
        "<NextMarker>a</NextMarker>",
    ],
)
def test_page_that_is_cut_off_without_a_token_is_refused(token: str) -> None:
    """A server that answers with ListObjects' first version would else give its first 1,000 keys for all."""
    with pytest.raises(xml.XMLError, match="no NextContinuationToken"):
        read(listing(contents("a"), "<IsTruncated>true</IsTruncated>" + token))


def test_token_in_the_middle_of_a_long_page_is_not_guessed() -> None:
    body = listing(contents("a") * 100, MORE, contents("b") * 100)
    assert read(body).token == "a&b=="
    assert listxml.next_token(body) is None


@pytest.mark.parametrize("position", ["before", "after", "far after"])
def test_keys_are_decoded_wherever_the_encoding_is_named(position: str) -> None:
    items = contents("a+b%2Bc%25%C3%A9%0A%") + "<CommonPrefixes><Prefix>d+e%2F</Prefix></CommonPrefixes>"
    rest = contents("x") * 100 if position == "far after" else ""
    page = read(listing(URL + items if position == "before" else items + rest + URL + rest))
    assert page.paths[0] == "a b+c%é\n%"
    assert page.prefixes == ["d e/"]


def test_mark_of_the_stores_folder_is_left_out() -> None:
    assert read(listing(contents("p/"), contents("p/a"), contents("p/a/")), "p/").paths == ["a", "a/"]


def test_without_encoding_keys_are_taken_as_they_are() -> None:
    assert read(listing(contents("a+b%20"))).paths == ["a+b%20"]


def test_key_that_is_no_utf8_does_not_hide_the_others() -> None:
    assert read(listing(URL, contents("%FF"), contents("b"))).paths == ["\ufffd", "b"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-03-01T12:34:56Z", datetime(2024, 3, 1, 12, 34, 56, tzinfo=UTC)),
        ("2024-03-01T12:34:56.123456Z", datetime(2024, 3, 1, 12, 34, 56, 123456, UTC)),
        ("2024-03-01T12:34:56.123456789Z", datetime(2024, 3, 1, 12, 34, 56, 123456, UTC)),
        ("2024-03-01T12:34:56+02:00", datetime(2024, 3, 1, 10, 34, 56, tzinfo=UTC)),
        ("2024-03-01T12:34:56", datetime(2024, 3, 1, 12, 34, 56, tzinfo=UTC)),
        ("2024-03-01 12:34:56.5Z", datetime(2024, 3, 1, 12, 34, 56, 500000, UTC)),
        ("2024-03-01T12:34:56.07Z", datetime(2024, 3, 1, 12, 34, 56, 70000, UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999Z", datetime(9999, 12, 31, 23, 59, 59, 999000, UTC)),
        ("1969-12-31T23:59:59.999Z", datetime(1969, 12, 31, 23, 59, 59, 999000, UTC)),
    ],
)
def test_date_in_any_iso_form(text: str, moment: datetime) -> None:
    found = read(listing(contents("a", modified=text))).objects[0]["last_modified"]
    assert found == moment
    assert found.tzinfo is UTC


@given(st.datetimes(timezones=st.just(UTC)), st.integers(0, 9), st.integers(0, 999))
def test_dates_are_for_the_quick_reader(moment: datetime, digits: int, nanoseconds: int) -> None:
    """Servers written in Go leave out zeros at the end of the fraction, so it has any number of digits."""
    fraction = f".{moment.microsecond:06}{nanoseconds:03}"[: digits + 1].rstrip(".")
    page = scanned(listing(contents("a", modified=f"{moment.isoformat()[:19]}{fraction}Z")))
    assert page is not None
    known = int(fraction[1:7].ljust(6, "0"))
    assert page.objects[0]["last_modified"] == moment.replace(microsecond=known)


@pytest.mark.parametrize("fraction", [".", ".1234567890", ".1.", ".-1", ",1", ". 1", "1"])
def test_other_fractions_are_for_expat(fraction: str) -> None:
    assert scanned(listing(contents("a", modified=f"2024-03-01T12:34:56{fraction}Z"))) is None


def test_namespace_prefixes() -> None:
    body = (
        b'<s3:ListBucketResult xmlns:s3="x"><s3:Contents><s3:Key>k</s3:Key>'
        b"<s3:LastModified>2024-03-01T12:34:56Z</s3:LastModified><s3:Size>1</s3:Size></s3:Contents>"
        b"</s3:ListBucketResult>"
    )
    assert read(body).paths == ["k"]


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
        listing(contents("a", modified="2023-02-29T12:34:56Z")),
        listing(contents("a", modified="0001-01-01T00:00:00+01:00")),
        listing(contents("a", size="-1")),
        listing(contents("a", size="")),
        listing(contents("a", size="9" * 19)),
        listing("<Contents><Key>a</Key></Contents>"),
        listing("<Contents/>"),
        listing("<CommonPrefixes></CommonPrefixes>"),
        listing(contents("a")).decode().encode("utf-16"),
        listing(contents("a")) + b"<more/>",
        b"\xff" + listing(contents("a")),
        listing(contents("a"), contents("]]>")),
        listing(contents("a"), contents("\x01")),
        listing(contents("a"), contents("&#1;")),
    ],
    ids=lambda body: repr(body[:60]),
)
def test_what_makes_no_sense_is_refused_and_adds_nothing(body: bytes) -> None:
    columns = Columns()
    columns.extend(read(listing(contents("before"))).objects)
    with pytest.raises(xml.XMLError, match="the server sent"):
        xml.parse_list(body, columns, "")
    assert [each["path"] for each in columns.take_dicts()] == ["before"]


def test_declared_encoding_is_not_believed() -> None:
    assert read(listing(contents("é")).replace(b"UTF-8", b"ISO-8859-1")).paths == ["é"]


def test_wrong_types() -> None:
    for reader in (listxml.parse_list, listxml.scan, listexpat.parse_list):
        with pytest.raises(TypeError):
            reader("text", Columns())  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            reader(b"", None)  # type: ignore[arg-type]


# --- the quick reader -------------------------------------------------------------------------------------

# As these servers write them; white space, order and references differ.
AWS = f"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="{NAMESPACE}"><Name>b</Name><Prefix>a%20/</Prefix><NextContinuationToken>1x+y/=\
</NextContinuationToken><KeyCount>1</KeyCount><MaxKeys>1</MaxKeys>{URL}<IsTruncated>true</IsTruncated>\
<Contents><Key>a+%28/k</Key><LastModified>2024-03-01T12:34:56.000Z</LastModified><ETag>&quot;e&quot;</ETag>\
<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>1</Size>\
<StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>"""
MINIO = f"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="{NAMESPACE}"><Name>b</Name><Prefix></Prefix><NextContinuationToken>1x+y/=\
</NextContinuationToken><KeyCount>1</KeyCount><MaxKeys>1</MaxKeys><Delimiter></Delimiter><IsTruncated>true\
</IsTruncated><Contents><Key>a+%28/k</Key><LastModified>2024-03-01T12:34:56.000Z</LastModified>\
<ETag>&#34;e&#34;</ETag><Size>1</Size><Owner><ID>02d6</ID><DisplayName>minio &amp; co</DisplayName></Owner>\
<StorageClass>STANDARD</StorageClass></Contents>{URL}</ListBucketResult>"""
MOTO = f"""<?xml version="1.0" encoding="utf-8"?>
<ListBucketResult xmlns="{NAMESPACE}">
  <Name>b</Name>
  <Prefix/>
  <MaxKeys>1</MaxKeys>
  {URL}
  <IsTruncated>true</IsTruncated>
  <NextContinuationToken>1x+y/=</NextContinuationToken>
  <Contents>
    <Key>a%20(/k</Key>
    <LastModified>2024-03-01T12:34:56Z</LastModified>
    <ETag>"e"</ETag>
    <Size>1</Size>
  </Contents>
</ListBucketResult>
"""


@pytest.mark.parametrize("body", [AWS, MINIO, MOTO], ids=["aws", "minio", "moto"])
def test_pages_of_real_servers_are_for_the_quick_reader(body: str) -> None:
    page = scanned(body.encode())
    assert page == complete(body.encode())
    assert page == (
        [
            {
                "path": "a (/k",
                "last_modified": datetime(2024, 3, 1, 12, 34, 56, tzinfo=UTC),
                "size": 1,
                "e_tag": '"e"',
                "version": None,
            }
        ],
        [],
        "1x+y/=",
    )
    assert listxml.next_token(body.encode()) == "1x+y/="


# What XML 1.0 can carry: https://www.w3.org/TR/xml/#charsets
xml_text = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=1
)
ascii_text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))


@given(st.lists(xml_text, max_size=20), xml_text)
def test_every_key_is_returned(keys: list[str], prefix: str) -> None:
    body = listing(*(contents(escape(prefix + key)) for key in keys))
    assert read(body, prefix).paths == keys


@given(st.lists(ascii_text, max_size=20))
def test_ascii_keys_are_for_the_quick_reader(keys: list[str]) -> None:
    page = scanned(listing(*(contents(escape(key)) for key in keys)))
    assert page is not None
    assert page.paths == keys


REFERENCES = ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#34;", "&#x41;", "&#xa;", "&#009;", "&#13;"]
ODD_REFERENCES = ["&#233;", "&#x1;", "&#x110000;", "&#0;", "&#;", "&#x;", "&nbsp;", "&", "&amp", "&#X41;"]
ODD_TEXT = ["]]>", "]", ">", "<", "é", "\x7f", "\x01", "\r", "\r\n", "\ufffe", "<![CDATA[a]]>", "<!-- a -->",
            "<?a b?>", "<b/>", "<b>c</b>", "<!--", "<![CDATA[", "</a>"]  # fmt: skip
ENCODED = ["%20", "%C3%A9", "%C3", "%", "%zz", "+", "%00", "%2B"]


def texts(plain: Any) -> Any:
    """Pieces of text, now and then odd ones."""
    regular = st.sampled_from([*REFERENCES, *ENCODED, " ", "\n", "\t", "/", "url", "true"]) | plain
    odd = st.sampled_from([*ODD_REFERENCES, *ODD_TEXT])
    return st.lists(st.one_of([regular] * 15 + [odd]), max_size=3).map("".join)


@st.composite
def element(draw: Any, names: list[str], content: Any) -> str:
    """An element as it should be, or one with something odd about its tags."""
    name = draw(st.sampled_from(names))
    form = draw(st.sampled_from([""] * 40 + ["/", "/", " /", "attribute", "blank", "prefix", "open"]))
    inside = draw(content)
    return {
        "/": f"<{name}/>",
        " /": f"<{name} />",
        "attribute": f"<{name} a='b'>{inside}</{name}>",
        "blank": f"<{name}\n>{inside}</{name} >",
        "prefix": f"<x:{name}>{inside}</x:{name}>",
        "open": f"<{name}>{inside}",
    }.get(form, f"<{name}>{inside}</{name}>")


BLANKS = st.sampled_from([""] * 15 + [" ", "\n  ", "\t"] * 5 + ["\r\n", "text", "<!-- -->"])


def sequence(*elements: Any) -> Any:
    return st.lists(st.tuples(BLANKS, st.one_of(elements)).map("".join), max_size=6).map("".join)


UNKNOWN = element(
    ["Name", "Owner", "StorageClass", "Restore"] * 3 + ["Key", "a", "_b", "c-1.2", "é"], texts(ascii_text)
)
NESTED = element(["Owner", "RestoreStatus", "Contents"], sequence(UNKNOWN, UNKNOWN))
FIELDS = (
    element(["Key", "ETag", "Prefix"], texts(ascii_text)),
    element(
        ["LastModified"], st.sampled_from(["2024-03-01T12:34:56Z"] * 9 + ["2024-02-30T00:00:00Z", "now"])
    ),
    element(["Size"], st.sampled_from(["1", "007", "9" * 18] * 5 + ["-1", "", "9" * 19, "1&#48;"])),
)
GOOD_FIELDS = st.sampled_from([contents(key)[10:-11] for key in ("a", "a%20b", "&lt;", "a+", "]", "%ff")])
OBJECT = st.tuples(st.just("<Contents>"), GOOD_FIELDS, sequence(UNKNOWN, NESTED), st.just("</Contents>"))
ODD_OBJECT = element(["Contents"], sequence(*FIELDS, UNKNOWN))
OBJECTS = [OBJECT.map("".join)] * 12 + [ODD_OBJECT]
PREFIX_NAME = element(["Prefix"], texts(ascii_text))
PREFIX = element(["CommonPrefixes"], PREFIX_NAME | PREFIX_NAME | PREFIX_NAME | sequence(PREFIX_NAME, UNKNOWN))
PAGE_FIELD = element(
    ["NextContinuationToken", "IsTruncated", "EncodingType", "KeyCount"],
    st.sampled_from(["url", "true"]) | texts(ascii_text),
)
ITEMS = sequence(*OBJECTS, PREFIX, PAGE_FIELD, UNKNOWN, NESTED)
STARTS = [f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="{NAMESPACE}">'] * 40 + [
    "<ListBucketResult>",
    "<ListBucketResult xmlns=''>",
    "<?xml version='1.0'?><ListBucketResult>",
    "\n<ListBucketResult>",
    " <?xml version='1.0'?><ListBucketResult>",
    "\ufeff<ListBucketResult>",
    "<!-- --><ListBucketResult>",
    "<Error>",
]
PAGES = st.tuples(
    st.sampled_from(STARTS),
    ITEMS,
    st.sampled_from(["</ListBucketResult>"] * 20 + ["</ListBucketResult >", "</ListBucketResult>\n", ""]),
).map(lambda parts: "".join(parts).encode())


def agree(body: bytes, prefix: str) -> None:
    """Whatever the quick reader accepts has to be what expat reads, and the rest goes to expat."""
    expected, found = complete(body, prefix), scanned(body, prefix)
    assert found is None or found == expected
    assert outcome(listxml.parse_list, body, prefix) == expected


@given(PAGES, st.sampled_from(["", "a", "a%"]))
@example(listing("<EncodingType>url</EncodingType>", contents("a%20"), "<EncodingType/>"), "")
@example(listing(contents("a%20"), "<EncodingType>url</EncodingType>", contents("a%20")), "")
@example(listing(contents("EncodingType>url"), contents("%20")), "")
@example(listing("<IsTruncated>true</IsTruncated><IsTruncated/>" + MORE[31:]), "")
@example(listing("<EncodingType>u&rl</EncodingType>"), "")
@example(listing("<IsTruncated>&</IsTruncated>"), "")
@example(listing(contents("a").replace("<Size>", "<ETag/><Size>")), "")
@example(listing(contents("a").replace("<Key>", "<LastModified/><Key>")), "")
def test_both_readers_read_the_same(body: bytes, prefix: str) -> None:
    agree(body, prefix)


@given(
    st.sampled_from([AWS, MINIO, MOTO, listing(URL, contents("a%41+") * 2, MORE).decode()]),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=3), st.integers(0, 3)), max_size=4),
)
def test_both_readers_read_the_same_in_damaged_pages(page: str, damage: list[tuple[int, bytes, int]]) -> None:
    body = bytearray(page.encode())
    for place, new, length in damage:
        start = place % len(body)
        body[start : start + length] = new
    agree(bytes(body), "")


@given(st.binary(max_size=200))
def test_anything_is_an_error_and_no_crash(body: bytes) -> None:
    assert scanned(body) is None
    assert isinstance(complete(body), str)
    assert listxml.next_token(body) is None


@pytest.mark.parametrize("page", [AWS, MINIO, MOTO], ids=["aws", "minio", "moto"])
def test_every_beginning_of_a_page_is_refused(page: str) -> None:
    body = page.strip().encode()
    for end in range(len(body)):
        # A copy of its own, so that a sanitizer sees a step too far.
        assert scanned(bytes(bytearray(body[:end]))) is None
