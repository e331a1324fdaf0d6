"""Keys that trip clients: they are sent as given, and come back as given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obstore_c.exceptions import InvalidPathError

if TYPE_CHECKING:
    from conformance.verbs import BlockingVerbs

PLAIN_BUT_TRICKY = [
    "with space",
    " leading",
    "a+b",
    "100%",
    "a%2Fb",
    "a%20b",
    "a?b",
    "a#b",
    "a&b=c",
    "a;b",
    "a'b\"c",
    "(a)!*~",
    "ünïcödé/ключ/鍵/🗝",
    "e\N{COMBINING ACUTE ACCENT}",
    "a@b:c,d$e",
    "<xml>&amp;",
    "[1]{2}|3^4`5",
    "back\\slash",
]

HOSTILE = ["/a", "//", "a//b", "a/", "a/./b", "a/../b", ".", "..", "../a", "\x01\x1f\x7f", "tab\t", "é" * 500]


def _round_trip(verbs: BlockingVerbs, key: str) -> None:
    verbs.put(key, b"data")
    assert verbs.read(key) == b"data"
    assert verbs.head(key)["path"] == key
    assert verbs.get(key).meta["path"] == key
    assert verbs.get_range(key, start=0, end=2) == b"da"
    assert verbs.paths() == [key]
    verbs.copy(key, "other")
    verbs.rename("other", key)
    assert verbs.paths() == [key]
    verbs.delete([key])
    assert verbs.paths() == []


@pytest.mark.parametrize("key", PLAIN_BUT_TRICKY, ids=ascii)
def test_tricky_key_comes_back(verbs: BlockingVerbs, key: str) -> None:
    _round_trip(verbs, key)


@pytest.mark.needs("any_key")
@pytest.mark.parametrize("key", HOSTILE, ids=ascii)
def test_hostile_key_comes_back(verbs: BlockingVerbs, key: str) -> None:
    _round_trip(verbs, key)


@pytest.mark.needs("any_key")
def test_similar_keys_are_different_objects(verbs: BlockingVerbs) -> None:
    keys = ["/a", "a", "a/", "a//", "a//b", "a/b", "A", "./a"]
    for key in keys:
        verbs.put(key, key.encode())
    assert [verbs.read(key) for key in keys] == [key.encode() for key in keys]
    assert verbs.paths() == sorted(keys)
    assert verbs.paths("a") == ["a/", "a//", "a//b", "a/b"]
    assert verbs.paths("a//") == ["a//", "a//b"]
    assert verbs.paths("/") == ["/a"]


@pytest.mark.parametrize("key", ["", "a\nb", "a\rb", "a\0b", "\ud800"], ids=ascii)
@pytest.mark.parametrize("verb", ["get", "head", "put", "delete", "copy", "rename", "get_range"])
def test_impossible_key_is_refused(verbs: BlockingVerbs, verb: str, key: str) -> None:
    arguments = {"put": (b"",), "copy": ("to",), "rename": ("to",)}.get(verb, ())
    options = {"start": 0, "end": 1} if verb == "get_range" else {}
    with pytest.raises(InvalidPathError):
        getattr(verbs, verb)(key, *arguments, **options)
    with pytest.raises(ValueError):
        getattr(verbs, verb)(key, *arguments, **options)
