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
KEYS_AT_ONCE = 1000
"""So many keys S3 deletes with one request. For libraries that leave that to their user."""

NO_BUFFER = "reads into memory of its own only"
NO_ARROW = "lists no Arrow"
ONE_BY_ONE = "deletes one key with a request"


class NotMeasuredError(Exception):
    """The peer can't do what the case asks for, and why."""


class Peer:
    """A client of the bucket: the calls of one library, without anything around them.

    `a...` methods are coroutines. A library without them says `asynchronous = False`: asynchronous cases
    then run it in as many threads as the case has requests in flight. What of the rest a library can't do
    is in `not_served`.
    """

    module = ""
    """What `import` names."""
    distribution = ""
    """What pip names."""
    asynchronous = True
    store_options: tuple[str, ...] = ()
    """Those of a case's `store` that `build` knows."""
    not_served: Mapping[str, str] = {}
    """Why cases of a verb, or all `blocking` ones, are not measured. It stands below the tables."""

    wants_new_keys = False
    """It takes nginx's 204 for a PUT over an object as a failure: each put has a key of its own."""

    def __init__(self, endpoint: Endpoint, case: Case) -> None:
        self.endpoint = endpoint
        self.case = case

    @classmethod
    def check(cls, case: Case) -> None:
        """Raise NotMeasuredError if the case is none for this peer."""
        unknown = sorted(set(case.store).difference(cls.store_options))
        reason = cls.not_served.get(case.verb) or (unknown and f"no {', '.join(unknown)} over this endpoint")
        if case.how == "blocking" and case.verb not in ("build", "import"):
            reason = reason or cls.not_served.get("blocking")
        if reason:
            raise NotMeasuredError(reason)

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
        raise NotImplementedError

    def drive(self, case: Case, seconds: float) -> Timing | None:
        """Carry out the whole case. For peers that are not libraries of single calls."""
        return None

    def get(self, key: str) -> Any:
        """Read an object whole, into something with a length and a buffer."""
        raise NotImplementedError

    async def aget(self, key: str) -> Any:
        """As `get`."""
        raise NotImplementedError

    def get_into(self, key: str, buffer: bytearray) -> Any:
        """Read an object into a buffer of its size. Returns what holds it then."""
        raise NotImplementedError

    async def aget_into(self, key: str, buffer: bytearray) -> Any:
        """As `get_into`."""
        raise NotImplementedError

    def head(self, key: str) -> int:
        """Size of an object."""
        raise NotImplementedError

    async def ahead(self, key: str) -> int:
        """As `head`."""
        raise NotImplementedError

    def put(self, key: str, body: bytes) -> object:
        """Store an object."""
        raise NotImplementedError

    async def aput(self, key: str, body: bytes) -> object:
        """As `put`."""
        raise NotImplementedError

    def stream(self, key: str) -> Iterator[Any]:
        """An object in chunks of about `CHUNK` bytes."""
        raise NotImplementedError

    def astream(self, key: str) -> AsyncIterator[Any]:
        """As `stream`."""
        raise NotImplementedError

    def get_range(self, key: str, start: int, length: int) -> Any:
        """Part of an object."""
        raise NotImplementedError

    async def aget_range(self, key: str, start: int, length: int) -> Any:
        """As `get_range`."""
        raise NotImplementedError

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
        raise NotImplementedError

    async def alist(self, prefix: str) -> Any:
        """As `list`."""
        raise NotImplementedError

    async def alist_arrow(self, prefix: str) -> Any:
        """As `list`, as an Arrow table or record batch."""
        raise NotImplementedError

    def paths(self, listing: Any) -> Sequence[str]:
        """Keys of a listing of any of the three forms. Called outside of the timed section."""
        raise NotImplementedError

    def delete(self, keys: Sequence[str]) -> object:
        """Delete objects, many with a request, none of which may be refused."""
        raise NotImplementedError

    async def adelete(self, keys: Sequence[str]) -> object:
        """As `delete`."""
        raise NotImplementedError
