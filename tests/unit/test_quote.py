"""Percent-encoding: urllib is the oracle, and nothing is copied that needs no escaping."""

from __future__ import annotations

import doctest
import enum
from urllib.parse import quote as urllib_quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from obstore_c._lib import quote as module
from obstore_c._lib.quote import quote, quote_path

HOSTILE = st.text() | st.text(alphabet=" +%/~.?&=#:;@!$'()*,[]\\\"<>^`{|}\t\r\n\x00\x7f\x80ü€😀aZ09-_")


@given(HOSTILE)
@example("")
@example("".join(map(chr, range(256))))
@example("😀" * 1000)
def test_quote_path_agrees_with_urllib(key: str) -> None:
    assert quote_path(key) == urllib_quote(key, safe="/-_.~")


@given(HOSTILE)
@example("a/b")
def test_quote_agrees_with_urllib_and_escapes_slashes(value: str) -> None:
    assert quote(value) == urllib_quote(value, safe="-_.~")


@pytest.mark.parametrize("key", ["", "a", "a//b", "/a", "dir/", "../x/./y", "~-_.09azAZ", "k" * 100_000])
def test_quote_path_returns_the_same_object_when_nothing_needs_escaping(key: str) -> None:
    assert quote_path(key) is key


def test_quote_gives_plain_strs_for_subclasses_that_format_differently() -> None:
    class Key(str, enum.Enum):  # noqa: UP042 - a StrEnum formats as its value
        A = "a"

    assert type(quote_path(Key.A)) is str
    assert quote_path(Key.A) == "a"


@pytest.mark.parametrize("function", [quote, quote_path])
@pytest.mark.parametrize(
    ("text", "code", "index"),
    [("\ud800", "D800", 0), ("ab\udfff", "DFFF", 2), ("a\udc80b", "DC80", 1), ("\ude00\ud83d", "DE00", 0)],
)
def test_quote_refuses_lone_surrogates_in_a_sentence(
    function: type[str], text: str, code: str, index: int
) -> None:
    with pytest.raises(ValueError, match=rf"lone surrogate \(U\+{code}\) at index {index}$") as caught:
        function(text)
    assert type(caught.value) is ValueError
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("value", [b"a", None, 1, ["a"]])
def test_quote_refuses_other_types(value: object) -> None:
    with pytest.raises(TypeError, match=f"must be a str, not {type(value).__name__}"):
        quote(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["quote", "quote_path"])
def test_docstring_examples_are_true(name: str) -> None:
    examples = doctest.DocTestParser().get_doctest(
        getattr(module, name).__doc__, dict(vars(module)), name, None, None
    )
    assert examples.examples
    assert doctest.DocTestRunner().run(examples).failed == 0
