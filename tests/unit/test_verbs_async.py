"""The asynchronous twins, and the event loops that they meet."""

from __future__ import annotations

import asyncio
import inspect
import threading

from obstore_c.store import MemoryStore


def _filled() -> MemoryStore:
    store = MemoryStore()
    store.put("key", b"data")
    return store


def test_a_call_may_be_made_before_its_loop_runs() -> None:
    store = _filled()
    assert asyncio.run(store.head_async("key"))["size"] == 4
    result = asyncio.run(store.get_async("key"))
    assert asyncio.run(result.bytes_async()) == b"data"
    assert asyncio.run(store.list().collect_async())[0]["path"] == "key"


def test_a_call_may_be_handed_to_the_loop_of_another_thread() -> None:
    store = _filled()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        future = asyncio.run_coroutine_threadsafe(store.get_range_async("key", start=1, length=2), loop)
        assert future.result(10) == b"at"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def test_a_call_is_a_coroutine_that_starts_when_it_is_awaited() -> None:
    store = MemoryStore()
    call = store.put_async("key", b"data")
    assert inspect.iscoroutine(call)
    assert store.list().collect() == []
    await call
    assert store.head("key")["size"] == 4


async def test_calls_can_be_tasks() -> None:
    store = _filled()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(store.get_range_async("key", start=n, length=1)) for n in range(4)]
    assert b"".join(bytes(task.result()) for task in tasks) == b"data"
