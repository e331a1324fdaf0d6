"""list and list_with_delimiter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conformance.verbs import BlockingVerbs

KEYS = ["a.txt", "foo-a/b", "foo.txt", "foo/a", "foo/b", "foo/c/d", "foo0", "foobar/x", "z"]


@pytest.fixture
def tree(verbs: BlockingVerbs) -> BlockingVerbs:
    for number, key in enumerate(KEYS):
        verbs.put(key, b"x" * number)
    return verbs


def test_list_finds_everything_in_order(tree: BlockingVerbs) -> None:
    assert tree.paths() == KEYS
    assert tree.paths("") == KEYS


@pytest.mark.parametrize("prefix", ["foo", "foo/"])
def test_list_prefix_is_made_of_segments(tree: BlockingVerbs, prefix: str) -> None:
    assert tree.paths(prefix) == ["foo/a", "foo/b", "foo/c/d"]


@pytest.mark.parametrize("prefix", ["f", "fo", "foo/a", "a.txt", "nope", "foo/c/d"])
def test_list_prefix_that_is_no_folder_finds_nothing(tree: BlockingVerbs, prefix: str) -> None:
    assert tree.paths(prefix) == []


def test_list_agrees_with_head(tree: BlockingVerbs, backend: Any) -> None:
    for meta in tree.collect(tree.store.list()):
        known = tree.head(meta["path"])
        assert set(meta) == set(known)
        assert meta["size"] == known["size"]
        assert abs((meta["last_modified"] - known["last_modified"]).total_seconds()) < 1
        if backend.can.quoted_list_etags:
            assert meta["e_tag"] == known["e_tag"]


@pytest.mark.parametrize(
    ("prefix", "offset"),
    [(None, "foo/a"), (None, "foo"), ("foo", "foo/a"), ("foo", "a"), ("foo", "z"), (None, "zz"), (None, "")],
)
def test_list_offset_is_exclusive(tree: BlockingVerbs, prefix: str | None, offset: str) -> None:
    below = [key for key in KEYS if prefix is None or key.startswith(f"{prefix}/")]
    assert tree.paths(prefix, offset=offset) == [key for key in below if key > offset]


@pytest.mark.parametrize("chunk_size", [1, 2, 4, 9, 100])
def test_list_chunks_have_the_size_asked_for(tree: BlockingVerbs, chunk_size: int) -> None:
    chunks = tree.chunks(tree.store.list(chunk_size=chunk_size))
    assert [meta["path"] for chunk in chunks for meta in chunk] == KEYS
    assert all(len(chunk) == chunk_size for chunk in chunks[:-1])
    assert chunks[-1]


def test_list_collect_takes_what_is_left(tree: BlockingVerbs) -> None:
    stream = tree.store.list(chunk_size=4)
    assert [meta["path"] for meta in next(stream)] == KEYS[:4]
    assert [meta["path"] for meta in tree.collect(stream)] == KEYS[4:]
    assert tree.collect(stream) == []
    assert tree.chunks(stream) == []


def test_list_of_an_empty_store(verbs: BlockingVerbs) -> None:
    assert verbs.collect(verbs.store.list()) == []
    assert verbs.chunks(verbs.store.list()) == []
    assert verbs.list_with_delimiter() == {"common_prefixes": [], "objects": []}


@pytest.mark.parametrize(
    ("prefix", "directories", "objects"),
    [
        (None, ["foo", "foo-a", "foobar"], ["a.txt", "foo.txt", "foo0", "z"]),
        ("foo", ["foo/c"], ["foo/a", "foo/b"]),
        ("foo/", ["foo/c"], ["foo/a", "foo/b"]),
        ("foo/c", [], ["foo/c/d"]),
        ("fo", [], []),
    ],
)
def test_list_with_delimiter(
    tree: BlockingVerbs, prefix: str | None, directories: list[str], objects: list[str]
) -> None:
    found = tree.list_with_delimiter(prefix)
    assert sorted(found["common_prefixes"]) == directories
    assert [meta["path"] for meta in found["objects"]] == objects


def test_list_many_pages(verbs: BlockingVerbs) -> None:
    # In folders, because rclone takes the longer to put an object the more there are in its folder.
    keys = [f"many/{number // 100:02}/{number:04}" for number in range(1100)]
    for key in keys:
        verbs.store.put(key, b"")
    assert verbs.paths("many", chunk_size=300) == keys
    assert verbs.paths("many", offset=keys[1050]) == keys[1051:]
    assert len(verbs.list_with_delimiter("many")["common_prefixes"]) == 11
    verbs.delete(keys)
    assert verbs.paths() == []


def test_list_as_arrow(tree: BlockingVerbs) -> None:
    arro3 = pytest.importorskip("arro3.core")
    batch = tree.collect(tree.store.list("foo", return_arrow=True))
    assert isinstance(batch, arro3.RecordBatch)
    assert batch["path"].to_pylist() == ["foo/a", "foo/b", "foo/c/d"]
    chunks = tree.chunks(tree.store.list(chunk_size=2, return_arrow=True))
    assert [chunk.num_rows for chunk in chunks] == [2, 2, 2, 2, 1]
    found = tree.list_with_delimiter("foo", return_arrow=True)
    assert isinstance(found["objects"], arro3.Table)
    assert found["objects"]["path"].to_pylist() == ["foo/a", "foo/b"]


@pytest.mark.needs("any_key")
def test_walk_with_delimiter_ends_and_finds_everything(verbs: BlockingVerbs) -> None:
    keys = ["/", "/a", "//", "a", "a/", "a//", "a//b", "a/b", "a/b/c", "b/"]
    for key in keys:
        verbs.put(key, b"")

    def walk(prefix: str | None) -> list[str]:
        level = verbs.list_with_delimiter(prefix)
        below = [key for directory in level["common_prefixes"] for key in walk(directory)]
        return [meta["path"] for meta in level["objects"]] + below

    assert sorted(walk(None)) == sorted(keys)
