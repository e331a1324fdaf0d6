"""The result as Markdown, and the pages that show it. `python -m benchmarks.report` remakes them."""
# ruff: noqa: RUF001

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cases import Case, questions, sweeps
from benchmarks.compare import Result, Spread, figure_of, number, summarise
from benchmarks.peers import BASELINE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HEAD = {
    "units_per_second": "per second",
    "mb_per_second": "MB/s",
    "cpu_us_per_unit": "CPU µs each",
    "cpu_ms_per_mb": "CPU ms/MB",
    "peak_rss_mib": "peak RSS MiB",
    "rss_growth_mib": "growth MiB",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
}
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"

Asked = tuple[str, str, list[tuple[Case, list[Result]]]]
"""A question's name, what it asks, and its cases with the results."""


def load(paths: Iterable[Path]) -> dict[str, Any]:
    """Read one report, or several, of which a later one replaces the cases that it has.

    Raises:
        ValueError: they come from different machines.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        report = json.loads(path.read_text())
        if merged and merged["machine"] != report["machine"]:
            raise ValueError(f"{path} was measured on another machine")
        again = {run["case"] for run in report["runs"]}
        report["runs"] = [run for run in merged.get("runs", []) if run["case"] not in again] + report["runs"]
        report["versions"] = merged.get("versions", {}) | report["versions"]
        merged = report
    return merged


def save(report: Mapping[str, Any], path: Path) -> None:
    """Write a report as JSON, one line for each run."""
    head = json.dumps({name: value for name, value in report.items() if name != "runs"}, indent=1)
    runs = ",\n".join(json.dumps(run) for run in report["runs"])
    fresh = path.with_suffix(".new")
    fresh.write_text(f'{head[:-2]},\n "runs": [\n{runs}\n]}}\n')
    fresh.replace(path)


def by_question(runs: Iterable[dict[str, Any]]) -> list[Asked]:
    """Results of what was measured, in the report's order."""
    results: dict[str, list[Result]] = {}
    for result in summarise(runs):
        results.setdefault(result.case, []).append(result)
    found = [
        (name, asked, [(case, results[case.name]) for case in cases if case.name in results])
        for name, (asked, cases) in questions().items()
    ]
    return [each for each in found if each[2]]


def spread(value: Spread, unit: str = "") -> str:
    """A median with its spread, where there is one."""
    if not value.high:
        return "–"
    if value.low == value.high:
        return number(value.median) + unit
    return f"{number(value.median)}{unit} ({number(value.low)}–{number(value.high)})"


def times(value: Spread | None) -> str:
    """A ratio."""
    return spread(value, "×") if value else "–"


def not_measured(results: Iterable[Result]) -> str:
    """One sentence for what has no figures, or nothing."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        if result.problem:
            reasons.setdefault(result.problem.splitlines()[0][:90], []).append(result.peer)
    said = "; ".join(f"{', '.join(peers)} ({reason})" for reason, peers in reasons.items())
    return f"Not measured: {said}." if said else ""


def markdown(report: Mapping[str, Any], pictures: Mapping[str, str] | None = None) -> str:
    """The whole report as Markdown.

    Args:
        report: the report.
        pictures: links of the pictures by name.
    """
    pictures = pictures or {}
    lines = [conditions(report), "", *_picture(pictures, "overview")]
    for name, asked, cases in by_question(report["runs"]):
        if name != "sweeps":
            lines += [f"### {asked}", "", *_picture(pictures, name)]
            for case, results in cases:
                lines += [f"#### {case.title}", "", *_case_table(case, results), ""]
    if "latency" in pictures:
        lines += ["### How long does a single request take?", "", *_picture(pictures, "latency")]
    return "\n".join([*lines, *_sweeps(report, pictures)])


def _sweeps(report: Mapping[str, Any], pictures: Mapping[str, str]) -> list[str]:
    results = {(result.case, result.peer): result for result in summarise(report["runs"])}
    numbers = {f"{count:,} in flight": case for count, case in sweeps.CONCURRENCY.items()}
    sizes = {sweeps.size_name(size): case for size, case in sweeps.SIZE.items()}
    lines = [f"### {questions()['sweeps'][0]}", ""]
    for name, figure, sweep in (
        ("concurrency", "units_per_second", numbers),
        ("size", "mb_per_second", sizes),
    ):
        lines += [*_picture(pictures, name), *_sweep_table(results, figure, sweep), ""]
    return lines


def _picture(pictures: Mapping[str, str], name: str) -> list[str]:
    return [f"![{name}]({pictures[name]})", ""] if name in pictures else []


def _case_table(case: Case, results: Sequence[Result]) -> list[str]:
    head = ["peer", *HEAD.values(), f"speed : {BASELINE}", f"CPU : {BASELINE}"]
    rows = []
    for result in results:
        if not result.problem:
            ratios = (result.ratios.get(name) for name in (figure_of(case), "cpu_us_per_unit"))
            rows.append([result.peer, *(spread(result.figures[name]) for name in HEAD), *map(times, ratios)])
    missing = not_measured(results)
    return [*_table(head, rows), *(["", f"<sub>{missing}</sub>"] if missing else [])]


def _sweep_table(
    results: Mapping[tuple[str, str], Result], figure: str, sweep: Mapping[str, Case]
) -> list[str]:
    peers = dict.fromkeys(peer for _, peer in results)
    found = {peer: [results.get((case.name, peer)) for case in sweep.values()] for peer in peers}
    unit = "MB/s" if figure == "mb_per_second" else "requests/s"
    rows = [
        [peer, *(spread(result.figures[figure]) if result and result.figures else "–" for result in line)]
        for peer, line in found.items()
        if any(result and result.figures for result in line)
    ]
    return _table([unit, *sweep], rows) if rows else []


def short_table(
    report: Mapping[str, Any], pictures: Mapping[str, str] | None = None, peer: str = "obstore_c"
) -> str:
    """One line for each case, for the README: a peer's figure, and its ratios to the baseline."""
    head = ["case", peer, "speed", "CPU", "peak RSS"]
    rows = []
    for name, _, cases in by_question(report["runs"]):
        for case, results in cases:
            ours = next((each for each in results if each.peer == peer and each.ratios), None)
            if ours and name != "sweeps":
                figure = figure_of(case)
                unit = " MB/s" if figure == "mb_per_second" else f" {case.unit}/s"
                ratios = (ours.ratios.get(each) for each in (figure, "cpu_us_per_unit", "peak_rss_mib"))
                rows.append([case.title, spread(ours.figures[figure]) + unit, *map(times, ratios)])
    lines = [*_picture(pictures or {}, "overview"), *_table(head, rows)]
    return "\n".join([*lines, "", f"<sub>{conditions(report)}</sub>"])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def conditions(report: Mapping[str, Any]) -> str:
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
    """Write the tables and pictures of a report into pages that have a place for them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=main.__doc__)
    parser.add_argument(
        "reports", type=Path, nargs="+", metavar="JSON",
        help="a report of `python -m benchmarks`; of several the later ones replace the cases that they have",
    )  # fmt: skip
    parser.add_argument("--readme", type=Path, help="page that gets the short table")
    parser.add_argument("--page", type=Path, help="page that gets everything")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw the pictures there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the report there")
    options = parser.parse_args()
    report = load(options.reports)
    drawn: dict[str, Path] = {}
    if options.pictures:
        from benchmarks.plots import draw

        drawn = draw(report, options.pictures)
    if options.json:
        save(report, options.json)
    for path, text in ((options.readme, short_table), (options.page, markdown)):
        if path:
            links = {name: os.path.relpath(each, path.parent) for name, each in drawn.items()}
            path.write_text(replace_between(path.read_text(), text(report, links)))
    if not (options.readme or options.page):
        print(markdown(report))


if __name__ == "__main__":
    main()
