"""get_into and download, over every store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from obstore_c.exceptions import GenericError, NotModifiedError
from obstore_c.store import PrefixStore

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.verbs import BlockingVerbs

SMALL = bytes(range(100))
# 34 MiB: several connections. Its period divides no part, so bytes in a wrong place are other bytes.
LARGE = b"".join(n.to_bytes(3, "big") for n in range(100_003)) * 120


@pytest.fixture
def key(verbs: BlockingVerbs) -> str:
    verbs.put("folder/data", SMALL)
    return "folder/data"


@pytest.fixture(scope="module")
def buffer() -> bytearray:
    return bytearray(len(LARGE) + 1)


@pytest.mark.parametrize("room", [100, 150, 40 << 20])
def test_get_into(verbs: BlockingVerbs, key: str, buffer: bytearray, room: int) -> None:
    buffer[:200] = b"\xaa" * 200
    assert verbs.get_into(key, memoryview(buffer)[:room]) == 100
    assert buffer[:200] == SMALL + b"\xaa" * 100


def test_get_into_of_an_empty_object(verbs: BlockingVerbs) -> None:
    verbs.put("empty", b"")
    buffer = bytearray(b"abc")
    assert verbs.get_into("empty", buffer) == verbs.get_into("empty", bytearray()) == 0
    assert buffer == b"abc"


@pytest.mark.parametrize("room", [0, 1, 99])
def test_get_into_too_little_room(verbs: BlockingVerbs, key: str, room: int) -> None:
    buffer = bytearray(room)
    with pytest.raises(ValueError, match=f"100 bytes .*room for {room}"):
        verbs.get_into(key, buffer)
    buffer.append(0)


def test_get_into_of_a_missing_object(verbs: BlockingVerbs) -> None:
    with pytest.raises(FileNotFoundError):
        verbs.get_into("missing", bytearray(10))


RANGES: list[Any] = [
    ((10, 20), 10, 20),
    ((90, 1000), 90, 100),
    ({"offset": 90}, 90, 100),
    ({"suffix": 9}, 91, 100),
]


@pytest.mark.parametrize(("option", "start", "end"), RANGES, ids=str)
@pytest.mark.parametrize("more", [0, 7])
def test_get_into_of_a_range(
    verbs: BlockingVerbs, key: str, option: Any, start: int, end: int, more: int
) -> None:
    buffer = bytearray(b"\xaa" * (end - start + more))
    assert verbs.get_into(key, buffer, options={"range": option}) == end - start
    assert buffer == SMALL[start:end] + b"\xaa" * more


def test_get_into_of_a_range_after_the_end(verbs: BlockingVerbs, key: str) -> None:
    with pytest.raises(GenericError):
        verbs.get_into(key, bytearray(10), options={"range": (100, 110)})


def test_conditions(verbs: BlockingVerbs, key: str, tmp_path: Path) -> None:
    options = {"if_none_match": verbs.head(key)["e_tag"]}
    with pytest.raises(NotModifiedError):
        verbs.get_into(key, bytearray(100), options=options)
    with pytest.raises(NotModifiedError):
        verbs.download(key, tmp_path / "file", options=options)
    assert list(tmp_path.iterdir()) == []


def test_download(verbs: BlockingVerbs, key: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    meta = verbs.download(key, file)
    assert (meta["path"], meta["size"]) == (key, 100)
    assert meta["e_tag"] == verbs.head(key)["e_tag"]
    assert file.read_bytes() == SMALL
    verbs.download(key, str(file), options={"range": (10, 20)})
    assert file.read_bytes() == SMALL[10:20]
    with pytest.raises(FileNotFoundError):
        verbs.download("missing", file)
    assert file.read_bytes() == SMALL[10:20]
    assert list(tmp_path.iterdir()) == [file]


def test_large_object(make_verbs: Any, store: Any, buffer: bytearray, tmp_path: Path) -> None:
    store.put("folder/large", LARGE)
    verbs = make_verbs(PrefixStore(store, "folder"))
    assert verbs.get_into("large", buffer) == len(LARGE)
    assert memoryview(buffer)[:-1] == LARGE
    assert memoryview(verbs.body(verbs.get("large"))) == LARGE
    start, end = 1, len(LARGE) - 1
    assert memoryview(verbs.get_range("large", start=start, end=end)) == memoryview(LARGE)[start:end]
    assert verbs.get_into("large", buffer, options={"range": (3, 33 << 20)}) == (33 << 20) - 3
    assert memoryview(buffer)[: (33 << 20) - 3] == memoryview(LARGE)[3 : 33 << 20]
    assert verbs.download("large", tmp_path / "file")["path"] == "large"
    assert (tmp_path / "file").read_bytes() == LARGE
    verbs.close()
