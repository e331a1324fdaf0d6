"""Listings as Arrow data. Imported only when it is asked for, because `arro3-core` is an optional package."""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    from arro3.core import RecordBatch, Table
except ImportError as error:
    raise ImportError("return_arrow=True needs the package arro3-core: pip install arro3-core") from error

from ._lib.columns import Columns

if TYPE_CHECKING:
    from ._backend import Pager
    from ._list import ObjectMeta
    from ._ops.io import IO


class FoundRows:
    """Objects as rows of Arrow data. `after`: those up to this path are left out."""

    __slots__ = ("_columns",)

    def __init__(self, after: str | None = None) -> None:
        self._columns = Columns(after)

    def __len__(self) -> int:
        return len(self._columns)

    async def read_page(self, io: IO, pager: Pager) -> bool:
        next_into = getattr(pager, "next_into", None)
        if next_into is not None:
            # Straight from the answer into the columns.
            more: bool = await next_into(io, self._columns)
            return more
        page = await pager.next_page(io)
        if page is None:
            return False
        self._columns.extend(page)
        return True

    def take(self, count: int | None) -> RecordBatch:
        if count is not None:
            count = min(count, len(self._columns))
        return RecordBatch.from_arrow(self._columns.take(count))


def table(objects: list[ObjectMeta]) -> Table:
    """Return the metadata of objects as a table of one batch: a column for each key of `ObjectMeta`."""
    columns = Columns()
    columns.extend(objects)
    return Table.from_batches([RecordBatch.from_arrow(columns.take())])
