"""Waiting for the first of several transfers."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from engine.support import request, soon, start
from obstore_c._lib.engine import loop_io
from obstore_c._ops.drive import run, run_async
from servers.faults import hang, ok

if TYPE_CHECKING:
    from servers.faults import FaultServer


async def in_turn(io: Any, server: FaultServer, paths: list[str]) -> list[str]:
    """The paths in the order in which their answers are seen."""
    under_way = {start(io, server, path, background=True): path for path in paths}
    order = []
    while under_way:
        transfer = await io.first(list(under_way))
        assert transfer.done()
        assert (await transfer).status == 200
        order.append(under_way.pop(transfer))
    return order


def script(server: FaultServer, released: threading.Event) -> None:
    """Everything is answered at once but for `/slow`, which waits for the others."""

    def slow(_request: Any) -> Any:
        released.wait(10)
        return ok()

    server.script(slow, path="/slow")
    server.script(lambda _: ok())


PATHS = ["/slow", *(f"/{number}" for number in range(20))]


@pytest.mark.parametrize("drive", [run, lambda *args: asyncio.run(_main(*args))], ids=["blocking", "asyncio"])
def test_first_is_whichever_is_over(fault_server: FaultServer, drive: Any) -> None:
    released = threading.Event()
    script(fault_server, released)

    async def operation(io: Any) -> list[str]:
        order = await in_turn(io, fault_server, PATHS[1:])
        released.set()
        return order

    assert sorted(drive(operation)) == sorted(PATHS[1:])

    async def with_slow(io: Any) -> None:
        released.clear()
        slow = start(io, fault_server, "/slow", background=True)
        for _ in range(20):
            quick = start(io, fault_server, "/quick", background=True)
            assert await io.first([slow, quick]) is quick
        released.set()
        assert await io.first([slow]) is slow
        assert await io.first([slow, quick]) in (slow, quick)

    drive(with_slow)


async def _main(operation: Any, *args: Any) -> Any:
    return await run_async(operation, *args)


async def test_first_that_is_cancelled_leaves_the_transfers_alone(fault_server: FaultServer) -> None:
    released = threading.Event()
    script(fault_server, released)
    io = loop_io()
    slow = start(io, fault_server, "/slow", background=True)
    task = asyncio.ensure_future(io.first([slow]))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not slow.done()
    released.set()
    assert (await slow).status == 200


async def test_first_while_a_task_waits_for_the_same(fault_server: FaultServer) -> None:
    fault_server.script(lambda _: ok())
    io = loop_io()
    transfer = start(io, fault_server, background=True)

    async def wait() -> Any:
        return await transfer

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    assert await io.first([transfer]) is transfer
    assert (await task) is transfer


def test_first_is_interrupted(fault_server: FaultServer) -> None:
    fault_server.script(hang())

    async def operation(io: Any) -> None:
        transfer = start(io, fault_server, background=True)
        threading.Timer(0.1, lambda: signal_main()).start()
        try:
            await io.first([transfer])
        finally:
            transfer.cancel()

    with pytest.raises(KeyboardInterrupt):
        run(operation)
    fault_server.script(lambda _: ok())
    assert run(request, fault_server).status == 200


def signal_main() -> None:
    import _thread

    _thread.interrupt_main()


def test_first_knows_transfers_only(fault_server: FaultServer) -> None:
    async def operation(io: Any) -> None:
        await io.first([None])

    with pytest.raises(TypeError):
        run(operation)
    with pytest.raises(TypeError):
        asyncio.run(_main(operation))


async def test_first_leaves_no_callback_behind(fault_server: FaultServer) -> None:
    released = threading.Event()
    script(fault_server, released)
    io = loop_io()
    slow = start(io, fault_server, "/slow", background=True)
    for _ in range(3):
        await io.first([slow, start(io, fault_server, "/quick", background=True)])
    assert slow.remove_done_callback(None) == 0
    called: list[Any] = []
    slow.add_done_callback(called.append)
    released.set()
    assert await soon(lambda: len(fault_server.requests) == 4)
    await slow
    await asyncio.sleep(0)
    assert called == [slow]
