"""What put makes of its `file`."""

from __future__ import annotations

import array
import io
import mmap
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from obstore_c._payload import as_buffer
from obstore_c.store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    "buffer", [b"data", bytearray(b"data"), memoryview(b"data")], ids=lambda it: type(it).__name__
)
def test_a_buffer_is_taken_as_it_is(buffer: Any) -> None:
    taken = as_buffer(buffer)
    assert taken == b"data"
    assert taken is buffer or memoryview(taken).obj is memoryview(buffer).obj


def test_an_array_is_taken_by_its_bytes() -> None:
    matrix = memoryview(bytes(24)).cast("d", (1, 3))
    assert as_buffer(matrix) == bytes(24)
    assert as_buffer(array.array("d")) == b""
    assert as_buffer(mmap.mmap(-1, 10)) == bytes(10)


@pytest.mark.parametrize(
    "buffer", [memoryview(b"0123")[::2], memoryview(b"0123")[::-1]], ids=["step", "reverse"]
)
def test_a_buffer_with_gaps_is_refused(buffer: memoryview) -> None:
    with pytest.raises(TypeError, match="contiguous"):
        MemoryStore().put("key", buffer)


class Reader:
    """A raw file: it returns less than it could."""

    def __init__(self, *parts: Any) -> None:
        self.parts = list(parts)

    def read(self, size: int = -1) -> Any:
        return self.parts.pop(0) if self.parts else b""


@pytest.mark.parametrize(
    ("file", "data"),
    [
        (io.BytesIO(b"data"), b"data"),
        (Reader(b"da", bytearray(b"ta")), b"data"),
        (Reader(), b""),
        ([], b""),
        ((b"da", memoryview(b"ta")), b"data"),
        (iter([]), b""),
        ({b"da": 1, b"ta": 2}, b"data"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_put_reads(file: Any, data: bytes) -> None:
    store = MemoryStore()
    store.put("key", file)
    assert store.get("key").bytes() == data


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (None, "not NoneType"),
        (5, "not int"),
        (object(), "not object"),
        (MemoryStore, "not type"),
        (io.StringIO("text"), "open it in binary mode"),
        (io.StringIO(""), "open it in binary mode"),
        (Reader("text"), "returned str where bytes were expected"),
        (Reader(5), "returned int"),
        ([b"a", "b"], "yielded str"),
        (iter([1, 2]), "yielded int"),
        ([memoryview(b"0123")[::2]], "contiguous"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_put_refuses(file: Any, message: str) -> None:
    store = MemoryStore()
    with pytest.raises(TypeError, match=message):
        store.put("key", file)
    assert store.list().collect() == []


@pytest.mark.parametrize("parts", [(None,), (b"da", None)], ids=["at once", "later"])
def test_a_file_that_would_block_is_not_at_its_end(parts: Any) -> None:
    with pytest.raises(BlockingIOError, match="non-blocking mode"):
        MemoryStore().put("key", Reader(*parts))


@pytest.mark.skipif(os.name == "nt", reason="pipes cannot be told not to block")
def test_a_pipe_that_would_block_is_not_at_its_end() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with (
        open(reader, "rb", buffering=0) as file,
        open(writer, "wb"),
        pytest.raises(BlockingIOError, match="non-blocking mode"),
    ):
        MemoryStore().put("key", file)


def test_a_local_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        MemoryStore().put("key", tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        MemoryStore().put("key", tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        MemoryStore().put("key", "some text")
    assert "pass bytes to store text" in caught.value.__notes__[0]


async def _pieces(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item


def test_blocking_put_cannot_wait_for_an_asynchronous_iterator() -> None:
    with pytest.raises(ValueError, match="put_async"):
        MemoryStore().put("key", _pieces(b"a"))


async def test_put_async_refuses_what_is_not_bytes() -> None:
    with pytest.raises(TypeError, match="yielded str"):
        await MemoryStore().put_async("key", _pieces(b"a", "b"))


async def test_put_async_reads_in_a_worker_thread() -> None:
    threads = set()

    class File(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            threads.add(threading.get_ident())
            return super().read(size)

    def pieces() -> Iterator[bytes]:
        threads.add(threading.get_ident())
        yield b"data"

    store = MemoryStore()
    await store.put_async("file", File(b"data"))
    await store.put_async("iterator", pieces())
    assert threads
    assert threading.get_ident() not in threads


async def test_an_exception_of_the_iterator_reaches_the_caller() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"data"
        raise LookupError("out of data")

    store = MemoryStore()
    with pytest.raises(LookupError, match="out of data"):
        store.put("key", pieces())
    with pytest.raises(LookupError, match="out of data"):
        await store.put_async("key", pieces())
    assert store.list().collect() == []
