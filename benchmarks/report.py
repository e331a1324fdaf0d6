"""The result as tables, for the terminal and as Markdown. `python -m benchmarks.report` remakes them."""
# ruff: noqa: RUF001

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.cases import Case, all_cases
from benchmarks.compare import Result, Spread, summarise
from benchmarks.peers import BASELINE

HEAD = (
    "peer",
    "per second",
    "MB/s",
    "CPU µs each",
    "CPU ms/MB",
    "peak RSS MiB",
    "growth MiB",
    "p50 ms",
    "p99 ms",
)
RATIOS = (f"speed : {BASELINE}", f"CPU : {BASELINE}")
COLUMNS = (
    "units_per_second",
    "mb_per_second",
    "cpu_us_per_unit",
    "cpu_ms_per_mb",
    "peak_rss_mib",
    "rss_growth_mib",
    "p50_ms",
    "p99_ms",
)
LARGE = 2**20
"""From here on bytes are what counts, below it requests."""

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def number(value: float) -> str:
    """A figure with about three significant digits."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.01 else f"{value:.1g}"


def spread(value: Spread) -> str:
    """A median with its spread, where there is one."""
    if value.low == value.high:
        return number(value.median)
    return f"{number(value.median)} ({number(value.low)}–{number(value.high)})"


def times(value: Spread | None) -> str:
    """A ratio."""
    return f"{value.median:.2f}×" if value else "–"


def row(result: Result) -> list[str]:
    """Cells of one peer in one case."""
    if result.problem:
        return [result.peer, result.problem.splitlines()[0][:90]]
    cells = [spread(result.figures[name]) if result.figures[name].high else "–" for name in COLUMNS]
    ratios = result.ratios.get("units_per_second"), result.ratios.get("cpu_us_per_unit")
    return [result.peer, *cells, *map(times, ratios)]


def terminal_row(result: Result, large: bool) -> list[str]:
    """Cells of one peer in one case, short enough for a terminal: medians, and the spread of the first."""
    names = ("mb_per_second", "cpu_ms_per_mb") if large else ("units_per_second", "cpu_us_per_unit")
    rate = result.figures[names[0]]
    wide = f"{(rate.high - rate.low) / 2 / rate.median:.0%}" if rate.high > rate.low else ""
    rest = [number(result.figures[name].median) for name in (names[1], "peak_rss_mib", "p50_ms", "p99_ms")]
    ratios = result.ratios.get("units_per_second"), result.ratios.get("cpu_us_per_unit")
    return [result.peer, number(rate.median), wide, *rest, *map(times, ratios)]


def by_case(runs: list[dict[str, Any]]) -> list[tuple[Case, list[Result]]]:
    """Results of each case that was measured, in the report's order."""
    results = summarise(runs)
    measured = {result.case for result in results}
    return [
        (case, [r for r in results if r.case == case.name]) for case in all_cases() if case.name in measured
    ]


def markdown(report: dict[str, Any]) -> str:
    """The whole report as Markdown: one table for each case, and what it was measured on."""
    lines = [conditions(report), ""]
    for case, results in by_case(report["runs"]):
        lines += [f"### {case.title}", "", *_table([*HEAD, *RATIOS], map(row, results)), ""]
    return "\n".join(lines)


def conditions(report: dict[str, Any]) -> str:
    """One paragraph: machine, versions, date, how long."""
    machine, plan = report["machine"], report["plan"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    warning = "**Quick run: the figures only show that the harness works.** " if plan["quick"] else ""
    return (
        f"{warning}{report['date']}; {machine['cpu']}, {machine['cores']} cores shared with the server, "
        f"{machine['system']}, Python {machine['python']}; {versions}. Medians (min–max) of "
        f"{plan['repetitions']} interleaved repetitions of {plan['seconds']:g} s, each in its own process. "
        "The S3 clients sign their requests; `limit`, which is no client but the floor, and the raw HTTP "
        "peers aiohttp and pycurl do not. "
        f"Ratios to {BASELINE}: the median of those within each repetition."
    )


def short_table(report: dict[str, Any], peer: str = "obstore_c") -> str:
    """One line for each case: the baseline, one peer, and what stands between them. For the README."""
    head = ["case", "unit", BASELINE, peer, "speed", "CPU", "peak RSS"]
    rows = []
    for case, results in by_case(report["runs"]):
        found = {result.peer: result for result in results if not result.problem}
        if peer in found and BASELINE in found:
            rows.append(_short_row(case, found[BASELINE], found[peer]))
    note = conditions(report)
    return "\n".join([*_table(head, rows), "", f"<sub>{note}</sub>"])


def _short_row(case: Case, base: Result, ours: Result) -> list[str]:
    large = case.size >= LARGE and case.unit == "req"
    figure, unit = ("mb_per_second", "MB/s") if large else ("units_per_second", f"{case.unit}/s")
    ratios = [ours.ratios.get(name) for name in (figure, "cpu_us_per_unit", "peak_rss_mib")]
    return [case.title, unit, spread(base.figures[figure]), spread(ours.figures[figure]), *map(times, ratios)]


def _table(head: list[str], rows: Any) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for cells in rows:
        padded = [cell.replace("|", "\\|") for cell in cells] + [""] * (len(head) - len(cells))
        lines.append("| " + " | ".join(padded) + " |")
    return lines


def show(report: dict[str, Any]) -> None:
    """Print the tables to the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for case, results in by_case(report["runs"]):
        large = case.size >= LARGE and case.unit == "req"
        head = (
            "peer",
            "MB/s" if large else f"{case.unit}/s",
            "±",
            "CPU ms/MB" if large else f"CPU µs/{case.unit}",
        )
        table = Table(
            title=case.title,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            padding=(0, 0, 0, 1),
        )
        for index, name in enumerate([*head, "MiB", "p50 ms", "p99 ms", "speed", "CPU"]):
            table.add_column(name, justify="left" if index == 0 else "right", no_wrap=True)
        for result in results:
            if not result.problem:
                table.add_row(*terminal_row(result, large))
        problems = [f"{result.peer}: {result.problem}" for result in results if result.problem]
        table.caption, table.caption_justify = "\n".join(problems), "left"
        console.print(table)
    console.print(conditions(report), style="dim")


def replace_between(text: str, inside: str) -> str:
    """Put a table between the markers of a page.

    Raises:
        ValueError: the page has no markers.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{inside}\n{END}{after}"


def main() -> None:
    """Write the tables of a JSON report into pages that have a place for them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=main.__doc__)
    parser.add_argument("json", type=Path, help="a report that `python -m benchmarks --json` wrote")
    parser.add_argument("--readme", type=Path, help="page that gets the short table")
    parser.add_argument("--page", type=Path, help="page that gets all tables")
    options = parser.parse_args()
    report = json.loads(options.json.read_text())
    for path, text in ((options.readme, short_table), (options.page, markdown)):
        if path:
            path.write_text(replace_between(path.read_text(), text(report)))
    if not (options.readme or options.page):
        print(markdown(report))


if __name__ == "__main__":
    main()
