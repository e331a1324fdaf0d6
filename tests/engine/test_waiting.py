"""Who waits for a transfer, and what ends the wait: threads, tasks, interrupts, cancellation."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from engine.support import Silent, blocking, eventually, request, run_script, soon, start, waiting
from obstore_c._lib.engine import loop_io
from obstore_c._ops.drive import run, run_async
from servers.faults import Reply, hang, ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore_c._lib.engine import BlockingIO
    from servers.faults import FaultServer


@pytest.fixture
def silent() -> Iterator[Silent]:
    with Silent() as server:
        yield server


# --- blocking -----------------------------------------------------------------------------------------------

INTERRUPTED = """
import sys, time
from engine.support import blocking, eventually
body = bytearray(b"x" * 1000)
print("ready", flush=True)
try:
    blocking(sys.argv[1], method="PUT", body=body)
except KeyboardInterrupt as interrupt:
    caught = time.monotonic()
    body.append(1)  # the engine has let go of it, although the traceback still knows the transfer
    print(caught, flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent to a process")
def test_ctrl_c_ends_a_blocking_call(silent: Silent) -> None:
    import subprocess

    from engine.support import script_environment

    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, silent.url],
        env=script_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert eventually(lambda: silent.requests == 1)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        caught = float(process.stdout.readline())
        print(f"caught after {caught - sent:.3f} s")
        assert caught - sent < 1.0  # meant is a tenth of that; the machine may be busy
        assert eventually(lambda: silent.closed == 1)
        process.stdin.close()
        assert process.wait(timeout=10) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGALRM")
def test_signal_handler_runs_while_a_call_blocks(silent: Silent) -> None:
    ran: list[float] = []

    def handler(number: int, frame: object) -> None:
        ran.append(time.monotonic())
        if len(ran) == 3:
            raise TimeoutError("three times")

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.1)
    try:
        with pytest.raises(TimeoutError, match="three times"):
            blocking(silent)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert eventually(lambda: silent.closed == 1)


def test_error_of_an_operation_costs_no_time(fault_server: FaultServer) -> None:
    fault_server.script(lambda request: ok(b"hello"))

    async def refuse(io: Any) -> None:
        response = await request(io, fault_server)
        raise LookupError(response.status)

    errors = []
    started = time.monotonic()
    for _ in range(20):
        with pytest.raises(LookupError) as caught:
            run(refuse)
        errors.append(caught.value)  # keeps the transfers alive
    assert time.monotonic() - started < 1.0


def test_interrupted_operation_waits_for_the_transfers_it_cancelled(silent: Silent) -> None:
    body = bytearray(100)

    async def give_up(io: Any) -> None:
        transfers = [start(io, silent, method="PUT", body=body) for _ in range(3)]
        with pytest.raises(BufferError):
            body.append(0)
        for transfer in transfers:
            assert transfer.cancel()
            assert not transfer.cancel()
        raise LookupError

    with pytest.raises(LookupError):
        run(give_up)
    body.append(0)


def test_cancelled_transfer_still_gives_a_response(silent: Silent) -> None:
    async def cancel_and_await(io: Any) -> Any:
        transfer = start(io, silent)
        transfer.cancel()
        return await transfer

    for response in (run(cancel_and_await), asyncio.run(run_async_now(cancel_and_await))):
        assert response.curl_code < 0
        assert response.status == 0
        assert "cancelled" in response.curl_message


async def run_async_now(operation: Any) -> Any:
    return await run_async(operation)


def test_many_threads_block_at_once(fault_server: FaultServer) -> None:
    fault_server.script(lambda request: ok(request.path.encode()))
    wrong: list[object] = []

    def work(number: int) -> None:
        for i in range(30):
            body = bytes(blocking(fault_server, f"/{number}/{i}").body)
            if body != f"/{number}/{i}".encode():
                wrong.append(body)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_blocking_ios_are_used_again(fault_server: FaultServer) -> None:
    fault_server.script(lambda request: ok(b"hello"))
    used = set()

    async def which(io: Any) -> None:
        used.add(id(io))
        keep.append(io)
        await request(io, fault_server)

    keep: list[BlockingIO] = []  # so that no other object gets the same address
    for _ in range(50):
        run(which)
    assert len(used) == 1


# --- asyncio ------------------------------------------------------------------------------------------------


async def test_cancelled_task_closes_the_connection(silent: Silent) -> None:
    task = asyncio.create_task(waiting(silent))
    assert await soon(lambda: silent.requests == 1)
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await task
    assert await soon(lambda: silent.closed == 1)


async def test_cancelled_upload_gives_the_buffer_back_first(silent: Silent) -> None:
    body = bytearray(b"x" * 100_000)
    for _ in range(20):
        task = asyncio.create_task(waiting(silent, method="PUT", body=body))
        await asyncio.sleep(0.002)
        with pytest.raises(BufferError):
            body.append(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        body.append(1)


async def test_timeouts_of_asyncio_end_a_transfer(silent: Silent) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await waiting(silent)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waiting(silent), 0.02)
    assert await soon(lambda: silent.open == 0)
    # Nothing of it is left in the task.
    await asyncio.sleep(0)
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


async def test_task_group_cancels_the_others_when_one_fails(silent: Silent) -> None:
    async def fail() -> None:
        await asyncio.sleep(0.02)
        raise LookupError

    tasks: list[asyncio.Task[Any]] = []

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            tasks.extend(group.create_task(waiting(silent)) for _ in range(5))
            group.create_task(fail())

    with pytest.raises(ExceptionGroup):
        await together()
    assert all(task.cancelled() for task in tasks)


async def test_gather_wait_and_as_completed(fault_server: FaultServer) -> None:
    fault_server.script(lambda request: ok(request.path.encode()))
    paths = [f"/{number}" for number in range(100)]
    answers = await asyncio.gather(*(waiting(fault_server, path) for path in paths))
    assert [bytes(answer.body).decode() for answer in answers] == paths
    done, pending = await asyncio.wait([asyncio.create_task(waiting(fault_server, path)) for path in paths])
    assert (len(done), len(pending)) == (100, 0)
    coming = asyncio.as_completed([waiting(fault_server, path) for path in paths])
    assert len({bytes((await each).body) for each in coming}) == 100


async def test_cancellation_races_with_the_answer(fault_server: FaultServer) -> None:
    fault_server.script(lambda request: ok(b"hello"))
    ended = {"answered": 0, "cancelled": 0}
    for number in range(300):
        task = asyncio.create_task(waiting(fault_server))
        for _ in range(number % 5):
            await asyncio.sleep(0)
        if number % 3 == 0:
            await asyncio.sleep(0.001)
        task.cancel()
        try:
            assert (await task).status == 200
            ended["answered"] += 1
        except asyncio.CancelledError:
            ended["cancelled"] += 1
    assert sum(ended.values()) == 300


async def test_two_tasks_may_await_one_transfer(fault_server: FaultServer) -> None:
    fault_server.script(Reply(body=b"hello", delay=0.05))

    async def both(io: Any) -> None:
        transfer = start(io, fault_server)

        async def wait() -> Any:
            return await transfer

        async with asyncio.timeout(5):
            answers = await asyncio.gather(wait(), wait(), wait())
        assert [answer.status for answer in answers] == [200] * 3

    await run_async(both)


async def test_transfer_cancelled_by_another_task_ends_the_wait_with_a_response(silent: Silent) -> None:
    async def operation(io: Any) -> Any:
        transfer = start(io, silent)

        async def wait() -> Any:
            return await transfer

        task = asyncio.create_task(wait())
        await asyncio.sleep(0.01)
        transfer.cancel()
        async with asyncio.timeout(5):
            return await task

    assert (await run_async(operation)).curl_code < 0


def test_keyboard_interrupt_in_a_task_wakes_the_others_too(fault_server: FaultServer) -> None:
    # Several answers come in one batch; the first task to wake raises out of the loop.
    fault_server.script(lambda request: ok(b"hello"))
    woken: list[int] = []

    async def one(number: int) -> None:
        await waiting(fault_server)
        woken.append(number)
        if len(woken) == 1:
            raise SystemExit(7)

    loop = asyncio.new_event_loop()
    try:
        tasks = [loop.create_task(one(number)) for number in range(10)]
        with pytest.raises(SystemExit):
            loop.run_forever()
        loop.run_until_complete(asyncio.wait(tasks, timeout=5))
        assert sorted(woken) == list(range(10))
        assert sum(task.exception() is not None for task in tasks) == 1
    finally:
        loop.close()


async def test_context_variables_survive(fault_server: FaultServer) -> None:
    fault_server.script(lambda request: ok(b"hello"))
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")

    async def one(number: int) -> int:
        variable.set(number)
        await waiting(fault_server)
        assert variable.get() == number
        await waiting(fault_server)

        async def call(io: Any) -> int:
            found: int = await io.call(variable.get)
            return found

        assert await run_async(call) == number
        return variable.get()

    assert await asyncio.gather(*(one(number) for number in range(50))) == list(range(50))


async def test_debug_mode_has_nothing_to_say(fault_server: FaultServer, caplog: Any) -> None:
    asyncio.get_running_loop().set_debug(True)
    asyncio.get_running_loop().slow_callback_duration = 10
    fault_server.script(lambda request: ok(b"hello"))
    await asyncio.gather(*(waiting(fault_server) for _ in range(20)))
    task = asyncio.create_task(waiting(fault_server))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert caplog.records == []


async def test_transfer_of_another_loop_is_refused(fault_server: FaultServer) -> None:
    fault_server.script(hang())

    async def operation(io: Any) -> Any:
        return start(io, fault_server)

    transfer = await run_async(operation)

    async def wait() -> None:
        await transfer

    with pytest.raises(RuntimeError, match="different loop"):
        await asyncio.to_thread(asyncio.run, wait())
    transfer.cancel()


def test_no_loop_no_transfer() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        loop_io()


def test_sigint_ends_asyncio_run(silent: Silent) -> None:
    script = """
import asyncio, os, signal, sys, threading
from engine.support import waiting
async def main():
    asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGINT)
    await waiting(sys.argv[1])
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("done")
"""
    ran = run_script(script, silent.url)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "done\n", "")
