"""Listings as Arrow data. Imported only when it is asked for, because `arro3-core` is an optional package."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

try:
    from arro3.core import Array, DataType, Field, RecordBatch, Schema, Table
except ImportError as error:
    raise ImportError("return_arrow=True needs the package arro3-core: pip install arro3-core") from error

if TYPE_CHECKING:
    from ._list import ObjectMeta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIMESTAMP = DataType.timestamp("us", tz="UTC")

SCHEMA = Schema(
    [
        Field("path", DataType.utf8(), nullable=False),
        Field("last_modified", _TIMESTAMP, nullable=False),
        Field("size", DataType.uint64(), nullable=False),
        Field("e_tag", DataType.utf8(), nullable=True),
        Field("version", DataType.utf8(), nullable=True),
    ]
)


def record_batch(objects: list[ObjectMeta]) -> RecordBatch:
    """Return the metadata of objects as one batch: a column for each key of `ObjectMeta`."""
    # Not through timestamp(): a float has too few digits for microseconds.
    microseconds = [(meta["last_modified"] - _EPOCH) // _MICROSECOND for meta in objects]
    columns = [
        Array([meta["path"] for meta in objects], DataType.utf8()),
        Array(microseconds, DataType.int64()).cast(_TIMESTAMP),
        Array([meta["size"] for meta in objects], DataType.uint64()),
        Array([meta["e_tag"] for meta in objects], DataType.utf8()),
        Array([meta["version"] for meta in objects], DataType.utf8()),
    ]
    return RecordBatch.from_arrays(columns, schema=SCHEMA)


def table(objects: list[ObjectMeta]) -> Table:
    """Return the metadata of objects as a table of one batch."""
    return Table.from_batches([record_batch(objects)], schema=SCHEMA)
