"""The end of a process: no hang, no crash, nothing on stderr, whatever is still going on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.support import Silent, check_script
from servers.faults import ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.faults import FaultServer


@pytest.fixture
def silent() -> Iterator[Silent]:
    with Silent() as server:
        yield server


@pytest.fixture
def answering(fault_server: FaultServer) -> FaultServer:
    fault_server.script(lambda request: ok(b"hello"))
    return fault_server


SCRIPTS = {
    "after a request": """
blocking(answering)
""",
    "with transfers in flight": """
from obstore_c._lib.engine import BlockingIO
io = BlockingIO.acquire()
transfers = [start(io, silent, method="PUT", body=bytes(1000)) for _ in range(50)]
transfers += [start(io, silent, delay=100) for _ in range(50)]
blocking(answering)
""",
    "with a body on hold": """
from obstore_c._lib.engine import BlockingIO
io = BlockingIO.acquire()
transfer = start(io, answering, hold_above=0)
io.wait(transfer)
transfer.feed(bytearray(2))
""",
    "with daemon threads that wait": """
for _ in range(5):
    threading.Thread(target=blocking, args=(silent,), daemon=True).start()
time.sleep(0.1)
""",
    "with daemon threads that work": """
def work():
    while True:
        try:
            blocking(answering)
        except OSError:
            return
for _ in range(5):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
""",
    "with daemon threads that upload and download": """
def work():
    while True:
        answer = blocking(answering, method="PUT", body=bytearray(100000))
        answer.body
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
""",
    "with a daemon thread that runs a loop": """
async def work():
    while True:
        await asyncio.gather(*(waiting(answering) for _ in range(10)))
threading.Thread(target=asyncio.run, args=(work(),), daemon=True).start()
time.sleep(0.1)
""",
    "with tasks that wait": """
async def main():
    tasks = [asyncio.create_task(waiting(silent)) for _ in range(10)]
    await waiting(answering)
asyncio.run(main())
""",
    "in an exit handler": """
import atexit
@atexit.register
def late():
    assert blocking(answering).status == 200
blocking(answering)
""",
    "in an exit handler with a loop": """
import atexit
@atexit.register
def late():
    assert asyncio.run(waiting(answering)).status == 200
blocking(answering)
""",
    "with transfers in flight from an exit handler": """
import atexit
from obstore_c._lib.engine import BlockingIO
@atexit.register
def late():
    global io, transfers
    io = BlockingIO.acquire()
    transfers = [start(io, silent) for _ in range(10)]
""",
    "after the engine was shut down": """
from obstore_c._lib import engine
blocking(answering)
engine.shutdown()
engine.shutdown()
assert blocking(answering).status == 200
""",
    "with streams in global variables": """
keep = []
async def main():
    async def operation(io):
        transfer = start(io, answering, hold_above=0)
        await transfer
        transfer.feed(bytearray(2))
        return transfer
    keep.append(await run_async(operation))
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
""",
    "with a cycle of transfers and loops": """
class Cycle: pass
cycle = Cycle()
async def main():
    async def operation(io):
        cycle.me, cycle.io, cycle.transfer = cycle, io, start(io, silent)
        cycle.loop = asyncio.get_running_loop()
    await run_async(operation)
asyncio.run(main())
""",
}

PRELUDE = """
import asyncio, sys, threading, time
from engine.support import blocking, start, waiting
from obstore_c._ops.drive import run_async
answering, silent = sys.argv[1:]
"""


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_process_ends(script: str, answering: FaultServer, silent: Silent) -> None:
    check_script(PRELUDE + script + "\nprint('done')", answering.url, silent.url)


def test_exit_handler_registered_before_the_import(answering: FaultServer, silent: Silent) -> None:
    script = """
import atexit
def late():
    assert blocking(answering).status == 200
    assert asyncio.run(waiting(answering)).status == 200
    thread_free = [start(io, silent) for _ in range(3)]
    print("done")
atexit.register(late)
"""
    script += (
        PRELUDE
        + "from obstore_c._lib.engine import BlockingIO\nio = BlockingIO.acquire()\nblocking(answering)\n"
    )
    check_script(script, answering.url, silent.url)


@pytest.mark.parametrize(
    "how", ["sys.exit(3)", "raise SystemExit(3)", "loop.call_soon(sys.exit, 3); await asyncio.sleep(5)"]
)
def test_sys_exit_in_async_code(how: str, answering: FaultServer, silent: Silent) -> None:
    from engine.support import run_script

    script = f"""
async def main():
    loop = asyncio.get_running_loop()
    tasks = [asyncio.create_task(waiting(silent, method="PUT", body=bytes(1000))) for _ in range(10)]
    await waiting(answering)
    {how}
asyncio.run(main())
"""
    ran = run_script(PRELUDE + script, answering.url, silent.url)
    assert (ran.returncode, ran.stdout, ran.stderr) == (3, "", "")


def test_threads_submit_while_the_engine_is_shut_down(answering: FaultServer) -> None:
    # Two engines must never drive the same handles.
    script = """
from obstore_c._lib import engine
stop = threading.Event()
seen = set()
def work():
    while not stop.is_set():
        seen.add(blocking(answering).curl_code)
threads = [threading.Thread(target=work) for _ in range(4)]
threads += [threading.Thread(target=lambda: [engine.shutdown() for _ in range(60)]) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads[4:]:
    thread.join()
stop.set()
for thread in threads[:4]:
    thread.join()
assert 0 in seen and seen <= {0, -2}, seen
print("done")
"""
    check_script(PRELUDE + script, answering.url, "")


def test_dead_engine_is_replaced(answering: FaultServer, silent: Silent) -> None:
    script = """
import os
assert blocking(answering).status == 200
from obstore_c._lib.engine import BlockingIO
io = BlockingIO.acquire()
transfer = start(io, silent)
for name in os.listdir("/proc/self/fd"):
    try:
        if "eventpoll" in os.readlink(f"/proc/self/fd/{name}"):
            os.dup2(2, int(name))
    except FileNotFoundError:
        pass
transfer.cancel()
other = start(io, silent)
io.wait(other)
assert other.curl_code in (-3, -1) and "engine" in other.curl_message, other.curl_message
while blocking(answering).status != 200:
    time.sleep(0.01)
print("done")
"""
    import sys

    if sys.platform != "linux":
        pytest.skip("looks for epoll in /proc")
    check_script(PRELUDE + script, answering.url, silent.url)
