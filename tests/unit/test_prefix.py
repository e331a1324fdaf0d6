"""PrefixStore: a part of a store behaves like a store of its own."""

from __future__ import annotations

import pickle
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from obstore_c._memory import MemoryBackend
from obstore_c.exceptions import BaseError, InvalidPathError
from obstore_c.store import MemoryStore, PrefixStore

if TYPE_CHECKING:
    from collections.abc import Callable

# Without a leading or trailing slash, which do not count in a prefix; in keys they do.
PREFIXES = st.sampled_from(["p", "p/q", "p//q", "a b", "ü%", "p?#", "."])
KEYS = st.text("ab/p", min_size=1, max_size=4)
LISTED = st.none() | st.text("ab/p", max_size=3)
OUTSIDE = ["p.", "p-", "p0", "pp/a", "q/a", "a", "/p/a", "p/q.", "p/qq", "ü", "ü%a"]


def _outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except FileNotFoundError:
        return FileNotFoundError
    except BaseError as error:
        return type(error)


def _known(meta: dict[str, Any]) -> tuple[str, int]:
    return meta["path"], meta["size"]


class PrefixMachine(RuleBasedStateMachine):
    """Every verb, on a part of a store and on a store that holds nothing else."""

    @initialize(prefix=PREFIXES)
    def start(self, prefix: str) -> None:
        self.alone = MemoryStore()
        self.whole = MemoryStore()
        self.part = PrefixStore(self.whole, prefix)
        self.outside = [key for key in OUTSIDE if not key.startswith(f"{prefix}/")] + [prefix]
        for key in self.outside:
            self.whole.put(key, b"outside")

    def same(self, call: Callable[[Any], Any]) -> None:
        assert _outcome(lambda: call(self.part)) == _outcome(lambda: call(self.alone))

    @rule(key=KEYS, data=st.binary(max_size=5), mode=st.sampled_from([None, "create"]))
    def put(self, key: str, data: bytes, mode: Any) -> None:
        self.same(lambda store: store.put(key, data, mode=mode)["version"])

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        def call(store: Any) -> Any:
            result = store.get(key)
            return _known(result.meta), _known(result.meta), result.range, bytes(result.bytes())

        self.same(call)

    @rule(key=KEYS, start=st.integers(0, 6))
    def get_range(self, key: str, start: int) -> None:
        self.same(lambda store: bytes(store.get_range(key, start=start, length=2)))
        self.same(lambda store: [bytes(part) for part in store.get_ranges(key, starts=[start], lengths=[2])])

    @rule(key=KEYS)
    def head(self, key: str) -> None:
        self.same(lambda store: _known(store.head(key)))

    @rule(keys=KEYS | st.lists(KEYS, max_size=4))
    def delete(self, keys: Any) -> None:
        self.same(lambda store: store.delete(keys))

    @rule(from_=KEYS, to=KEYS, overwrite=st.booleans(), verb=st.sampled_from(["copy", "rename"]))
    def copy_or_rename(self, from_: str, to: str, overwrite: bool, verb: str) -> None:
        self.same(lambda store: getattr(store, verb)(from_, to, overwrite=overwrite))

    @rule(prefix=LISTED, offset=st.none() | KEYS)
    def list(self, prefix: str | None, offset: str | None) -> None:
        self.same(lambda store: [_known(meta) for meta in store.list(prefix, offset=offset).collect()])

    @rule(prefix=LISTED)
    def list_with_delimiter(self, prefix: str | None) -> None:
        def call(store: Any) -> Any:
            found = store.list_with_delimiter(prefix)
            return found["common_prefixes"], [_known(meta) for meta in found["objects"]]

        self.same(call)

    @invariant()
    def nothing_outside_has_changed(self) -> None:
        if hasattr(self, "part"):
            stem = self.part.prefix + "/"
            found = [meta["path"] for meta in self.whole.list().collect()]
            assert sorted(self.outside) == [path for path in found if not path.startswith(stem)]
            assert all(self.whole.get(key).bytes() == b"outside" for key in self.outside)


PrefixMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestPrefixMachine = PrefixMachine.TestCase


def _part(prefix: str = "p/q") -> tuple[MemoryStore, PrefixStore]:
    whole = MemoryStore()
    return whole, PrefixStore(whole, prefix)


async def test_prefix_asynchronously() -> None:
    whole, part = _part()
    await part.put_async("a", b"data")
    assert await (await part.get_async("a")).bytes_async() == b"data"
    assert (await part.head_async("a"))["path"] == "a"
    await part.copy_async("a", "b")
    await part.rename_async("b", "c/d")
    found = await part.list_with_delimiter_async()
    assert (found["common_prefixes"], [meta["path"] for meta in found["objects"]]) == (["c"], ["a"])
    await part.delete_async("a")
    assert [meta["path"] async for chunk in part.list() for meta in chunk] == ["c/d"]
    assert [meta["path"] for meta in whole.list().collect()] == ["p/q/c/d"]


def test_parts_of_parts() -> None:
    whole = MemoryStore()
    inner = PrefixStore(PrefixStore(whole, "a"), "b/c")
    inner.put("d", b"data")
    assert whole.get("a/b/c/d").bytes() == b"data"
    assert inner.get("d").meta["path"] == "d"
    assert inner.list().collect()[0]["path"] == "d"


@pytest.mark.parametrize("prefix", ["p/q", "/p/q", "p/q/", "//p/q//"])
def test_slashes_around_a_prefix_do_not_count(prefix: str) -> None:
    whole, part = _part(prefix)
    assert part.prefix == "p/q"
    part.put("a", b"")
    assert whole.head("p/q/a")


@pytest.mark.parametrize("prefix", ["", "/"])
def test_an_empty_prefix_is_the_whole_store(prefix: str) -> None:
    whole, part = _part(prefix)
    part.put("a", b"")
    assert whole.head("a")
    with pytest.raises(InvalidPathError):
        part.get("")


def test_the_empty_path_is_the_prefix_itself() -> None:
    whole, part = _part()
    whole.put("p/q", b"itself")
    assert part.get("").bytes() == b"itself"
    assert part.list().collect() == []


def test_the_mark_of_a_folder_is_not_listed_in_it() -> None:
    whole, part = _part()
    whole.put("p/q/", b"")
    part.put("a", b"")
    assert [meta["path"] for meta in part.list().collect()] == ["a"]
    assert [meta["path"] for meta in part.list_with_delimiter()["objects"]] == ["a"]


def test_signed_urls_have_the_prefix() -> None:
    whole, part = _part()

    class Signing(MemoryBackend):
        async def sign(self, io: Any, method: str, paths: list[str], expires_in_seconds: int) -> list[str]:
            return [f"{method} {path} {expires_in_seconds}" for path in paths]

    whole._backend = Signing()
    part = PrefixStore(whole, "p/q")
    assert part.sign("GET", "a", timedelta(minutes=1)) == "GET p/q/a 60"
    assert part.sign("PUT", ["a", "b//c"], timedelta(minutes=1)) == ["PUT p/q/a 60", "PUT p/q/b//c 60"]


def test_parts_compare_by_store_and_prefix() -> None:
    whole, part = _part()
    assert part == PrefixStore(whole, "p/q/")
    assert hash(part) == hash(PrefixStore(whole, "p/q/"))
    assert part != PrefixStore(whole, "p")
    assert part != PrefixStore(MemoryStore(), "p/q")
    assert part != whole
    assert part.store is whole
    assert repr(part) == "PrefixStore(<MemoryStore with 0 objects>, 'p/q')"


def test_a_part_pickles_if_its_store_does() -> None:
    whole, part = _part()
    with pytest.raises(TypeError, match="MemoryStore"):
        pickle.dumps(part)
    assert part.__reduce__() == (PrefixStore, (whole, "p/q"))


@pytest.mark.parametrize("prefix", ["a\n", "a\0b"])
def test_a_prefix_that_cannot_be(prefix: str) -> None:
    with pytest.raises(InvalidPathError, match="prefix"):
        PrefixStore(MemoryStore(), prefix)


def test_what_is_no_store_has_no_part() -> None:
    with pytest.raises(TypeError, match="store must be a store"):
        PrefixStore("s3://bucket", "p")
