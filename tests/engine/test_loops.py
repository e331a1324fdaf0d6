"""Event loops of every kind: several at once, short-lived ones, and such that cannot watch descriptors."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from engine.support import Resources, Silent, eventually, start, waiting
from obstore_c._lib import engine
from obstore_c._lib.engine import LoopIO, loop_io
from obstore_c._ops.drive import run_async
from servers.faults import Reply, ok

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.faults import FaultServer


class ProactorLike(asyncio.SelectorEventLoop):
    """Cannot watch a descriptor, as Windows' default loop."""

    def add_reader(self, *arguments: Any) -> None:
        raise NotImplementedError


@pytest.fixture(params=["selector", "without add_reader", "without eventfd", "uvloop"])
def new_loop(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], asyncio.AbstractEventLoop]:
    if request.param == "without eventfd":
        monkeypatch.delattr(os, "eventfd", raising=False)
    if request.param == "uvloop":
        found: Callable[[], asyncio.AbstractEventLoop] = pytest.importorskip("uvloop").new_event_loop
        return found
    return ProactorLike if request.param == "without add_reader" else asyncio.SelectorEventLoop


def _run(new_loop: Callable[[], asyncio.AbstractEventLoop], main: Any) -> Any:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


def test_every_kind_of_loop_gets_its_answers(
    new_loop: Callable[[], asyncio.AbstractEventLoop], fault_server: FaultServer
) -> None:
    fault_server.script(lambda request: Reply(body=request.path.encode(), delay=0.001))

    async def main() -> None:
        paths = [f"/{number}" for number in range(300)]
        answers = await asyncio.gather(*(waiting(fault_server, path) for path in paths))
        assert [bytes(answer.body).decode() for answer in answers] == paths
        for number in range(20):  # one after the other: nothing else wakes the loop
            assert (await waiting(fault_server, f"/{number}")).status == 200

    _run(new_loop, main())


def test_every_kind_of_loop_cancels(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main(silent: Silent) -> None:
        for _ in range(10):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(waiting(silent), 0.01)

    with Silent() as silent:
        _run(new_loop, main(silent))


def test_loops_come_and_go(
    new_loop: Callable[[], asyncio.AbstractEventLoop], fault_server: FaultServer
) -> None:
    # At first slowly, so that as many connections are open then as will ever be needed.
    fault_server.script(*[Reply(delay=0.1)] * 3, lambda request: ok(b"hello"))

    async def main() -> None:
        await asyncio.gather(*(waiting(fault_server) for _ in range(3)))

    _run(new_loop, main())
    before = Resources()
    for _ in range(100):
        _run(new_loop, main())
    assert before.returned() == {}


def test_loop_that_ends_amid_transfers_leaves_nothing(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    body = bytearray(1000)
    keep: list[Any] = []

    async def operation(io: Any) -> list[Any]:
        return [start(io, silent, method="PUT", body=body) for _ in range(5)]

    async def main() -> None:
        await run_async(operation)  # dropped while the loop runs
        keep.extend(await run_async(operation))  # dropped when it is gone
        await asyncio.sleep(0.01)

    def released() -> bool:
        engine.stats()  # whoever comes next frees what nobody waited for
        try:
            body.append(1)
        except BufferError:
            return False
        return True

    with Silent() as silent:
        _run(new_loop, main())  # starts the engine, and what the loop's makers keep for good
        keep.clear()
        assert eventually(lambda: silent.closed > 0 and silent.open == 0)
        before = Resources()
        for _ in range(5):
            _run(new_loop, main())
            keep.clear()
        assert before.returned() == {}
        assert eventually(released)


def test_several_loops_at_once(
    new_loop: Callable[[], asyncio.AbstractEventLoop], fault_server: FaultServer
) -> None:
    fault_server.script(lambda request: ok(request.path.encode()))
    failures: list[BaseException] = []

    async def main(number: int) -> None:
        for i in range(10):
            paths = [f"/{number}/{i}/{j}" for j in range(10)]
            answers = await asyncio.gather(*(waiting(fault_server, path) for path in paths))
            assert [bytes(answer.body).decode() for answer in answers] == paths

    def work(number: int) -> None:
        try:
            _run(new_loop, main(number))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_loop_io_lives_as_long_as_its_loop(fault_server: FaultServer) -> None:
    fault_server.script(lambda request: ok(b"hello"))

    async def main() -> weakref.ref[LoopIO]:
        assert loop_io() is loop_io()
        await waiting(fault_server)
        return weakref.ref(loop_io())

    reference = asyncio.run(main())
    gc.collect()
    assert reference() is None


def test_stopped_loop_goes_on_where_it_was(
    new_loop: Callable[[], asyncio.AbstractEventLoop], fault_server: FaultServer
) -> None:
    fault_server.script(lambda request: Reply(body=b"hello", delay=0.02))
    loop = new_loop()
    try:
        task = loop.create_task(waiting(fault_server))
        loop.call_later(0.005, loop.stop)
        loop.run_forever()
        threading.Event().wait(0.1)  # it is answered while the loop stands still
        assert loop.run_until_complete(asyncio.wait_for(task, 5)).status == 200
    finally:
        loop.close()


def test_stream_moves_between_loops_and_threads(
    new_loop: Callable[[], asyncio.AbstractEventLoop], fault_server: FaultServer
) -> None:
    content = os.urandom(3_000_000)
    fault_server.script(ok(content))
    from obstore_c._ops.drive import run

    async def open_it(io: Any) -> Any:
        transfer = start(io, fault_server, hold_above=0)
        response = await transfer
        assert not response.complete
        return transfer

    async def read_some(io: Any, transfer: Any, count: int) -> bytes:
        transfer.attach(io)
        arrived = b""
        buffer = bytearray(100_003)
        for _ in range(count):
            transfer.feed(buffer)
            size = await transfer.filled()
            arrived += buffer[:size]
        return arrived

    async def in_loop(transfer: Any, count: int) -> bytes:
        found: bytes = await run_async(read_some, transfer, count)
        return found

    transfer = run(open_it)
    arrived = run(read_some, transfer, 3)
    arrived += _run(new_loop, in_loop(transfer, 5))
    elsewhere: list[bytes] = []
    thread = threading.Thread(target=lambda: elsewhere.append(run(read_some, transfer, 7)))
    thread.start()
    thread.join()
    arrived += elsewhere[0]
    arrived += _run(new_loop, in_loop(transfer, 40))
    assert arrived == content
    assert run(read_some, transfer, 1) == b""
    assert transfer.complete
    assert transfer.received == len(content)
