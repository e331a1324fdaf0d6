"""The result as pictures. matplotlib is imported when one is drawn.

Colours are those of Okabe and Ito, which colour-blind readers tell apart; lines have different marks as well.
"""
# ruff: noqa: RUF001

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from benchmarks.cases import Case, questions, sweeps
from benchmarks.compare import Result, Spread, figure_of, number, summarise
from benchmarks.peers import BASELINE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

OURS, FLOOR = "obstore_c", "limit"
LOOKS = {
    BASELINE: ("#D55E00", "s"),
    OURS: ("#0072B2", "o"),
    FLOOR: ("#888888", ""),
    "aiobotocore": ("#000000", "x"),
    "aiohttp": ("#56B4E9", "P"),
    "boto3": ("#999933", "*"),
    "minio": ("#882255", "h"),
    "opendal": ("#009E73", "^"),
    "pyarrow": ("#CC79A7", "D"),
    "pycurl": ("#E69F00", "v"),
    "s3fs": ("#44AA99", "<"),
}
"""Colour and mark of each peer."""
OTHERS, FLOOR_MARK = "#9DB7C9", "#222222"
LATENCY_CASES = ("get-4k-x64", "get-4k-x64-busy", "get-4k-x512-30ms", "get-1m-x16")
STYLE = {
    "figure.dpi": 100,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.markersize": 4,
    "legend.frameon": False,
}
WIDTH = 9.0

Results = dict[str, dict[str, Result]]
"""By case and peer, only what has figures."""


def draw(report: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """Draw what a report has figures for.

    Args:
        report: a report as `python -m benchmarks` writes it.
        folder: where the pictures go. It is made if need be.

    Returns:
        The pictures: `overview`, `latency`, `concurrency`, `size`, and one for each question, by its name.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib as mpl

    results: Results = {}
    for result in summarise(report["runs"]):
        if not result.problem:
            results.setdefault(result.case, {})[result.peer] = result
    drawings: dict[str, Callable[[Results], Any]] = {"overview": _overview}
    for name, (_, cases) in questions().items():
        if name != "sweeps":
            drawings[name] = lambda results, cases=cases: _bars(results, cases)
    drawings |= {"latency": lambda results: _latency(results, report["runs"])}
    drawings |= {"concurrency": _concurrency, "size": _size}
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    with mpl.rc_context(STYLE):
        for name, drawing in drawings.items():
            if (figure := drawing(results)) is not None:
                written[name] = _save(figure, folder / f"{name}.png")
    return written


def _save(figure: Any, path: Path) -> Path:
    """Write a picture with few colours, which is a third of the bytes."""
    from io import BytesIO

    from PIL import Image

    whole = BytesIO()
    figure.savefig(whole, format="png")
    Image.open(whole).convert("RGB").quantize(48, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure((width, height), layout="constrained")


def _error(value: Spread) -> list[list[float]]:
    return [[value.median - value.low], [value.high - value.median]]


# --- one line for each case ------------------------------------------------------------------------------


def _overview(results: Results) -> Any:
    """What obstore_c makes of obstore's figures, case by case."""
    rows = _rows(results)
    if not rows:
        return None
    figure = _figure(WIDTH, 0.9 + 0.175 * len(rows))
    panels = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    columns = (
        ("speed, obstore's is 1 (more is better)", lambda case: figure_of(case), 2.0),
        ("CPU, obstore's is 1 (less is better)", lambda case: "cpu_us_per_unit", 1.2),
    )
    for axes, (title, name_of, least) in zip(panels, columns, strict=True):
        axes.set_title(title, loc="left")
        axes.grid(axis="x")
        axes.axvline(1, color=LOOKS[BASELINE][0], linewidth=1.2)
        named = [(place, results[case.name], name_of(case)) for place, case in enumerate(rows) if case]
        ratios = [found[OURS].ratios[name].high for _, found, name in named if name in found[OURS].ratios]
        axes.set_xlim(0, 1.2 * max(least, *ratios))
        for place, found, name in named:
            _overview_bar(axes, place, found, name)
        axes.tick_params(length=0)
    panels[0].set_yticks(range(len(rows)), [case.title if case else "" for case in rows])
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    handles = [panels[1].plot([], [], "|", color=FLOOR_MARK, markersize=9, markeredgewidth=1.5)[0]]
    figure.legend(handles, ["the floor: libcurl alone"], loc="outside lower right", handletextpad=0.1)
    return figure


def _rows(results: Results) -> list[Case | None]:
    """The cases that have figures of both, with an empty row between two questions."""
    rows: list[Case | None] = []
    for name, (_, cases) in questions().items():
        found = [case for case in cases if {OURS, BASELINE} <= set(results.get(case.name, {}))]
        if name not in ("sweeps", "startup") and found:
            rows += [*([None] if rows else []), *found]
    return rows


def _overview_bar(axes: Any, place: int, found: dict[str, Result], name: str) -> None:
    ratio = found[OURS].ratios.get(name)
    if ratio is None:
        return
    axes.barh(place, ratio.median, 0.72, color=LOOKS[OURS][0])
    axes.errorbar(ratio.median, place, xerr=_error(ratio), color="#222222", linewidth=0.8)
    end = ratio.high
    floor = found[FLOOR].ratios.get(name) if FLOOR in found else None
    if floor and floor.median < axes.get_xlim()[1]:
        axes.plot(floor.median, place, "|", color=FLOOR_MARK, markersize=9, markeredgewidth=1.5)
        if end < floor.median < end + axes.get_xlim()[1] / 10:
            end = floor.median  # the figure stands behind both
    axes.annotate(f" {number(ratio.median)}×", (end, place), va="center", fontsize=7, annotation_clip=False)


# --- one panel for each case, one bar for each peer ------------------------------------------------------


def _bars(results: Results, cases: Sequence[Case]) -> Any:
    """Throughput of every peer relative to obstore."""
    cases = [case for case in cases if BASELINE in results.get(case.name, {})]
    peers = [peer for peer in LOOKS if any(peer in results[case.name] for case in cases)]
    if not cases:
        return None
    columns = min(3, len(cases))
    lines = -(-len(cases) // columns)
    figure = _figure(WIDTH * (columns + 0.4) / 3.4, lines * (0.55 + 0.16 * len(peers)))
    panels = list(figure.subplots(lines, columns, sharey=True, squeeze=False).flat)
    for axes, case in zip(panels, cases, strict=False):
        _panel(axes, case, results[case.name], peers)
    for axes in panels[len(cases) :]:
        axes.set_visible(False)
    return figure


def _panel(axes: Any, case: Case, found: dict[str, Result], peers: Sequence[str]) -> None:
    name = figure_of(case)
    ratios = {peer: result.ratios[name] for peer, result in found.items() if name in result.ratios}
    # The floor alone does not set the scale: where it is far off, its bar goes up to the edge.
    edge = max(2.2, 1.35 * max(ratio.high for peer, ratio in ratios.items() if peer != FLOOR))
    for place, peer in enumerate(peers):
        if peer not in ratios:
            axes.text(0, place, " –", va="center", color="#777777")
            continue
        ratio, text = ratios[peer], f" {number(ratios[peer].median)}×"
        colour = LOOKS[peer][0] if peer in (BASELINE, OURS, FLOOR) else OTHERS
        axes.barh(place, min(ratio.median, edge), 0.75, color=colour)
        if ratio.high <= edge:
            axes.errorbar(ratio.median, place, xerr=_error(ratio), color="#222222", linewidth=0.8)
        if peer == BASELINE:
            unit = "MB/s" if name == "mb_per_second" else f"{case.unit}/s"
            text += f"  = {number(found[peer].figures[name].median)} {unit}"
        where = (min(ratio.high, edge), place)
        axes.annotate(text, where, va="center", fontsize=7, annotation_clip=False)
    axes.axvline(1, color=LOOKS[BASELINE][0], linewidth=0.8)
    axes.set_title("\n".join(textwrap.wrap(case.title, 44)), loc="left")
    axes.set_yticks(range(len(peers)), peers)
    axes.set_ylim(len(peers) - 0.4, -0.6)
    axes.set_xlim(0, edge)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)


# --- lines -----------------------------------------------------------------------------------------------


def _line(axes: Any, peer: str, xs: Sequence[float], ys: Sequence[float]) -> None:
    colour, mark = LOOKS.get(peer, ("#444444", "."))
    axes.plot(
        *(xs, ys),
        color=colour,
        marker=mark or None,
        linestyle="--" if peer == FLOOR else "-",
        linewidth=2.2 if peer == OURS else 1.1,
        zorder=3 if peer in (OURS, BASELINE) else 2,
        label=peer,
    )


def _legend(figure: Any, panels: Sequence[Any]) -> None:
    found = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    ordered = [peer for peer in LOOKS if peer in found] + [peer for peer in found if peer not in LOOKS]
    figure.legend([found[peer] for peer in ordered], ordered, loc="outside right upper")


def _latency(results: Results, runs: Sequence[Mapping[str, Any]]) -> Any:
    """Latency over the share of the requests that were answered within it, drawn out towards the slowest."""
    from math import log10

    from matplotlib.ticker import LogLocator, StrMethodFormatter

    names = [name for name in LATENCY_CASES if name in results]
    if not names:
        return None
    titles = {case.name: case.title for _, cases in questions().values() for case in cases}
    lines = -(-len(names) // 2)
    figure = _figure(WIDTH, 0.3 + 2.4 * lines)
    panels = list(figure.subplots(lines, 2 if len(names) > 1 else 1, squeeze=False).flat)
    for axes, name in zip(panels, names, strict=False):
        for peer in results[name]:
            points = _quantiles(runs, name, peer)
            _line(axes, peer, [-log10(1 - q) for q in points], [value * 1e3 for value in points.values()])
        axes.set(yscale="log", ylabel="ms")
        axes.yaxis.set_major_locator(LogLocator(10, (1, 3)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axes.yaxis.minorticks_off()
        axes.set_title(titles[name], loc="left")
        axes.set_xticks([0, -log10(0.5), 1, 2, 3], ["0 %", "50 %", "90 %", "99 %", "99.9 %"])
        axes.grid()
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    _legend(figure, panels)
    return figure


def _quantiles(runs: Sequence[Mapping[str, Any]], case: str, peer: str) -> dict[float, float]:
    """Medians over the repetitions, up to the quantile that enough calls stand behind."""
    group = [run for run in runs if (run["case"], run["peer"]) == (case, peer) and "latency" in run]
    calls = min(run["calls"] for run in group)
    shares = [q for q in map(float, group[0]["latency"]) if q < 1 and (1 - q) * calls >= 2]
    by_share = [{float(q): value for q, value in run["latency"].items()} for run in group]
    return {q: Spread.of(run[q] for run in by_share).median for q in shares}


def _concurrency(results: Results) -> Any:
    labels = [f"{number:,}" for number in sweeps.CONCURRENCY]
    return _sweep(results, sweeps.CONCURRENCY, "units_per_second", labels, "requests in flight", "requests/s")


def _size(results: Results) -> Any:
    return _sweep(results, sweeps.SIZE, "mb_per_second", list(map(sweeps.size_name, sweeps.SIZE)), "", "MB/s")


def _sweep(
    results: Results, cases: Mapping[int, Case], figure_name: str, ticks: Sequence[str], across: str, up: str
) -> Any:
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    found = {x: results[case.name] for x, case in cases.items() if case.name in results}
    if len(found) < 2:
        return None
    figure = _figure(WIDTH, 4)
    axes = figure.subplots()
    for peer in dict.fromkeys(peer for each in found.values() for peer in each):
        points = {x: each[peer].figures[figure_name] for x, each in found.items() if peer in each}
        _line(axes, peer, list(points), [point.median for point in points.values()])
        low, high = ([getattr(point, side) for point in points.values()] for side in ("low", "high"))
        axes.fill_between(list(points), low, high, color=LOOKS.get(peer, ("#444444", ""))[0], alpha=0.15)
    axes.set(xscale="log", yscale="log", xlabel=across, ylabel=up)
    axes.set_xticks(list(cases), ticks)
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.grid()
    _legend(figure, [axes])
    return figure
