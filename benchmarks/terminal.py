"""The result as tables for the terminal: medians, each with half of its spread."""
# ruff: noqa: RUF001

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.compare import Result, Spread, figure_of, number
from benchmarks.peers import BASELINE
from benchmarks.report import by_question, conditions, not_measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.cases import Case

MIN_WIDTH = 110


def show(report: dict[str, Any]) -> None:
    """Print a report."""
    from rich.console import Console

    console = Console()
    console.width = max(console.width, MIN_WIDTH)
    for _, asked, cases in by_question(report["runs"]):
        console.print(f"\n{asked}", style="bold")
        for case, results in cases:
            console.print(_table(case, results))
    console.print(conditions(report), style="dim", highlight=False)


def _table(case: Case, results: Sequence[Result]) -> Any:
    from rich import box
    from rich.table import Table

    large = figure_of(case) == "mb_per_second"
    cpu = "cpu_ms_per_mb" if large else "cpu_us_per_unit"
    heads = {
        figure_of(case): "MB/s" if large else f"{case.unit}/s",
        cpu: "CPU ms/MB" if large else f"CPU µs/{case.unit}",
        "peak_rss_mib": "MiB",
        "p50_ms": "p50 ms",
        "p99_ms": "p99 ms",
    }
    table = Table(
        title=case.title,
        title_justify="left",
        title_style="italic",
        box=box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
        caption=not_measured(results) or None,
        caption_justify="left",
    )
    for name in ("peer", *heads.values(), f"speed : {BASELINE}", "CPU"):
        table.add_column(name, justify="left" if name == "peer" else "right", no_wrap=True)
    for result in results:
        if not result.problem:
            ratios = (result.ratios.get(name) for name in (figure_of(case), cpu))
            figures = (cell(result.figures[name]) for name in heads)
            table.add_row(result.peer, *figures, *(cell(ratio, "×") for ratio in ratios))
    return table


def cell(value: Spread | None, unit: str = "") -> str:
    """A median and half of its spread."""
    if value is None or not value.high:
        return "–"
    half = f" ±{(value.high - value.low) / 2 / value.median:.0%}" if value.high > value.low else ""
    return f"{number(value.median)}{unit}{half}"
