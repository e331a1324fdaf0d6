"""get_into and reading in parts, for any pattern of sizes, ranges and breaks. No network: see `fake_io`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from obstore_c import exceptions as exc
from obstore_c._ops import body, parallel
from obstore_c._ops import get as getting
from obstore_c._ops.download import download
from unit.fake_io import Answer, FakeIO, Sent, answer, run
from unit.test_body import Server, backend

DATA = bytes(n * 7 % 251 for n in range(20_000))
PART = 1000
FROM = 4 * PART


@pytest.fixture(autouse=True)
def _small() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(getting, "COLLECT_UP_TO", PART)
        patch.setattr(body, "PIECE_SIZE", PART)
        patch.setattr(parallel, "PARALLEL_FROM", FROM)
        patch.setattr(parallel, "PART_SIZE", PART)
        patch.setattr(parallel, "CONNECTIONS", 3)
        yield


class Object(Server):
    """As S3 serves it."""

    def __call__(self, sent: Sent) -> Answer:
        found = super().__call__(sent)
        ranges = {} if self.ignores_ranges else {"Accept-Ranges": "bytes"}
        return Answer(
            found.status, found.body, {**found.headers, **ranges}, cut=found.cut, length=found.length
        )


def served(size: int, cuts: list[int], how: str) -> Object:
    found = Object(DATA[:size], tuple(cuts))
    found.ignores_ranges = how == "ignores ranges"
    found.announces_length = how != "unknown length"
    return found


sizes = st.one_of(st.integers(0, 3 * PART), st.integers(FROM - 2, 12 * PART))
cuts = st.lists(st.integers(0, 1200), max_size=6)
ways = st.sampled_from(["ranges", "ignores ranges", "unknown length"])
options = st.one_of(
    st.none(),
    st.tuples(st.integers(0, 6000), st.integers(1, 8000)).map(lambda span: (span[0], sum(span))),
    st.integers(0, 6000).map(lambda start: {"offset": start}),
    st.integers(1, 8000).map(lambda length: {"suffix": length}),
)


def is_hopeless(how: str, requested: Any) -> bool:
    """The server knows no suffixes, so it has to say at least how long the object is."""
    return how == "unknown length" and requested is not None and "suffix" in requested


def expected(data: bytes, requested: Any) -> bytes:
    if requested is None:
        return data
    if isinstance(requested, tuple):
        return data[requested[0] : requested[1]]
    return data[requested["offset"] :] if "offset" in requested else data[-requested["suffix"] :]


@given(sizes, cuts, ways, options, st.integers(-5, 5000))
def test_get_into_gives_the_bytes_or_says_what_is_missing(
    size: int, cuts: list[int], how: str, requested: Any, more: int
) -> None:
    assume(not is_hopeless(how, requested))
    wanted = expected(DATA[:size], requested)
    buffer = bytearray(max(0, len(wanted) + more))
    io = FakeIO(served(size, cuts, how))
    operation = backend().get_into(io, "k", memoryview(buffer), requested and {"range": requested})
    if requested is not None and not wanted:
        with pytest.raises(exc.GenericError):
            run(operation)
    elif len(wanted) > len(buffer):
        with pytest.raises(ValueError, match="too small"):
            run(operation)
    else:
        assert run(operation) == len(wanted)
        assert buffer[: len(wanted)] == wanted


@given(sizes, cuts, ways, options)
def test_all_other_readers_give_the_same(size: int, cuts: list[int], how: str, requested: Any) -> None:
    wanted = expected(DATA[:size], requested)
    assume(not is_hopeless(how, requested) and (requested is None or wanted))
    for reader in ("collect", "pieces"):
        io = FakeIO(served(size, cuts, how))
        result = run(backend().get(io, "k", requested and {"range": requested}))
        taken: Any = result._take()
        if not hasattr(taken, "collect"):
            assert bytes(taken) == wanted
        elif reader == "collect":
            assert bytes(run(taken.collect(io))) == wanted
        else:
            found = bytearray(len(wanted))
            total = 0
            while (piece := run(taken.read_piece(io))) is not None:
                start, data = piece[0], memoryview(piece[1])
                found[start : start + len(data)] = data
                total += len(data)
            assert found == wanted
            assert total >= len(wanted)


def test_small_object_costs_one_request_that_brings_its_memory() -> None:
    io = FakeIO(Object(DATA[:500]))
    buffer = bytearray(600)
    assert run(backend().get_into(io, "k", memoryview(buffer), None)) == 500
    (sent,) = io.sent
    assert sent.hold_above == 600
    assert not sent.transfer.cancelled


def test_large_object_goes_along_with_its_first_part_only() -> None:
    io = FakeIO(Object(DATA))
    buffer = bytearray(len(DATA))
    assert run(backend().get_into(io, "k", memoryview(buffer), None)) == len(DATA)
    assert buffer == DATA
    assert len(io.sent) == 20
    assert io.sent[0].transfer.cancelled  # the others bring the rest
    assert not any(sent.transfer.cancelled for sent in io.sent[1:])


def test_parts_are_signed_with_fresh_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    store = backend()
    refreshed: list[int] = []
    io = FakeIO(Object(DATA))
    client: Any = store.client

    async def refresh(_: Any) -> None:
        refreshed.append(len(io.sent))

    monkeypatch.setattr(client, "refresh", refresh)
    client.stale_at = 0.0
    result = run(store.get(io, "k", None))
    assert bytes(run(result._take().collect(io))) == DATA
    assert sorted(set(refreshed)) == list(range(20))  # before each of the requests


def test_expired_token_of_a_part_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    store = backend()
    client: Any = store.client
    forgotten: list[bool] = []
    monkeypatch.setattr(client, "forget_credential", lambda: forgotten.append(True) or True)
    real = Object(DATA)

    def expiring(sent: Sent) -> Answer:
        if len(io.sent) in (3, 4):
            return Answer(403, b"<Error><Code>ExpiredToken</Code><Message>m</Message></Error>")
        return real(sent)

    io = FakeIO(expiring)
    result = run(store.get(io, "k", None))
    assert bytes(run(result._take().collect(io))) == DATA
    assert len(forgotten) == 2


@pytest.mark.parametrize("status", [403, 404])
def test_part_that_is_refused(status: int) -> None:
    real = Object(DATA)
    io = FakeIO(lambda sent: answer(status) if len(io.sent) == 5 else real(sent))
    result = run(backend().get(io, "k", None))
    with pytest.raises((FileNotFoundError, exc.PermissionDeniedError)):
        run(result._take().collect(io))
    assert any(sent.transfer.cancelled for sent in io.sent[1:])


def test_read_pieces_again_after_an_error_gives_everything_again() -> None:
    real = Object(DATA)
    io = FakeIO(lambda sent: answer(404) if len(io.sent) == 5 else real(sent))
    taken: Any = run(backend().get(io, "k", None))._take()
    with pytest.raises(FileNotFoundError):
        [run(taken.read_piece(io)) for _ in range(20)]
    found = bytearray(len(DATA))
    while (piece := run(taken.read_piece(io))) is not None:
        data = memoryview(piece[1])
        found[piece[0] : piece[0] + len(data)] = data
    assert found == DATA
    taken.close()
    assert run(taken.read_piece(io)) is None


def test_download_without_a_network(tmp_path: Any) -> None:
    io = FakeIO(Object(DATA))
    meta = run(download(io, backend(), "k", str(tmp_path / "file"), None))
    assert meta["size"] == len(DATA)
    assert (tmp_path / "file").read_bytes() == DATA
