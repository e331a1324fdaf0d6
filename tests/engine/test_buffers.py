"""The caller's memory: pinned while the engine uses it, given back at once afterwards, never leaked."""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from engine.support import PROFILE, Resources, Silent, blocking, eventually, soon, start, waiting
from obstore_c._lib import engine
from obstore_c._lib.engine import BlockingIO, Chunk, LoopIO, Profile, Slab, Transfer
from obstore_c._ops.drive import run, run_async
from servers.faults import Reply, ok, truncated

if TYPE_CHECKING:
    from servers.faults import FaultServer


def test_upload_pins_its_buffer_until_the_end(fault_server: FaultServer) -> None:
    fault_server.script(Reply(delay=0.05))
    body = bytearray(b"hello")

    async def operation(io: Any) -> Any:
        transfer = start(io, fault_server, method="PUT", body=body)
        with pytest.raises(BufferError):
            body.append(1)
        response = await transfer
        body.append(1)
        return response

    assert run(operation).status == 200
    assert bytes(body) == b"hello\x01"
    assert fault_server.requests[-1].body == b"hello"


async def test_upload_pins_its_buffer_until_the_end_in_a_loop(fault_server: FaultServer) -> None:
    fault_server.script(Reply(delay=0.05), Reply())
    body = bytearray(b"hello")
    task = asyncio.create_task(waiting(fault_server, method="PUT", body=body))
    await asyncio.sleep(0.01)
    with pytest.raises(BufferError):
        body.append(1)
    await task
    body.append(1)


@pytest.mark.parametrize("size", [0, 1, 4096, 1 << 20])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bodies_of_every_kind_and_size(fault_server: FaultServer, kind: Any, size: int) -> None:
    fault_server.script(lambda request: ok(request.body))
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    answer = blocking(fault_server, method="PUT", body=kind(content))
    assert bytes(answer.body) == content


def test_uploads_leak_nothing(fault_server: FaultServer) -> None:
    fault_server.script(lambda request: Reply())
    body = bytearray(100)

    async def many(io: Any) -> None:
        for _ in range(300):
            await start(io, fault_server, method="PUT", body=body)

    references = sys.getrefcount(body)
    run(many)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        run(many)
        gc.collect()
        # The server keeps a record of every request, of which this is far below.
        gained = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*engine*")])
        assert sum(trace.size for trace in gained.traces) < 20_000, gained.statistics("lineno")[:5]
        assert before >= 0
    finally:
        tracemalloc.stop()
    assert sys.getrefcount(body) == references


def test_refused_start_lets_go_of_the_body() -> None:
    body = bytearray(b"x")
    wrong: list[dict[str, Any]] = [
        {"method": "PÜT"},
        {"headers": b"a: b\r\n"},
        {"headers": b"a: \0"},
        {"delay": float("nan")},
        {"delay": -1.0},
        {"delay": 1e300},
    ]

    async def operation(io: Any, arguments: dict[str, Any]) -> None:
        start(io, "http://127.0.0.1:1", **{"method": "PUT", "body": body, **arguments})

    for arguments in wrong:
        with pytest.raises(ValueError):
            run(operation, arguments)
    for path in ("/a\nb", "/a\rb", "/a\0b"):
        with pytest.raises(ValueError):
            run(lambda io, path=path: operation_with(io, path))
    for unusable in ("text", 5, memoryview(bytes(10))[::2]):
        with pytest.raises((TypeError, BufferError)):
            run(operation, {"body": unusable})
    body.append(1)


async def operation_with(io: Any, path: str) -> None:
    start(io, "http://127.0.0.1:1", path)


# --- held bodies --------------------------------------------------------------------------------------------


def test_fed_buffers_are_pinned_until_they_are_taken(fault_server: FaultServer) -> None:
    fault_server.script(ok(b"0123456789"))
    one, two = bytearray(6), bytearray(6)

    async def operation(io: Any) -> None:
        transfer = start(io, fault_server, hold_above=0)
        await transfer
        transfer.feed(one)
        transfer.feed(memoryview(two)[:5])
        with pytest.raises(BufferError):
            two.append(0)
        assert await transfer.filled() == 6
        one.append(0)
        assert await transfer.filled() == 4
        two.append(0)
        with pytest.raises(RuntimeError, match="no buffer was fed"):
            await transfer.filled()

    run(operation)
    assert (bytes(one[:6]), bytes(two[:4])) == (b"012345", b"6789")


@pytest.mark.parametrize("status", [200, 404])
def test_buffer_given_at_the_start_takes_the_body(fault_server: FaultServer, status: int) -> None:
    fault_server.script(lambda request: ok(b"0123456789", status))
    memory = bytearray(8)

    async def operation(io: Any) -> Any:
        for unusable in (b"read-only", bytearray()):
            with pytest.raises((BufferError, ValueError)):
                start(io, fault_server, method="PUT", body=memory, into=unusable)
        transfer = start(io, fault_server, into=memory)
        with pytest.raises(BufferError):
            memory.append(0)
        size = await transfer.filled()
        memory.append(0)
        rest = bytearray(8)
        transfer.feed(rest)
        assert await transfer.filled() == (2 if status == 200 else 0)
        response = await transfer
        assert response.status == status
        assert bytes(response.body) == (b"" if status == 200 else b"0123456789")
        return size

    assert run(operation) == (8 if status == 200 else 0)
    assert bytes(memory[:8]) == (b"01234567" if status == 200 else bytes(8))


def test_dropped_stream_lets_go_of_its_buffers(fault_server: FaultServer) -> None:
    fault_server.script(truncated(bytes(1_000_000), 500_000, end="hang"))
    buffers = [bytearray(400_000) for _ in range(4)]

    async def operation(io: Any) -> Any:
        transfer = start(io, fault_server, hold_above=0)
        await transfer
        for buffer in buffers:
            transfer.feed(buffer)
        with pytest.raises(ValueError, match="too many"):
            transfer.feed(bytearray(1))
        assert await transfer.filled() == 400_000
        return transfer

    transfer = run(operation)
    buffers[0].append(0)
    del transfer
    blocking_until_free(buffers[1:])


def blocking_until_free(buffers: list[bytearray]) -> None:
    import time

    deadline = time.monotonic() + 10
    while True:
        engine.stats()
        try:
            for buffer in buffers:
                buffer.append(0)
                del buffer[-1]
        except BufferError:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        else:
            return


def test_buffers_that_cannot_be_filled_are_refused(fault_server: FaultServer) -> None:
    fault_server.script(ok(b"0123456789"))

    async def operation(io: Any) -> None:
        transfer = start(io, fault_server, hold_above=0)
        await transfer
        for unusable in (b"read-only", bytearray(), "text", memoryview(bytearray(10))[::2]):
            with pytest.raises((TypeError, BufferError, ValueError)):
                transfer.feed(unusable)
        transfer.cancel()

    run(operation)


def test_transfers_and_ios_cannot_be_made_by_hand() -> None:
    for make in (Transfer, lambda: Transfer.__new__(Transfer)):
        with pytest.raises(TypeError, match=r"IO\.start"):
            make()
    with pytest.raises(RuntimeError):
        engine.IO().start(PROFILE, "GET", b"http://127.0.0.1:1/", b"")
    with pytest.raises(RuntimeError):
        LoopIO.__new__(LoopIO).start(PROFILE, "GET", b"http://127.0.0.1:1/", b"")
    io = BlockingIO()
    io.wait(io.start(PROFILE, "GET", b"http://127.0.0.1:1/", b""))
    with pytest.raises(ValueError):
        io.start(Profile.__new__(Profile), "GET", b"http://127.0.0.1:1/", b"")
    profile = Profile({})
    with pytest.raises(RuntimeError):
        profile.__init__({})  # type: ignore[misc]


@pytest.mark.parametrize("kind", [Slab, Chunk])
def test_memory_to_fill_has_a_size_once(kind: Any) -> None:
    for size in (0, -1):
        with pytest.raises(ValueError):
            kind(size)
    with pytest.raises((MemoryError, OverflowError)):
        kind(sys.maxsize)
    with pytest.raises(BufferError):
        memoryview(kind.__new__(kind))
    with pytest.raises(ValueError):
        kind.__new__(kind).to_bytes(0)
    memory = kind(10)
    with pytest.raises(ValueError):
        memory.__init__(10)
    memoryview(memory)[:] = b"0123456789"
    with pytest.raises(ValueError):
        memory.to_bytes(11)
    assert bytes(memory.to_bytes(7)) == b"0123456"


def test_chunk_is_taken_once_and_outlives_its_views() -> None:
    chunk = Chunk(5)
    view = memoryview(chunk)
    view[:] = b"hello"
    assert chunk.to_bytes(5) == b"hello"  # and the bytes object is gone again
    assert bytes(view) == b"hello"
    with pytest.raises(BufferError):
        memoryview(chunk)
    with pytest.raises(ValueError):
        chunk.to_bytes(5)


# --- slabs --------------------------------------------------------------------------------------------------


def test_slabs_go_back_with_the_last_view(fault_server: FaultServer) -> None:
    fault_server.script(lambda request: ok(bytes(100_000)))
    before = Resources()
    answer = blocking(fault_server)
    body = answer.body
    part = memoryview(body)[50:]
    assert engine.stats()["slabs"] == before.before["slabs"] + 1
    del answer, body
    assert engine.stats()["slabs"] == before.before["slabs"] + 1
    assert bytes(part[:10]) == bytes(10)
    del part
    assert before.surplus().get("slabs", 0) == 0


async def test_abandoned_answers_give_their_slabs_back(fault_server: FaultServer) -> None:
    fault_server.script(lambda request: ok(bytes(100_000)))
    before = engine.stats()["slabs"]

    async def operation(io: Any) -> None:
        for _ in range(10):
            start(io, fault_server)  # nobody waits

    await run_async(operation)
    assert (await waiting(fault_server)).status == 200
    assert await soon(lambda: engine.stats()["slabs"] <= before)


# --- lifetime of the objects --------------------------------------------------------------------------------


def test_transfers_die_without_the_garbage_collector(fault_server: FaultServer) -> None:
    fault_server.script(lambda request: ok(bytes(10_000)))
    seen: list[weakref.ref[Transfer]] = []

    async def one(io: Any) -> int:
        transfer = start(io, fault_server)
        seen.append(weakref.ref(transfer))
        response = await transfer
        return len(response.body)

    async def stream(io: Any) -> int:
        transfer = start(io, fault_server, hold_above=0)
        seen.append(weakref.ref(transfer))
        await transfer
        transfer.feed(bytearray(6_000))
        transfer.feed(bytearray(6_000))
        return int(await transfer.filled() + await transfer.filled())

    async def fail(io: Any) -> None:
        await one(io)
        raise LookupError

    async def main() -> None:
        for _ in range(5):
            assert await run_async(one) == 10_000
            assert await run_async(stream) == 10_000
        await asyncio.gather(*(run_async(one) for _ in range(5)))

    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            assert run(one) == 10_000
            assert run(stream) == 10_000
            with pytest.raises(LookupError):
                run(fail)
        asyncio.run(main())
        assert [reference() for reference in seen] == [None] * 30
    finally:
        gc.enable()


def test_cycles_of_transfers_are_collected() -> None:
    class Cycle:
        pass

    with Silent() as silent:

        async def operation(io: Any) -> None:
            cycle: Any = Cycle()
            cycle.me, cycle.io = cycle, io
            cycle.transfer = transfer = start(io, silent, background=True)
            transfer.add_done_callback(lambda done: cycle)
            seen.append(weakref.ref(transfer))
            assert eventually(lambda: silent.requests == len(seen))

        seen: list[weakref.ref[Transfer]] = []
        run(operation)
        asyncio.run(run_it(operation))
        gc.collect()
        assert [reference() for reference in seen] == [None, None]
        assert eventually(lambda: silent.closed == 2)


async def run_it(operation: Any) -> None:
    await run_async(operation)


def test_stream_in_a_cycle_with_its_loop_elsewhere_is_collected(fault_server: FaultServer) -> None:
    # Its home, a blocking caller's loop, may be freed with the rest of the cycle, and not before it.
    fault_server.script(lambda request: ok(bytes(1_000_000)))

    async def open_it(io: Any) -> Any:
        transfer = start(io, fault_server, hold_above=0)
        await transfer
        return transfer

    async def take_over(io: Any, transfer: Any) -> None:
        transfer.attach(io)
        transfer.feed(bytearray(1000))
        assert await transfer.filled() == 1000
        cycle: list[Any] = [transfer, io]
        cycle.append(cycle)
        if not io.blocking:
            transfer.add_done_callback(lambda done: cycle)

    async def main() -> None:
        await run_async(take_over, run(open_it))
        gc.collect()

    for _ in range(5):
        asyncio.run(main())
        run(take_over, run(open_it))
        gc.collect()
