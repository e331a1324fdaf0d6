"""A store below a prefix: `S3Store(..., prefix=)` and `PrefixStore` behave alike."""

from __future__ import annotations

import urllib.request
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from obstore_c.store import PrefixStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.verbs import BlockingVerbs

PREFIX = "data 1/a+b"


@pytest.fixture(params=["PrefixStore", pytest.param("argument", marks=pytest.mark.needs("http"))])
def part(request: pytest.FixtureRequest, backend: Any, store: Any) -> Any:
    if request.param == "PrefixStore":
        return PrefixStore(store, PREFIX)
    return backend.store(prefix=PREFIX)


@pytest.fixture
def inside(make_verbs: type[BlockingVerbs], part: Any) -> Iterator[BlockingVerbs]:
    verbs = make_verbs(part)
    yield verbs
    verbs.close()


def _all_paths(store: Any) -> list[str]:
    return [meta["path"] for meta in store.list().collect()]


def test_every_verb_stays_below_the_prefix(inside: BlockingVerbs, store: Any) -> None:
    store.put("a", b"outside")
    store.put("data 1/a+bc", b"outside")
    inside.put("a", b"0123456789")
    assert _all_paths(store) == ["a", f"{PREFIX}/a", "data 1/a+bc"]
    result = inside.get("a")
    assert result.meta["path"] == inside.head("a")["path"] == "a"
    assert inside.body(result) == b"0123456789"
    assert inside.get_range("a", start=2, length=2) == b"23"
    assert [bytes(part) for part in inside.get_ranges("a", starts=[0, 8], ends=[2, 10])] == [b"01", b"89"]
    inside.copy("a", "b/c")
    inside.rename("a", "b/d")
    assert inside.paths() == ["b/c", "b/d"]
    assert inside.paths("b", offset="b/c") == ["b/d"]
    found = inside.list_with_delimiter()
    assert (found["common_prefixes"], found["objects"]) == (["b"], [])
    inside.delete(["b/c", "b/d", "missing"])
    assert _all_paths(store) == ["a", "data 1/a+bc"]


@pytest.mark.needs("any_key")
def test_the_mark_of_a_folder_is_not_listed_in_it(inside: BlockingVerbs, store: Any) -> None:
    store.put(f"{PREFIX}/", b"")
    inside.put("a", b"")
    assert inside.paths() == ["a"]
    assert [meta["path"] for meta in inside.list_with_delimiter()["objects"]] == ["a"]


def test_the_empty_path_is_the_prefix_itself(inside: BlockingVerbs, store: Any) -> None:
    store.put(PREFIX, b"itself")
    assert inside.read("") == b"itself"


@pytest.mark.needs("sign")
def test_signed_urls_have_the_prefix(inside: BlockingVerbs) -> None:
    inside.put("a?b", b"data")
    url = inside.sign("GET", "a?b", timedelta(minutes=5))
    assert urllib.request.urlopen(url).read() == b"data"
