"""put, get and head: what goes in comes out."""

from __future__ import annotations

import array
import io
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from conformance.verbs import BlockingVerbs


@pytest.mark.parametrize("size", [0, 1, 4096, 1_000_003], ids=str)
def test_bytes_come_back(verbs: BlockingVerbs, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    verbs.put("key", data[:size])
    assert verbs.read("key") == data[:size]
    assert verbs.head("key")["size"] == size


PAYLOADS = {
    "bytes": lambda data: data,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "array": lambda data: array.array("H", data),
    "matrix": lambda data: memoryview(data).cast("B", (len(data) // 4, 4)),
    "file": io.BytesIO,
    "list": lambda data: [data[:1000], b"", bytearray(data[1000:])],
    "iterator": lambda data: iter([data[:1000], memoryview(data)[1000:]]),
    "generator": lambda data: (data[start : start + 1000] for start in range(0, len(data), 1000)),
}


@pytest.mark.parametrize("kind", PAYLOADS)
def test_put_accepts(verbs: BlockingVerbs, kind: str) -> None:
    data = bytes(range(256)) * 20
    verbs.put("key", PAYLOADS[kind](data))
    assert verbs.read("key") == data


def test_put_a_local_file(verbs: BlockingVerbs, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"from disk")
    verbs.put("path", tmp_path / "file")
    verbs.put("str", str(tmp_path / "file"))
    with (tmp_path / "file").open("rb") as file:
        file.seek(5)
        verbs.put("rest", file)
    assert [verbs.read(key) for key in ("path", "str", "rest")] == [b"from disk", b"from disk", b"disk"]


async def test_put_accepts_an_asynchronous_iterator(store: Any) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    await store.put_async("key", pieces())
    assert await (await store.get_async("key")).bytes_async() == b"one two"


def test_put_accepts_what_get_returns(verbs: BlockingVerbs) -> None:
    verbs.put("a", b"0123456789")
    verbs.put("b", verbs.get("a"))
    verbs.put("c", verbs.get("a").stream(4))
    verbs.put("d", verbs.body(verbs.get("a")))
    assert {verbs.read(key) for key in "abcd"} == {b"0123456789"}


def test_put_replaces(verbs: BlockingVerbs) -> None:
    first = verbs.put("key", b"first")
    second = verbs.put("key", b"second one")
    assert verbs.read("key") == b"second one"
    assert first["e_tag"] != second["e_tag"]


def test_a_changed_buffer_changes_no_object(verbs: BlockingVerbs) -> None:
    data = bytearray(b"before")
    verbs.put("key", data)
    data[:] = b"after!"
    assert verbs.read("key") == b"before"


def test_e_tags_agree(verbs: BlockingVerbs) -> None:
    stored = verbs.put("key", b"data")
    assert stored["e_tag"].startswith('"')
    assert verbs.head("key")["e_tag"] == stored["e_tag"]
    assert verbs.get("key").meta["e_tag"] == stored["e_tag"]


def test_head_and_get_agree(verbs: BlockingVerbs) -> None:
    verbs.put("folder/key", b"data")
    meta = verbs.get("folder/key").meta
    assert meta == verbs.head("folder/key")
    assert set(meta) == {"path", "last_modified", "size", "e_tag", "version"}
    assert meta["path"] == "folder/key"
    assert meta["last_modified"].utcoffset().total_seconds() == 0


@pytest.mark.parametrize("verb", ["get", "head", "copy", "rename", "get_range", "get_ranges"])
def test_missing_key_is_file_not_found(verbs: BlockingVerbs, verb: str) -> None:
    arguments: dict[str, Any] = {
        "copy": {"to": "x"},
        "rename": {"to": "x"},
        "get_range": {"start": 0, "end": 1},
        "get_ranges": {"starts": [0], "ends": [1]},
    }
    with pytest.raises(FileNotFoundError, match="no-such-key"):
        getattr(verbs, verb)("no-such-key", **arguments.get(verb, {}))


def test_bytes_can_be_taken_once(verbs: BlockingVerbs) -> None:
    verbs.put("key", b"data")
    result = verbs.get("key")
    assert verbs.body(result) == b"data"
    for take in (result.bytes, result.stream, result.buffer_async, result.__iter__, result.__aiter__):
        with pytest.raises(ValueError, match="taken"):
            take()
    assert result.meta["size"] == 4
    assert result.range == (0, 4)


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000], ids=str)
def test_stream_has_chunks_of_the_size_asked_for(verbs: BlockingVerbs, size: int) -> None:
    data = bytes(range(256)) * 4
    verbs.put("key", data)
    chunks = verbs.chunks(verbs.get("key").stream(min_chunk_size=size))
    assert b"".join(chunks) == data
    assert all(type(chunk) is bytes for chunk in chunks)
    assert all(len(chunk) == size for chunk in chunks[:-1])


def test_result_is_iterable(verbs: BlockingVerbs) -> None:
    verbs.put("key", b"data")
    assert verbs.chunks(verbs.get("key")) == [b"data"]


def test_stream_of_an_empty_object_is_empty(verbs: BlockingVerbs) -> None:
    verbs.put("key", b"")
    assert b"".join(verbs.chunks(verbs.get("key"))) == b""


def test_exhausted_stream_stays_exhausted(verbs: BlockingVerbs) -> None:
    verbs.put("key", b"data")
    stream = verbs.get("key").stream()
    assert verbs.chunks(stream) == [b"data"]
    assert verbs.chunks(stream) == []


def test_head_option_transfers_no_content(verbs: BlockingVerbs) -> None:
    verbs.put("key", b"data")
    result = verbs.get("key", options={"head": True})
    assert result.meta["size"] == 4
    assert verbs.body(result) == b""


@pytest.mark.needs("attributes")
def test_attributes_come_back(verbs: BlockingVerbs) -> None:
    attributes = {
        "Content-Type": "text/plain",
        "Content-Encoding": "identity",
        "Content-Language": "de",
        "Content-Disposition": "inline",
        "Cache-Control": "max-age=60",
        "author": "me, myself & I",
    }
    verbs.put("key", b"data", attributes=attributes)
    stored = verbs.get("key").attributes
    assert {name: stored.get(name) for name in attributes} == attributes


@pytest.mark.needs("attributes")
def test_attribute_names_are_found_in_any_case(verbs: BlockingVerbs) -> None:
    verbs.put("key", b"data", attributes={"content-type": "text/css"})
    assert verbs.get("key").attributes["Content-Type"] == "text/css"


def test_attributes_without_any_are_a_dict(verbs: BlockingVerbs) -> None:
    verbs.put("key", b"data")
    assert isinstance(verbs.get("key").attributes, dict)


def test_tags_are_accepted(verbs: BlockingVerbs) -> None:
    verbs.put("key", b"data", tags={"colour": "light blue", "a/b": "c+d"})
    assert verbs.read("key") == b"data"
