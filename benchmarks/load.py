"""How load is put on: one loop each for asyncio and for threads, the same for every peer."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.cases import KIB
from benchmarks.meter import Meter, Timing
from benchmarks.work import Work, WrongResultError

CHECK_EVERY = 256
"""Inside of the timed section every so-manieth small body is checked whole."""


@dataclass
class Phase:
    """A stretch of calls: until `deadline` or for `limit` calls, and how long each of them took.

    With `keep` it ends with the last number and result of each task or thread in `last`.
    """

    limit: float = math.inf
    deadline: float = math.inf
    check_every: int = 1
    latencies: array[float] = field(default_factory=lambda: array("d"))
    counter: Iterator[int] = field(default_factory=itertools.count)
    keep: bool = False
    last: list[tuple[int, object]] = field(default_factory=list)


Flood = Callable[[Phase], None]


def measure(work: Work, seconds: float, warm_up: float) -> Timing:
    """Verify, warm up, measure, verify.

    Args:
        work: the calls to make.
        seconds: how long the timed section starts new calls.
        warm_up: how long to call before it.

    Returns:
        What the timed section cost.

    Raises:
        WrongResultError: a result was not what the server holds.
    """
    case = work.case
    with _flood(work) as flood:
        warm = time.perf_counter() + warm_up
        _verify(work, flood, case.objects)
        flood(Phase(deadline=warm, check_every=0))
        check_every = CHECK_EVERY if case.verb == "get" and case.size <= 64 * KIB else 0
        timed = Phase(check_every=check_every, keep=work.lasting)
        with Meter(case.computing) as meter:
            timed.deadline = time.perf_counter() + seconds
            flood(timed)
        for number, result in {number % case.objects: result for number, result in timed.last}.items():
            work.check(number, result)
        if not work.lasting:
            _verify(work, flood, 1)
    return meter, timed.latencies


def _verify(work: Work, flood: Flood, calls: int) -> None:
    work.verifying = True
    flood(Phase(limit=calls))
    work.verifying = False


@contextlib.contextmanager
def _flood(work: Work) -> Iterator[Flood]:
    if work.case.how == "async" and work.peer.asynchronous:
        with asyncio.Runner() as runner:
            runner.run(work.peer.aopen())
            try:
                yield lambda phase: runner.run(_gather(work, phase))
            finally:
                runner.run(work.peer.aclose())
    elif work.case.in_flight == 1:
        yield lambda phase: _call(work, phase)
    else:
        yield lambda phase: _spread(work, phase)


async def _gather(work: Work, phase: Phase) -> None:
    await asyncio.gather(*(_acall(work, phase) for _ in range(work.case.in_flight)))


async def _acall(work: Work, phase: Phase) -> None:
    call, size, expected, clock = work.acall, work.size, work.expected, time.perf_counter
    counter, limit, deadline = phase.counter, phase.limit, phase.deadline
    record, check_every = phase.latencies.append, phase.check_every
    done, result = -1, None
    while (number := next(counter)) < limit and (start := clock()) < deadline:
        result = None  # dropped before the next call, so that its memory can be used again
        result = await call(number)
        record(clock() - start)
        if size(result) != expected:
            raise WrongResultError(f"{size(result)} came where {expected} was stored")
        if check_every and number % check_every == 0:
            work.check(number, result)
        done = number
    if phase.keep and done >= 0:
        phase.last.append((done, result))


def _call(work: Work, phase: Phase) -> None:
    call, size, expected, clock = work.call, work.size, work.expected, time.perf_counter
    counter, limit, deadline = phase.counter, phase.limit, phase.deadline
    record, check_every = phase.latencies.append, phase.check_every
    done, result = -1, None
    while (number := next(counter)) < limit and (start := clock()) < deadline:
        result = None
        result = call(number)
        record(clock() - start)
        if size(result) != expected:
            raise WrongResultError(f"{size(result)} came where {expected} was stored")
        if check_every and number % check_every == 0:
            work.check(number, result)
        done = number
    if phase.keep and done >= 0:
        phase.last.append((done, result))


def _spread(work: Work, phase: Phase) -> None:
    errors: list[BaseException] = []

    def thread() -> None:
        try:
            _call(work, phase)
        except BaseException as error:
            errors.append(error)
            phase.limit = 0

    threads = [threading.Thread(target=thread) for _ in range(work.case.in_flight)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if errors:
        raise errors[0]
