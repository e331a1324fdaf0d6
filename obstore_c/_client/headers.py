"""Headers in both directions: attributes, metadata, conditions, ranges and dates.

What differs between providers is a `HeaderNames`, a table of constants, not a branch.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from obstore_c.exceptions import GenericError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obstore_c._list import ObjectMeta
    from obstore_c._ops.io import Response

Headers: TypeAlias = list[tuple[str, str]]


class HeaderNames:
    """The names one provider uses for what every provider has."""

    __slots__ = ("metadata_prefix", "storage_class", "tagging", "version")

    def __init__(self, *, version: str, metadata_prefix: str, storage_class: str, tagging: str) -> None:
        self.version = version
        self.metadata_prefix = metadata_prefix
        self.storage_class = storage_class
        self.tagging = tagging


_STANDARD = ("Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Cache-Control")
_ATTRIBUTES = {name.lower(): name for name in _STANDARD}
_ATTRIBUTES |= {name.lower().replace("-", ""): name for name in _STANDARD}
_STORAGE_CLASS = frozenset({"storage-class", "storageclass"})
# RFC 9110, 5.6.2: what a field name may consist of besides letters and digits.
_TOKEN_PUNCTUATION = frozenset("!#$%&'*+-.^_`|~")


def check_value(value: str, what: str) -> str:
    """Refuse what would end the header line (RFC 9110, 5.5) and so smuggle in another one."""
    if "\r" in value or "\n" in value or "\0" in value:
        raise ValueError(f"{what} contains a line break or a NUL")
    return value


def check_name(name: str, what: str) -> str:
    """Refuse what cannot be a header's name."""
    if not name or not all(c.isascii() and (c.isalnum() or c in _TOKEN_PUNCTUATION) for c in name):
        raise ValueError(f"{what} {name!r} cannot be sent as part of a header name")
    return name


def attribute_headers(attributes: Mapping[str, str], names: HeaderNames) -> Headers:
    """The headers that store `attributes` with an object; names that are not standard are user metadata."""
    headers: Headers = []
    for name, value in attributes.items():
        check_value(value, f"attribute {name!r}")
        folded = name.lower()
        if standard := _ATTRIBUTES.get(folded):
            headers.append((standard, value))
        elif folded in _STORAGE_CLASS:
            headers.append((names.storage_class, value))
        else:
            headers.append((names.metadata_prefix + check_name(name, "attribute"), value))
    return headers


def read_attributes(response: Response, names: HeaderNames) -> dict[str, str]:
    """The attributes that came with an object."""
    attributes = {}
    prefix = names.metadata_prefix
    for name, value in response.headers():
        folded = name.lower()
        if folded.startswith(prefix):
            attributes[folded[len(prefix) :]] = _decoded(value)
        elif standard := _ATTRIBUTES.get(folded):
            attributes[standard] = _decoded(value)
    return attributes


def _decoded(value: str) -> str:
    """Undo latin-1, in which header lines are handed over, where the bytes are UTF-8."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value


def read_meta(path: str, response: Response, size: int, names: HeaderNames) -> ObjectMeta:
    """The `ObjectMeta` that an answer's headers describe."""
    modified = response.header("Last-Modified")
    return {
        "path": path,
        "last_modified": parse_http_date(modified) if modified else EPOCH,
        "size": size,
        "e_tag": response.header("ETag"),
        "version": response.header(names.version),
    }


def condition_headers(options: Mapping[str, Any]) -> Headers:
    """`If-*` and `Range` of a get."""
    headers: Headers = []
    for option, name in _CONDITIONS:
        if (value := options.get(option)) is not None:
            text = http_date(value) if isinstance(value, datetime) else check_value(value, option)
            headers.append((name, text))
    if (requested := options.get("range")) is not None:
        headers.append(("Range", range_header(requested)))
    return headers


_CONDITIONS = (
    ("if_match", "If-Match"),
    ("if_none_match", "If-None-Match"),
    ("if_modified_since", "If-Modified-Since"),
    ("if_unmodified_since", "If-Unmodified-Since"),
)

# --- ranges (RFC 9110, 14) --------------------------------------------------------------------------------


def range_header(requested: Any) -> str:
    """A `Range` value for `(start, end)`, `{"offset": n}` or `{"suffix": n}`."""
    if isinstance(requested, dict):
        if "offset" in requested:
            return f"bytes={requested['offset']}-"
        return f"bytes=-{requested['suffix']}"
    start, end = requested
    return f"bytes={start}-{end - 1}"


def expected_range(requested: Any, total: int) -> tuple[int, int] | None:
    """Which bytes `(start, end)` of an object of `total` bytes `requested` means; None if it has none."""
    if isinstance(requested, dict):
        if "offset" in requested:
            start, end = requested["offset"], total
        else:
            start, end = max(0, total - requested["suffix"]), total
    else:
        start, end = requested[0], min(requested[1], total)
    return (start, end) if start < end else None


def parse_content_range(value: str | None) -> tuple[int, int, int] | None:
    """`bytes 0-9/100` as `(0, 10, 100)`; a total of -1 is unknown; None if it makes no sense."""
    if value is None:
        return None
    try:
        unit, _, rest = value.strip().partition(" ")
        span, _, total = rest.partition("/")
        first, _, last = span.partition("-")
        parsed = int(first), int(last) + 1, -1 if total == "*" else int(total)
    except ValueError:
        return None
    start, end, size = parsed
    if unit != "bytes" or not 0 <= start < end or (size != -1 and end > size):
        return None
    return parsed


# --- dates (RFC 9110, 5.6.7) ------------------------------------------------------------------------------

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = {name: number for number, name in enumerate(_MONTHS, 1)}


def http_date(moment: datetime) -> str:
    """`Wed, 21 Oct 2015 07:28:00 GMT`. strftime would follow the locale."""
    if moment.tzinfo is None:
        raise TypeError("expected a datetime with a time zone")
    utc = moment.astimezone(UTC)
    return f"{_DAYS[utc.weekday()]}, {utc.day:02} {_MONTHS[utc.month - 1]} {utc.year:04} {utc:%H:%M:%S} GMT"


def parse_http_date(text: str) -> datetime:
    """Parse the fixed-length form by position, anything else by the rules of mail.

    Raises:
        GenericError: it is no date.
    """
    try:
        return datetime(
            int(text[12:16]),
            _MONTH[text[8:11]],
            int(text[5:7]),
            int(text[17:19]),
            int(text[20:22]),
            int(text[23:25]),
            tzinfo=UTC,
        )
    except (ValueError, KeyError):
        return _parse_mail_date(text)


def _parse_mail_date(text: str) -> datetime:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (TypeError, ValueError):
        raise GenericError(f"the server sent a date that makes no sense: {text[:50]!r}") from None


def retry_after(response: Response) -> float | None:
    """Seconds that the server wants to be left alone (RFC 9110, 10.2.3), None if it does not say."""
    value = response.header("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, float(value)) if value.strip().replace(".", "", 1).isdigit() else _until(value)
    except GenericError:
        return None


def _until(date: str) -> float:
    return max(0.0, (parse_http_date(date) - datetime.now(UTC)).total_seconds())
