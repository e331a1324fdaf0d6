"""How files and iterators are read, part by part."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obstore_c import _payload, exceptions
from obstore_c._lib.buffer import Bytes
from obstore_c._payload import (
    AsyncSource,
    BufferSource,
    FileSource,
    IterableSource,
    PathSource,
    ReadSource,
    source_of,
)
from unit.fake_io import FakeIO, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

DATA = bytes(range(251)) * 2_000


def parts_of(source: Any, size: int) -> list[bytes]:
    """All parts, as they are once all were read."""

    async def read() -> list[Any]:
        io = FakeIO()
        try:
            await source.open(io)
            parts = [await source.read(io, size)]
            while len(parts[-1]) == size and sum(map(len, parts)) != source.size:
                parts.append(await source.read(io, size))
            return parts
        finally:
            source.close()

    return [bytes(part) for part in run(read())]


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


class Reader:
    """Gives what it has, in pieces of its own size."""

    def __init__(self, data: bytes, piece: int) -> None:
        self.file = io.BytesIO(data)
        self.piece = piece

    def read(self, size: int) -> bytes:
        return self.file.read(min(size, self.piece))


async def agen(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def reused(pieces: list[bytes]) -> Iterator[memoryview]:
    """The same memory again and again, as `readinto` loops do it."""
    memory = bytearray(max(map(len, pieces), default=0))
    for piece in pieces:
        memory[: len(piece)] = piece
        yield memoryview(memory)[: len(piece)]
        memory[:] = b"?" * len(memory)


SOURCES = {
    "buffer": lambda pieces: BufferSource(b"".join(pieces)),
    "bytes": IterableSource,
    "iterator": lambda pieces: IterableSource(iter(pieces)),
    "reused": lambda pieces: IterableSource(reused(pieces)),
    "Bytes": lambda pieces: IterableSource(map(Bytes, pieces)),
    "bytearrays": lambda pieces: IterableSource(map(bytearray, pieces)),
    "asynchronous": lambda pieces: AsyncSource(agen(pieces)),
    "read": lambda pieces: ReadSource(Reader(b"".join(pieces), 777)),
}


@pytest.mark.parametrize("kind", SOURCES)
@given(
    lengths=st.lists(st.integers(0, 3_000), max_size=12),
    size=st.integers(1, 2_000),
    small=st.integers(1, 3_000),
)
def test_parts_have_the_size_asked_for(kind: str, lengths: list[int], size: int, small: int) -> None:
    data = DATA[: sum(lengths)]
    pieces, start = [], 0
    for length in lengths:
        pieces.append(data[start : start + length])
        start += length
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_payload, "_FIRST_MEMORY", small)
        parts = parts_of(SOURCES[kind](pieces), size)
    assert b"".join(parts) == data
    assert [part for part in parts if part] == cut(data, size)


@given(lengths=st.lists(st.integers(0, 9), max_size=9))
def test_read_all(lengths: list[int]) -> None:
    data = DATA[: sum(lengths)]
    pieces = [data[sum(lengths[:n]) : sum(lengths[: n + 1])] for n in range(len(lengths))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_payload, "_PIECE", 4)
        for make in SOURCES.values():
            assert bytes(run(make(pieces).read_all(FakeIO()))) == data


@pytest.mark.parametrize("item", [DATA, memoryview(DATA), Bytes(DATA)], ids=lambda it: type(it).__name__)
def test_a_part_of_something_immutable_is_no_copy(item: Any) -> None:
    source = IterableSource([item])
    part = run(source.read(FakeIO(), 1_000))
    assert memoryview(part).obj is memoryview(item).obj


@contextmanager
def pipe(path: Path, data: bytes) -> Iterator[Any]:
    reader, writer = os.pipe()

    def write() -> None:
        with open(writer, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    with open(reader, "rb") as file:
        yield file
    thread.join()


@contextmanager
def temporary(path: Path, data: bytes) -> Iterator[Any]:
    with tempfile.NamedTemporaryFile(dir=path.parent) as file:
        file.write(data)
        file.seek(0)
        yield file


@contextmanager
def zipped(path: Path, data: bytes) -> Iterator[Any]:
    with gzip.open(path) as file, io.BufferedReader(file) as reader:  # type: ignore[arg-type]
        yield reader


OPENED: dict[str, Callable[[Path, bytes], Any]] = {
    "buffered": lambda path, data: path.open("rb"),
    "raw": lambda path, data: path.open("rb", buffering=0),
    "random": lambda path, data: path.open("r+b"),
    "pipe": pipe,
    "gzip": zipped,
    "temporary": temporary,
}


@pytest.mark.parametrize("size", [0, 1, 999, 1_000, 1_001, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("opened", ["path", "str", *OPENED])
def test_files(tmp_path: Path, opened: str, size: int) -> None:
    data = DATA[:size]
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(data) if opened == "gzip" else data)
    if opened in ("path", "str"):
        source = source_of(path if opened == "path" else str(path), blocking=True)
        assert parts_of(source, 70_000) == (cut(data, 70_000) or [b""])
        return
    with OPENED[opened](path, data) as file:
        source = source_of(file, blocking=True)
        assert isinstance(source, FileSource) == (opened != "temporary")
        parts = parts_of(source, 70_000)
        assert not file.closed
    assert b"".join(parts) == data
    assert source.size == (len(data) if size and opened in ("buffered", "raw", "random") else None)


def test_a_file_is_read_from_its_position(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        file.seek(100)
        source = FileSource(file)
        assert b"".join(parts_of(source, 50_000)) == DATA[100:]
        assert source.size == len(DATA) - 100
        assert file.tell() == len(DATA)


@pytest.mark.parametrize("size", [10, 99_999, 100_001, len(DATA) + 1])
@pytest.mark.parametrize("kind", [PathSource, FileSource])
def test_a_file_that_changes_its_length(tmp_path: Path, kind: Any, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)

    async def read() -> None:
        io = FakeIO()
        with path.open("rb") as file:
            source = kind(str(path) if kind is PathSource else file)
            await source.open(io)
            try:
                await source.read(io, 50_000)
                os.truncate(path, size)
                while len(await source.read(io, 50_000)) == 50_000:
                    pass
            finally:
                source.close()

    expected = "shrank from" if size < len(DATA) else "grew beyond"
    with pytest.raises(exceptions.GenericError, match=f"file {expected}.* nothing was stored"):
        run(read())


def test_a_file_without_a_size_may_have_content() -> None:
    if not Path("/proc/self/status").exists():
        return
    source = PathSource("/proc/self/status")
    assert b"VmHWM" in b"".join(parts_of(source, 1_000))
    assert source.size is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a file that makes its reader wait")
def test_a_thread_that_still_reads_closes_the_file(tmp_path: Path) -> None:
    """A descriptor that is closed under a thread could be another file's when it reads on."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def main() -> PathSource:
        from obstore_c._lib.engine import loop_io

        source = PathSource(str(fifo))
        writer = os.open(fifo, os.O_RDWR)
        await source.open(loop_io())
        reading = asyncio.ensure_future(source.read(loop_io(), 10))
        while not source._reading.locked():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        source.close()
        assert not source._file.closed
        os.write(writer, b"0123456789")
        os.close(writer)
        return source

    # Its end waits for the thread.
    assert asyncio.run(main())._file.closed


def test_memory_is_small_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(_payload, "_slab", lambda size: taken.append(size) or memoryview(bytearray(size)))
    source = IterableSource([b"x" * 100])
    assert len(run(source.read(FakeIO(), 5 << 20))) == 100
    assert taken == []
    source = IterableSource([b"x" * 60_000] * 200)
    for _ in range(2):
        assert len(run(source.read(FakeIO(), 5 << 20))) == 5 << 20
    assert taken == [5 << 20] * 2
