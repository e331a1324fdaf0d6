"""A forked child works with the stores and the streams it inherited, and the parent goes on undisturbed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from engine.support import Silent, blocking, check_script, eventually, start, waiting
from obstore_c._lib import engine
from obstore_c._ops.drive import run
from servers.faults import ok

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore_c._lib.engine import BlockingIO
    from servers.faults import FaultServer

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork"),
    # Python 3.12 and later warn of every fork of a process with threads.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]
PATIENCE = 30.0


def in_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked child; its exit status: 0 if it went well, 9 if it hung."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException as error:
            os.write(2, f"child: {error!r}\n".encode())
        finally:
            os._exit(status)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return 9


@pytest.fixture
def busy(fault_server: FaultServer) -> FaultServer:
    """A server that answers with the path it was asked for."""
    fault_server.script(lambda request: ok(request.path.encode()))
    return fault_server


def check_answers(server: FaultServer) -> None:
    for number in range(20):
        assert bytes(blocking(server, f"/{number}").body) == f"/{number}".encode()

    async def main() -> None:
        answers = await asyncio.gather(*(waiting(server, f"/{number}") for number in range(20)))
        assert [bytes(answer.body) for answer in answers] == [f"/{n}".encode() for n in range(20)]

    asyncio.run(main())


def test_child_of_a_process_that_only_blocked(busy: FaultServer) -> None:
    check_script(
        """
import os, sys
from engine.support import blocking
assert blocking(sys.argv[1]).status == 200
pid = os.fork()
assert blocking(sys.argv[1]).status == 200
if pid:
    assert os.waitpid(pid, 0)[1] == 0
    print("done")
""",
        busy.url,
    )


def test_child_uses_the_engine_while_the_parent_has_transfers_in_flight(busy: FaultServer) -> None:
    check_answers(busy)
    with Silent() as silent:

        async def operation(io: Any) -> None:
            transfers = [start(io, silent, method="PUT", body=bytes(1000)) for _ in range(20)]
            # The first one is driven by whoever waits for it, and nobody does.
            assert eventually(lambda: silent.requests == 19)
            for _ in range(5):
                assert in_child(lambda: check_answers(busy)) == 0
            assert silent.closed == 0
            for transfer in transfers:
                assert transfer.cancel()

        run(operation)
    check_answers(busy)


def test_fork_while_other_threads_transfer(busy: FaultServer) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not stop.is_set():
                blocking(busy, "/thread")
        except BaseException as error:
            failures.append(error)

    def work_in_loop() -> None:
        async def main() -> None:
            while not stop.is_set():
                await asyncio.gather(*(waiting(busy, "/loop") for _ in range(10)))

        try:
            asyncio.run(main())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=target) for target in (work, work, work_in_loop)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            assert in_child(lambda: check_answers(busy)) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []


def test_fork_while_other_threads_are_inside_libcurl() -> None:
    # curl_easy_init takes a lock that stays taken in a child forked at that moment.
    stop = threading.Event()

    def refused() -> None:
        assert blocking("http://127.0.0.1:1", profile=engine.Profile({})).curl_code == 7

    def work() -> None:
        while not stop.is_set():
            refused()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        assert [in_child(refused) for _ in range(150)] == [0] * 150
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_fork_from_a_thread_and_from_a_child(busy: FaultServer) -> None:
    check_answers(busy)
    statuses: list[int] = []

    def twice() -> None:
        check_answers(busy)
        assert in_child(lambda: check_answers(busy)) == 0

    thread = threading.Thread(target=lambda: statuses.append(in_child(twice)))
    thread.start()
    thread.join()
    assert statuses == [0]


def _pool_work(url: str) -> int:
    status: int = blocking(url).status
    return status


def test_multiprocessing_with_fork(busy: FaultServer) -> None:
    check_answers(busy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with multiprocessing.get_context("fork").Pool(3) as pool:
            assert pool.map_async(_pool_work, [busy.url] * 30).get(timeout=PATIENCE) == [200] * 30


# --- what the child inherited -------------------------------------------------------------------------------


def test_transfers_of_the_parent_are_over_in_the_child() -> None:
    with Silent() as silent:
        body = bytearray(100)

        async def inherited(io: Any, transfer: Any) -> None:
            transfer.attach(io)
            response = await transfer
            assert response.complete
            assert response.curl_code < 0
            assert "forked" in response.curl_message
            transfer.feed(bytearray(10))
            assert await transfer.filled() == 0
            assert not transfer.cancel()

        async def operation(io: Any) -> None:
            transfers = [start(io, silent, method="PUT", body=body)]

            def child() -> None:
                run(inherited, transfers[0])
                transfers.clear()
                body.append(1)  # nobody reads it here

            assert in_child(child) == 0
            with pytest.raises(BufferError):
                body.append(1)
            assert transfers[0].cancel()

        run(operation)


def test_held_body_of_the_parent_breaks_off_in_the_child_only(fault_server: FaultServer) -> None:
    content = os.urandom(1_000_000)
    fault_server.script(ok(content))

    async def operation(io: Any) -> bytes:
        transfer = start(io, fault_server, hold_above=0)
        await transfer
        buffer = bytearray(100_000)
        transfer.feed(buffer)
        transfer.feed(bytearray(200_000))

        async def read(io: Any) -> None:
            transfer.attach(io)
            assert await transfer.filled() == 0
            assert transfer.response.curl_code < 0

        assert in_child(lambda: run(read)) == 0
        assert await transfer.filled() == 100_000
        transfer.cancel()
        return bytes(buffer)

    assert run(operation) == content[:100_000]


def test_wait_ends_in_the_child_when_a_signal_handler_forks(busy: FaultServer) -> None:
    # The child comes out of the handler into the middle of a wait for the parent's engine.
    check_script(
        """
import os, signal, sys, threading
from engine.support import Silent, request, start
from obstore_c._lib.engine import BlockingIO
from obstore_c._ops.drive import run

pids = []
signal.signal(signal.SIGALRM, lambda number, frame: pids.append(os.fork()))
with Silent() as silent:
    io = BlockingIO.acquire()
    transfer = start(io, silent)
    threading.Timer(1.0, transfer.cancel).start()
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    io.wait(transfer)
    assert transfer.curl_code < 0
    if pids == [0]:
        assert "forked" in transfer.curl_message
        assert run(request, sys.argv[1]).status == 200
        os._exit(0)
    assert os.waitpid(pids[0], 0)[1] == 0
    print("done")
""",
        busy.url,
    )


def test_io_that_forked_in_the_middle_of_its_operation(busy: FaultServer) -> None:
    async def operation(io: Any) -> None:
        def child() -> None:
            one: BlockingIO = io
            transfer = start(one, busy, "/child")
            one.wait(transfer)
            assert bytes(transfer.body) == b"/child"

        assert in_child(child) == 0
        assert bytes((await start(io, busy, "/parent")).body) == b"/parent"

    run(operation)


async def test_event_loop_of_the_parent_is_refused_in_the_child(busy: FaultServer) -> None:
    io = engine.loop_io()
    await waiting(busy)

    def child() -> None:
        with pytest.raises(RuntimeError, match="process"):
            start(io, busy)
        asyncio.events._set_running_loop(None)
        check_answers(busy)

    assert await asyncio.to_thread(in_child, child) == 0
    assert (await waiting(busy)).status == 200


def test_configuration_survives_a_fork(busy: FaultServer) -> None:
    check_script(
        """
import asyncio, os, sys
from engine.support import waiting
from obstore_c._lib import engine
engine.configure(loops=3)
assert asyncio.run(waiting(sys.argv[1])).status == 200
assert engine.stats()["loops"] == 3
pid = os.fork()
if pid == 0:
    assert engine.stats()["loops"] == 0
    engine.configure(loops=2)
    assert asyncio.run(waiting(sys.argv[1])).status == 200
    assert engine.stats()["loops"] == 2
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
print("done")
""",
        busy.url,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_parent_does_not_spin_because_a_child_keeps_its_sockets(busy: FaultServer) -> None:
    check_answers(busy)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    try:
        with Silent() as silent:

            async def operation(io: Any) -> None:
                transfers = [start(io, silent) for _ in range(10)]
                assert eventually(lambda: silent.requests == 9)
                for transfer in transfers:
                    transfer.cancel()

            run(operation)
        check_answers(busy)
        before = time.process_time()
        time.sleep(0.3)
        assert time.process_time() - before < 0.1
    finally:
        os.close(write)
        os.waitpid(pid, 0)
