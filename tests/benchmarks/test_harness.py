"""The parts of the harness that could lie: checks, ratios, order, tables."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.cases import KIB, Case, all_cases
from benchmarks.compare import Spread, summarise
from benchmarks.load import measure
from benchmarks.meter import Meter
from benchmarks.peers import adapter, names
from benchmarks.peers.base import Peer
from benchmarks.report import BEGIN, END, markdown, replace_between, short_table
from benchmarks.run import Plan, execute
from benchmarks.server.endpoint import Endpoint
from benchmarks.server.objects import fill, key_of
from benchmarks.work import VERBS, WrongResultError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class FolderPeer(Peer):
    """A client without a network: it reads the server's files."""

    def get(self, key: str) -> bytes:
        return self.endpoint.file(key).read_bytes()

    async def aget(self, key: str) -> bytes:
        await asyncio.sleep(0)
        return self.get(key)


class TruncatingPeer(FolderPeer):
    def get(self, key: str) -> bytes:
        return super().get(key)[:-1]


class CorruptingPeer(FolderPeer):
    def get(self, key: str) -> bytes:
        body = super().get(key)
        return body[:-1] + bytes([body[-1] ^ 1])


class ForgetfulPeer(FolderPeer):
    """Right at first, wrong later on: what the checks inside and after the timed section are for."""

    calls = 0

    def get(self, key: str) -> bytes:
        self.calls += 1
        body = super().get(key)
        return body if self.calls <= 8 else bytes(len(body))


def prepared(tmp_path: Path, cls: type[Peer], how: str, in_flight: int = 4, **more: Any) -> Any:
    case = Case("get", "get", "get", how, in_flight, 4 * KIB, 8, **more)
    fill(tmp_path, [case])
    endpoint = Endpoint("http://127.0.0.1:1", str(tmp_path / "bench"))
    return VERBS["get"](case, cls(endpoint, case), endpoint)


@pytest.mark.parametrize(("how", "in_flight"), [("async", 4), ("blocking", 1), ("blocking", 4)])
def test_measure_counts_what_was_called(tmp_path: Path, how: str, in_flight: int) -> None:
    meter, latencies = measure(prepared(tmp_path, FolderPeer, how, in_flight), 0.05, 0.01)

    assert len(latencies) >= in_flight
    assert 0.05 <= meter.seconds < 5
    assert 0 < meter.cpu <= meter.seconds * 2 + 0.1
    assert sum(latencies) <= meter.seconds * in_flight


@pytest.mark.parametrize(("how", "in_flight"), [("async", 4), ("blocking", 1), ("blocking", 4)])
@pytest.mark.parametrize("cls", [TruncatingPeer, CorruptingPeer, ForgetfulPeer])
def test_measure_refuses_wrong_bodies(tmp_path: Path, cls: type[Peer], how: str, in_flight: int) -> None:
    with pytest.raises(WrongResultError):
        measure(prepared(tmp_path, cls, how, in_flight), 0.05, 0.01)


def test_peer_without_coroutines_runs_asynchronous_cases_in_threads(tmp_path: Path) -> None:
    seen = set()

    class Blocking(FolderPeer):
        asynchronous = False

        def get(self, key: str) -> bytes:
            seen.add(threading.get_ident())
            return super().get(key)

    measure(prepared(tmp_path, Blocking, "async"), 0.05, 0.01)

    assert threading.get_ident() not in seen
    assert len(seen) > 1


def test_meter_leaves_out_the_computing_thread() -> None:
    with Meter(computing=True) as meter:
        threading.Event().wait(0.3)

    assert meter.seconds >= 0.3
    assert meter.cpu < 0.1


def run(case: str, peer: str, repetition: int, rate: float, **more: Any) -> Mapping[str, Any]:
    return {
        "case": case, "peer": peer, "repetition": repetition, "version": "1", "seconds": 2.0,
        "calls": 2 * rate, "units": 2 * rate, "bytes": 2 * rate * 4096, "cpu": 1.0,
        "resident_before": 1 << 20, "resident_peak": 3 << 20, "latency": {"0.5": 0.001, "0.99": 0.002},
    } | more  # fmt: skip


def test_ratio_is_the_median_of_the_ratios_of_each_repetition() -> None:
    # The machine was twice as slow in the second repetition: ratios don't see it, a ratio of medians would.
    rates = [("obstore", (100, 50, 100)), ("obstore_c", (400, 200, 500))]
    runs = [run("get-4k-x64", peer, n, rate) for peer, each in rates for n, rate in enumerate(each)]

    base, ours = summarise(runs)

    assert base.ratios["units_per_second"] == Spread(1, 1, 1)
    assert ours.ratios["units_per_second"] == Spread(4, 4, 5)
    assert ours.figures["units_per_second"] == Spread(400, 200, 500)
    assert ours.figures["cpu_us_per_unit"] == Spread(1250, 1000, 2500)
    assert ours.figures["rss_growth_mib"] == Spread(2, 2, 2)


def test_failed_run_has_a_reason_instead_of_figures() -> None:
    runs = [
        run("get-4k-x64", "obstore", 0, 100),
        {"case": "get-4k-x64", "peer": "x", "repetition": 0, "failed": "no"},
    ]

    assert summarise(runs)[1].problem == "no"


def test_peers_take_turns_in_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.run._measure", lambda plan, case, peer, endpoint: {"peer": peer})
    plan = Plan(all_cases()[:1], ["a", "b", "c"], 3, 1, 1, False)
    server = Endpoint("http://127.0.0.1:1", "/")

    order = [told["peer"] for told in execute(plan, {"http": server}) if isinstance(told, dict)]

    assert "".join(order) == "abcbcacab"
    assert len(order) == len(plan)


def test_tables_hold_figures_spread_and_conditions() -> None:
    rates = [("obstore", (100, 110)), ("obstore_c", (400, 450))]
    report = {
        "date": "2026-01-01",
        "machine": {"cpu": "a CPU", "cores": 2, "system": "Linux", "python": "3.13.0"},
        "versions": {"obstore": "0.12.1", "nginx": "1.22"},
        "plan": {"repetitions": 2, "seconds": 2.0, "quick": False},
        "runs": [run("get-4k-x64", peer, n, rate) for peer, each in rates for n, rate in enumerate(each)],
    }

    text, short = markdown(report), short_table(report)

    assert "| obstore_c | 425 (400-450) |" in text.replace("\N{EN DASH}", "-")
    assert "get 4 KiB, async, 64 in flight | req/s | 105 (100-110) | 425 (400-450) |" in short.replace(
        "\N{EN DASH}", "-"
    )
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
    for condition in ("a CPU, 2 cores", "obstore 0.12.1", "nginx 1.22", "2026-01-01", "Python 3.13.0"):
        assert condition in text
        assert condition in short


def test_table_replaces_only_what_is_between_the_markers() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    assert replace_between(page, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="the page has no"):
        replace_between("a page", "new")


def test_cases_are_distinct_and_known_to_the_harness() -> None:
    cases = all_cases()

    assert len({case.name for case in cases}) == len(cases)
    assert {case.verb for case in cases} <= set(VERBS)
    assert {case.how for case in cases} == {"async", "blocking"}


@pytest.mark.parametrize("name", names())
def test_adapters_load_without_their_library(name: str) -> None:
    cls = adapter(name)

    assert issubclass(cls, Peer)
    assert cls.distribution


def test_contents_differ_between_objects_and_are_the_same_in_every_run(tmp_path: Path) -> None:
    case = Case("get", "get", "get", "async", 1, 5000, 3)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        fill(tmp_path / name, [case])

    first = [(tmp_path / "one" / "bench" / key_of(5000, n)).read_bytes() for n in range(3)]
    second = [(tmp_path / "two" / "bench" / key_of(5000, n)).read_bytes() for n in range(3)]

    assert first == second
    assert len(set(first)) == 3
    assert {len(body) for body in first} == {5000}
