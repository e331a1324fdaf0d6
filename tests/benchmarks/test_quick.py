"""The harness, run as a user runs it: every verb of it, quickly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.server.nginx import HOW_TO_GET, find_nginx

ROOT = Path(__file__).resolve().parents[2]

CASES = (
    "get-4k-x64",
    "get-4k-threads",
    "head-x64",
    "get-1m-x16-busy",
    "stream-1g",
    "stream-1g-blocking",
    "put-4k-x64",
    "put-1g-unsigned",
    "ranges-16k-1000",
    "list-100k",
    "delete-10k",
    "get-1g-into",
    "get-4k-x512-30ms",
    "put-1g-limited",
    "tls-get-4k-x64",
    "import",
    "build-store",
)


@pytest.fixture(autouse=True)
def _nginx() -> None:
    if find_nginx() is None:
        if os.environ.get("OBSTORE_C_REQUIRE_SERVERS", "0") not in ("", "0"):
            pytest.fail(HOW_TO_GET, pytrace=False)
        pytest.skip(HOW_TO_GET)


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.parametrize(("peer", "cases"), [("obstore_c", CASES), ("obstore", CASES[:4])])
def test_quick_run_measures_every_verb(peer: str, cases: tuple[str, ...], tmp_path: Path) -> None:
    done = benchmarks("--quick", "--peers", peer, "--out", str(tmp_path), "--cases", *cases)

    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads((tmp_path / "report.json").read_text())
    assert [run["case"] for run in report["runs"]] == sorted(cases, key=list(_titles()).index)
    for run in report["runs"]:
        assert run["calls"] >= 1
        assert run["seconds"] > 0
        assert run["cpu"] > 0
        assert run["resident_peak"] > 1 << 20
        assert 0 < run["latency"]["0.5"] <= run["latency"]["0.99"] <= run["latency"]["1"]
    text = (tmp_path / "report.md").read_text()
    assert all(f"#### {_titles()[case]}" in text for case in cases)
    assert "Quick run" in text


def test_floor_is_measured_where_there_is_a_compiler(tmp_path: Path) -> None:
    done = benchmarks(
        "--quick", "--peers", "limit", "--cases", "get-4k-x64", "tls-get-4k-x64", "put-4k-x64", "list-100k",
        "ranges-16k-1000", "get-4k-threads", "--out", str(tmp_path),
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    runs = json.loads((tmp_path / "report.json").read_text())["runs"]
    assert all(run.get("calls", 0) >= 1 or run.get("not_measured") for run in runs)


def test_unknown_case_is_named_beside_the_known_ones() -> None:
    done = benchmarks("--cases", "get-5k")

    assert done.returncode == 1
    assert "'get-5k' is none of: get-4k-x1, " in done.stderr


def test_list_measures_nothing() -> None:
    done = benchmarks("--list")

    assert done.returncode == 0
    assert done.stdout.startswith("get-4k-x1 ")
    assert "peers: obstore, obstore_c" in done.stdout


def _titles() -> dict[str, str]:
    from benchmarks.cases import all_cases

    return {case.name: case.title for case in all_cases()}
