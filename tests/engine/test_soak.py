"""20,000 mixed operations with random cancellation leave no descriptor, thread, slab or object behind."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from engine.support import PROFILE, Resources, blocking, start, waiting
from obstore_c._lib.engine import Profile, Transfer
from obstore_c._ops.drive import run, run_async
from servers.faults import Reply, Request, ok

if TYPE_CHECKING:
    from servers.faults import FaultServer

TASKS, THREADS = 14_000, 6_000
LARGE = bytes(200_000)
CAPPED = Profile({}, max_in_flight=8)


def answer(request: Request) -> Reply:
    if request.path == "/small":
        return ok(b"x" * 4096)
    if request.path == "/large":
        return ok(LARGE)
    if request.path == "/chunked":
        return Reply(body=LARGE, chunked=True, piece=50_000)
    if request.path == "/error":
        return Reply(404, b"no such thing")
    if request.path == "/close":
        return Reply(body=b"bye", end="close")
    return Reply()


async def stream(io: Any, server: str) -> None:
    transfer = start(io, server, "/large", hold_above=1000, profile=CAPPED)
    response = await transfer
    if response.complete:
        return
    buffer = bytearray(30_000)
    size = len(buffer)
    while size == len(buffer):
        transfer.feed(buffer)
        size = await transfer.filled()


async def abandon(io: Any, server: str) -> None:
    start(io, server, "/large", hold_above=1000)
    start(io, server, "/small", method="PUT", body=bytearray(3000))
    start(io, server, "/small", delay=0.01)


def arguments(chance: random.Random) -> dict[str, Any]:
    path = chance.choice(["/small", "/small", "/small", "/large", "/chunked", "/error", "/close"])
    method = chance.choice(["GET", "GET", "GET", "HEAD", "PUT"])
    return {
        "path": path,
        "method": method,
        "body": bytearray(chance.randrange(10_000)) if method == "PUT" else None,
        "delay": chance.choice([0.0] * 9 + [0.002]),
        "profile": chance.choice([PROFILE, CAPPED]),
    }


async def many_tasks(server: str, seed: int) -> int:
    chance = random.Random(seed)
    cancelled = 0

    async def one() -> None:
        kind = chance.random()
        if kind < 0.05:
            await run_async(stream, server)
        elif kind < 0.08:
            await run_async(abandon, server)
        else:
            await waiting(server, **arguments(chance))

    for _ in range(TASKS // 200):
        tasks = [asyncio.create_task(one()) for _ in range(200)]
        for task in chance.sample(tasks, 60):
            await asyncio.sleep(0)
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, asyncio.CancelledError):
                cancelled += 1
            elif outcome is not None and not hasattr(outcome, "status"):
                raise outcome  # type: ignore[misc]
    return cancelled


def many_calls(server: str, seed: int, failures: list[BaseException]) -> None:
    chance = random.Random(seed)

    async def cancel(io: Any) -> None:
        transfers = [start(io, server, **arguments(chance)) for _ in range(4)]
        transfers[0].cancel()
        await transfers[1]
        for transfer in transfers:
            transfer.cancel()
        await transfers[0]

    try:
        for _ in range(THREADS // 3 // 4):
            kind = chance.randrange(4)
            if kind == 0:
                run(cancel)
            elif kind == 1:
                run(stream, server)
                run(abandon, server)
            else:
                for _ in range(4):
                    blocking(server, **arguments(chance))
    except BaseException as error:
        failures.append(error)


@pytest.mark.slow
def test_mixed_operations_leave_nothing_behind(fault_server: FaultServer) -> None:
    fault_server.script(answer)
    # Connections that stay open are no leak: open as many as there may be before counting.
    asyncio.run(many_connections(fault_server))
    before = Resources()
    connections = fault_server.open_connections
    transfers = sum(type(each) is Transfer for each in gc.get_objects())
    failures: list[BaseException] = []
    threads = [
        threading.Thread(target=many_calls, args=(fault_server.url, seed, failures)) for seed in range(3)
    ]
    for thread in threads:
        thread.start()
    cancelled = asyncio.run(many_tasks(fault_server.url, 1))
    for thread in threads:
        thread.join()
    assert failures == []
    assert cancelled > TASKS // 10
    surplus = before.returned()
    # The server is in this process: a connection has two descriptors and a thread here.
    more = max(0, fault_server.open_connections - connections)
    assert surplus.get("slabs", 0) == 0
    assert surplus.get("descriptors", 0) <= 2 * more
    assert surplus.get("threads", 0) <= more
    gc.collect()
    assert sum(type(each) is Transfer for each in gc.get_objects()) <= transfers


async def many_connections(server: FaultServer) -> None:
    await asyncio.gather(*(waiting(server, "/chunked") for _ in range(50)))
