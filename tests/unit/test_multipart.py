"""Uploads in parts without a network: what is sent for what, how large parts are, what is waited for."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obstore_c import exceptions as exc
from obstore_c._backend import PutOptions
from obstore_c._client.request import UNSIGNED_PAYLOAD
from obstore_c._lib.lanes import sha256_each
from obstore_c._ops import multipart, parts
from obstore_c._ops import put as putting
from obstore_c._payload import BufferSource, IterableSource
from obstore_c.store import S3Store
from servers.faults import Reply, Request
from servers.uploads import Bucket, Stored
from unit.fake_io import Answer, FakeIO, Sent, run

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
DATA = bytes(range(256)) * 200
KEYS = {"access_key_id": "id", "secret_access_key": "secret"}


def backend(**config: Any) -> Any:
    return S3Store("data", **({"endpoint": "https://h.example", "skip_signature": True} | config))._backend


def fake_io(bucket: Bucket) -> FakeIO:
    def answer(sent: Sent) -> Answer:
        target = sent.url.removeprefix("https://h.example")
        request = Request(sent.method, target, tuple(sent.headers.items()), sent.body or b"", 0, 0.0)
        reply = bucket(request)
        return Answer(reply.status, reply.body, reply.headers)

    return FakeIO(answer)


def put(
    payload: Any = DATA, bucket: Bucket | None = None, config: dict[str, Any] | None = None, **options: Any
) -> list[Sent]:
    io = fake_io(bucket or Bucket())
    chosen = PutOptions(**({"use_multipart": True, "chunk_size": 10_000} | options))
    store = backend(**(config or {}))
    if isinstance(payload, bytes):
        run(store.put(io, "k", payload, chosen))
    else:
        run(store.put_source(io, "k", payload, chosen))
    return io.sent


# --- one request or parts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "options", "count"),
    [
        (0, {}, 0),
        (1000, {}, 0),
        (1001, {}, 4),
        (1001, {"use_multipart": False}, 0),
        (1001, {"chunk_size": 1001}, 0),
        (1002, {"chunk_size": 1001}, 2),
        (0, {"use_multipart": True}, 1),
        (1, {"use_multipart": True}, 1),
        (300, {"use_multipart": True}, 1),
        (301, {"use_multipart": True}, 2),
        (1001, {"mode": "create"}, 0),
        (1001, {"mode": "create", "use_multipart": True}, 4),
    ],
    ids=repr,
)
def test_buffers(monkeypatch: pytest.MonkeyPatch, size: int, options: Any, count: int) -> None:
    monkeypatch.setattr(putting, "PARTS_FROM", 1000)
    bucket = Bucket()
    put(DATA[:size], bucket, **({"use_multipart": None, "chunk_size": 300} | options))
    assert sum(step.startswith("part") for step in bucket.seen) == count
    assert (bucket.seen == ["put"]) == (not count)
    assert bucket.objects["/data/k"].data == DATA[:size]


def test_iterator_with_a_condition_goes_up_in_parts() -> None:
    bucket = Bucket()
    put(IterableSource([DATA[:400]]), bucket, use_multipart=None, chunk_size=300, mode="create")
    assert bucket.seen == ["head", "create", "part 1", "part 2", "head", "complete"]


@pytest.mark.parametrize(
    ("mode", "kind"), [("create", exc.AlreadyExistsError), ({"e_tag": '"other"'}, exc.PreconditionError)]
)
@pytest.mark.parametrize("late", [False, True], ids=["before", "meanwhile"])
def test_conditions_are_looked_after(mode: Any, kind: Any, late: bool) -> None:
    """Also for servers that ignore them."""
    bucket = Bucket()
    bucket.objects["/data/k"] = bucket_object = Stored('"first"', b"first")
    if late:
        absent = Reply(404) if mode == "create" else Reply(200, headers={"etag": '"other"'})
        bucket.fail("head", absent)
    with pytest.raises(kind, match=r"there is an object already|the object's e_tag is"):
        put(bucket=bucket, mode=mode)
    assert bucket.objects["/data/k"] is bucket_object
    assert ("create" in bucket.seen) == late
    assert not bucket.uploads


def test_condition_that_cannot_be_looked_after_is_up_to_the_server() -> None:
    bucket = Bucket()
    bucket.fail("head", Reply(403), Reply(403))
    put(bucket=bucket, mode="create")
    assert bucket.objects["/data/k"].data == DATA
    assert bucket.requests["complete"].header("if-none-match") == "*"


@pytest.mark.parametrize(
    ("size", "use", "seen"),
    [
        (0, None, ["put"]),
        (299, None, ["put"]),
        (300, None, ["create", "part 1", "complete"]),
        (301, None, ["create", "part 1", "part 2", "complete"]),
        (601, False, ["put"]),
        (0, True, ["create", "part 1", "complete"]),
        (299, True, ["create", "part 1", "complete"]),
        (600, True, ["create", "part 1", "part 2", "complete"]),
    ],
)
def test_iterators(size: int, use: bool | None, seen: list[str]) -> None:
    bucket = Bucket()
    pieces = [DATA[start : min(size, start + 7)] for start in range(0, size, 7)]
    put(IterableSource(pieces), bucket, use_multipart=use, chunk_size=300)
    assert bucket.seen == seen
    assert bucket.objects["/data/k"].data == DATA[:size]


@given(
    size=st.integers(0, 700),
    chunk=st.integers(1, 300),
    concurrency=st.integers(1, 5),
    use=st.sampled_from([None, True, False]),
    iterator=st.booleans(),
    piece=st.integers(1, 400),
)
def test_any_size_arrives(
    size: int, chunk: int, concurrency: int, use: bool | None, iterator: bool, piece: int
) -> None:
    bucket = Bucket()
    payload: Any = DATA[:size]
    if iterator:
        payload = IterableSource([DATA[start : min(size, start + piece)] for start in range(0, size, piece)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(putting, "PARTS_FROM", 100)
        patch.setattr(parts, "_LARGE_PART", 64)
        put(payload, bucket, use_multipart=use, chunk_size=chunk, max_concurrency=concurrency)
    assert bucket.objects["/data/k"].data == DATA[:size]
    assert not bucket.uploads


# --- how large parts are ----------------------------------------------------------------------------------


@given(
    total=st.integers(0, 45 << 40),
    chunk=st.integers(1, 6 << 30),
    concurrency=st.integers(1, 1000),
    in_memory=st.booleans(),
)
def test_part_size(total: int, chunk: int, concurrency: int, in_memory: bool) -> None:
    client = backend().client
    options = PutOptions(chunk_size=chunk, max_concurrency=concurrency)
    size = parts.part_size(client, total, options, in_memory=in_memory)
    assert min(chunk, client.part_bytes_at_most) <= size <= client.part_bytes_at_most
    assert -(-total // size) <= client.parts_at_most
    if not in_memory and total <= chunk * client.parts_at_most:
        assert size == min(chunk, client.part_bytes_at_most)


@pytest.mark.parametrize(
    ("total", "count"),
    [
        (17 * MIB, 4),
        (60 * MIB, 12),
        (96 * MIB, 12),
        (192 * MIB, 12),
        (200 * MIB, 24),
        (1024 * MIB, 72),
    ],
)
def test_parts_of_a_buffer_keep_all_connections_busy(total: int, count: int) -> None:
    size = parts.part_size(backend().client, total, PutOptions(), in_memory=True)
    assert -(-total // size) == count


def test_five_tebibytes_of_unknown_length_fit() -> None:
    client = backend().client

    sizes: list[int] = []
    sent = 0
    while sent < 5 << 40:
        sizes.append(parts.growing_part_size(client, len(sizes), sent, PutOptions()))
        sent += sizes[-1]
    assert len(sizes) <= client.parts_at_most
    assert set(sizes[:5000]) == {5 * MIB}
    assert max(sizes) <= client.part_bytes_at_most


def test_too_many_parts_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket()
    store = backend()
    monkeypatch.setattr(store.client.__class__, "parts_at_most", 3)
    with pytest.raises(exc.GenericError, match=r"put 'k' .* longer than 3 parts. Give a larger chunk_size"):
        put(IterableSource([DATA]), bucket, chunk_size=100)
    assert bucket.seen[-1] == "abort"


# --- what is sent -----------------------------------------------------------------------------------------


def test_what_an_upload_sends() -> None:
    create, *sent, complete = put(
        DATA[:25_000],
        attributes={"Content-Type": "a/b", "own": "x"},
        tags={"a": "b c"},
        config={"prefix": "p q", "client_options": {"default_headers": {"x-all": "1"}}},
    )
    assert (create.method, create.path, create.query) == ("POST", "/data/p%20q/k", "uploads=")
    assert create.headers == {
        "x-all": "1",
        "content-type": "a/b",
        "x-amz-meta-own": "x",
        "x-amz-tagging": "a=b%20c",
    }
    assert [(part.method, part.path, part.query) for part in sent] == [
        ("PUT", "/data/p%20q/k", f"partNumber={number}&uploadId=1%2F%2B%3D") for number in (1, 2, 3)
    ]
    assert all(part.headers == {"x-all": "1"} for part in sent)
    assert (complete.method, complete.query) == ("POST", "uploadId=1%2F%2B%3D")
    assert complete.headers == {"x-all": "1", "content-type": "application/xml"}
    root = ElementTree.fromstring(complete.body or b"")
    assert [(part.findtext("PartNumber"), part.findtext("ETag")) for part in root] == [
        (str(number), f'"{hashlib.md5(part.body or b"").hexdigest()}"') for number, part in enumerate(sent, 1)
    ]


def test_encryption_headers() -> None:
    kms = {"server_side_encryption": "aws:kms", "sse_kms_key_id": "key"}
    create, part, complete = put(b"x", config=kms)
    assert create.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "key"
    assert part.headers == {}
    assert "x-amz-server-side-encryption" not in complete.headers
    own = {
        "server_side_encryption": "sse-c",
        "sse_customer_key_base64": base64.b64encode(b"k" * 32).decode(),
    }
    for sent in put(b"x", config=own):
        assert "x-amz-server-side-encryption-customer-key" in sent.headers


@pytest.mark.parametrize("signed", [True, False])
def test_checksums(signed: bool) -> None:
    config = KEYS | {"skip_signature": not signed, "checksum_algorithm": "sha256"}
    create, part, complete = put(b"abc", config=config)
    expected = base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
    assert create.headers["x-amz-checksum-algorithm"] == "SHA256"
    assert part.headers["x-amz-checksum-sha256"] == expected
    assert f"<ChecksumSHA256>{expected}</ChecksumSHA256>".encode() in (complete.body or b"")


def test_payloads_are_signed() -> None:
    for sent in put(DATA[:15_000], config=KEYS | {"skip_signature": False}):
        assert sent.headers["x-amz-content-sha256"] == hashlib.sha256(sent.body or b"").hexdigest()
    config = KEYS | {"skip_signature": False, "unsigned_payload": True}
    _create, part, complete = put(b"x", config=config)
    assert part.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert complete.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"


@pytest.mark.parametrize("mode", ["create", {"e_tag": '"x"'}])
def test_conditions_are_refused_before_anything_is_sent(mode: Any) -> None:
    io = FakeIO()
    options = PutOptions(mode=mode, use_multipart=True)
    with pytest.raises(exc.NotSupportedError):
        run(backend(conditional_put="disabled").put(io, "k", b"", options))
    with pytest.raises(exc.GenericError, match="e_tag"):
        run(backend().put(io, "k", b"", PutOptions(mode={"version": "1"}, use_multipart=True)))
    assert io.sent == []


def test_etag_of_parts_that_are_no_md5_sums() -> None:
    client = backend().client
    assert client.composed_etag([('"abc"', "")]) is None
    assert client.composed_etag([('"0123456789abcdef"', "")]) is None


# --- waiting ----------------------------------------------------------------------------------------------


def test_parts_come_from_the_memory_of_the_caller() -> None:
    data = bytearray(DATA)
    source = BufferSource(data)
    taken = [run(source.read(FakeIO(), 10_000)) for _ in range(2)]
    data[0], data[10_000] = 77, 78
    assert [part[0] for part in taken] == [77, 78]


def test_large_parts_are_hashed_aside() -> None:
    called: list[tuple[Callable[..., Any], int]] = []

    class Recording(FakeIO):
        async def call(self, function: Callable[..., Any], *args: Any) -> Any:
            called.append((function, len(args[0])))
            return function(*args)

    bucket = Bucket()
    io = fake_io(bucket)
    recording = Recording()
    recording._answers = io._answers
    options = PutOptions(use_multipart=True, chunk_size=3 * MIB)
    run(backend(**KEYS, skip_signature=False).put(recording, "k", bytes(4 * MIB), options))
    assert called == [(sha256_each, 2)]


def test_dropped_operation_aborts_without_waiting() -> None:
    bucket = Bucket()
    io = fake_io(bucket)
    io.pausing = True
    operation = backend().put(io, "k", DATA, PutOptions(use_multipart=True, chunk_size=10_000))
    while "part 2" not in bucket.seen:
        operation.send(None)
    operation.close()
    assert bucket.seen[-1] == "abort"
    assert not bucket.uploads
    assert all(sent.transfer.cancelled or sent.transfer.awaited for sent in io.sent[:-1])


def test_an_upload_can_be_used_by_several_operations() -> None:
    """As a writer does, each of whose calls has its own `io`."""
    bucket = Bucket()
    client = backend().client
    first = fake_io(bucket)
    upload = multipart.Upload(first, client, "k", PutOptions())
    run(upload.create(first))
    for start in range(0, 2000, 100):
        run(upload.add(fake_io(bucket), memoryview(DATA)[start : start + 100], UNSIGNED_PAYLOAD))
    result = run(upload.complete(fake_io(bucket)))
    assert result["e_tag"] == bucket.objects["/data/k"].e_tag
    assert bucket.objects["/data/k"].data == DATA[:2000]
    run(upload.abort(first))
    assert "abort" not in bucket.seen
