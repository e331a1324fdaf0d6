"""One measurement, in a process of its own: a job as JSON on the command line, its result on stdout."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.cases import all_cases
from benchmarks.load import measure
from benchmarks.meter import resident_bytes
from benchmarks.peers import adapter
from benchmarks.peers.base import NotMeasuredError
from benchmarks.server.endpoint import Endpoint
from benchmarks.work import VERBS

if TYPE_CHECKING:
    from array import array

QUANTILES = (0, 0.01, 0.05, *(n / 10 for n in range(1, 10)), 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999, 1)


def quantiles(latencies: array[float]) -> dict[str, float]:
    """Latencies at `QUANTILES`, by nearest rank, in seconds."""
    ordered = sorted(latencies)
    ranks = {str(q): min(len(ordered) - 1, int(q * len(ordered))) for q in QUANTILES}
    return {name: float(f"{ordered[rank]:.4g}") for name, rank in ranks.items()}


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Carry out a job.

    Args:
        job: `case`, `peer`, `quick`, `seconds`, `warm_up` and `endpoint`, as `benchmarks.run` writes it.

    Returns:
        The figures, or `not_measured` with the reason.
    """
    case = next(case for case in all_cases() if case.name == job["case"])
    if job["quick"]:
        case = case.quick()
    endpoint = Endpoint.from_json(job["endpoint"])
    cls = adapter(job["peer"])
    result = {"case": case.name, "peer": job["peer"], "version": cls.version()}
    peer = cls(endpoint, case)
    work = VERBS[case.verb](case, peer, endpoint)
    before = resident_bytes()
    meter, latencies = work.drive(job["seconds"]) or measure(work, job["seconds"], job["warm_up"])
    return result | {
        "seconds": round(meter.seconds, 6),
        "cpu": round(meter.cpu, 6),
        "calls": len(latencies),
        "units": len(latencies) * case.parts,
        "bytes": len(latencies) * work.bytes_per_call,
        "resident_before": before,
        "resident_peak": meter.peak,
        "latency": quantiles(latencies),
    }


def main() -> None:
    """Read the job from the command line, write its result as the last line of the output."""
    job = json.loads(sys.argv[1])
    try:
        result = run(job)
    except NotMeasuredError as reason:
        result = {"case": job["case"], "peer": job["peer"], "not_measured": str(reason)}
    print(json.dumps(result), flush=True)
    # Without the interpreter's teardown: how a library's threads take that is not the question here.
    os._exit(0)
