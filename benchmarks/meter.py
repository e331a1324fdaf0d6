"""What a timed section cost its process: wall time, CPU, memory."""

from __future__ import annotations

import resource
import sys
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from array import array
    from types import TracebackType

RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""What `ru_maxrss` counts in."""


def cpu_seconds() -> float:
    """CPU time of this process so far: user and system, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_bytes(field: str = "VmRSS") -> int:
    """Resident memory of this process: `VmRSS` now or `VmHWM` at its highest."""
    try:
        with open("/proc/self/status") as status:
            lines = dict(line.split(":", 1) for line in status)
        return int(lines[field].split()[0]) * 1024
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


class Meter:
    """Measures the body of a `with`, beside a Python thread that computes if one is wanted.

    The computing thread's own CPU is taken off: what is left belongs to the client.
    """

    seconds = 0.0
    cpu = 0.0
    peak = 0

    def __init__(self, computing: bool = False) -> None:
        self._stop = False
        self._computed = 0.0
        self._thread = threading.Thread(target=self._compute) if computing else None

    def _compute(self) -> None:
        number = 0
        while not self._stop:
            number = (number * 31 + 7) % 1_000_003
        self._computed = time.thread_time()

    def __enter__(self) -> Self:
        if self._thread:
            self._thread.start()
        self._cpu, self._start = cpu_seconds(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._start
        self._stop = True
        if self._thread:
            self._thread.join()
        self.cpu = cpu_seconds() - self._cpu - self._computed
        self.peak = resident_bytes("VmHWM")


Timing = tuple[Meter, "array[float]"]
"""What a timed section cost, and the latency of each of its calls in seconds."""
