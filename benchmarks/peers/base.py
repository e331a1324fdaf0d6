"""What an adapter offers to the harness. An adapter is one file with one class named `Adapter`."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from benchmarks.cases import Case
    from benchmarks.meter import Timing
    from benchmarks.server.endpoint import Endpoint

CHUNK = 10 * 1024 * 1024
"""Bytes of a stream's chunk: obstore's default."""

RANGES_IN_FLIGHT = 64
"""For libraries that read one range at a time."""


class NotMeasuredError(Exception):
    """The peer can't do what the case asks for, and why."""


class Peer:
    """A client of the bucket: the calls of one library, without anything around them.

    `a...` methods are coroutines. A library without them says `asynchronous = False`: asynchronous cases
    then run it in as many threads as the case has requests in flight.
    """

    module = ""
    """What `import` names."""
    distribution = ""
    """What pip names."""
    asynchronous = True
    store_options: tuple[str, ...] = ()
    """Those of a case's `store` that `build` knows."""

    wants_new_keys = False
    """It takes nginx's 204 for a PUT over an object as a failure: the old one is removed first."""

    def __init__(self, endpoint: Endpoint, options: Mapping[str, Any]) -> None:
        if unknown := set(options).difference(self.store_options):
            raise NotMeasuredError(f"no {', '.join(sorted(unknown))} over this endpoint")
        self.endpoint = endpoint
        self.options = options

    @classmethod
    def version(cls) -> str:
        """Version of the library that is installed."""
        return version(cls.distribution)

    async def aopen(self) -> None:
        """Make ready what needs a running event loop."""

    async def aclose(self) -> None:
        """Give back what `aopen` took."""

    def build(self) -> object:
        """Build a client as a user does, without using it."""
        raise NotMeasuredError("nothing to build")

    def drive(self, case: Case, seconds: float) -> Timing | None:
        """Carry out the whole case. For peers that are not libraries of single calls."""
        return None

    def get(self, key: str) -> Any:
        """Read an object whole, into something with a length and a buffer."""
        raise NotMeasuredError("no blocking get")

    async def aget(self, key: str) -> Any:
        """As `get`."""
        raise NotMeasuredError("no asynchronous get")

    def head(self, key: str) -> int:
        """Size of an object."""
        raise NotMeasuredError("no blocking head")

    async def ahead(self, key: str) -> int:
        """As `head`."""
        raise NotMeasuredError("no asynchronous head")

    def put(self, key: str, body: bytes) -> object:
        """Store an object."""
        raise NotMeasuredError("no blocking put")

    async def aput(self, key: str, body: bytes) -> object:
        """As `put`."""
        raise NotMeasuredError("no asynchronous put")

    def stream(self, key: str) -> Iterator[Any]:
        """An object in chunks of about `CHUNK` bytes."""
        raise NotMeasuredError("no blocking stream")

    def astream(self, key: str) -> AsyncIterator[Any]:
        """As `stream`."""
        raise NotMeasuredError("no asynchronous stream")

    def get_range(self, key: str, start: int, length: int) -> Any:
        """Part of an object."""
        raise NotMeasuredError("no blocking get_range")

    async def aget_range(self, key: str, start: int, length: int) -> Any:
        """As `get_range`."""
        raise NotMeasuredError("no asynchronous get_range")

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> Sequence[Any]:
        """Parts of an object, a request each: by `get_range` where the library has nothing better."""
        with ThreadPoolExecutor(RANGES_IN_FLIGHT) as pool:
            return list(pool.map(self.get_range, [key] * len(starts), starts, lengths))

    async def aget_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> Sequence[Any]:
        """As `get_ranges`."""
        free = asyncio.Semaphore(RANGES_IN_FLIGHT)

        async def one(start: int, length: int) -> Any:
            async with free:
                return await self.aget_range(key, start, length)

        return await asyncio.gather(*map(one, starts, lengths))

    def list(self, prefix: str) -> Any:
        """All objects under a prefix in the library's own form, a sequence."""
        raise NotMeasuredError("no blocking list")

    async def alist(self, prefix: str) -> Any:
        """As `list`."""
        raise NotMeasuredError("no asynchronous list")

    async def alist_arrow(self, prefix: str) -> Any:
        """As `list`, as an Arrow table or record batch."""
        raise NotMeasuredError("no listing as Arrow")

    def paths(self, listing: Any) -> Sequence[str]:
        """Keys of a listing of any of the three forms. Called outside of the timed section."""
        raise NotMeasuredError("no listing")
