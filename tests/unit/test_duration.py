"""Durations, compared with obstore's."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.exceptions import BaseError
from obstore.store import S3Store

from obstore_c._client.duration import _UNITS, format_duration, parse_duration, seconds
from obstore_c.exceptions import ConfigurationError

durations = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=20_000))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("0s", 0),
        ("30s", 30),
        ("32ms", 0.032),
        ("2h 37min", 9420),
        ("2h37m", 9420),
        (" 1 day \n 1 s ", 86_401),
        ("5s 2h", 7205),
        ("1s 1s", 2),
        ("1.5s", 1.5),
        ("1.5 days", 129_600),
        ("1M", 30.44 * 86_400),
        ("1m", 60),
        ("1 year", 365.25 * 86_400),
        ("1week", 604_800),
        ("7us", 7e-6),
        ("7\N{MICRO SIGN}s", 7e-6),
        ("7ns", 7e-9),
    ],
)
def test_text_is_read(text: str, value: float) -> None:
    assert parse_duration("timeout", text) == pytest.approx(value)
    assert S3Store("b", client_options={"timeout": text}).client_options == {"timeout": text}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "5",
            "00",
            "s",
            "1H",
            "1Sec",
            "1mo",
            "-1s",
            "+1s",
            "1e3s",
            "1_000s",
            ".5s",
            "1.s",
            "1.5.5s",
            "1s;",
        ),
        *("1s2", "1s and 2s", "1,5s", "\u0663s", "1 s 2", "0.1ns", "99999999999999999999s", "584554530871y"),
    ],
)
def test_text_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="timeout must be a duration such as"):
        parse_duration("timeout", text)
    with pytest.raises(BaseError):
        S3Store("b", client_options={"timeout": text})


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["0", "1", "007", "59", "999999999", "18446744073"]),
            st.sampled_from(["", "", ".5", ".25", ".001"]),
            st.sampled_from(["", " ", "\t"]),
            st.sampled_from(sorted(_UNITS)),
            st.sampled_from(["", " ", "\n"]),
        ).map("".join),
        min_size=1,
        max_size=3,
    ).map("".join)
)
def test_whatever_obstore_accepts_is_accepted(text: str) -> None:
    try:
        S3Store("b", client_options={"timeout": text})
    except BaseError:
        return  # obstore refuses some fractions of months
    assert parse_duration("timeout", text) >= 0


@given(durations)
def test_timedelta_is_shown_as_in_obstore(duration: timedelta) -> None:
    assert S3Store("b", client_options={"timeout": duration}).client_options == {
        "timeout": format_duration(duration)
    }


@given(durations)
def test_what_is_shown_reads_back(duration: timedelta) -> None:
    assert parse_duration("timeout", format_duration(duration)) == pytest.approx(duration.total_seconds())
    assert seconds("timeout", duration) == duration.total_seconds()


def test_negative_is_refused() -> None:
    for read in (format_duration, lambda duration: seconds("timeout", duration)):
        with pytest.raises(ValueError, match="cannot be negative"):
            read(timedelta(seconds=-1))


@pytest.mark.parametrize("value", [5, 5.0, None, b"5s"], ids=repr)
def test_wrong_type_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match='timeout must be a timedelta or a duration such as "30s", not'):
        seconds("timeout", value)
