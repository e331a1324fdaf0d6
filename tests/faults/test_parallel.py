"""Large objects over several connections: every byte in its place, whatever the server does, or an error."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from engine.support import eventually, soon
from faults.reading import CONNECTIONS, FROM, KIB, PART, READERS, Object, content, first_byte, once_at, shrink
from obstore_c import exceptions as exc
from obstore_c._lib import engine
from obstore_c._ops import parallel
from servers.faults import Reply, Request, error, ok, reset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servers.faults import FaultServer

    from .conftest import Call, MakeStore

DATA = content(6 * PART + 12_000)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


@pytest.fixture(params=READERS)
def read(request: pytest.FixtureRequest, call: Call, make_store: MakeStore, tmp_path: Path) -> Any:
    """Read the object `k` in one of the ways, blocking or with asyncio: `read(options)`."""

    def read(options: Any = None) -> bytes:
        found: bytes = READERS[request.param](call, make_store(), tmp_path, options)
        return found

    return read


def ranges(server: FaultServer) -> list[str | None]:
    return sorted(((each.header("range")) for each in server.requests), key=lambda value: value or "")


SIZES = [0, 1, PART - 1, PART, PART + 1, 2 * PART, FROM - 1, FROM, FROM + 1, FROM + PART - 1, FROM + PART]


@pytest.mark.parametrize("size", [*SIZES, FROM + PART + 1, 9 * PART + 5, 40 * PART])
def test_every_byte_is_right(fault_server: FaultServer, read: Any, size: int) -> None:
    fault_server.script(Object(content(size)))
    assert read() == content(size)
    parts = -(-size // PART) if size >= FROM else 1
    assert len(fault_server.requests) == parts
    first, *others = fault_server.requests
    assert (first.header("range"), first.header("if-match")) == (None, None)
    assert all(each.header("if-match") == '"v1"' for each in others)
    assert len({each.header("range") for each in others}) == parts - 1


RANGES: list[tuple[Any, slice]] = [
    ((0, FROM), slice(0, FROM)),
    ((7, 5 * PART + 3), slice(7, 5 * PART + 3)),
    ((100, 10**9), slice(100, None)),
    ({"offset": 5}, slice(5, None)),
    ({"suffix": FROM + 1}, slice(-FROM - 1, None)),
    ((7, FROM), slice(7, FROM)),
    ({"offset": len(DATA) - 10}, slice(-10, None)),
]


@pytest.mark.parametrize("requested", RANGES, ids=lambda each: str(each[0]))
@pytest.mark.parametrize("kind", ["206", "200 with Content-Range", "ignored", "chunked"])
def test_ranges_of_large_objects(fault_server: FaultServer, read: Any, requested: Any, kind: str) -> None:
    served = Object(DATA)
    served.flaws.append(
        {
            "206": lambda request, reply, number: reply,
            "200 with Content-Range": lambda request, reply, number: replace(reply, status=200),
            "ignored": lambda request, reply, number: whole(reply),
            "chunked": lambda request, reply, number: replace(reply, chunked=True, piece=5000),
        }[kind]
    )
    fault_server.script(served)
    option, part = requested
    assert read({"range": option}) == DATA[part]


def whole(reply: Reply) -> Reply:
    """As a server answers that knows no ranges."""
    headers = {name: value for name, value in reply.headers.items() if name != "content-range"}
    return replace(reply, status=200, body=DATA, headers=headers)


@pytest.mark.parametrize("size", [FROM, FROM + 1, 5 * PART, 10**9])
def test_get_range(fault_server: FaultServer, make_store: MakeStore, call: Call, size: int) -> None:
    fault_server.script(Object(DATA))
    assert bytes(call(make_store(), "get_range", "k", start=11, length=size)) == DATA[11 : 11 + size]
    assert fault_server.most_in_flight <= CONNECTIONS + 1
    if size < len(DATA):
        assert len(fault_server.requests) == -(-size // PART)


def test_get_ranges_of_which_some_are_large(
    fault_server: FaultServer, make_store: MakeStore, call: Call
) -> None:
    fault_server.script(Object(DATA))
    starts, ends = [0, 5, 10, 3, 0], [FROM, len(DATA), 20, 5 * PART, 10**9]
    found = call(make_store(), "get_ranges", "k", starts=starts, ends=ends, coalesce=0)
    assert [bytes(each) for each in found] == [DATA[a:b] for a, b in zip(starts, ends, strict=True)]


# --- parts that fail --------------------------------------------------------------------------------------

REPAIRED: dict[str, Callable[[Reply], Reply]] = {
    "503": lambda reply: error(503, "SlowDown"),
    "500": lambda reply: error(500, "InternalError"),
    "429": lambda reply: error(429, "TooManyRequests", retry_after="0"),
    "reset": lambda reply: reset(),
    "reset in the middle": lambda reply: replace(
        reply, body=reply.body[: 10 * KIB], length=len(reply.body), end="reset", piece=5 * KIB, pause=0.02
    ),
    "broken off": lambda reply: replace(
        reply, body=reply.body[: 10 * KIB], length=len(reply.body), end="close"
    ),
    "too short": lambda reply: replace(reply, body=reply.body[:-1], end="close", length=-1),
    "shorter range": lambda reply: shorter(reply),
    "empty": lambda reply: replace(reply, body=b"", length=len(reply.body), end="close"),
}


def shorter(reply: Reply) -> Reply:
    """A server may send less of a range than was asked for."""
    if "content-range" not in reply.headers:
        return reply
    span, _, total = reply.headers["content-range"].partition("/")
    start = int(span.removeprefix("bytes ").partition("-")[0])
    headers = {**reply.headers, "content-range": f"bytes {start}-{start + 4999}/{total}"}
    return replace(reply, body=reply.body[:5000], headers=headers)


@pytest.mark.parametrize("at", [0, PART, 3 * PART, 6 * PART], ids=["first", "second", "middle", "last"])
@pytest.mark.parametrize("fault", REPAIRED)
def test_part_that_fails_is_repaired(fault_server: FaultServer, read: Any, fault: str, at: int) -> None:
    served = Object(DATA)
    if fault == "too short" and at == 0:
        at = PART  # nothing of the first answer but its length says that it is
    served.flaws.append(once_at(at, REPAIRED[fault]))
    fault_server.script(served)
    assert read() == DATA
    expected = 7 + (fault != "shorter range" or at > 0)
    # What broke before anybody saw that it is large is resumed over one connection.
    assert len(fault_server.requests) in ({expected, 2} if at == 0 else {expected})


@pytest.mark.parametrize("at", [PART, 3 * PART])
def test_broken_part_goes_on_where_it_stopped(fault_server: FaultServer, read: Any, at: int) -> None:
    served = Object(DATA)
    served.flaws.append(once_at(at, REPAIRED["broken off"]))
    fault_server.script(served)
    assert read() == DATA
    (again,) = [each for each in fault_server.requests if first_byte(each) == at + 10 * KIB]
    assert again.header("range") == f"bytes={at + 10 * KIB}-{at + PART - 1}"
    assert again.header("if-match") == '"v1"'


def test_every_part_fails_in_its_own_way(fault_server: FaultServer, read: Any) -> None:
    served = Object(DATA)
    faults = [fault for name, fault in REPAIRED.items() if name != "too short"]
    served.flaws = [once_at(number * PART, faults[number]) for number in range(7)]
    fault_server.script(served)
    assert read() == DATA


def test_part_that_never_works_ends_it(fault_server: FaultServer, read: Any) -> None:
    served = Object(DATA)

    def flaw(request: Request, reply: Reply, number: int) -> Reply:
        return error(500, "InternalError") if first_byte(request) == 3 * PART else reply

    served.flaws.append(flaw)
    fault_server.script(served)
    with pytest.raises(exc.GenericError, match="InternalError"):
        read()


def test_object_that_was_deleted_meanwhile(fault_server: FaultServer, read: Any) -> None:
    served = Object(DATA)
    served.flaws.append(lambda request, reply, number: error(404, "NoSuchKey") if number else reply)
    fault_server.script(served)
    with pytest.raises(FileNotFoundError):
        read()


# --- versions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checks", [True, False], ids=["if-match", "ignores-if-match"])
@pytest.mark.parametrize("after", [1, 2, 5])
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "ignores-ranges"])
def test_changed_object_is_an_error_and_never_a_mixture(
    fault_server: FaultServer, read: Any, checks: bool, after: int, ranges: bool
) -> None:
    served = Object(DATA)
    served.checks_if_match = checks
    changed = Object(bytes(len(DATA)), etag='"v2"')
    changed.checks_if_match = checks

    def answer(request: Request) -> Reply:
        version = served if len(fault_server.requests) <= after else changed
        reply = version(request)
        return reply if ranges or reply.status != 206 else replace(whole(reply), body=version.data)

    fault_server.script(answer)
    if not ranges and after == 5:  # by then one connection may have begun to read all of it
        with contextlib.suppress(exc.PreconditionError):
            assert read() == DATA
        return
    with pytest.raises(exc.PreconditionError, match="was changed while it was being read"):
        read()


@pytest.mark.parametrize("etag", [None, 'W/"v1"'], ids=["none", "weak"])
def test_without_a_strong_etag_one_connection(fault_server: FaultServer, read: Any, etag: str | None) -> None:
    fault_server.script(Object(DATA, etag))
    assert read() == DATA
    assert len(fault_server.requests) == 1


def test_without_accept_ranges_one_connection(fault_server: FaultServer, read: Any) -> None:
    served = Object(DATA)
    served.flaws.append(
        lambda request, reply, number: replace(
            reply, headers={name: value for name, value in reply.headers.items() if name != "accept-ranges"}
        )
    )
    fault_server.script(served)
    assert read() == DATA
    assert len(fault_server.requests) == 1


# --- servers with ways of their own -----------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 2, 4])
def test_server_that_ignores_ranges_is_read_over_one_connection(
    fault_server: FaultServer, read: Any, after: int
) -> None:
    served = Object(DATA)
    served.flaws.append(lambda request, reply, number: whole(reply) if number >= after else reply)
    fault_server.script(served)
    assert read() == DATA


def test_status_200_with_the_range_asked_for(fault_server: FaultServer, read: Any) -> None:
    served = Object(DATA)
    served.flaws.append(lambda request, reply, number: replace(reply, status=200))
    fault_server.script(served)
    assert read() == DATA
    assert len(fault_server.requests) == 7


def test_parts_of_unknown_length(fault_server: FaultServer, read: Any) -> None:
    served = Object(DATA)
    served.flaws.append(
        lambda request, reply, number: replace(reply, chunked=True, piece=5000) if number else reply
    )
    fault_server.script(served)
    assert read() == DATA


def test_server_that_sends_more_than_the_range(fault_server: FaultServer, read: Any) -> None:
    served = Object(DATA)
    served.flaws.append(
        lambda request, reply, number: replace(reply, body=reply.body + bytes(100_000)) if number else reply
    )
    fault_server.script(served)
    assert read() == DATA


@pytest.mark.parametrize("value", ["bytes 0-16383/110304", "nonsense", None])
def test_server_that_sends_another_range(fault_server: FaultServer, read: Any, value: str | None) -> None:
    served = Object(DATA)

    def flaw(request: Request, reply: Reply, number: int) -> Reply:
        if first_byte(request) != 2 * PART:
            return reply
        headers = {name: each for name, each in reply.headers.items() if name != "content-range"}
        return replace(reply, headers=headers | ({"content-range": value} if value else {}))

    served.flaws.append(flaw)
    fault_server.script(served)
    with pytest.raises(exc.GenericError):
        read()


# --- how much at a time -----------------------------------------------------------------------------------


def test_no_more_connections_than_allowed(fault_server: FaultServer, read: Any) -> None:
    served = Object(content(20 * PART))
    served.flaws.append(lambda request, reply, number: replace(reply, delay=0.02))
    fault_server.script(served)
    assert read() == served.data
    assert fault_server.most_in_flight == CONNECTIONS


async def test_all_objects_together_share_the_connections(
    fault_server: FaultServer, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "CONNECTIONS_IN_ALL", len(parallel._under_way) + 6)
    served = Object(content(20 * PART))
    served.flaws.append(lambda request, reply, number: replace(reply, delay=0.01) if number else reply)
    fault_server.script(served)
    store = make_store()
    results = [await store.get_async("k") for _ in range(4)]
    bodies = await asyncio.gather(*(result.bytes_async() for result in results))
    assert all(bytes(each) == served.data for each in bodies)
    assert fault_server.most_in_flight <= 6 + 3 + 4  # and the first answers, which are there already
    assert len(parallel._under_way) == parallel.CONNECTIONS_IN_ALL - 6


def test_connections_are_used_again(fault_server: FaultServer, read: Any) -> None:
    fault_server.script(Object(content(40 * PART)))
    read()
    assert fault_server.connections <= CONNECTIONS + 2


# --- cancelling -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("after", [0, 1, 3, 5])
async def test_cancelled_read_leaves_nothing_behind(
    fault_server: FaultServer, make_store: MakeStore, tmp_path: Path, name: str, after: int
) -> None:
    store = make_store()
    served = Object(DATA)

    def flaw(request: Request, reply: Reply, number: int) -> Reply:
        if number < after:
            return reply
        return replace(reply, body=reply.body[:5000], length=len(reply.body), end="hang")

    served.flaws.append(flaw)
    fault_server.script(served)
    slabs, parts = engine.stats()["slabs"], len(parallel._under_way)
    buffer = bytearray(len(DATA))

    async def read() -> Any:
        if name == "bytes":
            return await (await store.get_async("k")).bytes_async()
        if name == "get_into":
            return await store.get_into_async("k", buffer)
        return await store.download_async("k", tmp_path / "file")

    task = asyncio.create_task(read())
    assert await soon(lambda: len(fault_server.requests) >= min(after + 1, CONNECTIONS))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    seen = bytes(buffer)
    buffer.append(0)  # nobody holds it any more
    assert os.listdir(tmp_path) == []
    await asyncio.sleep(0.02)
    assert buffer[:-1] == seen
    assert len(parallel._under_way) == parts
    del task
    assert await soon(lambda: engine.stats()["slabs"] <= slabs)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGALRM")
@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("after", [0, 1, 5])
def test_interrupted_read_leaves_nothing_behind(
    fault_server: FaultServer, make_store: MakeStore, tmp_path: Path, name: str, after: int
) -> None:
    served = Object(DATA)
    served.flaws.append(
        lambda request, reply, number: (
            replace(reply, body=reply.body[:5000], length=len(reply.body), end="hang")
            if number >= after
            else reply
        )
    )
    fault_server.script(served)
    store = make_store()
    slabs, parts = engine.stats()["slabs"], len(parallel._under_way)
    buffer = bytearray(len(DATA))
    calls = {
        "bytes": lambda: store.get("k").bytes(),
        "get_into": lambda: store.get_into("k", buffer),
        "download": lambda: store.download("k", tmp_path / "file"),
    }
    with _interrupted_after(0.3), pytest.raises(KeyboardInterrupt) as caught:
        calls[name]()
    ended = time.monotonic()
    seen = bytes(buffer)
    buffer.append(0)  # although the traceback is alive
    assert os.listdir(tmp_path) == []
    time.sleep(0.05)
    assert buffer[:-1] == seen
    assert len(parallel._under_way) == parts
    assert ended - caught.value.args[0] < 1.0  # meant is a tenth of that; the machine may be busy
    del caught
    assert eventually(lambda: engine.stats()["slabs"] <= slabs)


@contextlib.contextmanager
def _interrupted_after(seconds: float) -> Iterator[None]:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt(time.monotonic())

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_threads_that_read_at_once(fault_server: FaultServer, make_store: MakeStore) -> None:
    fault_server.script(Object(DATA))
    store = make_store()
    found: list[bool] = []

    def work() -> None:
        for _ in range(3):
            buffer = bytearray(len(DATA))
            found.append(store.get_into("k", buffer) == len(DATA) and buffer == DATA)
            found.append(bytes(store.get("k").bytes()) == DATA)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 36


def test_result_goes_on_in_another_thread_and_in_a_loop(
    fault_server: FaultServer, make_store: MakeStore
) -> None:
    fault_server.script(Object(DATA))
    store = make_store()

    async def finish(result: Any) -> bytes:
        return bytes(await result.bytes_async())

    async def begin() -> Any:
        return await store.get_async("k")

    assert asyncio.run(finish(store.get("k"))) == DATA
    assert bytes(asyncio.run(begin()).bytes()) == DATA
    found: list[bytes] = []
    result = store.get("k")
    thread = threading.Thread(target=lambda: found.append(bytes(result.bytes())))
    thread.start()
    thread.join()
    assert found == [DATA]


def test_taken_bytes_are_not_kept_alive_by_the_result(
    fault_server: FaultServer, make_store: MakeStore
) -> None:
    fault_server.script(lambda request: ok(bytes(10_000), etag='"x"'))
    before = engine.stats()["slabs"]
    result = make_store().get("k")
    body = result.bytes()
    assert engine.stats()["slabs"] == before + 1
    del body
    assert engine.stats()["slabs"] == before
    assert result.meta["size"] == 10_000


def test_all_bytes_need_one_slab_of_their_size(
    fault_server: FaultServer, make_store: MakeStore, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    real = parallel.Slab

    def slab(size: int) -> Any:
        sizes.append(size)
        return real(size)

    monkeypatch.setattr(parallel, "Slab", slab)
    fault_server.script(Object(DATA))
    slabs = engine.stats()["slabs"]
    store = make_store()
    body = call(call(store, "get", "k"), "bytes")
    assert sizes == [len(DATA)]
    assert engine.stats()["slabs"] == slabs + 1
    del body
    call(store, "get_into", "k", bytearray(len(DATA)))
    assert sizes == [len(DATA)]


@pytest.mark.parametrize("fault", ["slow", "503"])
def test_slow_or_failed_part_does_not_hold_up_the_others(
    fault_server: FaultServer, read: Any, fault: str
) -> None:
    served = Object(content(20 * PART))
    answered: list[int] = []

    def flaw(request: Request, reply: Reply, number: int) -> Reply:
        start = first_byte(request) or 0
        answered.append(start // PART)
        if start != 2 * PART or answered.count(2) > 1:
            return reply
        return (
            replace(error(503, retry_after="0.3"), delay=0) if fault == "503" else replace(reply, delay=0.3)
        )

    served.flaws.append(flaw)
    fault_server.script(served)
    started = time.monotonic()
    assert read() == served.data
    assert time.monotonic() - started > 0.29
    if fault == "503":
        assert answered[-1] == 2
    else:
        times = {first_byte(each) or 0: each.time for each in fault_server.requests}
        assert max(times.values()) - times[2 * PART] < 0.25  # the last one was asked for while it was awaited
