"""Rows of listings: in as dicts, out as dicts and as Arrow data, and who owns the memory."""

from __future__ import annotations

import ctypes
import threading
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obstore_c._lib.columns import Columns

core = pytest.importorskip("arro3.core")

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
metas = st.fixed_dictionaries(
    {
        "path": text,
        "last_modified": st.datetimes(timezones=st.just(UTC)),
        "size": st.integers(0, 2**64 - 1),
        "e_tag": st.none() | text,
        "version": st.none() | text,
    }
)


def meta(number: int, **changes: Any) -> Any:
    return {
        "path": f"key/{number}",
        "last_modified": datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
        "size": number,
        "e_tag": f'"{number}"',
        "version": None,
        **changes,
    }


def columns_of(objects: list[Any]) -> Columns:
    columns = Columns()
    columns.extend(objects)
    return columns


def rows_of(batch: Any) -> list[Any]:
    """What an Arrow library finds in a batch."""
    found = core.RecordBatch.from_arrow(batch)
    names = found.schema.names
    return [
        dict(zip(names, row, strict=True))
        for row in zip(*(found[name].to_pylist() for name in names), strict=True)
    ]


@given(st.lists(metas, max_size=30))
def test_dicts_come_out_as_they_went_in(objects: list[Any]) -> None:
    columns = columns_of(objects)
    assert len(columns) == len(objects)
    found = columns.take_dicts()
    assert found == objects
    assert all(each["last_modified"].tzinfo is UTC for each in found)
    assert columns.take_dicts() == []


@given(st.lists(st.tuples(st.lists(metas, max_size=8), st.integers(0, 12), st.booleans()), max_size=12))
def test_rows_are_taken_in_order_whatever_is_added_between(steps: list[tuple[list[Any], int, bool]]) -> None:
    columns, model, kept = Columns(), list[Any](), list[tuple[Any, list[Any]]]()
    for objects, count, keep in steps:
        columns.extend(objects)
        model += objects
        batch = columns.take(min(count, len(model)))
        taken, model = model[:count], model[count:]
        assert len(batch) == len(taken)
        if keep:
            kept.append((batch, taken))
        else:
            assert rows_of(batch) == taken
    assert columns.take_dicts() == model
    # Nothing that came later changed them.
    for batch, taken in kept:
        assert rows_of(batch) == taken


def test_many_rows() -> None:
    objects = [meta(number, e_tag=None if number % 7 == 0 else "e" * (number % 50)) for number in range(5000)]
    columns = columns_of(objects)
    first = columns.take(10)
    assert columns.take_dicts() == objects[10:]
    assert rows_of(first) == objects[:10]


def test_batch_has_the_schema_of_a_listing() -> None:
    schema = core.Schema.from_arrow(Columns().take())
    assert [(field.name, f"{field.type}".strip(), field.nullable) for field in schema] == [
        ("path", "arro3.core.DataType<Utf8>", False),
        ("last_modified", 'arro3.core.DataType<Timestamp(µs, "UTC")>', False),
        ("size", "arro3.core.DataType<UInt64>", False),
        ("e_tag", "arro3.core.DataType<Utf8>", True),
        ("version", "arro3.core.DataType<Utf8>", True),
    ]
    assert schema == core.RecordBatch.from_arrow(columns_of([meta(1)]).take()).schema


def test_empty_batches() -> None:
    assert rows_of(Columns().take()) == []
    columns = columns_of([meta(1)])
    assert rows_of(columns.take(0)) == []
    assert rows_of(columns.take()) == [meta(1)]


def test_other_time_zones_become_utc() -> None:
    moment = datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert columns_of([meta(1, last_modified=moment)]).take_dicts()[0]["last_modified"] == moment


def test_objects_of_the_same_time_share_it() -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    found = columns_of([meta(n, last_modified=moment) for n in range(3)]).take_dicts()
    assert found[0]["last_modified"] is found[2]["last_modified"]


@given(st.lists(text, max_size=20), text)
def test_after_leaves_out_what_does_not_come_after_it(paths: list[str], after: str) -> None:
    columns = Columns(after)
    columns.extend([meta(0, path=path) for path in paths])
    assert [each["path"] for each in columns.take_dicts()] == [path for path in paths if path > after]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"path": None}, TypeError),
        ({"path": b"a"}, TypeError),
        ({"path": "\ud800"}, UnicodeEncodeError),
        ({"e_tag": 1}, TypeError),
        ({"last_modified": "now"}, TypeError),
        ({"size": -1}, OverflowError),
        ({"size": 2**64}, OverflowError),
        ({"size": "1"}, TypeError),
    ],
)
def test_nothing_is_added_when_one_object_is_wrong(changes: Any, error: type[Exception]) -> None:
    columns = columns_of([meta(0)])
    with pytest.raises(error):
        columns.extend([meta(1, e_tag=None), meta(2), meta(3, **changes)])
    columns.extend([meta(4)])
    assert columns.take_dicts() == [meta(0), meta(4)]


@pytest.mark.parametrize("count", [-1, 2])
def test_only_rows_that_are_there_can_be_taken(count: int) -> None:
    with pytest.raises(ValueError, match="there are 1 rows"):
        columns_of([meta(1)]).take(count)


# --- the memory that is handed out ------------------------------------------------------------------------


class ArrowArray(ctypes.Structure):
    """https://arrow.apache.org/docs/format/CDataInterface.html"""


ArrowArray._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(ArrowArray))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]

RELEASE = ctypes.CFUNCTYPE(None, ctypes.POINTER(ArrowArray))  # without the GIL


def exported(batch: Any) -> tuple[Any, Any]:
    """The capsule and the array in it."""
    _schema, capsule = batch.__arrow_c_array__()
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return capsule, ArrowArray.from_address(pointer(capsule, b"arrow_array"))


def test_columns_may_be_kept_longer_than_the_batch() -> None:
    capsule, array = exported(columns_of([meta(number) for number in range(9)]).take(5))
    size = ArrowArray()
    ctypes.memmove(ctypes.byref(size), array.children[2], ctypes.sizeof(size))
    array.children[2].contents.release = None  # that is how a consumer moves it
    RELEASE(array.release)(array)
    assert array.release is None
    del capsule, array
    values = ctypes.cast(size.buffers[1], ctypes.POINTER(ctypes.c_uint64))
    assert [values[size.offset + row] for row in range(size.length)] == [0, 1, 2, 3, 4]
    RELEASE(size.release)(size)
    assert size.release is None


def test_capsules_may_be_dropped_or_their_content_moved_out() -> None:
    batch = columns_of([meta(1)]).take()
    for _ in range(3):
        batch.__arrow_c_array__()
        batch.__arrow_c_schema__()
        rows_of(batch)
    capsule, array = exported(batch)
    moved = ArrowArray()
    ctypes.memmove(ctypes.byref(moved), ctypes.byref(array), ctypes.sizeof(moved))
    array.release = None
    del capsule, array, batch
    assert moved.children[0].contents.length == 1
    RELEASE(moved.release)(moved)


def test_batches_may_be_released_in_any_thread() -> None:
    columns = Columns()
    for start in range(0, 200, 10):
        columns.extend([meta(start + number) for number in range(10)])
        arrays = [exported(columns.take(3)) for _ in range(3)]
        release = RELEASE(arrays[0][1].release)
        threads = [threading.Thread(target=release, args=(array,)) for _capsule, array in arrays]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(columns) == 20


def test_batches_come_from_listings() -> None:
    batch = type(Columns().take())
    assert len(batch()) == 0
    with pytest.raises(ValueError, match="listing"):
        batch().__arrow_c_array__()
