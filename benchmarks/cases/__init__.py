"""Every case of the benchmark, as data: one file per question.

A case says what is done, on what, how many at a time. How it is done belongs to
`benchmarks.work` and `benchmarks.load`, with what to the adapters in `benchmarks.peers`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

QUICK_SIZE = 32 * MIB
QUICK_KEYS = 2000


@dataclass(frozen=True)
class Case:
    """One row of the result: a question small enough to have a number as its answer."""

    name: str
    title: str
    verb: str
    """What one call does: a class of `benchmarks.work`, in lower case."""
    how: str = "async"
    """`async` (asyncio) or `blocking` (one thread, or `in_flight` of them)."""
    in_flight: int = 1
    size: int = 0
    """Bytes of each object."""
    objects: int = 1
    """Distinct keys that the calls go round."""
    parts: int = 1
    """Things one call yields: ranges of `get_ranges`, keys of a listing."""
    unit: str = "req"
    server: str = "http"
    """`http`, `https`, `distant`: 30 ms away, `limited` and `limited-put`: 85 MB/s for each connection."""
    computing: bool = False
    """A Python thread computes all the while; its CPU is not counted."""
    pause: float = 0.0
    """Seconds a slow reader sleeps after each chunk of a stream."""
    most: int = 0
    """Repetitions that are enough where the server sets the pace, or 0 for all that are asked for."""
    store: Mapping[str, object] = field(default_factory=dict)
    """Store options other than the endpoint and the credentials."""

    def quick(self) -> Case:
        """The same case, small enough for a test of the harness."""
        parts = min(self.parts, QUICK_KEYS) if self.unit == "key" else self.parts
        size, objects = min(self.size, QUICK_SIZE), min(self.objects, max(32, 2 * self.in_flight))
        return replace(self, parts=parts, size=size, objects=objects, pause=self.pause / 4)


QUESTIONS = (
    *("small", "busy", "large", "stream", "put", "slow", "ranges", "listing", "delete", "tls", "startup"),
    "sweeps",
)


def questions() -> dict[str, tuple[str, Sequence[Case]]]:
    """The cases by question, in the order of the report: its name, what it asks, what answers it."""
    modules = {name: import_module(f"benchmarks.cases.{name}") for name in QUESTIONS}
    return {name: (module.__doc__.splitlines()[0], module.CASES) for name, module in modules.items()}


def all_cases() -> list[Case]:
    """Every case, in the order of the report."""
    return [case for _, cases in questions().values() for case in cases]
