"""copy, rename and delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obstore_c.exceptions import AlreadyExistsError

if TYPE_CHECKING:
    from conformance.verbs import BlockingVerbs


def test_copy_leaves_the_source(verbs: BlockingVerbs) -> None:
    verbs.put("a", b"data")
    verbs.copy("a", "folder/b")
    assert verbs.read("a") == verbs.read("folder/b") == b"data"


@pytest.mark.needs("attributes")
def test_copy_keeps_attributes(verbs: BlockingVerbs) -> None:
    verbs.put("a", b"data", attributes={"Content-Type": "text/css", "author": "me"})
    verbs.copy("a", "b")
    attributes = verbs.get("b").attributes
    assert (attributes["Content-Type"], attributes["author"]) == ("text/css", "me")


def test_copy_and_rename_overwrite(verbs: BlockingVerbs) -> None:
    verbs.put("a", b"new")
    verbs.put("b", b"old")
    verbs.put("c", b"old")
    verbs.copy("a", "b")
    verbs.rename("a", "c")
    assert verbs.read("b") == verbs.read("c") == b"new"
    assert verbs.paths() == ["b", "c"]


@pytest.mark.needs("copy_if_not_exists")
@pytest.mark.parametrize("verb", ["copy", "rename"])
def test_without_overwrite_nothing_is_lost(verbs: BlockingVerbs, verb: str) -> None:
    verbs.put("a", b"new")
    verbs.put("b", b"old")
    with pytest.raises(AlreadyExistsError):
        getattr(verbs, verb)("a", "b", overwrite=False)
    assert (verbs.read("a"), verbs.read("b")) == (b"new", b"old")
    getattr(verbs, verb)("a", "c", overwrite=False)
    assert verbs.read("c") == b"new"


def test_rename_moves(verbs: BlockingVerbs) -> None:
    verbs.put("a", b"data")
    verbs.rename("a", "folder/b")
    assert verbs.paths() == ["folder/b"]


def test_rename_to_itself_keeps_the_object(verbs: BlockingVerbs) -> None:
    verbs.put("a", b"data")
    verbs.rename("a", "a")
    assert verbs.read("a") == b"data"
    with pytest.raises(AlreadyExistsError):
        verbs.rename("a", "a", overwrite=False)
    with pytest.raises(FileNotFoundError):
        verbs.rename("missing", "missing")


def test_delete_one(verbs: BlockingVerbs) -> None:
    verbs.put("a", b"")
    verbs.put("b", b"")
    assert verbs.delete("a") is None
    assert verbs.paths() == ["b"]


@pytest.mark.parametrize("kind", [list, tuple])
def test_delete_many(verbs: BlockingVerbs, kind: type) -> None:
    keys = [f"folder {number}/key" for number in range(5)]
    for key in keys:
        verbs.put(key, b"")
    verbs.delete(kind(keys[:4]))
    assert verbs.paths() == keys[4:]


def test_delete_nothing(verbs: BlockingVerbs) -> None:
    verbs.put("a", b"")
    verbs.delete([])
    assert verbs.paths() == ["a"]


def test_delete_what_is_not_there(verbs: BlockingVerbs) -> None:
    verbs.put("a", b"")
    verbs.delete("missing")
    verbs.delete(["a", "missing"])
    assert verbs.paths() == []
