"""Bodies that are put at the same time are hashed together."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from obstore_c._lib.lanes import LANES
from obstore_c._lib.sigv4 import payload_sha256
from obstore_c._ops import digest
from obstore_c._ops.digest import ASIDE, SMALL, digest_of
from unit.fake_io import FakeIO
from unit.fake_io import run as run_fake

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(LANES == 1, reason="this processor hashes one at a time")


class LoopIO(FakeIO):
    """The real thing, as far as it is needed."""

    def __init__(self) -> None:
        super().__init__(blocking=False)
        self.called = 0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        self.called += 1
        return function(*args)


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bodies were hashed together each time."""
    seen: list[int] = []

    def record(buffers: list[Any]) -> list[str]:
        seen.append(len(buffers))
        return [hashlib.sha256(buffer).hexdigest() for buffer in buffers]

    monkeypatch.setattr(digest, "sha256_each", record)
    return seen


def bodies(count: int) -> list[bytes]:
    return [bytes([number]) * (SMALL + number) for number in range(count)]


async def hashed(io: Any, body: bytes) -> None:
    assert await digest_of(io, body, len(body)) == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(("count", "expected"), [(1, [1]), (3, [3]), (4, [4]), (10, [4, 4, 2])])
async def test_what_comes_in_one_turn_is_hashed_together(
    groups: list[int], count: int, expected: list[int]
) -> None:
    io = LoopIO()
    await asyncio.gather(*[hashed(io, body) for body in bodies(count)])
    assert groups == expected
    assert digest._waiting.slots == []


async def test_large_and_small_bodies_go_alone(groups: list[int]) -> None:
    io = LoopIO()
    await asyncio.gather(*[hashed(io, bytes(SMALL - 1)) for _ in range(3)])
    assert io.called == 0
    await asyncio.gather(*[hashed(io, bytes(ASIDE)) for _ in range(3)])
    assert io.called == 3
    assert groups == []


def test_blocking_calls_do_not_wait(groups: list[int]) -> None:
    run_fake(hashed(FakeIO(), bytes(SMALL)))
    assert groups == []


async def test_one_that_is_cancelled_leaves_the_others_alone(groups: list[int]) -> None:
    io = LoopIO()
    tasks = [asyncio.ensure_future(hashed(io, body)) for body in bodies(5)]
    await asyncio.sleep(0)
    for number in (0, 3):
        tasks[number].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert [result for result in results if not isinstance(result, asyncio.CancelledError)] == [None] * 3
    assert digest._waiting.slots == []


async def test_a_buffer_that_is_released_meanwhile(groups: list[int]) -> None:
    io = LoopIO()
    view = memoryview(bodies(1)[0])
    tasks = [asyncio.ensure_future(digest_of(io, body, len(body))) for body in (view, *bodies(2))]
    await asyncio.sleep(0)
    view.release()
    assert await asyncio.gather(*tasks) == [payload_sha256(body) for body in (bodies(1)[0], *bodies(2))]


def test_event_loops_of_several_threads() -> None:
    failures: list[BaseException] = []

    async def main() -> None:
        io = LoopIO()
        for _ in range(20):
            await asyncio.gather(*[hashed(io, body) for body in bodies(7)])

    def work() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
