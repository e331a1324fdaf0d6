"""Several hashes at a time: the same as hashlib's, one after the other."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obstore_c._lib.lanes import LANES, sha256_each

DATA = bytes(range(256)) * 40
# Around the block of 64 bytes and the place that the padding needs in it.
LENGTHS = (0, 1, 55, 56, 63, 64, 65, 119, 120, 127, 128, 129, 1000, 4096, 10_000)


def expected(buffers: list[bytes]) -> list[str]:
    return [hashlib.sha256(buffer).hexdigest() for buffer in buffers]


@pytest.mark.parametrize("count", range(10))
@pytest.mark.parametrize("length", LENGTHS)
def test_buffers_of_one_length(count: int, length: int) -> None:
    buffers = [DATA[number : number + length] for number in range(count)]
    assert sha256_each(buffers) == expected(buffers)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 700)), max_size=9))
def test_buffers_of_any_length(places: list[tuple[int, int]]) -> None:
    buffers = [DATA[start : start + length] for start, length in places]
    assert sha256_each(buffers) == expected(buffers)


@pytest.mark.parametrize("short", range(5))
def test_one_is_shorter(short: int) -> None:
    buffers = [DATA[number:] for number in range(5)]
    buffers[short] = buffers[short][:100]
    assert sha256_each(buffers) == expected(buffers)


def test_any_buffer() -> None:
    buffers = [bytearray(b"a"), memoryview(b"b"), b"c"]
    assert sha256_each(buffers) == expected([b"a", b"b", b"c"])
    assert sha256_each(()) == []
    buffers[0].append(1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("wrong", [None, "text", memoryview(b"0123")[::2]], ids=lambda it: type(it).__name__)
def test_no_buffer(wrong: object) -> None:
    buffer = bytearray(b"x")
    with pytest.raises((TypeError, BufferError)):
        sha256_each([buffer, wrong])  # type: ignore[list-item]
    buffer.append(1)  # it was let go


def test_more_than_four_gigabits() -> None:
    """The length in bits takes more than 32 of them."""
    buffer = bytes((1 << 29) + 1)
    assert sha256_each([buffer]) == expected([buffer])


def test_lanes() -> None:
    assert LANES in (1, 4)
