"""Uploads in parts to real servers: what arrives, and that nothing stays behind. obstore is the oracle."""

from __future__ import annotations

import asyncio
import io
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest

from obstore_c.exceptions import AlreadyExistsError, PreconditionError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from conformance.verbs import BlockingVerbs
    from servers.backends import Backend

MIB = 1 << 20
PART = 5 * MIB  # S3's least size of a part, which moto insists on
DATA = os.urandom(1021) * (18 * MIB // 1021)


@cache
def botocore_client(endpoint: str, access_key_id: str, secret_access_key: str) -> Any:
    return botocore.session.Session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
    )


def unfinished(backend: Backend) -> list[str]:
    """The keys of the uploads that the server has not seen the end of."""
    config = backend.config
    client = botocore_client(config["endpoint"], config["access_key_id"], config["secret_access_key"])
    answer = client.list_multipart_uploads(Bucket=backend.bucket)
    return [upload["Key"] for upload in answer.get("Uploads", [])]


@pytest.fixture
def verbs(make_verbs: type[BlockingVerbs], s3_backend: Backend) -> Iterator[BlockingVerbs]:
    verbs = make_verbs(s3_backend.store())
    yield verbs
    verbs.close()
    assert unfinished(s3_backend) == []


def pieces(size: int = 700_001) -> Iterator[bytes]:
    for start in range(0, len(DATA), size):
        yield DATA[start : start + size]


KINDS: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda path: DATA,
    "memoryview": lambda path: memoryview(bytearray(DATA)),
    "path": lambda path: path,
    "file": lambda path: path.open("rb"),
    "BytesIO": lambda path: io.BytesIO(DATA),
    "list": lambda path: list(pieces()),
    "generator": lambda path: pieces(),
    "large pieces": lambda path: pieces(11 * MIB),
}


@pytest.mark.parametrize("kind", KINDS)
def test_large_bodies_arrive(verbs: BlockingVerbs, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    payload = KINDS[kind](path)
    verbs.put("key", payload)
    assert verbs.read("key") == DATA
    if kind == "file":
        assert payload.tell() == len(DATA)
        payload.close()


@pytest.mark.parametrize("size", [0, PART - 1, PART, PART + 1, 2 * PART], ids=str)
@pytest.mark.parametrize("kind", ["buffer", "iterator"])
def test_sizes_around_parts(verbs: BlockingVerbs, kind: str, size: int) -> None:
    payload = DATA[:size] if kind == "buffer" else iter([DATA[: size // 3], DATA[size // 3 : size]])
    verbs.put("key", payload, use_multipart=True, max_concurrency=1)
    assert verbs.read("key") == DATA[:size]


@pytest.mark.needs("multipart_etags")
def test_result_is_what_head_says_and_what_obstore_gets(verbs: BlockingVerbs, s3_backend: Backend) -> None:
    reference = s3_backend.reference_store()
    attributes: Any = {"Content-Type": "a/b", "own": "x y"}
    options: Any = {"use_multipart": True, "attributes": attributes, "tags": {"a": "b"}}
    theirs = reference.put("theirs", DATA[: 11 * MIB], **options)
    mine = verbs.put("mine", DATA[: 11 * MIB], **options)
    assert mine == theirs
    meta = verbs.head("mine")
    assert meta["e_tag"] == mine["e_tag"]
    assert meta["size"] == 11 * MIB
    stored = [verbs.get(key).attributes for key in ("mine", "theirs")]
    assert stored[0] == stored[1] == attributes


@pytest.mark.needs("conditional_put")
@pytest.mark.parametrize("kind", ["bytes", "bytes in parts", "generator"])
def test_conditions(verbs: BlockingVerbs, kind: str) -> None:
    def put(data: bytes, mode: Any) -> Any:
        payload = iter([data[:MIB], data[MIB:]]) if kind == "generator" else data
        return verbs.put("key", payload, mode=mode, use_multipart=kind == "bytes in parts" or None)

    first = put(DATA, "create")
    with pytest.raises(AlreadyExistsError):
        put(DATA[::-1], "create")
    assert verbs.read("key") == DATA
    put(DATA[::-1], first)
    with pytest.raises(PreconditionError):
        put(DATA, first)
    assert verbs.read("key") == DATA[::-1]


def test_iterator_that_raises(verbs: BlockingVerbs) -> None:
    def broken() -> Iterator[bytes]:
        yield DATA
        raise LookupError("out of data")

    with pytest.raises(LookupError, match="out of data"):
        verbs.put("key", broken())
    with pytest.raises(FileNotFoundError):
        verbs.head("key")


def test_file_that_shrinks(verbs: BlockingVerbs, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    original = os.fstat

    def longer(descriptor: int) -> os.stat_result:
        state = original(descriptor)
        return os.stat_result((*state[:6], state.st_size + 1, *state[7:10]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fstat", longer)
        with pytest.raises(Exception, match=f"shrank from {len(DATA) + 1} to {len(DATA)} bytes"):
            verbs.put("key", path)
    with pytest.raises(FileNotFoundError):
        verbs.head("key")


async def test_asynchronous_iterator(s3_backend: Backend) -> None:
    async def more() -> AsyncIterator[bytes]:
        for piece in pieces():
            yield piece

    store = s3_backend.store()
    await store.put_async("key", more())
    assert bytes(store.get("key").bytes()) == DATA


async def test_cancellation_leaves_nothing(s3_backend: Backend) -> None:
    started = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield DATA
            started.set()
            await asyncio.sleep(0)

    store = s3_backend.store()
    task = asyncio.ensure_future(store.put_async("key", endless()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert unfinished(s3_backend) == []
    assert await store.list().collect_async() == []


async def test_from_store_to_store(s3_backend: Backend) -> None:
    store = s3_backend.store()
    await store.put_async("a", DATA)
    await store.put_async("b", await store.get_async("a"))
    assert bytes(store.get("b").bytes()) == DATA
