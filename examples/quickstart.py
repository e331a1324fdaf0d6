import asyncio

import obstore_c as obs
from obstore_c.store import MemoryStore

store = MemoryStore()

obs.put(store, "file.txt", b"hello world!")
response = obs.get(store, "file.txt")
print(response.meta["size"], "bytes, last modified", response.meta["last_modified"])
assert response.bytes() == b"hello world!"

assert obs.get_range(store, "file.txt", start=0, end=5) == b"hello"
assert obs.get_range(store, "file.txt", start=6, length=5) == b"world"

obs.copy(store, "file.txt", "folder/copy.txt")
obs.rename(store, "file.txt", "folder/renamed.txt")
print([meta["path"] for page in obs.list(store, "folder") for meta in page])

obs.delete(store, ["folder/copy.txt", "folder/renamed.txt"])
assert obs.list(store).collect() == []


async def main():
    await obs.put_async(store, "file.txt", b"hello world!")
    response = await obs.get_async(store, "file.txt")
    assert await response.bytes_async() == b"hello world!"

    # Gather as many as you like: what is too much at once waits inside.
    parts = await asyncio.gather(
        *(obs.get_range_async(store, "file.txt", start=n, length=1) for n in range(12))
    )
    assert b"".join(parts) == b"hello world!"

    await obs.delete_async(store, "file.txt")


asyncio.run(main())
