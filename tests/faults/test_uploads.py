"""Uploads in parts over real sockets, to a server that fails: what it does, and what must come of it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from random import Random
from typing import TYPE_CHECKING, Any

import obstore.store
import pytest

from obstore_c import exceptions as exc
from obstore_c._lib.engine import stats
from servers.faults import Reply, closed, error, hang, ok, reset
from servers.uploads import Bucket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from servers.faults import FaultServer, Request

    from .conftest import Call, MakeStore

PART = 100_000
DATA = bytes(range(256)) * 2_000  # six parts, the last of them short
OPTIONS: dict[str, Any] = {"use_multipart": True, "chunk_size": PART}


@pytest.fixture
def bucket(fault_server: FaultServer) -> Iterator[Bucket]:
    """Answers everything; afterwards no upload may be left."""
    bucket = Bucket()
    fault_server.script(bucket)
    yield bucket
    assert not bucket.uploads, "an upload was left behind"


def pieces(size: int = 7_001) -> Iterator[bytes]:
    for start in range(0, len(DATA), size):
        yield DATA[start : start + size]


PASSING: dict[str, tuple[str, list[Any]]] = {
    "create: 503": ("create", [error(503, "SlowDown")]),
    "create: reset": ("create", [reset()]),
    "create: error inside 200": ("create", [ok(b"<Error><Code>InternalError</Code></Error>")]),
    "part: 503 twice": ("part 3", [error(503, "SlowDown"), error(503, "SlowDown")]),
    "part: 500": ("part 6", [error(500, "InternalError")]),
    "part: reset": ("part 1", [reset()]),
    "part: closed": ("part 2", [closed()]),
    "part: reset, then 500": ("part 2", [reset(), error(500)]),
    "complete: 503": ("complete", [error(503, "SlowDown")]),
    "complete: reset": ("complete", [reset()]),
    "complete: error inside 200": ("complete", [ok(b"  <Error><Code>InternalError</Code></Error>")]),
    "complete: cut": ("complete", [Reply(200, b"<?xml", length=100, end="close")]),
}


@pytest.mark.parametrize("kind", ["buffer", "iterator"])
@pytest.mark.parametrize("fault", PASSING)
def test_fault_that_passes(bucket: Bucket, make_store: MakeStore, call: Call, fault: str, kind: str) -> None:
    step, replies = PASSING[fault]
    bucket.fail(step, *replies)
    result = call(make_store(), "put", "k", DATA if kind == "buffer" else pieces(), **OPTIONS)
    assert bucket.objects["/data/k"].data == DATA
    assert result == {"e_tag": bucket.objects["/data/k"].e_tag, "version": None}
    assert bucket.seen.count(step) == len(replies) + 1
    assert "abort" not in bucket.seen


LASTING: dict[str, tuple[str, Any, type[Exception], str]] = {
    "create: 403": ("create", error(403, "AccessDenied"), exc.PermissionDeniedError, "403 AccessDenied"),
    "create: no bucket": ("create", error(404, "NoSuchBucket"), FileNotFoundError, "404 NoSuchBucket"),
    "create: no name": ("create", ok(b"<x/>"), exc.GenericError, "did not name the upload"),
    "create: no XML": ("create", ok(b"hello"), exc.GenericError, "did not name the upload"),
    "part: 403": ("part 2", error(403, "AccessDenied"), exc.PermissionDeniedError, "403 AccessDenied"),
    "part: 503": ("part 2", error(503, "SlowDown"), exc.GenericError, r"503 SlowDown \(3 attempts"),
    "part: aborted": ("part 6", error(404, "NoSuchUpload"), exc.GenericError, "404 NoSuchUpload"),
    "part: no ETag": ("part 2", ok(), exc.GenericError, "no ETag for part 2"),
    "complete: 400": ("complete", error(400, "InvalidPart"), exc.GenericError, "400 InvalidPart"),
    "complete: 500 inside 200": (
        "complete",
        ok(b"<Error><Code>InternalError</Code></Error>"),
        exc.GenericError,
        r"500 InternalError \(3 attempts",
    ),
    "complete: aborted": ("complete", error(404, "NoSuchUpload"), exc.GenericError, "404 NoSuchUpload"),
    "complete: nonsense": ("complete", ok(b"hello"), exc.GenericError, "did not say that the object"),
}


@pytest.mark.parametrize("kind", ["buffer", "iterator"])
@pytest.mark.parametrize("fault", LASTING)
def test_fault_that_stays(bucket: Bucket, make_store: MakeStore, call: Call, fault: str, kind: str) -> None:
    step, reply, kind_of_error, message = LASTING[fault]
    bucket.fail(step, *[reply] * 5)
    with pytest.raises(kind_of_error, match=message) as caught:
        call(make_store(retries=2), "put", "k", DATA if kind == "buffer" else pieces(), **OPTIONS)
    assert type(caught.value) is not FileNotFoundError
    assert "put 'k' in bucket 'data'" in str(caught.value)
    assert "/data/k" not in bucket.objects
    assert ("abort" in bucket.seen) == (step != "create")
    if step == "part 2" and "ETag" not in message:
        assert caught.value.__notes__ == ["It was part 2 of an upload in parts."]


def test_complete_whose_answer_is_lost(bucket: Bucket, make_store: MakeStore, call: Call) -> None:
    """The object is there, so the repetition finds no upload any more."""
    bucket.fail("complete", bucket.complete_before_failing)
    result = call(make_store(), "put", "k", DATA, **OPTIONS)
    assert result["e_tag"] == bucket.objects["/data/k"].e_tag
    assert bucket.seen[-3:] == ["complete", "complete", "head"]
    assert bucket.objects["/data/k"].data == DATA


def test_conditional_complete_is_not_sent_twice(bucket: Bucket, make_store: MakeStore, call: Call) -> None:
    bucket.fail("complete", error(500, "InternalError"))
    with pytest.raises(exc.GenericError, match="1 attempt"):
        call(make_store(), "put", "k", DATA, mode="create", **OPTIONS)
    assert bucket.seen.count("complete") == 1


def test_complete_whose_upload_somebody_else_ended(bucket: Bucket, make_store: MakeStore, call: Call) -> None:
    """There is an object, but it is another one."""
    store = make_store()
    store.put("k", b"another")

    def lose(request: Request) -> Reply:
        bucket.uploads.clear()
        return reset()

    bucket.fail("complete", lose)
    with pytest.raises(exc.GenericError, match="404 NoSuchUpload"):
        call(store, "put", "k", DATA, **OPTIONS)


def test_conflict_at_the_end_is_not_repeated(bucket: Bucket, make_store: MakeStore, call: Call) -> None:
    bucket.fail("complete", error(409, "ConditionalRequestConflict"))
    with pytest.raises(exc.AlreadyExistsError, match="409 ConditionalRequestConflict"):
        call(make_store(), "put", "k", DATA, mode="create", **OPTIONS)
    assert bucket.seen.count("complete") == 1


def test_conditions_go_with_the_end(bucket: Bucket, make_store: MakeStore, call: Call) -> None:
    store = make_store()
    first = call(store, "put", "k", DATA, mode="create", **OPTIONS)
    assert bucket.requests["create"].header("if-none-match") is None
    assert bucket.requests["complete"].header("if-none-match") == "*"
    with pytest.raises(exc.AlreadyExistsError):
        call(store, "put", "k", DATA, mode="create", **OPTIONS)
    second = call(store, "put", "k", DATA[1:], mode=first, **OPTIONS)
    assert bucket.requests["complete"].header("if-match") == first["e_tag"]
    with pytest.raises(exc.PreconditionError):
        call(store, "put", "k", DATA, mode=first, **OPTIONS)
    assert bucket.objects["/data/k"].e_tag == second["e_tag"]


# --- aborting ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("faults", [[error(503, "SlowDown")], [reset()]], ids=["503", "reset"])
def test_abort_is_repeated(bucket: Bucket, make_store: MakeStore, call: Call, faults: list[Any]) -> None:
    bucket.fail("part 6", error(403, "AccessDenied"))
    bucket.fail("abort", *faults)
    with pytest.raises(exc.PermissionDeniedError):
        call(make_store(), "put", "k", pieces(), max_concurrency=1, **OPTIONS)
    # Once more at the end, in case the part that failed arrived after all.
    assert bucket.seen.count("abort") == 3


def test_abort_that_fails_is_a_note_of_the_reason(bucket: Bucket, make_store: MakeStore, call: Call) -> None:
    bucket.fail("part 6", error(403, "AccessDenied"))
    bucket.fail("abort", error(403, "AccessDenied", "You may write but not abort"))
    with pytest.raises(exc.PermissionDeniedError) as caught:
        call(make_store(), "put", "k", pieces(), max_concurrency=1, **OPTIONS)
    assert "You may write but not abort" in caught.value.__notes__[-1]
    assert "may still be there" in caught.value.__notes__[-1]
    assert len(bucket.uploads) == 1
    bucket.uploads.clear()


def test_exception_of_the_iterator_aborts(bucket: Bucket, make_store: MakeStore, call: Call) -> None:
    def broken() -> Iterator[bytes]:
        yield DATA
        raise LookupError("out of data")

    with pytest.raises(LookupError, match="out of data") as caught:
        call(make_store(), "put", "k", broken(), **OPTIONS)
    assert not hasattr(caught.value, "__notes__")
    assert "abort" in bucket.seen


def test_iterator_that_fails_early_uploads_nothing(bucket: Bucket, make_store: MakeStore, call: Call) -> None:
    def broken() -> Iterator[bytes]:
        yield DATA[:10]
        raise LookupError("out of data")

    with pytest.raises(LookupError, match="out of data"):
        call(make_store(), "put", "k", broken())
    assert bucket.seen == []


@pytest.mark.parametrize("item", ["text", 5, None], ids=repr)
def test_item_that_is_no_buffer_aborts(bucket: Bucket, make_store: MakeStore, call: Call, item: Any) -> None:
    with pytest.raises(TypeError, match="file yielded"):
        call(make_store(), "put", "k", iter([DATA, item]), **OPTIONS)
    assert "abort" in bucket.seen


@pytest.mark.parametrize("step", ["create", "part 1", "part 5", "complete"])
async def test_cancellation_aborts(bucket: Bucket, make_store: MakeStore, step: str) -> None:
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stall(request: Request) -> Reply:
        loop.call_soon_threadsafe(reached.set)
        return hang()

    bucket.fail(step, stall)
    task = asyncio.ensure_future(make_store().put_async("k", pieces(), max_concurrency=2, **OPTIONS))
    await reached.wait()
    task.cancel()
    start = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - start < 5
    assert ("abort" in bucket.seen) == (step != "create")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (the server has threads, not events)
            await asyncio.sleep(0.01)


async def test_cancellation_again_while_aborting(bucket: Bucket, make_store: MakeStore) -> None:
    """As `anyio` does it, or an impatient user: the abort goes on without anybody waiting."""
    bucket.fail("part 1", hang())
    bucket.fail("abort", Reply(503, delay=0.3))
    task = asyncio.ensure_future(make_store().put_async("k", DATA, **OPTIONS))
    await until(lambda: "part 1" in bucket.seen)
    task.cancel()
    await until(lambda: "abort" in bucket.seen)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not bucket.uploads)


async def test_asynchronous_iterator_that_is_cancelled(bucket: Bucket, make_store: MakeStore) -> None:
    ended = []

    async def slow() -> AsyncIterator[bytes]:
        try:
            yield DATA
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    task = asyncio.ensure_future(make_store().put_async("k", slow(), **OPTIONS))
    await until(lambda: "part 3" in bucket.seen)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]
    assert "abort" in bucket.seen


def test_coroutine_that_is_dropped_aborts(bucket: Bucket, make_store: MakeStore) -> None:
    """An event loop that stops in the middle: nobody can wait for the abort."""
    bucket.fail("part 2", hang())
    loop = asyncio.new_event_loop()
    coroutine = make_store().put_async("k", DATA, **OPTIONS)

    async def watch() -> None:
        task = asyncio.ensure_future(coroutine)
        await until(lambda: "part 2" in bucket.seen)
        task._log_destroy_pending = False  # type: ignore[attr-defined]

    loop.run_until_complete(watch())
    loop.close()
    coroutine.close()
    for _ in range(500):
        if not bucket.uploads:
            break
        time.sleep(0.01)


@pytest.mark.skipif(os.name == "nt", reason="needs a signal that reaches one thread")
def test_ctrl_c_aborts(bucket: Bucket, make_store: MakeStore) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt(request: Request) -> Reply:
        signal.pthread_kill(main, signal.SIGINT)
        return hang()

    bucket.fail("part 2", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make_store().put("k", DATA, max_concurrency=2, **OPTIONS)
    assert "abort" in bucket.seen


def test_ctrl_c_in_the_iterator_aborts(bucket: Bucket, make_store: MakeStore) -> None:
    def interrupted() -> Iterator[bytes]:
        yield DATA
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_store().put("k", interrupted(), **OPTIONS)
    assert "abort" in bucket.seen


# --- on the way -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [0, 1, 3, 12])
def test_no_more_parts_than_allowed_are_under_way(
    fault_server: FaultServer, bucket: Bucket, make_store: MakeStore, call: Call, concurrency: int
) -> None:
    def wait_for_others(request: Request) -> None:
        deadline = time.monotonic() + 10
        while fault_server.most_in_flight < concurrency and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.005)

    for number in range(1, 27):
        bucket.fail(f"part {number}", wait_for_others)
    call(make_store(), "put", "k", pieces(), max_concurrency=concurrency, chunk_size=20_000)
    assert bucket.objects["/data/k"].data == DATA
    assert fault_server.most_in_flight == (concurrency or 1)


@pytest.mark.parametrize("first", ["slow", "refused"])
def test_parts_do_not_wait_for_one_that_is_slow(
    bucket: Bucket, make_store: MakeStore, call: Call, first: str
) -> None:
    late: list[bool] = []

    def wait_for_others(request: Request) -> Reply | None:
        deadline = time.monotonic() + 10
        while "part 20" not in bucket.seen and time.monotonic() < deadline:
            time.sleep(0.001)
        late.append("part 20" in bucket.seen)
        return None

    bucket.fail("part 1", *([error(503, "SlowDown")] if first == "refused" else []), wait_for_others)
    call(make_store(), "put", "k", pieces(), max_concurrency=2, chunk_size=20_000)
    assert bucket.objects["/data/k"].data == DATA
    assert late == [True]


def test_every_attempt_is_signed_anew(
    bucket: Bucket, make_store: MakeStore, fault_server: FaultServer
) -> None:
    bucket.fail("part 2", error(503, "SlowDown", retry_after="1.1"))
    make_store().put("k", DATA, **OPTIONS)
    attempts = [request for request in fault_server.requests if "partNumber=2&" in request.query]
    assert len({request.header("authorization") for request in attempts}) == 2
    assert len({request.header("x-amz-content-sha256") for request in attempts}) == 1


# --- next to obstore --------------------------------------------------------------------------------------

CONFIGS: dict[str, dict[str, Any]] = {
    "keys": {},
    "anonymous": {"skip_signature": True},
    "token": {"session_token": "token+/="},
    "requester pays": {"request_payer": True},
    "prefix": {"prefix": "p q/r"},
    "checksum": {"checksum_algorithm": "sha256"},
    "kms": {"server_side_encryption": "aws:kms", "sse_kms_key_id": "k", "sse_bucket_key_enabled": True},
    "default headers": {"client_options": {"allow_http": True, "default_headers": {"x-custom": "1"}}},
}
_NOT_COMPARED = {
    "accept",
    "authorization",
    "connection",
    "content-length",
    "host",
    "user-agent",
    "x-amz-date",
}


def seen_by(bucket: Bucket, step: str) -> tuple[Any, ...]:
    request = bucket.requests[step]
    headers = {name.lower(): value for name, value in request.headers if name.lower() not in _NOT_COMPARED}
    if step == "complete":
        headers.pop("content-type", None)  # obstore says none
    return request.method, request.path, request.query, sorted(headers.items()), request.body


@pytest.mark.parametrize("config", CONFIGS)
def test_requests_are_obstores(fault_server: FaultServer, make_store: MakeStore, config: str) -> None:
    arguments = {
        "endpoint": fault_server.url,
        "access_key_id": "id",
        "secret_access_key": "secret",
        "region": "us-east-1",
        "client_options": {"allow_http": True},
    }
    reference = obstore.store.S3Store("data", **(arguments | CONFIGS[config]))  # type: ignore[arg-type]
    buckets = []
    for store in (make_store(**CONFIGS[config]), reference):
        bucket = Bucket()
        bucket.echo_checksums = True
        buckets.append(bucket)
        fault_server._scripts.clear()
        fault_server.script(bucket)
        attributes: Any = {"Content-Type": "a/b", "own": "x  y"}
        store.put("a b/k", DATA, attributes=attributes, tags={"a": "b&c=d"}, max_concurrency=99, **OPTIONS)
    mine, theirs = buckets
    assert sorted(mine.seen) == sorted(theirs.seen)
    for step in set(mine.seen):
        assert seen_by(mine, step) == seen_by(theirs, step)
    assert mine.objects["/data/a%20b/k" if config != "prefix" else "/data/p%20q/r/a%20b/k"].data == DATA


async def test_uploads_cancelled_anywhere_leave_nothing(
    fault_server: FaultServer, bucket: Bucket, make_store: MakeStore
) -> None:
    random = Random(7)
    slabs = stats()["slabs"]
    store = make_store()

    async def upload(number: int) -> None:
        async def more() -> AsyncIterator[bytes]:
            for piece in pieces():
                yield piece
                await asyncio.sleep(0)

        payload = [DATA, pieces(), more(), bytearray(DATA)][number % 4]
        async with asyncio.timeout(random.uniform(0, 0.25)):
            await store.put_async(f"{number}", payload, max_concurrency=3, **OPTIONS)

    for _ in range(5):
        await asyncio.gather(*[upload(number) for number in range(24)], return_exceptions=True)
    # One that was cancelled while the server was creating it has no parts, and nobody knows its name.
    assert not [found for found in bucket.uploads.values() if found.parts]
    bucket.uploads.clear()
    assert all(found.data == DATA for found in bucket.objects.values())
    # Threads may still be reading for operations that are gone.
    await until(lambda: gc.collect() >= 0 and stats()["slabs"] <= slabs)
