"""Configuration values: what a user may write for one, and what it means.

As in obstore, every value has a text form (`True` is `"true"`, a `timedelta` is `"1h 30m"`), which is what
the `config` and `client_options` of a store show. It is read once, when the store is made. `None` means
absent everywhere.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from obstore_c._client.duration import format_duration, parse_duration
from obstore_c.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    Parser = Callable[[str, str], object]  # (name for messages, text) -> value
    CurlOptions = dict[str | int, int | str | bytes]  # by name without CURLOPT_, or by number

_TRUE = ("1", "true", "on", "yes", "y")
_FALSE = ("0", "false", "off", "no", "n")


def as_text(name: str, value: object, parse: Parser) -> str:
    """Bring a value into its text form.

    Args:
        name: the key, for the message.
        value: what the user gave, not None.
        parse: how the text will be read; only keys read by `parse_count` take an int.

    Raises:
        TypeError: the value has a type that the key does not take.
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, int) and parse is parse_count:
        return str(value)
    raise TypeError(f"{name} must be {_expected(parse)}, not {type(value).__name__}")


def _expected(parse: Parser) -> str:
    if parse is parse_bool:
        return "a bool"
    if parse is parse_count:
        return "an int"
    return "a timedelta or a str" if parse in (parse_seconds, parse_positive_seconds) else "a str"


def parse_text(name: str, text: str) -> str:
    """Accept any text that cannot break out of a header or a URL."""
    if any(character < " " or character == "\x7f" for character in text):
        raise ConfigurationError(f"{name} must not contain control characters")
    return text


def parse_bool(name: str, text: str) -> bool:
    """Read `true`, `1`, `on`, `yes`, `y` and their opposites, in any case."""
    lowered = text.lower()
    if lowered not in _TRUE and lowered not in _FALSE:
        raise ConfigurationError(f"{name} must be true or false, not {text!r}")
    return lowered in _TRUE


def parse_count(name: str, text: str) -> int:
    """Read a number that is not negative."""
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(f"{name} must be a whole number, not {text!r}")
    return int(text)


def parse_seconds(name: str, text: str) -> float:
    """Read a duration into seconds."""
    return parse_duration(name, text)


def parse_positive_seconds(name: str, text: str) -> float:
    """Read a duration that is more than nothing: a timeout of 0 would let every request fail."""
    duration = parse_duration(name, text)
    if duration <= 0:
        raise ConfigurationError(f"{name} must be more than 0; leave it out for the default")
    return duration
