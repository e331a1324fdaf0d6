"""From raw runs to figures: the median and spread of each, and its ratio to the baseline.

A ratio is taken within each repetition, between two measurements made one right after the other; what is
reported is the median of these ratios. A machine that slows down for a while then leaves them alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.cases import MIB
from benchmarks.peers import BASELINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.cases import Case

Run = dict[str, Any]
"""The result of one measurement, as `benchmarks.measure` writes it."""

FIGURES: dict[str, Callable[[Run], float]] = {
    "units_per_second": lambda run: run["units"] / run["seconds"],
    "mb_per_second": lambda run: run["bytes"] / run["seconds"] / 1e6,
    "cpu_us_per_unit": lambda run: run["cpu"] / run["units"] * 1e6,
    "cpu_ms_per_mb": lambda run: run["cpu"] / run["bytes"] * 1e9 if run["bytes"] else 0.0,
    "peak_rss_mib": lambda run: run["resident_peak"] / 2**20,
    "rss_growth_mib": lambda run: (run["resident_peak"] - run["resident_before"]) / 2**20,
    "p50_ms": lambda run: run["latency"]["0.5"] * 1e3,
    "p99_ms": lambda run: run["latency"]["0.99"] * 1e3,
}


def figure_of(case: Case) -> str:
    """What counts in a case: bytes where they are many, otherwise requests or keys."""
    return "mb_per_second" if case.size >= MIB and case.unit == "req" else "units_per_second"


def number(value: float) -> str:
    """A figure with about three significant digits."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.01 else f"{value:.1g}"


@dataclass(frozen=True)
class Spread:
    """A median, and between what it lies."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Spread of at least one value."""
        ordered = sorted(values)
        return cls(median(ordered), ordered[0], ordered[-1])


@dataclass(frozen=True)
class Result:
    """What one peer reached in one case."""

    case: str
    peer: str
    problem: str | None
    """Why there are no figures."""
    figures: dict[str, Spread]
    ratios: dict[str, Spread]
    """Figures divided by the baseline's in the same repetition."""


def summarise(runs: Iterable[Run]) -> list[Result]:
    """Results in the order in which cases and peers first appear.

    Args:
        runs: raw results of `benchmarks.run.execute`.

    Returns:
        One result for each case and peer.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: run["repetition"]):
        groups.setdefault((run["case"], run["peer"]), []).append(run)
    return [
        _result(case, peer, group, groups.get((case, BASELINE), [])) for (case, peer), group in groups.items()
    ]


def problem_of(run: Run) -> str | None:
    """Why a run has no figures, or None."""
    problem: str | None = run.get("failed") or run.get("not_measured")
    return problem


def _result(case: str, peer: str, group: list[Run], baseline: list[Run]) -> Result:
    problem = next((reason for run in group if (reason := problem_of(run))), None)
    if problem:
        return Result(case, peer, problem, {}, {})
    figures = {name: Spread.of(map(figure, group)) for name, figure in FIGURES.items()}
    pairs = [
        (a, b) for a in group for b in baseline if a["repetition"] == b["repetition"] and not problem_of(b)
    ]
    ratios = {
        name: Spread.of(figure(a) / figure(b) for a, b in pairs)
        for name, figure in FIGURES.items()
        if pairs and all(figure(b) > 0 for _, b in pairs)
    }
    return Result(case, peer, None, figures, ratios)
