"""The first steps, in memory: no server, no credentials. The README shows this file."""

import asyncio

import obstore_c as obs
from obstore_c.store import MemoryStore


def blocking() -> None:
    store = MemoryStore()

    obs.put(store, "file.txt", b"hello world!")
    response = obs.get(store, "file.txt")
    print(response.meta["size"], "bytes, last modified", response.meta["last_modified"])
    assert response.bytes() == b"hello world!"

    assert obs.get_range(store, "file.txt", start=0, end=5) == b"hello"
    assert obs.get_range(store, "file.txt", start=6, length=5) == b"world"

    obs.copy(store, "file.txt", "folder/copy.txt")
    obs.rename(store, "file.txt", "folder/renamed.txt")
    for page in obs.list(store, "folder"):
        print(", ".join(meta["path"] for meta in page))

    obs.delete(store, ["folder/copy.txt", "folder/renamed.txt"])
    assert obs.list(store).collect() == []


async def asynchronous() -> None:
    store = MemoryStore()

    await obs.put_async(store, "file.txt", b"hello world!")
    response = await obs.get_async(store, "file.txt")
    assert response.meta["path"] == "file.txt"
    assert await response.bytes_async() == b"hello world!"
    assert await obs.get_range_async(store, "file.txt", start=6, length=5) == b"world"

    await obs.copy_async(store, "file.txt", "copy.txt")
    await obs.rename_async(store, "copy.txt", "renamed.txt")
    async for page in obs.list(store):
        print(", ".join(meta["path"] for meta in page))

    await obs.delete_async(store, ["file.txt", "renamed.txt"])


if __name__ == "__main__":
    blocking()
    asyncio.run(asynchronous())
