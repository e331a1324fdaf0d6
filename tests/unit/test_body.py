"""Large bodies: streaming, resuming, never mixing two versions. No network: see `fake_io`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obstore_c import exceptions as exc
from obstore_c._ops import body
from obstore_c._ops import get as getting
from obstore_c.store import S3Store
from unit.fake_io import Answer, FakeIO, Sent, answer, broken, run

if TYPE_CHECKING:
    from obstore_c._get import GetResult
    from obstore_c._ops.backend import HttpBackend

DATA = bytes(range(256)) * 64  # 16 KiB


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything longer than 1,000 bytes is a large body."""
    monkeypatch.setattr(getting, "COLLECT_UP_TO", 1000)


def backend(retries: int = 10) -> HttpBackend:
    return S3Store(
        "data", endpoint="https://s3.example.com", skip_signature=True, retry_config={"max_retries": retries}
    )._backend


class Server:
    """One object, served with ranges; `cuts` says after how many bytes each answer breaks off."""

    def __init__(
        self, data: bytes = DATA, cuts: tuple[int | None, ...] = (), etag: str | None = '"v1"'
    ) -> None:
        self.data = data
        self.cuts = list(cuts)
        self.etag = etag
        self.ignores_ranges = False
        self.announces_length = True

    def __call__(self, sent: Sent) -> Answer:
        headers = {"Last-Modified": "Fri, 01 Mar 2024 00:00:00 GMT"}
        if self.etag is not None:
            headers["ETag"] = self.etag
        cut = self.cuts.pop(0) if self.cuts else None
        if sent.headers.get("if-match", self.etag) != self.etag:
            return answer(412)
        length = None if self.announces_length else -1
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", sent.headers.get("range", ""))
        if match is None or self.ignores_ranges:
            return Answer(200, self.data, headers, cut=cut, length=length)
        start, end = int(match[1]), int(match[2] or len(self.data) - 1) + 1
        end = min(end, len(self.data))
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(self.data)}"
        return Answer(206, self.data[start:end], headers, cut=cut, length=length)


def opened(server: Server, options: Any = None, retries: int = 10) -> tuple[FakeIO, GetResult]:
    io = FakeIO(server)
    return io, run(backend(retries).get(io, "k", options))


def chunks_of(io: FakeIO, result: GetResult, size: int) -> list[bytes]:
    source = result._take()
    found = []
    while (chunk := run(source.read_chunk(io, size))) is not None:  # type: ignore[union-attr]
        found.append(chunk)
    return found


def collected(io: FakeIO, result: GetResult) -> bytes:
    return bytes(run(result._take().collect(io)))  # type: ignore[union-attr]


def ranges_of(io: FakeIO) -> list[str | None]:
    return [sent.headers.get("range") for sent in io.sent]


def test_collect() -> None:
    io, result = opened(Server())
    assert (result.meta["size"], result.range) == (len(DATA), (0, len(DATA)))
    assert collected(io, result) == DATA
    assert len(io.sent) == 1
    assert not io.sent[0].transfer.cancelled  # its connection can be used again


@pytest.mark.parametrize("size", [1, 1000, 1024, len(DATA) - 1, len(DATA), len(DATA) + 1])
def test_chunks_have_the_size_asked_for(size: int) -> None:
    io, result = opened(Server())
    chunks = chunks_of(io, result, size)
    assert b"".join(chunks) == DATA
    assert {len(chunk) for chunk in chunks[:-1]} <= {size}
    assert 0 < len(chunks[-1]) <= size
    assert all(type(chunk) is bytes for chunk in chunks)


def test_slow_reader_costs_two_chunks() -> None:
    io, result = opened(Server())
    chunks_of(io, result, 100)
    assert io.sent[0].transfer.most_fed == 2


def test_range_is_streamed() -> None:
    io, result = opened(Server(), {"range": (100, 15000)})
    assert (result.meta["size"], result.range) == (len(DATA), (100, 15000))
    assert b"".join(chunks_of(io, result, 999)) == DATA[100:15000]


@pytest.mark.parametrize(
    ("requested", "part"),
    [
        ((100, 15000), slice(100, 15000)),
        ((0, 5000), slice(0, 5000)),
        ((100, 10**9), slice(100, None)),
        ({"offset": 100}, slice(100, None)),
        ({"suffix": 5000}, slice(-5000, None)),
        ({"suffix": 10**9}, slice(None)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("cut", [None, 50, 7000])
def test_server_that_ignores_ranges(requested: Any, part: slice, cut: int | None) -> None:
    server = Server(cuts=(cut,))
    server.ignores_ranges = True
    io, result = opened(server, {"range": requested})
    assert b"".join(chunks_of(io, result, 999)) == DATA[part]
    server.cuts = [cut]
    io, result = opened(server, {"range": requested})
    assert result.meta["size"] == len(DATA)
    assert collected(io, result) == DATA[part]


def test_surplus_is_not_waited_for() -> None:
    server = Server()
    server.ignores_ranges = True
    io, result = opened(server, {"range": (0, 2000)})
    assert collected(io, result) == DATA[:2000]
    assert io.sent[0].transfer.cancelled


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 5000, len(DATA)])
def test_unknown_length(size: int) -> None:
    server = Server(DATA[:size])
    server.announces_length = False
    io, result = opened(server)
    assert collected(io, result) == DATA[:size] if size > 1000 else bytes(result.bytes()) == DATA[:size]
    if size > 1000:
        io, result = opened(server)
        assert b"".join(chunks_of(io, result, 512)) == DATA[:size]


def test_unknown_length_is_resumed() -> None:
    server = Server(cuts=(5000,))
    server.announces_length = False
    io, result = opened(server)
    assert b"".join(chunks_of(io, result, 512)) == DATA
    assert ranges_of(io) == [None, "bytes=5000-"]


# --- resuming ---------------------------------------------------------------------------------------------


def test_broken_body_is_resumed_where_it_stopped() -> None:
    io, result = opened(Server(cuts=(5000, 0, 3000)))
    assert b"".join(chunks_of(io, result, 999)) == DATA
    assert ranges_of(io) == [None, "bytes=5000-16383", "bytes=5000-16383", "bytes=8000-16383"]
    assert [sent.headers.get("if-match") for sent in io.sent] == [None, '"v1"', '"v1"', '"v1"']


def test_broken_range_is_resumed_within_the_range() -> None:
    io, result = opened(Server(cuts=(50,)), {"range": (100, 5000), "if_none_match": '"x"'})
    assert collected(io, result) == DATA[100:5000]
    assert ranges_of(io) == ["bytes=100-4999", "bytes=150-4999"]
    assert "if-none-match" not in io.sent[1].headers


@given(st.lists(st.integers(0, 6000), max_size=8), st.integers(1, 9000), st.booleans())
def test_any_pattern_of_breaks_gives_the_same_bytes(cuts: list[int], size: int, ignores: bool) -> None:
    server = Server(cuts=tuple(cuts))
    server.ignores_ranges = ignores
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(getting, "COLLECT_UP_TO", 1000)
        io, result = opened(server)
        assert b"".join(chunks_of(io, result, size)) == DATA
        server.cuts = list(cuts)
        io, result = opened(server)
        assert collected(io, result) == DATA


def test_progress_renews_the_budget() -> None:
    io, result = opened(Server(cuts=(1000,) * 15), retries=1)
    assert collected(io, result) == DATA
    assert len(io.sent) == 16


def test_no_progress_uses_it_up() -> None:
    io, result = opened(Server(cuts=(1000,) + (0,) * 20), retries=3)
    with pytest.raises(exc.GenericError, match="connection broke in the middle of the body"):
        collected(io, result)
    assert len(io.sent) == 4


@pytest.mark.parametrize("status", [500, 503])
def test_resuming_survives_a_busy_server(status: int) -> None:
    server = Server(cuts=(5000,))
    io = FakeIO(lambda sent: answer(status) if len(io.sent) == 2 else server(sent))
    result = run(backend().get(io, "k", None))
    assert collected(io, result) == DATA


def test_resuming_survives_a_refused_connection() -> None:
    server = Server(cuts=(5000,))
    io = FakeIO(lambda sent: broken(7) if len(io.sent) == 2 else server(sent))
    result = run(backend().get(io, "k", None))
    assert collected(io, result) == DATA


@pytest.mark.parametrize("checks", [True, False], ids=["if-match", "ignores-if-match"])
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "ignores-ranges"])
def test_changed_object_is_an_error(checks: bool, ranges: bool) -> None:
    server = Server(cuts=(5000,))
    io, result = opened(server)
    server.etag = '"v2"'
    server.ignores_ranges = not ranges
    if not checks:
        real = server.__call__

        def lenient(sent: Sent) -> Answer:
            sent.headers.pop("if-match", None)
            return real(sent)

        io._answers[0] = lenient
    with pytest.raises(exc.PreconditionError, match="was changed while it was being read, after 5000 bytes"):
        collected(io, result)
    assert len(io.sent) == 2


@pytest.mark.parametrize("etag", [None, 'W/"v1"'], ids=["none", "weak"])
def test_without_a_strong_etag_nothing_is_resumed(etag: str | None) -> None:
    io, result = opened(Server(cuts=(5000,), etag=etag))
    with pytest.raises(exc.GenericError, match="broke in the middle"):
        collected(io, result)
    assert len(io.sent) == 1


@pytest.mark.parametrize("etag", [None, 'W/"v1"'], ids=["none", "weak"])
def test_without_an_etag_nothing_is_lost_if_nothing_came(etag: str | None) -> None:
    io, result = opened(Server(cuts=(0,), etag=etag))
    assert collected(io, result) == DATA


def test_gone_while_resuming() -> None:
    server = Server(cuts=(5000,))
    io = FakeIO(lambda sent: answer(404) if len(io.sent) == 2 else server(sent))
    result = run(backend().get(io, "k", None))
    with pytest.raises(FileNotFoundError):
        collected(io, result)


@pytest.mark.parametrize("content_range", [None, "bytes 4000-16383/16384", "nonsense"])
def test_part_that_does_not_continue_is_refused(content_range: str | None) -> None:
    server = Server(cuts=(5000,))
    headers = {"ETag": '"v1"'} | ({} if content_range is None else {"Content-Range": content_range})
    io = FakeIO(lambda sent: Answer(206, DATA[5000:], headers) if len(io.sent) == 2 else server(sent))
    result = run(backend().get(io, "k", None))
    with pytest.raises(exc.GenericError):
        collected(io, result)


def test_object_that_shrank_without_a_new_etag_is_an_error() -> None:
    server = Server(cuts=(5000,))
    io, result = opened(server, retries=2)
    server.data = DATA[:6000]
    with pytest.raises(exc.GenericError):
        collected(io, result)


# --- cancelling and closing -------------------------------------------------------------------------------


class Cancelled(BaseException):
    pass


def test_read_that_was_cancelled_can_be_repeated() -> None:
    io, result = opened(Server())
    taken: Any = result._take()
    first = run(taken.read_chunk(io, 5000))
    io.pausing = True
    reading = taken.read_chunk(io, 5000)
    reading.send(None)
    with pytest.raises(Cancelled):
        reading.throw(Cancelled)
    assert io.sent[0].transfer.cancelled
    io.pausing = False
    rest = []
    while (chunk := run(taken.read_chunk(io, 5000))) is not None:
        rest.append(chunk)
    assert first + b"".join(rest) == DATA
    assert io.sent[1].headers["range"] == "bytes=5000-16383"


def test_close_cancels_and_ends() -> None:
    io, result = opened(Server())
    taken: Any = result._take()
    run(taken.read_chunk(io, 1000))
    taken.close()
    taken.close()
    assert io.sent[0].transfer.cancelled
    assert run(taken.read_chunk(io, 1000)) is None


def test_another_event_loop_goes_on_with_the_same_transfer() -> None:
    io, result = opened(Server())
    taken: Any = result._take()
    first = run(taken.read_chunk(io, 5000))
    other = FakeIO()
    assert run(taken.read_chunk(other, 5000)) == DATA[5000:10000]
    assert first == DATA[:5000]
    assert other.sent == []


def test_results_that_nobody_reads_do_not_keep_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obstore_c._ops.body.PARKED_AT_MOST", len(body._parked) + 2)
    io = FakeIO(Server())
    results = [run(backend().get(io, "k", None)) for _ in range(5)]
    assert [sent.transfer.cancelled for sent in io.sent] == [False, False, True, True, True]
    assert [collected(io, result) for result in results] == [DATA] * 5
    assert ranges_of(io) == [None] * 5 + ["bytes=0-16383"] * 3
    assert all(sent.headers["if-match"] == '"v1"' for sent in io.sent[5:])
    assert [sent.transfer.cancelled for sent in io.sent[5:]] == [False] * 3


@pytest.mark.parametrize("announced", [True, False], ids=["known-length", "unknown-length"])
@pytest.mark.parametrize("ignores", [False, True], ids=["ranges", "no-ranges"])
def test_streams_read_in_turn_do_not_keep_all_connections(
    monkeypatch: pytest.MonkeyPatch, announced: bool, ignores: bool
) -> None:
    monkeypatch.setattr("obstore_c._ops.body.PARKED_AT_MOST", len(body._parked) + 2)
    server = Server()
    server.announces_length, server.ignores_ranges = announced, ignores
    io = FakeIO(server)
    streams: list[Any] = [run(backend().get(io, "k", None))._take() for _ in range(5)]
    found = [b""] * 5
    for _ in range(5):
        for i, stream in enumerate(streams):
            found[i] += run(stream.read_chunk(io, 5000)) or b""
            kept = sum(each._transfer is not None and not each._over for each in streams)
            assert kept <= 2
    assert found == [DATA] * 5


def test_result_that_is_dropped_makes_room() -> None:
    before = len(body._parked)
    _, result = opened(Server())
    assert len(body._parked) == before + 1
    del result
    assert len(body._parked) == before


@pytest.mark.parametrize("known", [True, False], ids=["known-length", "unknown-length"])
def test_result_without_an_etag_keeps_its_connection(monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    monkeypatch.setattr("obstore_c._ops.body.PARKED_AT_MOST", 0)
    for etag in (None, '"v1"'):
        server = Server(etag=etag)
        server.announces_length = known
        io, result = opened(server)
        assert io.sent[0].transfer.cancelled is (etag is not None)
        assert collected(io, result) == DATA


# --- small bodies that broke ------------------------------------------------------------------------------


def test_collected_body_that_broke_is_completed() -> None:
    data = DATA[:900]
    io, result = opened(Server(data, cuts=(400, 100)))
    assert bytes(result.bytes()) == data
    assert ranges_of(io) == [None, "bytes=400-899", "bytes=500-899"]
    assert result.meta["size"] == 900
    assert result.meta["e_tag"] == '"v1"'


def test_collected_range_that_broke_is_completed() -> None:
    io = FakeIO(Server(cuts=(40,)))
    assert bytes(run(backend().get_range(io, "k", 1000, 1200))) == DATA[1000:1200]
    assert ranges_of(io) == ["bytes=1000-1199", "bytes=1040-1199"]


def test_collected_body_without_an_etag_starts_over() -> None:
    io, result = opened(Server(DATA[:900], cuts=(400,), etag=None))
    assert bytes(result.bytes()) == DATA[:900]
    assert ranges_of(io) == [None, None]


def test_collected_body_that_broke_and_changed_is_an_error() -> None:
    server = Server(DATA[:900], cuts=(400,))
    io = FakeIO(lambda sent: answer(412) if len(io.sent) == 2 else server(sent))
    with pytest.raises(exc.PreconditionError, match="after 400 bytes"):
        run(backend().get(io, "k", None))
