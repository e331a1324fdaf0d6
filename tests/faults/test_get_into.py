"""get_into: the caller's memory is filled and nothing else, and is the caller's again afterwards."""

from __future__ import annotations

import array
import asyncio
import ctypes
import mmap
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from faults.reading import FROM, PART, Object, content, shrink
from obstore_c import exceptions as exc
from obstore_c._lib import engine
from servers.faults import Reply, closed, error, ok, reset, truncated

if TYPE_CHECKING:
    from pathlib import Path

    from servers.faults import FaultServer

    from .conftest import Call, MakeStore

DATA = content(10_000)
HEADERS = {"etag": '"v1"', "last_modified": "Fri, 01 Mar 2024 00:00:00 GMT"}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


@pytest.fixture
def into(call: Call, make_store: MakeStore) -> Any:
    """`into(size)` reads the object `k`, and checks that what is behind its bytes stays as it was."""

    def into(size: int, options: Any = None) -> bytes:
        buffer = bytearray(b"\xaa" * size)
        count = call(make_store(), "get_into", "k", buffer, options=options)
        assert buffer[count:].count(b"\xaa") == size - count
        buffer.append(0)
        return bytes(buffer[:count])

    return into


@pytest.mark.parametrize("room", [10_000, 10_001, PART, FROM, 3 * FROM])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_buffer_is_filled_by_one_request(
    fault_server: FaultServer, into: Any, room: int, chunked: bool
) -> None:
    fault_server.script(replace(ok(DATA, **HEADERS), chunked=chunked))
    assert into(room) == DATA
    assert len(fault_server.requests) == 1


@pytest.mark.parametrize("size", [0, 1, PART, 2 * PART, FROM - 1, FROM, 6 * PART])
@pytest.mark.parametrize("more", [0, 1, FROM])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_sizes(fault_server: FaultServer, into: Any, size: int, more: int, chunked: bool) -> None:
    served = Object(content(size))
    served.flaws.append(
        lambda request, reply, number: replace(reply, chunked=chunked and not number, piece=5000)
    )
    fault_server.script(served)
    assert into(size + more) == content(size)


@pytest.mark.parametrize(
    ("size", "room"), [(1, 0), (101, 100), (PART + 1, PART), (FROM, 10), (9 * PART, FROM)]
)
def test_object_that_is_too_large(
    fault_server: FaultServer, make_store: MakeStore, call: Call, size: int, room: int
) -> None:
    fault_server.script(Object(content(size)))
    buffer = bytearray(room)
    with pytest.raises(ValueError, match=f"there are {size} bytes .* room for {room}") as caught:
        call(make_store(), "get_into", "k", buffer)
    buffer.append(0)  # although the traceback is alive
    assert caught.value.__traceback__ is not None
    assert len(fault_server.requests) == 1


def test_object_that_is_too_large_is_not_received(fault_server: FaultServer, make_store: MakeStore) -> None:
    # The server goes on only when somebody reads, which nobody does.
    fault_server.script(ok(bytes(200_000_000), **HEADERS))
    buffer = bytearray(150_000_000)
    with pytest.raises(ValueError, match="200000000 bytes"):
        make_store().get_into("k", buffer)
    assert not any(buffer)


@pytest.mark.parametrize("room", [100, PART, FROM + 5])
def test_object_of_unknown_length_that_is_too_large(fault_server: FaultServer, into: Any, room: int) -> None:
    fault_server.script(lambda request: Reply(200, content(10 * PART), HEADERS, chunked=True, piece=5000))
    with pytest.raises(ValueError, match=rf"more than {room} bytes|{10 * PART} bytes"):
        into(room)


@pytest.mark.parametrize("room", [50, 4000])
@pytest.mark.parametrize("ignores", [False, True], ids=["range", "ignores-range"])
def test_range_that_is_too_large(fault_server: FaultServer, into: Any, room: int, ignores: bool) -> None:
    served = Object(DATA)
    fault_server.script(lambda request: ok(DATA, **HEADERS) if ignores else served(request))
    with pytest.raises(ValueError, match=f"5000 bytes to read of 'k', and it has room for {room}"):
        into(room, {"range": (10, 5010)})


def test_options(fault_server: FaultServer, into: Any) -> None:
    fault_server.script(Object(DATA))
    assert into(100, {"range": (5, 50), "if_match": '"v1"'}) == DATA[5:50]
    assert into(100, {"range": (9_990, 20_000)}) == DATA[9_990:]
    assert into(100, {"range": {"suffix": 7}}) == DATA[-7:]
    assert into(100, {"range": {"offset": 9_990}}) == DATA[9_990:]
    with pytest.raises(exc.PreconditionError):
        into(20_000, {"if_match": '"v0"'})
    with pytest.raises(exc.NotModifiedError):
        into(20_000, {"if_none_match": '"v1"'})
    with pytest.raises(exc.GenericError):
        into(100, {"range": (10_000, 10_001)})


def test_missing_object(fault_server: FaultServer, into: Any) -> None:
    fault_server.script(error(404, "NoSuchKey"))
    with pytest.raises(FileNotFoundError, match="'k'"):
        into(100)


# --- kinds of memory --------------------------------------------------------------------------------------


def test_every_kind_of_memory(fault_server: FaultServer, make_store: MakeStore) -> None:
    fault_server.script(Object(DATA))
    store = make_store()
    mapped = mmap.mmap(-1, 10_000)
    items = array.array("d", bytes(10_000))
    shaped = memoryview(bytearray(10_000)).cast("f", (50, 50))
    native = (ctypes.c_char * 10_000)()
    for memory in (bytearray(10_000), memoryview(bytearray(10_000)), items, shaped, native, mapped):
        assert store.get_into("k", memory) == 10_000
        assert bytes(memory) == DATA
    mapped.close()


@pytest.mark.parametrize(
    "dtype", ["u1", "<f4", ">i8", "c16", "?", "e", "M8[ns]", "S10", [("a", "i4"), ("b", "f8")]]
)
def test_numpy_arrays(fault_server: FaultServer, make_store: MakeStore, dtype: Any) -> None:
    numpy = pytest.importorskip("numpy")
    fault_server.script(Object(DATA[:9600]))
    items = numpy.zeros(9600 // numpy.dtype(dtype).itemsize, dtype)
    assert make_store().get_into("k", items) == 9600
    assert items.tobytes() == DATA[:9600]
    square = numpy.zeros((100, 100), "u1")
    assert make_store().get_into("k", square[1:97]) == 9600  # rows in between
    assert square[1:97].tobytes() == DATA[:9600]
    assert not square[0].any()
    assert not square[97:].any()


def test_memory_that_cannot_be_filled(fault_server: FaultServer, make_store: MakeStore, call: Call) -> None:
    store = make_store()
    refused: list[Any] = [
        bytes(10),
        memoryview(bytes(10)),
        memoryview(bytearray(10))[::2],
        "text",
        None,
        5,
        [0],
        array,
    ]
    try:
        import numpy
    except ImportError:
        pass
    else:
        frozen = numpy.zeros(10)
        frozen.flags.writeable = False
        refused += [frozen, numpy.zeros((10, 10)).T[1:], numpy.zeros(10)[::-1]]
    for buffer in refused:
        with pytest.raises(TypeError, match="buffer must be a writable and contiguous buffer"):
            call(store, "get_into", "k", buffer)
    assert fault_server.requests == []


def test_memory_is_pinned_meanwhile_and_free_afterwards(
    fault_server: FaultServer, make_store: MakeStore
) -> None:
    fault_server.script(replace(ok(DATA, **HEADERS), delay=0.1))
    buffer = bytearray(10_000)

    async def main() -> None:
        task = asyncio.create_task(_task(make_store(), buffer))
        await asyncio.sleep(0.03)
        with pytest.raises(BufferError):
            buffer.append(0)
        assert await task == 10_000
        buffer.append(0)

    asyncio.run(main())


async def _task(store: Any, buffer: Any) -> Any:
    return await store.get_into_async("k", buffer)


def test_coroutine_that_is_never_awaited_pins_nothing(make_store: MakeStore) -> None:
    buffer = bytearray(10)
    coroutine = make_store().get_into_async("k", buffer)
    buffer.append(0)
    coroutine.close()


# --- failures ---------------------------------------------------------------------------------------------

PASSING: dict[str, Reply] = {
    "503": error(503, "SlowDown"),
    "500": error(500, "InternalError", "a longer body than the buffer has room for" * 10),
    "reset": reset(),
    "closed": closed(),
    "broken off": truncated(DATA, 4000, **HEADERS),
    "broken off at once": truncated(DATA, 0, **HEADERS),
    "broken off, no etag": truncated(DATA, 4000),
    "broken off, weak etag": truncated(DATA, 4000, etag='W/"v1"'),
    "broken off, chunked": replace(ok(DATA[:4000], **HEADERS), chunked=True, end="close"),
}


@pytest.mark.parametrize("room", [10_000, PART, FROM])
@pytest.mark.parametrize("fault", PASSING)
def test_failure_that_passes(fault_server: FaultServer, into: Any, fault: str, room: int) -> None:
    fault_server.script(PASSING[fault], Object(DATA))
    assert into(room) == DATA
    again = fault_server.requests[1]
    if fault != "broken off, chunked":  # it is resumed if its head was seen before it broke
        assert (again.header("range") == "bytes=4000-9999") is (fault == "broken off")
        assert (again.header("if-match") == '"v1"') is (fault == "broken off")


@pytest.mark.parametrize("room", [400, PART])
def test_range_that_breaks_off_is_resumed(fault_server: FaultServer, into: Any, room: int) -> None:
    served = Object(DATA)
    part = truncated(DATA[100:500], 150, content_range="bytes 100-499/10000", **HEADERS)
    fault_server.script(replace(part, status=206), served)
    assert into(room, {"range": (100, 500)}) == DATA[100:500]
    assert fault_server.requests[1].header("range") == "bytes=250-499"


def test_object_that_changed_after_it_broke_off(fault_server: FaultServer, into: Any) -> None:
    fault_server.script(PASSING["broken off"], Object(DATA, '"v2"'))
    with pytest.raises(exc.PreconditionError, match="after 4000 bytes"):
        into(10_000)


def test_failure_for_good(fault_server: FaultServer, into: Any) -> None:
    fault_server.script(*[PASSING["broken off at once"]] * 4)
    with pytest.raises(exc.GenericError, match="4 attempts"):
        into(10_000)


@pytest.mark.parametrize("room", [10_000, FROM])
@pytest.mark.parametrize("sent", [0, 4000])
def test_cancelled_call_writes_nothing_more(
    fault_server: FaultServer, make_store: MakeStore, room: int, sent: int
) -> None:
    fault_server.script(lambda request: replace(ok(DATA, **HEADERS), piece=max(sent, 1), pause=0.2))
    buffer = bytearray(room)
    slabs = engine.stats()["slabs"]

    async def main() -> None:
        task = asyncio.create_task(_task(make_store(), buffer))
        await asyncio.sleep(0.05)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            buffer.append(0)
        seen = bytes(buffer)
        assert len(seen) == room + 1
        await asyncio.sleep(0.1)
        assert buffer == seen

    asyncio.run(main())
    assert engine.stats()["slabs"] <= slabs


def test_many_cancellations_at_every_moment(fault_server: FaultServer, make_store: MakeStore) -> None:
    fault_server.script(Object(content(6 * PART)))

    async def main() -> None:
        store = make_store()
        for turn in range(60):
            buffer = bytearray(6 * PART)
            task = asyncio.create_task(_task(store, buffer))
            await asyncio.sleep(turn * 0.0003)
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()  # impatient
            done = (await asyncio.gather(task, return_exceptions=True))[0]
            seen = bytes(buffer)
            buffer.append(0)
            await asyncio.sleep(0.001)
            assert buffer[:-1] == seen
            if not isinstance(done, BaseException):
                assert seen == content(6 * PART)

    asyncio.run(main())


def test_file_like_use(fault_server: FaultServer, make_store: MakeStore, tmp_path: Path) -> None:
    """A slice of a larger buffer, as a loader that packs objects one behind the other uses it."""
    fault_server.script(Object(DATA))
    buffer = bytearray(25_000)
    view, position = memoryview(buffer), 0
    for _ in range(2):
        position += make_store().get_into("k", view[position:])
    assert position == 20_000
    assert buffer[:20_000] == DATA * 2
    with pytest.raises(ValueError, match="room for 5000"):
        make_store().get_into("k", view[position:])
