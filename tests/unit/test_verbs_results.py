"""GetResult, BytesStream and ListStream, whatever the backend."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from obstore_c._get import GetResult
from obstore_c._lib.buffer import Bytes
from obstore_c._list import FoundDicts, ListStream
from obstore_c.store import MemoryStore

if TYPE_CHECKING:
    from obstore_c._list import ObjectMeta

META: ObjectMeta = {
    "path": "key",
    "last_modified": datetime(2024, 1, 1, tzinfo=UTC),
    "size": 10,
    "e_tag": '"0"',
    "version": None,
}


class SlowBody:
    """A body that arrives while it is read."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)
        self.sizes: list[int] = []
        self.closed = False

    async def collect(self, io: Any) -> Bytes:
        await io.call(lambda: None)
        return Bytes(b"".join(self.chunks))

    async def read_chunk(self, io: Any, size: int) -> bytes | None:
        self.sizes.append(size)
        await io.call(lambda: None)
        return self.chunks.pop(0) if self.chunks else None

    def close(self) -> None:
        self.closed = True


def _result(body: Any) -> GetResult:
    return GetResult(META, {}, (0, 10), body)


def test_headers_are_parsed_when_asked_for_and_once() -> None:
    calls: list[str] = []

    def lazily(name: str, value: Any) -> Any:
        return lambda: calls.append(name) or value

    result = GetResult(
        lazily("meta", META), lazily("attributes", {"a": "b"}), lazily("range", (0, 4)), Bytes(b"data")
    )
    assert result.bytes() == b"data"
    assert calls == []
    assert (result.meta, result.meta) == (META, META)
    assert (result.attributes, result.attributes) == ({"a": "b"}, {"a": "b"})
    assert (result.range, result.range) == ((0, 4), (0, 4))
    assert calls == ["meta", "attributes", "range"]


def test_collected_bytes_are_not_copied() -> None:
    data = Bytes(b"data")
    assert _result(data).bytes() is data
    assert _result(data).buffer() is data


async def test_collected_bytes_are_not_copied_async() -> None:
    data = Bytes(b"data")
    assert await _result(data).bytes_async() is data
    assert await _result(data).buffer_async() is data


async def test_a_body_that_arrives_later() -> None:
    assert _result(SlowBody(b"da", b"ta")).bytes() == b"data"
    assert await _result(SlowBody(b"da", b"ta")).bytes_async() == b"data"
    assert list(_result(SlowBody(b"da", b"ta"))) == [b"da", b"ta"]
    assert [chunk async for chunk in _result(SlowBody(b"da", b"ta"))] == [b"da", b"ta"]


@pytest.mark.parametrize(
    ("asked", "size"),
    [(100_000, 100_000), (7, 64 * 1024), (0, 10 * 1024 * 1024)],
    ids=["large", "small", "any"],
)
def test_stream_asks_for_chunks_of_its_size(asked: int, size: int) -> None:
    """Each chunk is handed over by itself, so that many small ones would take a hundred times as long."""
    body = SlowBody(b"a")
    assert list(_result(body).stream(asked)) == [b"a"]
    assert set(body.sizes) == {size}


@pytest.mark.parametrize(("size", "error"), [(-1, ValueError), (1.5, TypeError), (None, TypeError)])
def test_stream_refuses_a_size_without_losing_the_bytes(size: Any, error: type[Exception]) -> None:
    result = _result(Bytes(b"data"))
    with pytest.raises(error):
        result.stream(size)
    assert result.bytes() == b"data"


async def test_a_stream_has_one_reader() -> None:
    stream = _result(SlowBody(b"da", b"ta")).stream()
    outcomes = await asyncio.gather(stream.__anext__(), stream.__anext__(), return_exceptions=True)
    assert outcomes[0] == b"da"
    assert isinstance(outcomes[1], RuntimeError)
    assert await anext(stream) == b"ta"


async def test_a_stream_can_be_read_on_after_a_cancelled_read() -> None:
    stream = _result(SlowBody(b"data")).stream()
    reading = asyncio.ensure_future(stream.__anext__())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await anext(stream) == b"data"


def test_a_stream_can_be_read_blocking_and_then_not() -> None:
    stream = _result(Bytes(b"0123456789")).stream(4)
    assert next(stream) == b"0123"

    async def rest() -> list[bytes]:
        return [chunk async for chunk in stream]

    assert asyncio.run(rest()) == [b"4567", b"89"]


def test_repr_reads_as_a_sentence() -> None:
    result = _result(Bytes(b"data"))
    assert repr(result) == "<GetResult: bytes 0 to 10 of 'key', which has 10>"
    result.bytes()
    assert repr(result) == "<GetResult: bytes 0 to 10 of 'key', which has 10, already taken>"


class Pages:
    """A listing whose provider has its own idea of page sizes."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = list(sizes)
        self.asked = 0

    async def next_page(self, io: Any) -> Any:
        self.asked += 1
        await io.call(lambda: None)
        return [{**META, "size": number} for number in range(self.sizes.pop(0))] if self.sizes else None


def _stream(pages: Pages, chunk_size: int = 4) -> ListStream[Any]:
    return ListStream(pages, chunk_size, FoundDicts())


@pytest.mark.parametrize("sizes", [(), (0,), (0, 0, 3), (4,), (9,), (1, 1, 1, 1, 1), (4, 0, 4, 1)], ids=str)
def test_pages_are_cut_into_chunks(sizes: tuple[int, ...]) -> None:
    chunks = [len(chunk) for chunk in _stream(Pages(*sizes))]
    assert sum(chunks) == sum(sizes)
    assert all(size == 4 for size in chunks[:-1])
    assert all(chunks)
    assert len(_stream(Pages(*sizes)).collect()) == sum(sizes)


@pytest.mark.parametrize("chunk_size", [1, 3, 4, 7, 100])
def test_rows_are_cut_into_chunks_as_dicts_are(chunk_size: int) -> None:
    from obstore_c._arrow import FoundRows

    sizes = 3, 0, 9, 1, 1, 14
    dicts = [[meta["size"] for meta in chunk] for chunk in _stream(Pages(*sizes), chunk_size)]
    stream = ListStream[Any](Pages(*sizes), chunk_size, FoundRows())
    assert next(stream)["size"].to_pylist() == dicts[0]
    assert stream.collect()["size"].to_pylist() == [size for chunk in dicts[1:] for size in chunk]
    assert stream.collect().num_rows == 0
    assert list(stream) == []


def test_pages_are_asked_for_when_they_are_needed() -> None:
    pages = Pages(4, 4, 4)
    stream = _stream(pages)
    assert pages.asked == 0
    next(stream)
    assert pages.asked == 1
    next(stream)
    assert pages.asked == 2


async def test_a_listing_has_one_reader() -> None:
    stream = _stream(Pages(4, 4))
    outcomes = await asyncio.gather(stream.__anext__(), stream.__anext__(), return_exceptions=True)
    assert len(outcomes[0]) == 4
    assert isinstance(outcomes[1], RuntimeError)
    assert len(await stream.collect_async()) == 4


def test_list_async_is_list() -> None:
    store = MemoryStore()
    store.put("a", b"")
    assert [meta["path"] for meta in store.list_async().collect()] == ["a"]


def test_without_arro3_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "arro3.core", None)
    monkeypatch.delitem(sys.modules, "obstore_c._arrow", raising=False)
    with pytest.raises(ImportError, match="pip install arro3-core"):
        MemoryStore().list(return_arrow=True)
    with pytest.raises(ImportError, match="pip install arro3-core"):
        MemoryStore().list_with_delimiter(return_arrow=True)
