"""get_range, get_ranges and get(options={"range": ...})."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from obstore_c.exceptions import BaseError, GenericError

if TYPE_CHECKING:
    from conformance.verbs import BlockingVerbs

DATA = bytes(range(100))


@pytest.fixture
def key(verbs: BlockingVerbs) -> str:
    verbs.put("folder/data", DATA)
    return "folder/data"


@pytest.mark.parametrize(("start", "end"), [(0, 1), (0, 100), (50, 60), (99, 100)])
def test_get_range(verbs: BlockingVerbs, key: str, start: int, end: int) -> None:
    assert verbs.get_range(key, start=start, end=end) == DATA[start:end]
    assert verbs.get_range(key, start=start, length=end - start) == DATA[start:end]


def test_get_range_over_the_end_is_cut(verbs: BlockingVerbs, key: str) -> None:
    assert verbs.get_range(key, start=90, end=1000) == DATA[90:]
    assert verbs.get_range(key, start=0, length=10**12) == DATA


@pytest.mark.parametrize("start", [100, 101, 10**12])
def test_range_after_the_end_is_an_error(verbs: BlockingVerbs, key: str, start: int) -> None:
    with pytest.raises(GenericError):
        verbs.get_range(key, start=start, length=1)
    with pytest.raises(GenericError):
        verbs.get(key, options={"range": (start, start + 1)})
    with pytest.raises(GenericError):
        verbs.get(key, options={"range": {"offset": start}})


@pytest.mark.parametrize("coalesce", [0, 1, 20, 1024 * 1024])
def test_get_ranges_in_the_order_given(verbs: BlockingVerbs, key: str, coalesce: int) -> None:
    ranges = [(50, 60), (0, 10), (5, 15), (10, 20), (0, 100), (99, 100), (0, 10)]
    starts, ends = zip(*ranges, strict=True)
    parts = verbs.get_ranges(key, starts=starts, ends=ends, coalesce=coalesce)
    assert [bytes(part) for part in parts] == [DATA[start:end] for start, end in ranges]
    lengths = [end - start for start, end in ranges]
    parts = verbs.get_ranges(key, starts=list(starts), lengths=lengths, coalesce=coalesce)
    assert [bytes(part) for part in parts] == [DATA[start:end] for start, end in ranges]


def test_get_ranges_of_nothing(verbs: BlockingVerbs, key: str) -> None:
    assert verbs.get_ranges(key, starts=[], ends=[]) == []


@pytest.mark.parametrize("coalesce", [0, 1024 * 1024])
def test_get_ranges_over_the_end_is_cut(verbs: BlockingVerbs, key: str, coalesce: int) -> None:
    parts = verbs.get_ranges(key, starts=[0, 95], ends=[5, 200], coalesce=coalesce)
    assert [bytes(part) for part in parts] == [DATA[:5], DATA[95:]]


@pytest.mark.parametrize("coalesce", [0, 1024 * 1024])
def test_get_ranges_after_the_end_is_an_error(verbs: BlockingVerbs, key: str, coalesce: int) -> None:
    with pytest.raises(BaseError):
        verbs.get_ranges(key, starts=[0, 200], ends=[5, 210], coalesce=coalesce)


RANGE_OPTIONS: list[Any] = [
    ((10, 20), 10, 20),
    ([10, 20], 10, 20),
    ((90, 1000), 90, 100),
    ({"offset": 0}, 0, 100),
    ({"offset": 90}, 90, 100),
    ({"suffix": 10}, 90, 100),
    # rclone, in its own ways with ranges, answers 416
    pytest.param({"suffix": 1000}, 0, 100, marks=pytest.mark.needs("range_status_206")),
]


@pytest.mark.parametrize(("option", "start", "end"), RANGE_OPTIONS, ids=str)
def test_range_option(verbs: BlockingVerbs, key: str, option: Any, start: int, end: int) -> None:
    result = verbs.get(key, options={"range": option})
    assert result.range == (start, end)
    assert result.meta["size"] == 100
    assert verbs.body(result) == DATA[start:end]


def test_range_without_option_is_everything(verbs: BlockingVerbs, key: str) -> None:
    assert verbs.get(key).range == (0, 100)
