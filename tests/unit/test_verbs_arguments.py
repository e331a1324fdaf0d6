"""Arguments that cannot be right are refused by the call itself, before anything is sent, blocking or not."""

from __future__ import annotations

import asyncio
import inspect
from collections import UserList
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import obstore_c as obs
from obstore_c._backend import Backend
from obstore_c.exceptions import InvalidPathError, NotSupportedError
from obstore_c.store import MemoryStore, ObjectStoreMethods

if TYPE_CHECKING:
    from collections.abc import Callable

NAIVE = datetime(2024, 1, 1)
HOUR = timedelta(hours=1)


class Untouched(ObjectStoreMethods):
    """A store whose operations must not be reached."""

    class _Backend(Backend):
        def _fail(self, *_arguments: Any) -> Any:
            raise AssertionError("an operation was reached")

        get = get_range = get_ranges = head = put = delete = list = list_with_delimiter = _fail
        copy = rename = sign = _fail

    def __init__(self) -> None:
        self._backend = self._Backend()


def _call(verb: str, *args: Any, **kwargs: Any) -> None:
    """Call a verb and its twin; they have to agree. What the twin returns is never awaited."""
    store = Untouched()
    outcomes = []
    for name in (verb, f"{verb}_async"):
        function: Callable[..., Any] | None = getattr(obs, name, None)
        if function is None:  # list has no twin
            continue

        async def call(function: Callable[..., Any] = function) -> None:
            returned = function(store, *args, **kwargs)
            if inspect.iscoroutine(returned):
                returned.close()

        with pytest.raises(Exception) as caught:
            asyncio.run(call()) if name.endswith("_async") else function(store, *args, **kwargs)
        outcomes.append(caught.value)
    assert len({(type(error), str(error)) for error in outcomes}) == 1
    raise outcomes[0]


PATH_VERBS: dict[str, dict[str, Any]] = {
    "get": {},
    "get_into": {"buffer": bytearray(1)},
    "download": {"file": "file"},
    "head": {},
    "put": {"file": b""},
    "get_range": {"start": 0, "end": 1},
    "get_ranges": {"starts": [0], "ends": [1]},
    "copy": {"to": "b"},
    "rename": {"to": "b"},
    "delete": {},
}


@pytest.mark.parametrize("verb", PATH_VERBS)
@pytest.mark.parametrize("path", [b"bytes", None, 1, Path("a")], ids=repr)
def test_path_of_a_wrong_type(verb: str, path: Any) -> None:
    with pytest.raises(TypeError, match="must be a"):
        _call(verb, path, **PATH_VERBS[verb])


@pytest.mark.parametrize("verb", PATH_VERBS)
@pytest.mark.parametrize("path", ["", "a\0", "\r", "a\nb", "\udfff"], ids=ascii)
def test_path_that_cannot_be(verb: str, path: str) -> None:
    with pytest.raises(InvalidPathError) as caught:
        _call(verb, path, **PATH_VERBS[verb])
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("verb", ["copy", "rename"])
def test_target_that_cannot_be(verb: str) -> None:
    with pytest.raises(InvalidPathError, match=r"^to "):
        _call(verb, "a", "b\n")
    with pytest.raises(TypeError, match=r"^to "):
        _call(verb, "a", None)
    with pytest.raises(TypeError, match="overwrite"):
        _call(verb, "a", "b", overwrite=1)


@pytest.mark.parametrize("path", ["a//b", "/a", "a/", "..", "\x01", "\xa0", "\u200b", "🗝"], ids=ascii)
def test_path_that_is_unusual_is_accepted(path: str) -> None:
    store = MemoryStore()
    store.put(path, b"data")
    assert store.get(path).bytes() == b"data"


def test_path_may_be_of_a_subclass_of_str() -> None:
    class Key(str):
        __slots__ = ()

    store = MemoryStore()
    store.put(Key("a"), b"data")
    assert store.get("a").bytes() == b"data"


@pytest.mark.parametrize(
    "store", [None, 1, "s3://bucket", object(), MemoryStore], ids=lambda it: type(it).__name__
)
@pytest.mark.parametrize("verb", [*PATH_VERBS, "list", "list_with_delimiter", "sign"])
def test_what_is_no_store(verb: str, store: Any) -> None:
    arguments: dict[str, Any] = {"method": "GET", "paths": "a", "expires_in": HOUR}
    paths = () if verb in ("sign", "list", "list_with_delimiter") else ("a",)
    keywords = arguments if verb == "sign" else PATH_VERBS.get(verb, {})
    with pytest.raises(TypeError, match="store must be a store"):
        getattr(obs, verb)(store, *paths, **keywords)


def test_a_store_of_obstore_is_no_store_of_ours() -> None:
    import obstore.store

    with pytest.raises(TypeError, match=r"not obstore\.store\.MemoryStore"):
        obs.get(obstore.store.MemoryStore(), "a")


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"start": 0}, ValueError, "either end or length$"),
        ({"start": 0, "end": 1, "length": 1}, ValueError, "not both"),
        ({"start": 5, "end": 5}, ValueError, "from 5 to 5 is empty"),
        ({"start": 5, "end": 3}, ValueError, "from 5 to 3 is empty"),
        ({"start": 5, "length": 0}, ValueError, "from 5 to 5 is empty"),
        ({"start": -1, "end": 3}, ValueError, "start must not be negative"),
        ({"start": -1, "end": 3}, OverflowError, "start must not be negative"),
        ({"start": 0, "end": -3}, ValueError, "end must not be negative"),
        ({"start": 5, "length": -1}, ValueError, "length must not be negative"),
        ({"start": 0.0, "end": 1}, TypeError, "start must be an int, not float"),
        ({"start": "0", "end": 1}, TypeError, "start must be an int, not str"),
        ({"start": None, "length": 1}, TypeError, "start must be an int"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_get_range_refuses(keywords: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        _call("get_range", "a", **keywords)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"starts": [0]}, ValueError, "either ends or lengths$"),
        ({"starts": [0], "ends": [1], "lengths": [1]}, ValueError, "not both"),
        ({"starts": [0, 1], "ends": [1]}, ValueError, "same length, got 2 and 1"),
        ({"starts": [0], "lengths": [1, 2]}, ValueError, "same length, got 1 and 2"),
        ({"starts": [0, 5], "ends": [1, 5]}, ValueError, "from 5 to 5 is empty"),
        ({"starts": [-1], "ends": [1]}, ValueError, "negative"),
        ({"starts": [0], "lengths": [-1]}, ValueError, "negative"),
        ({"starts": [0.5], "ends": [1]}, TypeError, "not float"),
        ({"starts": 0, "ends": [1]}, TypeError, "starts must be a sequence of int, not int"),
        ({"starts": [0], "ends": iter([1])}, TypeError, "ends must be a sequence"),
        ({"starts": b"0", "ends": [1]}, TypeError, "starts must be a sequence"),
        ({"starts": [0], "ends": [1], "coalesce": -1}, ValueError, "coalesce must not be negative"),
        ({"starts": [0], "ends": [1], "coalesce": None}, TypeError, "coalesce must be an int"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_get_ranges_refuses(keywords: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        _call("get_ranges", "a", **keywords)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ([], TypeError, "options must be a dict, not list"),
        ({"if_macth": "a"}, ValueError, "'if_macth' in options; did you mean 'if_match'"),
        ({1: "a"}, ValueError, "unknown key 1"),
        ({"if_match": 1}, TypeError, "must be a str, not int"),
        ({"if_none_match": '"a"\r\nX: y'}, ValueError, "CR, LF or NUL"),
        ({"version": "a\0"}, ValueError, "CR, LF or NUL"),
        ({"if_modified_since": NAIVE}, TypeError, "needs a time zone"),
        ({"if_unmodified_since": NAIVE}, TypeError, "needs a time zone"),
        ({"if_modified_since": "yesterday"}, TypeError, "must be a datetime, not str"),
        ({"head": 1}, TypeError, "must be a bool, not int"),
        ({"range": (5, 5)}, ValueError, "from 5 to 5 is empty"),
        ({"range": (-5, 5)}, ValueError, "negative"),
        ({"range": (1, 2, 3)}, ValueError, "must be .start, end."),
        ({"range": 5}, ValueError, "must be .start, end."),
        ({"range": "ab"}, ValueError, "must be .start, end."),
        ({"range": {}}, ValueError, "must be .start, end."),
        ({"range": {"offset": 1, "suffix": 1}}, ValueError, "must be .start, end."),
        ({"range": {"start": 1}}, ValueError, "must be .start, end."),
        ({"range": {"offset": -1}}, ValueError, "negative"),
        ({"range": {"offset": "1"}}, TypeError, "must be an int"),
        ({"range": {"suffix": 0}}, ValueError, "at least 1"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_get_refuses_options(options: Any, error: type[Exception], message: str) -> None:
    for verb, keywords in (("get_into", {"buffer": bytearray(1)}), ("download", {"file": "file"})):
        with pytest.raises(error, match=message):
            _call(verb, "a", options=options, **keywords)
    with pytest.raises(error, match=message):
        _call("get", "a", options=options)


def test_verbs_that_want_bytes_refuse_head() -> None:
    for verb, keywords in (("get_into", {"buffer": bytearray(1)}), ("download", {"file": "file"})):
        with pytest.raises(ValueError, match="call head instead"):
            _call(verb, "a", options={"head": True}, **keywords)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"mode": "replace"}, ValueError, 'must be "create", "overwrite"'),
        ({"mode": 1}, TypeError, "mode must be a str or a dict"),
        ({"mode": {}}, ValueError, "no version to replace"),
        ({"mode": {"e_tag": None, "version": None}}, ValueError, "no version to replace"),
        ({"mode": {"etag": '"1"'}}, ValueError, "did you mean 'e_tag'"),
        ({"mode": {"e_tag": 1}}, TypeError, "must be a str"),
        ({"mode": {"e_tag": "1\n2"}}, ValueError, "CR, LF or NUL"),
        ({"attributes": [("a", "b")]}, TypeError, "attributes must be a dict of strings, not list"),
        ({"attributes": {"a": 1}}, TypeError, r"attributes\['a'\] must be a str"),
        ({"attributes": {1: "a"}}, TypeError, "a name in attributes must be a str"),
        ({"attributes": {"a": "b\r\nX-Amz-Acl: public"}}, ValueError, "CR, LF or NUL"),
        ({"attributes": {"a\nb": "c"}}, ValueError, "CR, LF or NUL"),
        ({"tags": {"a": None}}, TypeError, r"tags\['a'\] must be a str"),
        ({"tags": {"a\n": "b"}}, ValueError, "CR, LF or NUL"),
        ({"tags": "a=b"}, TypeError, "tags must be a dict of strings"),
        ({"use_multipart": "yes"}, TypeError, "use_multipart must be a bool"),
        ({"chunk_size": 0}, ValueError, "at least 1"),
        ({"chunk_size": -1}, ValueError, "negative"),
        ({"chunk_size": 1.5}, TypeError, "chunk_size must be an int"),
        ({"max_concurrency": -1}, ValueError, "negative"),
        ({"max_concurrency": None}, TypeError, "max_concurrency must be an int"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_put_refuses(keywords: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        _call("put", "a", b"data", **keywords)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"prefix": 1}, TypeError, "prefix must be a str"),
        ({"prefix": "a\n"}, InvalidPathError, "prefix"),
        ({"offset": b"a"}, TypeError, "offset must be a str"),
        ({"offset": "a\0"}, InvalidPathError, "offset"),
        ({"chunk_size": 0}, ValueError, "at least 1"),
        ({"chunk_size": -1}, ValueError, "negative"),
        ({"chunk_size": "1"}, TypeError, "chunk_size must be an int"),
        ({"return_arrow": 1}, TypeError, "return_arrow must be a bool"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_list_refuses(keywords: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        _call("list", **keywords)
    keywords.pop("chunk_size", None)
    keywords.pop("offset", None)
    if keywords:
        with pytest.raises(error, match=message):
            _call("list_with_delimiter", **keywords)


@pytest.mark.parametrize(
    "paths",
    [None, 1, b"a", {"a"}, {"a": 1}, iter(["a"]), [b"a"], ["a", None]],
    ids=lambda it: type(it).__name__,
)
def test_delete_refuses(paths: Any) -> None:
    with pytest.raises(TypeError, match="paths"):
        _call("delete", paths)


def test_delete_accepts_any_sequence() -> None:
    store = MemoryStore()
    store.put("a", b"")
    store.delete(UserList(["a"]))
    assert store.list().collect() == []


@pytest.mark.parametrize(
    ("method", "paths", "expires_in", "error", "message"),
    [
        ("get", "a", HOUR, ValueError, "did you mean 'GET'"),
        ("FETCH", "a", HOUR, ValueError, "HTTP method 'FETCH'"),
        (1, "a", HOUR, TypeError, "method must be a str"),
        ("GET", "", HOUR, InvalidPathError, "empty"),
        ("GET", ["a", 1], HOUR, TypeError, "must be a str"),
        ("GET", "a", 3600, TypeError, "expires_in must be a timedelta, not int"),
        ("GET", "a", -HOUR, ValueError, "negative"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_sign_refuses(method: Any, paths: Any, expires_in: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        _call("sign", method, paths, expires_in)


def test_sign_where_there_are_no_signed_urls() -> None:
    with pytest.raises(NotSupportedError, match="no signed URLs"):
        MemoryStore().sign("GET", "a", HOUR)


def test_a_date_may_have_any_time_zone() -> None:
    store = MemoryStore()
    store.put("a", b"")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(obs.exceptions.NotModifiedError):
        store.get("a", options={"if_modified_since": tomorrow.astimezone()})


def test_numbers_may_be_anything_with_an_index() -> None:
    class Number:
        def __init__(self, value: int) -> None:
            self.value = value

        def __index__(self) -> int:
            return self.value

    store = MemoryStore()
    store.put("a", b"0123456789")
    part: Any = store.get_range("a", start=Number(2), end=Number(4))
    assert part == b"23"
    assert store.get("a", options={"range": [Number(2), Number(4)]}).range == (2, 4)


def test_unexpected_keywords_are_a_type_error() -> None:
    with pytest.raises(TypeError, match="colour"):
        MemoryStore().put("a", b"", colour="red")
    with pytest.raises(TypeError, match="positional"):
        MemoryStore().get("a", {})
