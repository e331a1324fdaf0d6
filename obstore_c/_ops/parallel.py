"""Large objects over several connections: one to S3 gives 85 to 90 MB/s, a machine can take much more.

The object is split into parts that are asked for with `Range` and, so that two versions never mix,
`If-Match`. The first part comes from the request that was made anyway. The engine writes every part to its
place in memory. Parts may arrive in any order, so that a slow one, or one that has to be asked for again,
does not hold up the others.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from obstore_c._client.errors import Failure
from obstore_c._client.headers import parse_content_range
from obstore_c._lib.engine import Slab, capacity
from obstore_c._ops.body import BROKEN, PIECE_SIZE, Download
from obstore_c._ops.letgo import let_go
from obstore_c._ops.retry import Attempts, begin

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore_c._lib.buffer import Bytes
    from obstore_c._ops.io import IO, Buffer, Response, Transfer

# Bodies from this size on are worth more than one connection. Not less than a part.
PARALLEL_FROM = 32 << 20
# Bytes of a part: long enough for a round trip to cost little, short enough for the last one to end soon.
PART_SIZE = PIECE_SIZE
# Parts of one object that are under way at a time. Where every part has memory of its own, that bounds it.
CONNECTIONS = 16
# Parts of all objects in this process. Below the engine's cap for one host, so that a small request does not
# queue behind thousands of parts; an object whose turn has not come makes do with one.
CONNECTIONS_IN_ALL = min(128, capacity() // 2)

_under_way: set[int] = set()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_under_way.clear)


class RangesIgnoredError(Exception):
    """The server sends the whole object though a part was asked for."""


class LargeDownload(Download):
    """A download that comes over several connections, unless it is read in chunks."""

    __slots__ = ("_single", "_window")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._window: Window | None = None
        self._single = False

    async def collect(self, io: IO) -> Bytes:
        slab = Slab(self.length)
        await self.read_into(io, memoryview(slab))
        return slab.to_bytes(self.length)

    async def read_into(self, io: IO, memory: memoryview, fed: int = 0) -> int:
        room = self._room_in(memory)
        window = Window(self, lambda start, size: room[start : start + size], fed)
        try:
            while await window.next(io) is not None:
                pass
            self.close()
            return self.length
        except GeneratorExit:
            raise
        except BaseException as error:
            await window.let_go()  # the memory is the caller's again, or that of the attempt below
            if not isinstance(error, RangesIgnoredError):
                raise
        finally:
            window.stop()
        return await super().read_into(io, room)

    async def read_piece(self, io: IO) -> tuple[int, Buffer] | None:
        if self._single or self._over:
            return await super().read_piece(io)
        if self._window is None:
            self._window = Window(self, lambda _, size: Slab(size))
        try:
            part = await self._window.next(io)
        except BaseException as error:
            self._window.stop()
            self._window = None  # whoever reads on gets everything again
            if not isinstance(error, RangesIgnoredError):
                raise
            self._single = True
            return await super().read_piece(io)
        if part is None:
            self.close()
            return None
        return part.start, part.memory

    def close(self) -> None:
        if self._window is not None:
            self._window.stop()
            self._window = None
        super().close()


class Window:
    """The parts of a download, several of them under way.

    Args:
        download: what to get.
        memory: makes or finds the memory for the bytes from `start` on, as many as `size`.
        fed: how much of the first part's memory the download's transfer was given already: all or nothing.
    """

    __slots__ = ("_download", "_fed", "_memory", "_next", "_parts")

    def __init__(self, download: Download, memory: Callable[[int, int], Buffer], fed: int = 0) -> None:
        self._download = download
        self._memory = memory
        self._next = 0
        self._fed = fed > 0
        self._parts: list[Part] = []

    async def next(self, io: IO) -> Part | None:
        """A part, with all its bytes; None after the last one. Others are on their way meanwhile.

        Raises:
            RangesIgnoredError: the server knows no ranges.
        """
        while True:
            await self._top_up(io)
            if not self._parts:
                return None
            part = self._parts[0]
            if len(self._parts) > 1 and not (part.goes_on and io.blocking):
                over = await io.first([each.transfer for each in self._parts])
                part = next(each for each in self._parts if each.transfer is over)
            if await part.settle(io):
                self._parts.remove(part)
                return part

    def stop(self) -> None:
        """End what is under way. Idempotent."""
        for part in self._parts:
            part.transfer.cancel()
            _under_way.discard(id(part))
        self._parts.clear()

    async def let_go(self) -> None:
        """End what is under way, and wait until nothing is written into its memory any more."""
        transfers = [part.transfer for part in self._parts]
        self.stop()
        await let_go(*transfers)

    async def _top_up(self, io: IO) -> None:
        length = self._download.length
        while self._next < length and len(self._parts) < CONNECTIONS:
            if self._parts and len(_under_way) >= CONNECTIONS_IN_ALL:
                return
            client = self._download.client
            if client.stale_at < time.time():
                await client.refresh(io)
            size = min(PART_SIZE, length - self._next)
            memory = self._memory(self._next, size)
            self._parts.append(Part(self._download, io, self._next, memory, self._fed))
            self._fed = False
            self._next += size


class Part:
    """One part under way.

    Attributes:
        start: its first byte, counted from the first byte of the download.
        memory: what it is written into.
        transfer: what writes.
        goes_on: the transfer is the one that the download began with. It brings also what others bring, and a
            blocking caller has to wait for it to make progress.
    """

    __slots__ = (
        "_arrived",
        "_attempts",
        "_download",
        "_request",
        "_view",
        "goes_on",
        "memory",
        "start",
        "transfer",
    )

    def __init__(self, download: Download, io: IO, start: int, memory: Buffer, fed: bool) -> None:
        self._download = download
        self._view = memoryview(memory)
        self._arrived = 0
        self._attempts: Attempts | None = None
        self.memory = memory
        self.start = start
        transfer = download.take_transfer(io) if start == 0 else None
        self.goes_on = transfer is not None
        self._request = download.request
        self.transfer: Transfer = transfer or self._ask(io)
        if transfer is not None and not fed:
            transfer.feed(self._view)
        _under_way.add(id(self))

    def __del__(self) -> None:
        _under_way.discard(id(self))

    def _ask(self, io: IO, delay: float = 0.0) -> Transfer:
        """Ask for what is missing."""
        whole = self._download
        first = whole.first + self.start
        request = whole.request.with_range(first + self._arrived, first + len(self._view) - 1, whole.etag)
        self._request = request
        view = self._view[self._arrived :]
        return begin(io, whole.client, request, delay=delay, into=view, background=True)

    async def settle(self, io: IO) -> bool:
        """Wait for the transfer. True: the part is complete; False: the rest of it was asked for again."""
        arrived = await self.transfer.filled()
        response = self.transfer.response
        self._download.check_unchanged(response, self.start + self._arrived)
        if not self._answers(response, arrived):
            arrived = 0
        missing = len(self._view) - self._arrived
        self._arrived += arrived
        if arrived < missing:
            await self._ask_again(io, response, progress=arrived > 0)
            return False
        if self.goes_on or response.content_length != missing:
            self.transfer.cancel()
        else:
            await self.transfer  # its connection can be used again
        if self._attempts is not None:
            self._attempts.succeeded()
        _under_way.discard(id(self))
        return True

    def _answers(self, response: Response, arrived: int) -> bool:
        """Whether the bytes that arrived are the ones asked for, or the first of them.

        Raises:
            RangesIgnoredError: they are the first ones of the object.
        """
        if self.goes_on:
            return True
        if response.status not in (200, 206):
            return False
        sent = parse_content_range(response.header("Content-Range"))
        if sent is None:
            if response.status == 200:
                raise RangesIgnoredError
            return False
        first = self._download.first + self.start
        return sent[0] == first + self._arrived and arrived <= sent[1] - sent[0]

    async def _ask_again(self, io: IO, response: Response, *, progress: bool) -> None:
        client = self._download.client
        self.transfer.cancel()
        failure = client.failure(self._request, response)
        if self._attempts is None:
            self._attempts = Attempts(client, response)
        if progress:
            self._attempts.renew()
        delay = 0.0
        if failure.curl_code or not 200 <= response.status < 300:
            delay = self._attempts.next_delay(self._request, failure)
        elif not progress:
            asked = dict(self._request.headers).get("Range")
            what = f"{asked} was asked for, {response.header('Content-Range')} was sent"
            wrong = Failure(0, curl_code=BROKEN, curl_message=what)
            delay = self._attempts.next_delay(self._request, wrong)
        await client.refresh(io)
        self.goes_on = False
        self.transfer = self._ask(io, delay)
