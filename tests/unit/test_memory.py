"""MemoryStore: what only it does."""

from __future__ import annotations

import copy
import ctypes
import gc
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

import obstore_c as obs
from obstore_c.exceptions import AlreadyExistsError, GenericError, PreconditionError
from obstore_c.store import MemoryStore, from_url


def test_e_tags_count_what_was_stored() -> None:
    store = MemoryStore()
    assert store.put("a", b"") == {"e_tag": '"0"', "version": None}
    assert store.put("b", b"") == {"e_tag": '"1"', "version": None}
    with pytest.raises(AlreadyExistsError):
        store.put("a", b"", mode="create")
    store.copy("a", "c")
    assert store.head("c")["e_tag"] == '"2"'
    store.rename("c", "d")
    assert store.head("d")["e_tag"] == '"3"'


def test_a_version_is_no_condition_here() -> None:
    store = MemoryStore()
    store.put("a", b"")
    with pytest.raises(GenericError, match="e_tag"):
        store.put("a", b"", mode={"version": "1"})
    with pytest.raises(PreconditionError, match="no such object"):
        store.put("b", b"", mode={"e_tag": '"0"'})


def test_get_shares_the_memory_of_the_object() -> None:
    store = MemoryStore()
    data = bytes(1_000_000)
    store.put("key", data)
    whole, part = store.get("key").bytes(), store.get_range("key", start=10, end=999_990)
    assert _address(whole) == _address(data)
    assert _address(part) == _address(data) + 10


class _Buffer(ctypes.Structure):
    """The beginning of CPython's Py_buffer."""

    _fields_: ClassVar = [("buf", ctypes.c_void_p), ("rest", ctypes.c_byte * 256)]


def _address(data: object) -> int:
    buffer = _Buffer()
    assert ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(data), ctypes.byref(buffer), 0) == 0
    address: int = buffer.buf
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))
    return address


def test_reading_goes_on_when_the_object_is_replaced_or_deleted() -> None:
    store = MemoryStore()
    store.put("key", b"0123456789")
    stream = store.get("key").stream(4)
    part = store.get_range("key", start=0, end=4)
    assert next(stream) == b"0123"
    store.put("key", b"abcdefghij")
    assert next(stream) == b"4567"
    store.delete("key")
    assert next(stream) == b"89"
    assert part == b"0123"


def test_a_listing_is_a_snapshot() -> None:
    store = MemoryStore()
    for name in "abcd":
        store.put(name, b"1")
    listing = store.list(chunk_size=1)
    store.delete("c")
    store.put("e", b"")
    store.put("d", b"22")
    assert [(meta["path"], meta["size"]) for chunk in listing for meta in chunk] == [
        ("a", 1),
        ("b", 1),
        ("c", 1),
        ("d", 1),
    ]
    assert [meta["path"] for meta in store.list().collect()] == ["a", "b", "d", "e"]


def test_what_is_returned_can_be_changed() -> None:
    store = MemoryStore()
    attributes = {"author": "me"}
    store.put("key", b"", attributes=attributes)
    attributes["author"] = "you"
    store.get("key").attributes["author"] = "they"
    store.head("key")["size"] = 5
    store.list().collect()[0]["path"] = "x"
    assert store.get("key").attributes == {"author": "me"}
    assert store.head("key")["size"] == 0
    assert store.list().collect()[0]["path"] == "key"


def test_stores_share_nothing() -> None:
    first, second = MemoryStore(), MemoryStore()
    first.put("key", b"")
    assert second.list().collect() == []
    assert first == first
    assert first != second


def test_repr_tells_how_full_it_is() -> None:
    store = MemoryStore()
    assert repr(store) == "<MemoryStore with 0 objects>"
    store.put("key", b"")
    assert repr(store) == "<MemoryStore with 1 object>"


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_memory_store_cannot_be_copied(duplicate: object) -> None:
    with pytest.raises(TypeError, match="this process"):
        duplicate(MemoryStore())


def test_from_url_makes_one() -> None:
    assert isinstance(from_url("memory:///"), MemoryStore)
    with pytest.raises(obs.exceptions.BaseError, match="no configuration"):
        from_url("memory:///", config={"key": "value"})
    with pytest.raises(obs.exceptions.BaseError, match="no configuration"):
        from_url("memory:///", key="value")


def test_create_has_one_winner_among_threads() -> None:
    store = MemoryStore()
    barrier = threading.Barrier(8)

    def create(number: int) -> int:
        barrier.wait()
        won = 0
        for key in range(200):
            try:
                store.put(f"key {key}", str(number).encode(), mode="create")
                won += 1
            except AlreadyExistsError:
                pass
        return won

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(create, range(8))) == 200


def test_updates_from_threads_lose_nothing() -> None:
    store = MemoryStore()
    store.put("counter", b"0")

    def count(times: int) -> None:
        while times:
            result = store.get("counter")
            value = int(bytes(result.bytes()))
            try:
                store.put("counter", str(value + 1).encode(), mode={"e_tag": result.meta["e_tag"]})
                times -= 1
            except PreconditionError:
                pass

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, [100] * 4))
    assert store.get("counter").bytes() == b"400"


def test_listing_while_others_write() -> None:
    store = MemoryStore()
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            store.put(f"key {number % 50}", b"")
            store.delete(f"key {(number + 25) % 50}")
            number += 1

    with ThreadPoolExecutor(2) as threads:
        writers = [threads.submit(write) for _ in range(2)]
        for _ in range(200):
            found = [meta["path"] for meta in store.list().collect()]
            assert found == sorted(set(found))
        stop.set()
    for writer in writers:
        writer.result()


def test_a_finaliser_may_use_the_store() -> None:
    store = MemoryStore()

    class Finalised:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            store.put("finalised", b"")

    gc.collect()
    Finalised()
    for number in range(2000):
        store.put(f"key {number}", b"")
    gc.collect()
    assert store.head("finalised")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_process_has_its_own_copy() -> None:
    from obstore_c import _memory

    store = MemoryStore()
    store.put("key", b"parent")
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with _memory._lock:
            holding.set()
            done.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    holding.wait(10)
    pid = os.fork()
    if not pid:
        status = 1
        try:
            store.put("key", b"child")  # would wait for ever for the thread that stayed behind
            status = 0 if store.get("key").bytes() == b"child" else 2
        finally:
            os._exit(status)
    done.set()
    holder.join()
    assert os.waitpid(pid, 0)[1] == 0
    assert store.get("key").bytes() == b"parent"
