"""What get and its relatives can be asked for, and the checks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, cast

from ._checks import check_count, check_flag, check_text, unknown_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime


class OffsetRange(TypedDict):
    """A range from a position to the end of the object."""

    offset: int
    """The first byte wanted."""


class SuffixRange(TypedDict):
    """A range that ends where the object ends."""

    suffix: int
    """How many of the last bytes are wanted; an object with fewer is returned whole."""


class GetOptions(TypedDict, total=False):
    """Conditions and details of a `get`. An option that is None counts as not given."""

    if_match: str | None
    """Read only if the object's e_tag is this, or one of these (`'"a", "b"'`), or if there is an object at
    all (`*`); otherwise `PreconditionError`. RFC 9110, section 13.1.1."""

    if_none_match: str | None
    """Read only if the object's e_tag is none of these; otherwise `NotModifiedError`. RFC 9110, section
    13.1.2."""

    if_unmodified_since: datetime | None
    """Read only if the object has not changed after this moment; otherwise `PreconditionError`. Must have a
    time zone."""

    if_modified_since: datetime | None
    """Read only if the object has changed after this moment; otherwise `NotModifiedError`. Must have a time
    zone."""

    range: tuple[int, int] | Sequence[int] | OffsetRange | SuffixRange | None
    """The part to read: `(start, end)` with `end` exclusive, `{"offset": start}` or `{"suffix": length}`.

    A range that ends after the object is cut to what there is; one that starts at or after its end is an
    error.
    """

    version: str | None
    """The version to read, where the store keeps several."""

    head: bool | None
    """Ask for everything but the content."""


def check_span(start: int, end: int | None, length: int | None) -> tuple[int, int]:
    """Return one range as `(start, end)`."""
    if end is None:
        if length is None:
            raise ValueError("give either end or length")
        end = check_count("start", start) + check_count("length", length)
    elif length is not None:
        raise ValueError("give either end or length, not both")
    return _not_empty(start, end)


def check_spans(
    starts: Sequence[int], ends: Sequence[int] | None, lengths: Sequence[int] | None
) -> list[tuple[int, int]]:
    """Return several ranges as a list of `(start, end)`."""
    if (ends is None) == (lengths is None):
        raise ValueError("give either ends or lengths" + ("" if ends is None else ", not both"))
    seconds, name = (lengths, "lengths") if ends is None else (ends, "ends")
    for what, sequence in (("starts", starts), (name, seconds)):
        if isinstance(sequence, (str, bytes)) or not hasattr(sequence, "__len__"):
            raise TypeError(f"{what} must be a sequence of int, not {type(sequence).__name__}")
    assert seconds is not None
    if len(starts) != len(seconds):
        raise ValueError(f"starts and {name} must have the same length, got {len(starts)} and {len(seconds)}")
    if ends is None:
        return [check_span(start, None, length) for start, length in zip(starts, seconds, strict=True)]
    return [_not_empty(start, end) for start, end in zip(starts, seconds, strict=True)]


def _not_empty(start: int, end: int) -> tuple[int, int]:
    start = check_count("start", start)
    end = check_count("end", end)
    if start >= end:
        raise ValueError(f"the range from {start} to {end} is empty: start must be less than end")
    return start, end


def check_get_options(options: GetOptions) -> GetOptions | None:
    """Return a checked copy without what is None; dates are UTC, a `(start, end)` range is a tuple.

    Raises:
        TypeError: `options` is not a dict, a value has the wrong type, or a date has no time zone.
        ValueError: an unknown key, a value that cannot be sent, a range that cannot be.
    """
    if not isinstance(options, dict):
        raise TypeError(f"options must be a dict, not {type(options).__name__}")
    checked: dict[str, Any] = {}
    for key, value in options.items():
        check = _OPTION_CHECKS.get(key)
        if check is None:
            raise unknown_key(key, _OPTION_CHECKS, "options")
        if value is not None:
            checked[key] = check(f"options[{key!r}]", value)
    return cast("GetOptions", checked) or None


def check_read_options(options: GetOptions) -> GetOptions | None:
    """Check as `check_get_options` does, for verbs that want the bytes."""
    checked = check_get_options(options)
    if checked is not None and checked.get("head"):
        raise ValueError("options['head'] asks for no bytes, so there is nothing to read; call head instead")
    return checked


def _check_date(what: str, date: datetime) -> datetime:
    from datetime import UTC, datetime

    if not isinstance(date, datetime):
        raise TypeError(f"{what} must be a datetime, not {type(date).__name__}")
    if date.tzinfo is None:
        raise TypeError(f"{what} needs a time zone: which moment {date} is depends on it")
    return date.astimezone(UTC)


def _check_range(what: str, value: Any) -> tuple[int, int] | dict[str, int]:
    if isinstance(value, dict) and len(value) == 1:
        ((kind, number),) = value.items()
        if kind == "offset":
            return {kind: check_count(what, number)}
        if kind == "suffix":
            return {kind: check_count(what, number, at_least=1)}
    elif not isinstance(value, (dict, str, bytes)) and hasattr(value, "__len__") and len(value) == 2:
        return _not_empty(*value)
    forms = '(start, end), {"offset": start} or {"suffix": length}'
    raise ValueError(f"{what} must be {forms}, got {value!r}")


_OPTION_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "if_match": check_text,
    "if_none_match": check_text,
    "if_unmodified_since": _check_date,
    "if_modified_since": _check_date,
    "range": _check_range,
    "version": check_text,
    "head": check_flag,
}
