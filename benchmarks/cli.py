"""The command line."""

from __future__ import annotations

import argparse
import fnmatch
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import machine, peers, plots, report, terminal
from benchmarks.cases import all_cases
from benchmarks.run import Plan, execute
from benchmarks.server.nginx import ServerUnavailableError, find_nginx, nginx_version, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.compare import Run

RESULTS = Path(__file__).parent / "results"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures obstore_c and its peers on the same work, with nginx as the server.",
        epilog="Cases and peers take shell patterns: --cases 'get-4k-*' 'tls-*'.",
    )
    parser.add_argument("--list", action="store_true", help="list cases and peers, and measure nothing")
    parser.add_argument(
        "--cases", nargs="+", default=["*"], metavar="NAME", help="cases to measure (default: all)"
    )
    parser.add_argument(
        "--peers", nargs="+", metavar="NAME", help="peers to measure (default: all installed)"
    )
    parser.add_argument("--repetitions", type=int, default=5, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=2.0, metavar="S", help="of each measurement (default: 2)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny objects, one short repetition: does it all run?"
    )
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) // 2), metavar="N",
                        help="nginx's worker processes (default: half of the cores)")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FOLDER",
                        help="for the report and its pictures (default: benchmarks/results)")  # fmt: skip
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for.

    Returns:
        0, or 1 when a measurement failed or the server could not be had, 130 after Ctrl-C.
    """
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.list:
        return _list()
    runs: list[Run] = []
    stopped = 0
    try:
        plan = _plan(options)
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 1
    try:
        with serve(plan.cases, options.workers) as endpoints:
            _execute(plan, endpoints, runs)
    except ServerUnavailableError as error:
        print(error.args[0], file=sys.stderr)
        return 1
    except (KeyboardInterrupt, SystemExit) as signalled:
        stopped = 143 if isinstance(signalled, SystemExit) else 130
        print("Stopped. The server and its files are gone; what was measured follows.", file=sys.stderr)
    return (_report(options, plan, runs) if runs else 0) or stopped


def _list() -> int:
    for case in all_cases():
        print(f"{case.name:22} {case.title}")
    here = peers.installed()
    print(
        "\npeers:", ", ".join(name if name in here else f"{name} (not installed)" for name in peers.names())
    )
    return 0


def _plan(options: argparse.Namespace) -> Plan:
    cases = _chosen(options.cases, {case.name: case for case in all_cases()})
    names = (
        _chosen(options.peers, {name: name for name in peers.names()}) if options.peers else peers.installed()
    )
    if options.quick:
        return Plan([case.quick() for case in cases], names, 1, 0.2, 0.1, True)
    return Plan(cases, names, options.repetitions, options.seconds, min(0.5, options.seconds), False)


def _chosen(patterns: Sequence[str], known: dict[str, Any]) -> list[Any]:
    for pattern in patterns:
        if not fnmatch.filter(known, pattern):
            raise LookupError(f"{pattern!r} is none of: {', '.join(known)}")
    return [known[name] for name in known if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def _execute(plan: Plan, endpoints: dict[str, Any], runs: list[Run]) -> None:
    """Carry out a plan with a progress bar. `runs` has what was measured, also when that ends early."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("", total=len(plan))
        for told in execute(plan, endpoints):
            if isinstance(told, str):
                progress.update(task, description=told)
            else:
                runs.append(told)
                progress.advance(task)


def _versions(runs: list[Run]) -> dict[str, str]:
    """Versions of the peers that ran, and of the server."""
    found = {run["peer"]: run["version"] for run in runs if "version" in run}
    return found | {"nginx": nginx_version(find_nginx() or "nginx")}


def _report(options: argparse.Namespace, plan: Plan, runs: list[Run]) -> int:
    result = {
        "date": machine.today(),
        "machine": machine.describe(),
        "versions": _versions(runs),
        "plan": {"repetitions": plan.repetitions, "seconds": plan.seconds, "quick": plan.quick},
        "runs": runs,
    }
    terminal.show(result)
    _write(result, options.out or RESULTS / ("quick" if plan.quick else ""))
    failed = [run for run in runs if "failed" in run]
    for run in failed:
        said = [f"\n{run['case']} with {run['peer']}: {run['failed']}", *run.get("trace", [])]
        print(*said, sep="\n", file=sys.stderr)
    return 1 if failed else 0


def _write(result: dict[str, Any], folder: Path) -> None:
    """Everything into one folder; without matplotlib there are no pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    report.save(result, folder / "report.json")
    pictures: dict[str, Path] = {}
    try:
        pictures = plots.draw(result, folder)
    except ImportError:
        print("No pictures: matplotlib is not installed.", file=sys.stderr)
    links = {name: path.name for name, path in pictures.items()}
    (folder / "report.md").write_text(report.markdown(result, links))
    print(f"\nWritten to {folder}: report.json, report.md and {len(pictures)} pictures.")
