"""Durations as people write them: `"2h 37min"`, `"1.5s"`, or a `timedelta`.

A duration is a sequence of numbers with units, added up. The units and the way a `timedelta` is written back
are obstore's: a month is 30.44 days and a year 365.25 days.
"""

from __future__ import annotations

from datetime import timedelta

from obstore_c.exceptions import ConfigurationError

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60 * 1_000_000_000,
    "h": 3_600 * 1_000_000_000,
    "day": 86_400 * 1_000_000_000,
    "week": 604_800 * 1_000_000_000,
    "month": 2_630_016 * 1_000_000_000,
    "year": 31_557_600 * 1_000_000_000,
}

_SPELLINGS = {
    "ns": "ns nsec nanos",
    "us": "us usec \N{MICRO SIGN}s",
    "ms": "ms msec millis",
    "s": "s sec secs second seconds",
    "m": "m min mins minute minutes",
    "h": "h hr hrs hour hours",
    "day": "d day days",
    "week": "w wk wks week weeks",
    "month": "M month months",
    "year": "y yr yrs year years",
}

_UNITS = {
    spelling: _NANOSECONDS[unit] for unit, spellings in _SPELLINGS.items() for spelling in spellings.split()
}

_LIMIT = 2**64  # seconds; obstore's durations end here


def parse_duration(name: str, text: str) -> float:
    """Read a duration into seconds.

    Args:
        name: whose value it is, for the message.
        text: numbers with units, such as `"2h 37min"`, or `"0"`.

    Raises:
        ConfigurationError: `text` is not a duration.

    Example:
        >>> parse_duration("timeout", "2h 37min")
        9420.0
    """
    total = 0 if text == "0" else _nanoseconds(text)
    if total is None or total >= _LIMIT * 1_000_000_000:
        raise ConfigurationError(f'{name} must be a duration such as "30s" or "2h 37min", not {text!r}')
    return total / 1_000_000_000


def _nanoseconds(text: str) -> int | None:
    """Add up the spans of `text`; None when it is not a sequence of them."""
    import re

    total = 0
    position = 0
    for span in re.finditer(r"\s*([0-9]+)(?:\.([0-9]+))?\s*([a-zA-Z\u00b5]+)\s*", text):
        scale = _UNITS.get(span[3])
        if span.start() != position or scale is None:
            return None
        fraction = span[2] or ""
        parts, rest = divmod(int(span[1] + fraction) * scale, 10 ** len(fraction))
        if rest:
            return None  # finer than a nanosecond
        total += parts
        position = span.end()
    return total if position == len(text) and text else None


def format_duration(duration: timedelta) -> str:
    """Write a `timedelta` as obstore shows it in `client_options`.

    Raises:
        ValueError: the duration is negative.

    Example:
        >>> format_duration(timedelta(hours=2, minutes=37, seconds=1.5))
        '2h 37m 1s 500ms'
    """
    if duration < timedelta(0):
        raise ConfigurationError(f"a duration cannot be negative: {duration}")
    rest = duration // timedelta(microseconds=1) * 1_000
    spans = []
    for unit in ("year", "month", "day", "h", "m", "s", "ms", "us"):
        count, rest = divmod(rest, _NANOSECONDS[unit])
        if count:
            plural = "s" if count > 1 and len(unit) > 2 else ""
            spans.append(f"{count}{unit}{plural}")
    return " ".join(spans) or "0s"


def seconds(name: str, value: object) -> float:
    """Read a duration given as `timedelta` or text into seconds.

    Raises:
        TypeError: `value` is neither.
        ConfigurationError: it is negative or not a duration.
    """
    if isinstance(value, timedelta):
        if value < timedelta(0):
            raise ConfigurationError(f"{name} cannot be negative: {value}")
        return value.total_seconds()
    if isinstance(value, str):
        return parse_duration(name, value)
    raise TypeError(f'{name} must be a timedelta or a duration such as "30s", not {type(value).__name__}')
