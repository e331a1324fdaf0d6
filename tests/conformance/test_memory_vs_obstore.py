"""MemoryStore against obstore's: the same calls give the same answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import obstore
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import obstore_c
from obstore_c.store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

# Keys that obstore takes as they are: it normalises or refuses empty and dot segments.
SEGMENTS = st.sampled_from(["a", "b", "ab", "a b", "a-", "0", "é", "🗝"])
KEYS = st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join)
PREFIXES = st.none() | st.just("") | KEYS | KEYS.map("{}/".format)
DATA = st.binary(max_size=12)
POSITIONS = st.integers(0, 15)
NAMES = st.sampled_from(["Content-Type", "cache-control", "author", "Author"])
ATTRIBUTES = st.dictionaries(NAMES, st.sampled_from(["x", "y z", ""]), max_size=3)
E_TAGS = st.integers(0, 12).map('"{}"'.format)
MODES = (
    st.none() | st.sampled_from(["create", "overwrite"]) | st.builds(lambda e_tag: {"e_tag": e_tag}, E_TAGS)
)
RANGES = st.one_of(
    st.tuples(POSITIONS, st.integers(1, 10)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    st.builds(lambda start: {"offset": start}, POSITIONS),
    st.builds(lambda length: {"suffix": length}, st.integers(1, 15)),
)
LONG_AGO, SOON = (datetime.now(UTC) + timedelta(days=days) for days in (-1, 1))
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "range": RANGES,
        "if_match": E_TAGS | st.just("*") | st.lists(E_TAGS, min_size=2, max_size=3).map(", ".join),
        "if_none_match": E_TAGS | st.just("*"),
        "if_modified_since": st.sampled_from([LONG_AGO, SOON]),
        "if_unmodified_since": st.sampled_from([LONG_AGO, SOON]),
        "version": st.just("1"),
        "head": st.just(False),
    },
)


def _outcome(call: Callable[[], Any]) -> tuple[str, Any]:
    """What a call returns, or the class of its exception, by the name that users catch."""
    try:
        return "returns", call()
    except FileNotFoundError:
        return "raises", "FileNotFoundError"
    except (obstore.exceptions.BaseError, obstore_c.exceptions.BaseError) as error:
        return "raises", type(error).__name__


def _comparable(meta: dict[str, Any]) -> dict[str, Any]:
    return {**meta, "last_modified": None}


class MemoryMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ours = MemoryStore()
        self.theirs = obstore.store.MemoryStore()

    def same(self, call: Callable[[Any], Any]) -> None:
        assert _outcome(lambda: call(self.ours)) == _outcome(lambda: call(self.theirs))

    @rule(key=KEYS, data=DATA, attributes=ATTRIBUTES, mode=MODES)
    def put(self, key: str, data: bytes, attributes: dict[str, str], mode: Any) -> None:
        self.same(lambda store: store.put(key, data, attributes=attributes, mode=mode))

    @rule(key=KEYS, options=OPTIONS)
    def get(self, key: str, options: dict[str, Any]) -> None:
        def call(store: Any) -> Any:
            result = store.get(key, options=options)
            return (
                _comparable(result.meta),
                result.range,
                dict(sorted(result.attributes.items())),
                bytes(result.bytes()),
            )

        self.same(call)

    @rule(key=KEYS, size=st.integers(1, 12))
    def stream(self, key: str, size: int) -> None:
        self.same(lambda store: b"".join(store.get(key).stream(size)))

    @rule(key=KEYS, start=POSITIONS, length=st.integers(1, 10))
    def get_range(self, key: str, start: int, length: int) -> None:
        self.same(lambda store: bytes(store.get_range(key, start=start, length=length)))
        self.same(lambda store: bytes(store.get_range(key, start=start, end=start + length)))

    @rule(key=KEYS, starts=st.lists(POSITIONS, max_size=4), coalesce=st.sampled_from([0, 3, 1000]))
    def get_ranges(self, key: str, starts: list[int], coalesce: int) -> None:
        # obstore panics when a merged range starts after the end; see test_ranges.py for what we do.
        size = _outcome(lambda: self.ours.head(key)["size"])[1]
        starts = [start for start in starts if not isinstance(size, int) or start < size]

        def call(store: Any) -> Any:
            parts = store.get_ranges(key, starts=starts, lengths=[3] * len(starts), coalesce=coalesce)
            return [bytes(part) for part in parts]

        if starts:
            self.same(call)

    @rule(key=KEYS)
    def head(self, key: str) -> None:
        self.same(lambda store: _comparable(store.head(key)))

    @rule(keys=KEYS | st.lists(KEYS, max_size=3))
    def delete(self, keys: Any) -> None:
        self.same(lambda store: store.delete(keys))

    @rule(from_=KEYS, to=KEYS, overwrite=st.booleans(), verb=st.sampled_from(["copy", "rename"]))
    def copy_or_rename(self, from_: str, to: str, overwrite: bool, verb: str) -> None:
        if verb == "rename" and from_ == to:
            return  # obstore deletes the object
        self.same(lambda store: getattr(store, verb)(from_, to, overwrite=overwrite))

    @rule(prefix=PREFIXES, offset=st.none() | KEYS, chunk_size=st.integers(1, 5))
    def list(self, prefix: str | None, offset: str | None, chunk_size: int) -> None:
        def call(store: Any) -> Any:
            chunks = store.list(prefix, offset=offset, chunk_size=chunk_size)
            return [[_comparable(meta) for meta in chunk] for chunk in chunks]

        self.same(call)

    @rule(prefix=PREFIXES)
    def list_with_delimiter(self, prefix: str | None) -> None:
        def call(store: Any) -> Any:
            found = store.list_with_delimiter(prefix)
            return found["common_prefixes"], [_comparable(meta) for meta in found["objects"]]

        self.same(call)

    @invariant()
    def everything_is_equal(self) -> None:
        self.same(lambda store: [_comparable(meta) for meta in store.list().collect()])


MemoryMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestMemoryMachine = MemoryMachine.TestCase


@pytest.mark.parametrize("count", [0, 3])
def test_arrow_listings_have_the_same_schema(count: int) -> None:
    pytest.importorskip("arro3.core")
    ours, theirs = MemoryStore(), obstore.store.MemoryStore()
    for number in range(count):
        for store in (ours, theirs):
            store.put(f"folder/{number}", b"data")

    def batches() -> Any:
        for store in (ours, theirs):
            yield store.list(return_arrow=True).collect()
            yield store.list_with_delimiter("folder", return_arrow=True)["objects"]

    batch, table, their_batch, their_table = batches()
    assert type(batch) is type(their_batch)
    assert type(table) is type(their_table)
    assert batch.schema == their_batch.schema
    assert table.schema == their_table.schema
    for column in ("path", "size", "e_tag", "version"):
        assert batch[column].to_pylist() == their_batch[column].to_pylist()
    dates = [meta["last_modified"] for meta in ours.list().collect()]
    assert batch["last_modified"].to_pylist() == dates
