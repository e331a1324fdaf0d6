"""The parts of the harness that could lie: checks, ratios, order, tables."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import socketserver
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.cases import KIB, Case, all_cases, sweeps
from benchmarks.compare import Spread, summarise
from benchmarks.compiled import NoCompilerError
from benchmarks.load import measure
from benchmarks.meter import Meter
from benchmarks.peers import adapter, names
from benchmarks.peers.base import NotMeasuredError, Peer
from benchmarks.plots import draw
from benchmarks.report import BEGIN, END, load, markdown, replace_between, save, short_table
from benchmarks.run import Plan, execute
from benchmarks.server.endpoint import Endpoint
from benchmarks.server.objects import fill, key_of
from benchmarks.server.proxy import proxy
from benchmarks.work import VERBS, WrongResultError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
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


def report_of(runs: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "date": "2026-01-01",
        "machine": {"cpu": "a CPU", "cores": 2, "system": "Linux", "python": "3.13.0"},
        "versions": {"obstore": "0.12.1", "nginx": "1.22"},
        "plan": {"repetitions": 2, "seconds": 2.0, "quick": False},
        "runs": runs,
    } | more


RATES = [("obstore", (100, 110)), ("obstore_c", (400, 450))]


def test_tables_hold_figures_spread_and_conditions() -> None:
    runs = [run("get-4k-x64", peer, n, rate) for peer, each in RATES for n, rate in enumerate(each)]
    runs.append({"case": "get-4k-x64", "peer": "x", "repetition": 0, "not_measured": "has no head"})
    report = report_of(runs)

    text, short = (make(report).replace("\N{EN DASH}", "-") for make in (markdown, short_table))

    assert "| obstore_c | 425 (400-450) |" in text
    assert "<sub>Not measured: x (has no head).</sub>" in text
    assert (
        "| get 4 KiB, async, 64 in flight | 425 (400-450) req/s | 4.05\N{MULTIPLICATION SIGN} (4-4.09) |"
        " 0.247\N{MULTIPLICATION SIGN} (0.244-0.25) | 1\N{MULTIPLICATION SIGN} |" in short
    )
    for table in (text.partition("### How does throughput grow")[0], short):
        rows = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in rows}) == 1
    for condition in ("a CPU, 2 cores", "obstore 0.12.1", "nginx 1.22", "2026-01-01", "Python 3.13.0"):
        assert condition in text
        assert condition in short


def test_sweeps_are_one_table_each() -> None:
    names = [case.name for case in sweeps.CONCURRENCY.values()]
    runs = [run(name, "obstore", 0, 100 + n) for n, name in enumerate(names)]

    text = markdown(report_of(runs))

    assert "| requests/s | 1 in flight | 2 in flight | " in text
    assert "| obstore | 100 | 101 | 102 | 103 |" in text


def test_later_report_replaces_the_cases_that_it_has(tmp_path: Path) -> None:
    old = report_of([run("get-4k-x1", "obstore", 0, 1), run("get-4k-x64", "obstore", 0, 2)])
    new = report_of([run("get-4k-x64", "obstore", 0, 3)], date="2026-01-02")
    for name, each in (("old", old), ("new", new), ("other", report_of([], machine={}))):
        save(each, tmp_path / name)

    merged = load([tmp_path / "old", tmp_path / "new"])

    assert merged["runs"] == [old["runs"][0], new["runs"][0]]
    assert merged["date"] == "2026-01-02"
    with pytest.raises(ValueError, match="another machine"):
        load([tmp_path / "old", tmp_path / "other"])


def test_pictures_are_drawn_of_what_has_figures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    names = ["get-4k-x64", "get-4k-x1", "get-1g"]
    runs = [run(name, peer, n, rate) for name in names for peer, each in RATES for n, rate in enumerate(each)]
    runs.append({"case": "get-4k-x64", "peer": "pyarrow", "repetition": 0, "not_measured": "no"})

    drawn = draw(report_of(runs), tmp_path)

    assert set(drawn) == {"overview", "small", "large", "latency", "concurrency"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn.values())


def test_nothing_measured_draws_nothing(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    assert draw(report_of([]), tmp_path) == {}


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
def test_adapters_serve_every_case_or_say_why_not(name: str) -> None:
    cls = adapter(name)
    assert issubclass(cls, Peer)
    assert cls.distribution
    if cls.drive is not Peer.drive:
        return
    for case in all_cases():
        with contextlib.suppress(NotMeasuredError):
            cls.check(case)
            assert_serves(cls, case)


def assert_serves(cls: type[Peer], case: Case) -> None:
    if case.verb == "import":
        return
    method = METHODS[case.verb]
    if case.how == "async" and cls.asynchronous:
        method = f"a{method}"
    accepted = {method, method.replace("get_ranges", "get_range")}
    assert any(getattr(cls, each) is not getattr(Peer, each) for each in accepted), (case, method)


METHODS = {verb: verb for verb in VERBS} | {
    "into": "get_into",
    "ranges": "get_ranges",
    "listarrow": "list_arrow",
}


@pytest.fixture
def echo() -> Iterator[Endpoint]:
    """A server that sends back what it gets."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while data := self.request.recv(1 << 16):
                self.request.sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield Endpoint(f"http://127.0.0.1:{server.server_address[1]}", "/")
        server.shutdown()


def through(endpoint: Endpoint, data: bytes) -> tuple[bytes, float]:
    """What comes back, and after how many seconds it is complete."""
    start, found = time.perf_counter(), b""
    with socket.create_connection(("127.0.0.1", int(endpoint.url.rpartition(":")[2])), 10) as connection:
        sender = threading.Thread(target=connection.sendall, args=[data])
        sender.start()
        while len(found) < len(data) and (more := connection.recv(1 << 16)):
            found += more
        sender.join()
        seconds = time.perf_counter() - start
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    return found, seconds


@pytest.mark.parametrize(
    ("options", "size", "least"),
    [({"delay_ms": 60}, 1000, 0.06), ({"upload_rate": 4_000_000}, 800_000, 0.19)],
)
def test_proxy_delays_or_limits_what_goes_to_the_server(
    echo: Endpoint, options: dict[str, int], size: int, least: float
) -> None:
    data = random.Random(1).randbytes(size)
    try:
        with proxy(echo, **options) as endpoint:
            found, seconds = through(endpoint, data)
    except NoCompilerError as reason:
        pytest.skip(str(reason))

    assert found == data
    assert least <= seconds < least + 2


def test_server_that_can_not_be_had_is_a_reason_not_a_failure() -> None:
    plan = Plan([replace(all_cases()[0], server="distant")], ["obstore"], 1, 1, 1, False)

    _, told = execute(plan, {"distant": "no C compiler"})

    assert told == {
        "case": "get-4k-x1",
        "peer": "obstore",
        "not_measured": "no C compiler",
        "repetition": 0,
    }


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
