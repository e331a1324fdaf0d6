"""get, get_range, get_ranges, head over HTTP: which bytes an answer holds. No network: see `fake_io`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obstore_c import exceptions as exc
from obstore_c._ops import get as getting
from obstore_c._ops.get import merge
from obstore_c.store import S3Store
from unit.fake_io import Answer, FakeIO, Sent, answer, run
from unit.test_body import Server

DATA = b"hello world"


def backend(**config: Any) -> Any:
    options = {
        "skip_signature": True,
        "endpoint": "https://s3.example.com",
        "retry_config": {"max_retries": 0},
    }
    return S3Store("data", **(options | config))._backend


def test_get_reads_meta_and_attributes_from_the_headers() -> None:
    headers = {
        "ETag": '"v1"',
        "Last-Modified": "Fri, 01 Mar 2024 01:02:03 GMT",
        "x-amz-version-id": "v7",
        "Content-Type": "text/plain",
        "CACHE-CONTROL": "no-store",
        "X-Amz-Meta-Author": "b\u00c3\u00a9a",  # UTF-8, read as latin-1
        "x-amz-storage-class": "GLACIER",
        "x-amz-request-id": "1",
    }
    result = run(backend().get(FakeIO(Answer(200, DATA, headers)), "k", None))
    assert result.meta == {
        "path": "k",
        "last_modified": datetime(2024, 3, 1, 1, 2, 3, tzinfo=UTC),
        "size": 11,
        "e_tag": '"v1"',
        "version": "v7",
    }
    assert result.attributes == {"Content-Type": "text/plain", "Cache-Control": "no-store", "author": "béa"}
    assert result.range == (0, 11)
    assert bytes(result.bytes()) == DATA


def test_get_without_any_of_the_headers() -> None:
    result = run(backend().get(FakeIO(answer(200, DATA)), "k", None))
    assert result.meta == {
        "path": "k",
        "last_modified": datetime(1970, 1, 1, tzinfo=UTC),
        "size": 11,
        "e_tag": None,
        "version": None,
    }


def test_get_with_the_option_head() -> None:
    io = FakeIO(Answer(200, DATA, {"ETag": '"v1"'}))
    result = run(backend().get(io, "k", {"head": True}))
    assert io.sent[0].method == "HEAD"
    assert result.meta["size"] == 11
    assert bytes(result.bytes()) == b""


def test_head() -> None:
    io = FakeIO(Answer(200, DATA, {"ETag": '"v1"', "Last-Modified": "Fri, 01 Mar 2024 01:02:03 GMT"}))
    assert run(backend().head(io, "k"))["size"] == 11
    assert (io.sent[0].method, io.sent[0].hold_above) == ("HEAD", -1)


RANGES: list[tuple[Any, bytes]] = [
    ((0, 5), b"hello"),
    ((6, 11), b"world"),
    ((6, 100), b"world"),
    ([1, 2], b"e"),
    ({"offset": 6}, b"world"),
    ({"suffix": 5}, b"world"),
    ({"suffix": 50}, DATA),
    ((0, 11), DATA),
]
OUTSIDE: list[Any] = [(11, 12), (50, 60), {"offset": 11}]


def whole(_: Sent) -> Answer:
    return answer(200, DATA)


def partial(sent: Sent) -> Answer:
    value = sent.headers["range"].removeprefix("bytes=")
    if value.startswith("-"):
        value = f"{max(0, len(DATA) - int(value[1:]))}-"
    first, _, last = value.partition("-")
    start, end = int(first), min(len(DATA), int(last) + 1) if last else len(DATA)
    if start >= end:
        return answer(416)
    return answer(206, DATA[start:end], content_range=f"bytes {start}-{end - 1}/{len(DATA)}")


def partial_with_200(sent: Sent) -> Answer:
    found = partial(sent)
    return found if found.status == 416 else Answer(200, found.body, found.headers)


@pytest.mark.parametrize("server", [whole, partial, partial_with_200])
@pytest.mark.parametrize(("requested", "expected"), RANGES, ids=repr)
def test_range_gives_the_right_bytes_from_any_server(server: Any, requested: Any, expected: bytes) -> None:
    result = run(backend().get(FakeIO(server), "k", {"range": requested}))
    assert bytes(result.bytes()) == expected
    start = DATA.index(expected)
    assert result.range == (start, start + len(expected))
    assert result.meta["size"] == 11


@pytest.mark.parametrize("server", [whole, partial, partial_with_200])
@pytest.mark.parametrize("requested", OUTSIDE, ids=repr)
def test_range_outside_is_an_error_from_any_server(server: Any, requested: Any) -> None:
    with pytest.raises(exc.GenericError):
        run(backend().get(FakeIO(server), "k", {"range": requested}))


def test_suffix_of_an_empty_object_is_an_error() -> None:
    with pytest.raises(exc.GenericError):
        run(backend().get(FakeIO(answer(200, b"")), "k", {"range": {"suffix": 3}}))


@pytest.mark.parametrize(
    "wrong",
    [
        answer(206, b"ell", content_range="bytes 1-3/11"),
        answer(206, b"hell", content_range="bytes 0-3/11"),
        answer(206, b"hello"),
        answer(206, b"hello", content_range="nonsense"),
        answer(206, b"hell", content_range="bytes 0-4/11"),
        answer(206, b"hello!", content_range="bytes 0-3/11"),
        answer(200, b""),
    ],
    ids=lambda wrong: f"{wrong.body!r} {wrong.headers}",
)
def test_wrong_range_is_never_passed_on(wrong: Answer) -> None:
    with pytest.raises(exc.GenericError):
        bytes(run(backend().get(FakeIO(wrong), "k", {"range": (0, 5)})).bytes())
    with pytest.raises(exc.GenericError):
        run(backend().get_range(FakeIO(wrong), "k", 0, 5))


def test_part_of_an_object_when_all_was_asked_for() -> None:
    with pytest.raises(exc.GenericError, match="a part"):
        run(backend().get(FakeIO(answer(206, b"he", content_range="bytes 0-1/11")), "k", {"version": "1"}))


def test_range_of_unknown_total() -> None:
    io = FakeIO(answer(206, b"hello", content_range="bytes 0-4/*"))
    assert bytes(run(backend().get_range(io, "k", 0, 5))) == b"hello"


@pytest.mark.parametrize("server", [whole, partial, partial_with_200])
@pytest.mark.parametrize(("start", "end"), [(0, 5), (6, 11), (6, 100), (0, 11)])
def test_get_range(server: Any, start: int, end: int) -> None:
    io = FakeIO(server)
    assert bytes(run(backend().get_range(io, "k", start, end))) == DATA[start:end]
    assert io.sent[0].hold_above == end - start


@pytest.mark.parametrize("server", [whole, partial, partial_with_200])
def test_get_range_outside(server: Any) -> None:
    with pytest.raises(exc.GenericError):
        run(backend().get_range(FakeIO(server), "k", 11, 12))


# --- get_ranges -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ranges", "coalesce", "merged"),
    [
        ([], 10, []),
        ([(0, 2), (2, 4)], 0, [(0, 2, [0]), (2, 4, [1])]),
        ([(0, 2), (0, 2)], 0, [(0, 2, [0]), (0, 2, [1])]),
        ([(0, 2), (2, 4)], 1, [(0, 4, [0, 1])]),
        ([(0, 2), (12, 14)], 10, [(0, 14, [0, 1])]),
        ([(0, 2), (13, 14)], 10, [(0, 2, [0]), (13, 14, [1])]),
        ([(12, 14), (0, 2)], 10, [(0, 14, [1, 0])]),
        ([(0, 100), (10, 20), (150, 160)], 10, [(0, 100, [0, 1]), (150, 160, [2])]),
        ([(0, 100), (10, 20), (105, 160)], 10, [(0, 160, [0, 1, 2])]),
    ],
)
def test_merge(ranges: Any, coalesce: int, merged: Any) -> None:
    assert merge(ranges, coalesce) == merged


spans = st.tuples(st.integers(0, 300), st.integers(1, 80)).map(lambda span: (span[0], span[0] + span[1]))


@given(st.lists(spans, max_size=30), st.sampled_from([0, 1, 20, 1000]), st.booleans())
def test_get_ranges_gives_what_slicing_gives(
    ranges: list[tuple[int, int]], coalesce: int, ignores: bool
) -> None:
    data = bytes(range(256))
    server = Server(data)
    server.ignores_ranges = ignores
    io = FakeIO(server)
    operation = backend().get_ranges(io, "k", ranges, coalesce)
    if any(start >= len(data) for start, _ in ranges):
        with pytest.raises(exc.GenericError):
            run(operation)
    else:
        assert [bytes(part) for part in run(operation)] == [data[start:end] for start, end in ranges]
        assert len(io.sent) == len(merge(ranges, coalesce))


def test_get_ranges_starts_a_bounded_number_and_cancels_the_rest() -> None:
    io = FakeIO(lambda _: answer(404))
    with pytest.raises(FileNotFoundError):
        run(backend().get_ranges(io, "k", [(n, n + 1) for n in range(1000)], 0))
    assert len(io.sent) == getting.RANGES_IN_FLIGHT
    assert all(sent.transfer.cancelled for sent in io.sent)


def test_small_part_does_not_keep_the_whole_alive() -> None:
    from obstore_c._lib.buffer import Bytes

    whole_body = Bytes(bytes(10_000_000))
    part = getting.part_of(whole_body, 5, 1_000_000)
    view = memoryview(whole_body)
    del whole_body
    import gc

    assert bytes(part) == bytes(view[5:1_000_000])
    del view
    gc.collect()
    assert len(part) == 999_995


def test_conditions_become_headers() -> None:
    moment = datetime(2024, 3, 1, 2, 3, 4, tzinfo=UTC)
    options = {
        "if_match": '"a"',
        "if_none_match": '"b", "c"',
        "if_modified_since": moment,
        "if_unmodified_since": moment,
        "version": "a b/+é",
    }
    io = FakeIO(answer(200, DATA))
    run(backend().get(io, "k", options))
    assert io.sent[0].headers == {
        "if-match": '"a"',
        "if-none-match": '"b", "c"',
        "if-modified-since": "Fri, 01 Mar 2024 02:03:04 GMT",
        "if-unmodified-since": "Fri, 01 Mar 2024 02:03:04 GMT",
    }
    assert io.sent[0].query == "versionId=a%20b%2F%2B%C3%A9"


@pytest.mark.parametrize(
    ("status", "kind"), [(304, exc.NotModifiedError), (412, exc.PreconditionError), (404, FileNotFoundError)]
)
def test_conditions_that_do_not_hold(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        run(backend().get(FakeIO(answer(status)), "k", {"if_match": "x"}))
