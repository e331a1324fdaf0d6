"""Transfers that were given their buffer at the start: what is told when, and who holds the memory."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from engine.support import Silent, start
from obstore_c._lib import engine
from obstore_c._lib.engine import CallerMemory
from obstore_c._ops.drive import run, run_async
from servers.faults import error, ok

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.faults import FaultServer

DATA = bytes(range(256)) * 400


@pytest.fixture(params=["blocking", "asyncio"])
def drive(request: pytest.FixtureRequest) -> Any:
    def with_asyncio(operation: Any, *args: Any) -> Any:
        return asyncio.run(awaited(operation, *args))

    return run if request.param == "blocking" else with_asyncio


async def awaited(operation: Callable[..., Any], *args: Any) -> Any:
    return await run_async(operation, *args)


@pytest.mark.parametrize("room", [len(DATA), len(DATA) + 1000])
def test_body_that_fits_is_told_about_when_it_is_over(
    fault_server: FaultServer, drive: Any, room: int
) -> None:
    fault_server.script(replace(ok(DATA), piece=30_000, pause=0.01))
    buffer = bytearray(room)

    async def operation(io: Any) -> int:
        transfer = start(io, fault_server, into=buffer, hold_above=room)
        response = await transfer
        assert response.complete
        assert response.received == len(DATA)
        return int(await transfer.filled())

    assert drive(operation) == len(DATA)
    assert buffer[: len(DATA)] == DATA
    buffer.append(0)


@pytest.mark.parametrize("chunked", [False, True], ids=["longer", "unknown"])
def test_body_that_may_not_fit_is_told_about_at_once(
    fault_server: FaultServer, drive: Any, chunked: bool
) -> None:
    fault_server.script(replace(ok(DATA), piece=60_000, pause=0.1, chunked=chunked))
    first, second = bytearray(1000), bytearray(len(DATA) - 1000)

    async def operation(io: Any) -> list[int]:
        transfer = start(io, fault_server, into=first, hold_above=1000)
        response = await transfer
        assert not response.complete
        assert response.status == 200
        transfer.feed(second)
        return [await transfer.filled(), await transfer.filled()]

    assert drive(operation) == [1000, len(DATA) - 1000]
    assert first + second == DATA


def test_error_does_not_go_into_the_buffer(fault_server: FaultServer, drive: Any) -> None:
    fault_server.script(error(503, "SlowDown"))
    buffer = bytearray(1000)

    async def operation(io: Any) -> Any:
        transfer = start(io, fault_server, into=buffer, hold_above=10)
        response = await transfer
        assert await transfer.filled() == 0
        return bytes(response.body)

    assert b"SlowDown" in drive(operation)
    assert not any(buffer)


def test_awaiting_a_cancelled_transfer_waits_until_it_lets_go(fault_server: FaultServer, drive: Any) -> None:
    fault_server.script(lambda request: replace(ok(DATA), piece=1000, pause=0.001))
    buffer = bytearray(len(DATA))

    async def operation(io: Any) -> Any:
        for _ in range(5):
            transfer = start(io, fault_server, into=buffer, hold_above=10, background=True)
            await transfer
            assert not transfer.complete
            transfer.cancel()
            await transfer
            assert transfer.complete
            seen = bytes(buffer)
            with pytest.raises(BufferError):
                buffer.append(0)
            transfer.release()
            buffer.append(0)
            await io.sleep(0.01)
            assert buffer[:-1] == seen
            transfer.release()  # again
        return transfer

    drive(operation)


def test_release_of_a_transfer_in_flight_does_nothing(fault_server: FaultServer, drive: Any) -> None:
    fault_server.script(replace(ok(DATA), delay=0.05))
    buffer = bytearray(len(DATA))

    async def operation(io: Any) -> None:
        transfer = start(io, fault_server, into=buffer)
        transfer.release()
        with pytest.raises(BufferError):
            buffer.append(0)
        await transfer

    drive(operation)
    assert buffer == DATA


def test_first_is_one_that_filled_its_buffer_though_it_goes_on(fault_server: FaultServer, drive: Any) -> None:
    fault_server.script(lambda request: ok(DATA) if request.path == "/longer" else replace(ok(), delay=5.0))

    async def operation(io: Any) -> None:
        longer = start(io, fault_server, "/longer", into=bytearray(100), background=True)
        others = [start(io, fault_server, "/slow", into=bytearray(100), background=True) for _ in range(3)]
        assert await io.first([*others, longer]) is longer
        assert not longer.done()
        assert await io.first([*others, longer]) is longer  # nobody has asked how much
        assert await longer.filled() == 100
        for transfer in [*others, longer]:
            transfer.cancel()

    drive(operation)


async def test_first_leaves_no_cycle(fault_server: FaultServer) -> None:
    fault_server.script(lambda request: replace(ok(DATA), delay=0.01))
    seen: list[weakref.ref[Any]] = []

    async def operation(io: Any) -> None:
        transfers = [start(io, fault_server) for _ in range(3)]
        seen.extend(map(weakref.ref, transfers))
        await io.first(transfers)
        for transfer in transfers:
            await transfer

    gc.collect()
    gc.disable()
    try:
        await run_async(operation)
        await asyncio.sleep(0)
        assert [each() for each in seen] == [None] * 3
    finally:
        gc.enable()


def test_taken_body_is_not_kept(fault_server: FaultServer, drive: Any) -> None:
    fault_server.script(ok(DATA))
    before = engine.stats()["slabs"]

    async def operation(io: Any) -> Any:
        response = await start(io, fault_server)
        body = response.take_body()
        assert body == DATA
        assert response.take_body() == b""
        return response, body

    response, body = drive(operation)
    assert engine.stats()["slabs"] == before + 1
    del body
    assert engine.stats()["slabs"] == before
    assert response.received == len(DATA)


def test_memory_of_the_caller_is_pinned_as_long_as_it_is_seen() -> None:
    buffer = bytearray(8)
    memory = CallerMemory(memoryview(buffer).cast("I"))
    view = memoryview(memory)
    del memory
    view[3] = 7
    assert (view.format, view.ndim, len(view), view.readonly) == ("B", 1, 8, False)
    with pytest.raises(BufferError):
        buffer.append(0)
    del view
    buffer.append(0)
    assert buffer == bytes([0, 0, 0, 7, 0, 0, 0, 0, 0])
    for wrong in (b"bytes", memoryview(bytearray(8))[::2], None):
        with pytest.raises((TypeError, BufferError)):
            CallerMemory(wrong)  # type: ignore[arg-type]


def test_buffer_of_a_call_that_hangs_is_free_when_it_was_cancelled(drive: Any) -> None:
    buffer = bytearray(10)
    with Silent() as silent:

        async def operation(io: Any) -> None:
            transfer = start(io, silent, into=buffer, background=True)
            await io.sleep(0.02)
            transfer.cancel()
            await transfer
            transfer.release()
            buffer.append(0)

        drive(operation)
