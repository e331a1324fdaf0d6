"""Runs measurements: each in a fresh process, the peers by turns, so that a slow minute hits all alike."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import adapter
from benchmarks.peers.base import NotMeasuredError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.cases import Case
    from benchmarks.compare import Run
    from benchmarks.server.endpoint import Endpoint

# The repository comes last on the path, so that obstore_c is the installed one.
START = f"import sys; sys.path.append({str(Path(__file__).resolve().parent.parent)!r}); " + (
    "from benchmarks.measure import main; main()"
)
TIMEOUT = 300.0


@dataclass(frozen=True)
class Plan:
    """What is to be measured, and how long."""

    cases: Sequence[Case]
    peers: Sequence[str]
    repetitions: int
    seconds: float
    warm_up: float
    quick: bool

    def times(self, case: Case) -> int:
        """How often a case is repeated."""
        return min(self.repetitions, case.most or self.repetitions)

    def __len__(self) -> int:
        return sum(map(self.times, self.cases)) * len(self.peers)


def execute(plan: Plan, endpoints: dict[str, Endpoint | str]) -> Iterator[str | Run]:
    """Carry out a plan.

    Args:
        plan: the measurements.
        endpoints: the servers by name, or why there is none.

    Yields:
        For each measurement a line about it before it starts, then its result. What failed has `failed`
        with the reason, what can't be measured `not_measured`.
    """
    for case in plan.cases:
        for repetition in range(plan.times(case)):
            for peer in _turn(plan.peers, repetition):
                yield f"{case.title}: {peer}"
                yield _measure(plan, case, peer, endpoints[case.server]) | {"repetition": repetition}


def _turn(peers: Sequence[str], repetition: int) -> list[str]:
    """The peers, beginning with another one in each repetition."""
    start = repetition % len(peers)
    return [*peers[start:], *peers[:start]]


def _measure(plan: Plan, case: Case, peer: str, endpoint: Endpoint | str) -> Run:
    names = {"case": case.name, "peer": peer}
    try:
        adapter(peer).check(case)
    except NotMeasuredError as reason:
        return names | {"not_measured": str(reason)}
    if isinstance(endpoint, str):
        return names | {"not_measured": endpoint}
    job = names | {
        "quick": plan.quick,
        "seconds": plan.seconds,
        "warm_up": plan.warm_up,
        "endpoint": endpoint.to_json(),
    }
    command = [sys.executable, "-P", "-c", START, json.dumps(job)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return names | {"failed": f"no result within {TIMEOUT:.0f} s"}
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        return names | {"failed": f"exit status {done.returncode}: {said[-1]}", "trace": said}
    run: Run = json.loads(done.stdout.strip().splitlines()[-1])
    return run
