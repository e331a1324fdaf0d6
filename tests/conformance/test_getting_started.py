"""The first things that a user tries, in the order of the README."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import obstore_c as obs


def test_getting_started_blocking(store: Any) -> None:
    obs.put(store, "file.txt", b"hello world")
    result = obs.get(store, "file.txt")
    assert result.meta["path"] == "file.txt"
    assert result.meta["size"] == 11
    assert abs(result.meta["last_modified"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert result.bytes() == b"hello world"
    assert obs.get_range(store, "file.txt", start=6, length=5) == b"world"
    obs.copy(store, "file.txt", "copy.txt")
    obs.rename(store, "copy.txt", "folder/moved.txt")
    assert sorted(meta["path"] for meta in obs.list(store).collect()) == ["file.txt", "folder/moved.txt"]
    obs.delete(store, ["file.txt", "folder/moved.txt"])
    assert obs.list(store).collect() == []
    with pytest.raises(FileNotFoundError):
        obs.get(store, "file.txt")


async def test_getting_started_async(store: Any) -> None:
    await obs.put_async(store, "file.txt", b"hello world")
    result = await obs.get_async(store, "file.txt")
    assert result.meta["path"] == "file.txt"
    assert result.meta["size"] == 11
    assert await result.bytes_async() == b"hello world"
    assert await obs.get_range_async(store, "file.txt", start=6, length=5) == b"world"
    await obs.copy_async(store, "file.txt", "copy.txt")
    await obs.rename_async(store, "copy.txt", "folder/moved.txt")
    found = [meta["path"] async for chunk in obs.list(store, chunk_size=1) for meta in chunk]
    assert sorted(found) == ["file.txt", "folder/moved.txt"]
    await obs.delete_async(store, ["file.txt", "folder/moved.txt"])
    assert await obs.list(store).collect_async() == []
    with pytest.raises(FileNotFoundError):
        await obs.get_async(store, "file.txt")
