"""Bytes, compared with obstore's."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import struct
import sys
import weakref
from array import array
from typing import Any

import obstore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obstore_c._lib.buffer import Bytes

KIB = 1024

contents = st.binary(max_size=40)
bounds = st.none() | st.integers(-45, 45)
predicates = ["isalnum", "isalpha", "isascii", "isdigit", "islower", "isspace", "isupper"]


def outcome(function: Any, *arguments: Any) -> object:
    """The result in a form that compares across both classes, or the exception's class."""
    try:
        result = function(*arguments)
    except Exception as error:
        return type(error)
    return ("Bytes", bytes(result)) if isinstance(result, (Bytes, obstore.Bytes)) else result


def buffers() -> st.SearchStrategy[Any]:
    """Anything a method may be handed: bytes-like objects and others."""
    kinds = [bytes, bytearray, memoryview, lambda data: memoryview(data + b"1234")[::2]]
    made = st.tuples(contents, st.sampled_from(kinds)).map(lambda pair: pair[1](pair[0]))
    return made | st.sampled_from(["text", None, 5, 1.5, [1], array("i", [1, 2])])


@given(contents, bounds, bounds, st.none() | st.integers(-4, 4))
def test_slice_is_obstores(data: bytes, start: int | None, stop: int | None, step: int | None) -> None:
    key = slice(start, stop, step)
    assert outcome(Bytes(data).__getitem__, key) == outcome(obstore.Bytes(data).__getitem__, key)


@given(contents, st.integers(-45, 45))
def test_index_is_obstores(data: bytes, index: int) -> None:
    assert outcome(Bytes(data).__getitem__, index) == outcome(obstore.Bytes(data).__getitem__, index)


@pytest.mark.parametrize("key", ["x", 1.0, None, b"a"], ids=repr)
def test_index_of_wrong_type_is_refused(key: Any) -> None:
    with pytest.raises(TypeError, match="indices must be integers or slices"):
        Bytes(b"abc")[key]


def test_index_that_is_huge_is_out_of_range() -> None:
    with pytest.raises(IndexError):
        Bytes(b"abc")[10**30]


@given(contents, buffers())
def test_operators_are_obstores(data: bytes, other: Any) -> None:
    ours, theirs = Bytes(data), obstore.Bytes(data)
    assert outcome(lambda: ours == other) == outcome(lambda: theirs == other)
    assert outcome(lambda: ours != other) == outcome(lambda: theirs != other)
    assert outcome(lambda: ours + other) == outcome(lambda: theirs + other)


@given(contents, buffers())
def test_operators_from_the_right_are_obstores(data: bytes, other: Any) -> None:
    ours, theirs = Bytes(data), obstore.Bytes(data)
    assert outcome(lambda: other == ours) == outcome(lambda: other == theirs)
    if not isinstance(other, list):  # list + buffer is the list's business
        assert outcome(lambda: other + ours) == outcome(lambda: other + theirs)


@given(contents, contents)
def test_equality_between_two(first: bytes, second: bytes) -> None:
    assert (Bytes(first) == Bytes(second)) is (first == second)
    assert (Bytes(first) != Bytes(second)) is (first != second)


@pytest.mark.parametrize("other", [Bytes(b"b"), b"b", "b", 5], ids=["Bytes", "bytes", "str", "int"])
def test_there_is_no_order_as_in_obstore(other: Any) -> None:
    theirs = obstore.Bytes(b"b") if isinstance(other, Bytes) else other
    for compare in ("__lt__", "__le__", "__gt__", "__ge__"):
        assert getattr(Bytes(b"a"), compare)(other) is NotImplemented
        assert getattr(obstore.Bytes(b"a"), compare)(theirs) is NotImplemented


def test_hash_is_refused_as_in_obstore() -> None:
    for value in (Bytes(b"a"), obstore.Bytes(b"a")):
        with pytest.raises(TypeError, match="unhashable"):
            hash(value)


@given(contents, st.integers(-3, 5) | st.booleans() | st.sampled_from([1.5, "x", None]))
def test_repetition_is_obstores(data: bytes, count: Any) -> None:
    ours, theirs = Bytes(data), obstore.Bytes(data)
    assert outcome(lambda: ours * count) == outcome(lambda: theirs * count)
    if isinstance(count, int):
        assert outcome(lambda: count * ours) is outcome(lambda: count * theirs) is TypeError


def test_repetition_that_is_too_long_is_refused() -> None:
    for count in (sys.maxsize, 10**30):
        with pytest.raises(OverflowError):
            Bytes(b"ab") * count


@given(st.binary(max_size=8), st.binary(max_size=3) | st.sampled_from([b"\0", b"aa"]))
def test_contains_is_obstores(data: bytes, part: bytes) -> None:
    for text in (data, data + part + data, part[:-1] + part):
        assert (part in Bytes(text)) is (part in obstore.Bytes(text)) is (part in text)


@given(contents, buffers())
def test_contains_anything_is_obstores(data: bytes, other: Any) -> None:
    if isinstance(other, array) or (isinstance(other, memoryview) and not other.contiguous):
        return  # obstore raises BufferError or ValueError
    ours, theirs = Bytes(data), obstore.Bytes(data)
    assert outcome(lambda: other in ours) == outcome(lambda: other in theirs)


@given(st.text("abAB1 \t\n\x0b\x0c\r\x1c\x85\xe9\xff", max_size=4).map(lambda text: text.encode("latin-1")))
@pytest.mark.parametrize("predicate", predicates)
def test_predicates_are_those_of_bytes(predicate: str, data: bytes) -> None:
    assert getattr(Bytes(data), predicate)() is getattr(data, predicate)()
    assert getattr(obstore.Bytes(data), predicate)() is getattr(data, predicate)()


@given(contents)
def test_case_is_that_of_bytes(data: bytes) -> None:
    assert bytes(Bytes(data).upper()) == bytes(obstore.Bytes(data).upper()) == data.upper()
    assert bytes(Bytes(data).lower()) == bytes(obstore.Bytes(data).lower()) == data.lower()


@given(st.text("ab", max_size=6), st.text("ab", max_size=3))
def test_prefix_and_suffix_are_those_of_bytes(text: str, affix: str) -> None:
    data, part = text.encode(), affix.encode()
    assert bytes(Bytes(data).removeprefix(part)) == data.removeprefix(part)
    assert bytes(Bytes(data).removesuffix(part)) == data.removesuffix(part)
    assert bytes(Bytes(data).removeprefix(Bytes(part))) == data.removeprefix(part)


@pytest.mark.parametrize("method", ["removeprefix", "removesuffix"])
def test_affix_that_is_no_buffer_is_refused(method: str) -> None:
    with pytest.raises(TypeError, match="bytes-like object is required, not 'str'"):
        getattr(Bytes(b"a"), method)("a")


@given(contents | st.text("'\"\\\n\0a").map(str.encode))
def test_repr_is_obstores(data: bytes) -> None:
    assert repr(Bytes(data)) == repr(obstore.Bytes(data))
    assert eval(repr(Bytes(data)), {"Bytes": Bytes}) == data
    assert str(Bytes(data)) == repr(Bytes(data))


def test_repr_of_much_is_short() -> None:
    assert repr(Bytes(b"x" * 4096)) == f'Bytes(b"{"x" * 4096}")'
    assert repr(Bytes(b"x" * 4097)) == f'Bytes(b"{"x" * 64}"... 4097 bytes)'


@given(buffers())
def test_constructor_takes_what_obstore_takes(value: Any) -> None:
    theirs = outcome(obstore.Bytes, value)
    if theirs is BufferError:  # numbers wider than a byte; here their memory counts
        assert bytes(Bytes(value)) == bytes(value)
    else:
        assert outcome(Bytes, value) == theirs


def test_constructor_without_argument_is_empty() -> None:
    assert Bytes() == b""
    assert not Bytes()
    assert len(Bytes()) == 0
    assert bytes(memoryview(Bytes())) == b""


def test_constructor_takes_the_keyword() -> None:
    assert Bytes(buf=b"x") == b"x"


def test_constructor_of_several_dimensions_takes_the_memory() -> None:
    assert Bytes(memoryview(b"abcdef").cast("B", (2, 3))) == b"abcdef"


def test_buffer_is_read_only_and_shared() -> None:
    view = memoryview(Bytes(b"abc"))
    assert (view.readonly, view.format, view.shape, view.itemsize) == (True, "B", (3,), 1)
    assert isinstance(view.obj, Bytes)
    with pytest.raises(TypeError):
        view[0] = 1
    with pytest.raises(TypeError):
        io.BytesIO(b"x").readinto(Bytes(b"abc"))


def test_buffer_method_of_pep_688() -> None:
    assert Bytes(b"abc").__buffer__(0).tobytes() == b"abc"
    with pytest.raises(BufferError):
        Bytes(b"abc").__buffer__(1)  # PyBUF_WRITABLE


def test_source_is_not_copied_and_stays_exported() -> None:
    source = bytearray(b"abc")
    data = Bytes(source)
    source[0] = ord("z")
    assert data == b"zbc"
    with pytest.raises(BufferError):
        source.append(1)
    del data
    source.append(1)


def test_source_view_may_be_released() -> None:
    view = memoryview(bytearray(b"abc"))
    data = Bytes(view)
    view.release()
    assert data == b"abc"


def test_second_init_changes_nothing() -> None:
    data = Bytes(b"abc")
    view = memoryview(data)
    data.__init__(b"other")  # type: ignore[misc]
    assert data == b"abc"
    assert view == b"abc"


class Owner(bytearray):
    """A bytearray that can be watched."""


def test_large_slice_shares_the_memory() -> None:
    owner = Owner(1000 * KIB)
    part = Bytes(owner)[KIB:]
    owner[KIB] = 7
    assert part[0] == 7
    watch = weakref.ref(owner)
    del owner
    assert watch() is not None
    del part
    assert watch() is None


@pytest.mark.parametrize(
    "cut",
    [
        lambda data: data[5:10],
        lambda data: data[: 64 * KIB],
        lambda data: data[500 * KIB :][:100],  # a slice of a slice: what counts is what it pins
        lambda data: data.removeprefix(bytes(990 * KIB)),
        lambda data: data[::2],
    ],
    ids=["slice", "longest copied", "slice of slice", "removeprefix", "step"],
)
def test_small_slice_does_not_pin_a_large_owner(cut: Any) -> None:
    owner = Owner(1000 * KIB)
    watch = weakref.ref(owner)
    part = cut(Bytes(owner))
    del owner
    assert watch() is None
    assert bytes(part) == bytes(len(part))


def test_slice_over_the_limit_is_never_copied() -> None:
    owner = Owner(1000 * KIB)
    part = Bytes(owner)[: 64 * KIB + 1]
    owner[0] = 7
    assert part[0] == 7


def test_slice_of_a_quarter_is_not_copied() -> None:
    owner = Owner(400)
    part = Bytes(owner)[100:200]
    owner[100] = 7
    assert part[0] == 7


def test_copy_of_bytes_pins_as_much_as_its_source() -> None:
    owner = Owner(1000 * KIB)
    watch = weakref.ref(owner)
    part = Bytes(Bytes(owner)[500 * KIB :])[:10]
    del owner
    assert watch() is None
    assert len(part) == 10


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol: int) -> None:
    data = Bytes(b"abc")[1:]
    again = pickle.loads(pickle.dumps(data, protocol))
    assert type(again) is Bytes
    assert again == b"bc"


def test_pickle_out_of_band_copies_nothing() -> None:
    taken: list[pickle.PickleBuffer] = []
    stream = pickle.dumps(Bytes(b"x" * 100_000), 5, buffer_callback=taken.append)
    assert len(stream) < 200
    source = bytearray(taken[0])
    again = pickle.loads(stream, buffers=[source])
    source[0] = ord("y")
    assert again[0] == ord("y")


def test_copy_module() -> None:
    assert copy.copy(Bytes(b"abc")) == copy.deepcopy(Bytes(b"abc")) == b"abc"


def test_subclass_keeps_its_type_but_its_slices_do_not() -> None:
    class Mine(Bytes):
        pass

    mine = Mine(b"abcdef")
    assert memoryview(mine) == b"abcdef"
    assert mine.__buffer__(0) == b"abcdef"
    assert type(mine[1:3]) is Bytes
    assert mine == b"abcdef"
    assert Bytes(b"abcdef") == mine
    assert Bytes(mine) == mine


def test_weak_reference() -> None:
    data = Bytes(b"abc")
    watch = weakref.ref(data)
    del data
    assert watch() is None


def test_is_not_tracked_by_the_garbage_collector() -> None:
    assert not gc.is_tracked(Bytes(b"abc"))


def test_attributes_are_refused() -> None:
    with pytest.raises(AttributeError):
        Bytes(b"a").x = 1  # type: ignore[attr-defined]


def test_iteration() -> None:
    assert list(Bytes(b"abc")) == list(b"abc")
    assert list(reversed(Bytes(b"abc"))) == list(b"cba")


def test_usable_where_bytes_are() -> None:
    data = Bytes(struct.pack("<IH", 70_000, 5))
    assert struct.unpack("<IH", data) == (70_000, 5)
    assert struct.unpack_from("<H", data, 4) == (5,)
    assert int.from_bytes(data[:4], "little") == 70_000
    assert io.BytesIO(data).read() == data
    assert b"".join([data, data]) == bytes(data) * 2
    assert b"%b" % data == bytes(data)
    assert bytearray(data) == data
    assert memoryview(data).cast("H")[2] == 5


def test_public_methods_are_obstores() -> None:
    def public(cls: type) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    assert public(Bytes) == public(obstore.Bytes)
