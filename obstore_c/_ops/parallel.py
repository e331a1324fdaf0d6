"""Large objects over several connections: one to S3 gives 85 to 90 MB/s, a machine can take much more.

The object is split into parts that are asked for with `Range` and, so that two versions never mix,
`If-Match`. The first part comes from the request that was made anyway. The engine writes every part to its
place in memory; a part that fails is repaired like any other download.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from obstore_c._client.headers import parse_content_range
from obstore_c._lib.engine import Slab
from obstore_c._ops.body import PIECE_SIZE, Download, Piece
from obstore_c._ops.letgo import let_go
from obstore_c._ops.retry import begin

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore_c._lib.buffer import Bytes
    from obstore_c._ops.io import IO, Buffer, Transfer

# Bodies from this size on are worth more than one connection. Not less than a part.
PARALLEL_FROM = 32 << 20
# Bytes of a part: long enough for a round trip to cost little, short enough for the last one to end soon.
PART_SIZE = PIECE_SIZE
# Parts of one object that are under way at a time. Where every part has memory of its own, that bounds it.
CONNECTIONS = 16
# Parts of all objects in this process. Below the engine's cap for one host, so that a small request does not
# queue behind thousands of parts; an object whose turn has not come makes do with one.
CONNECTIONS_IN_ALL = 128

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
        window = Window(self, 0, lambda start, size: room[start : start + size], fed)
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

    async def read_piece(self, io: IO) -> Buffer | None:
        if self._single or self._over:
            return await super().read_piece(io)
        if self._window is None:
            self._window = Window(self, self._position, lambda _, size: Slab(size))
        try:
            part = await self._window.next(io)
        except BaseException as error:
            self._window.stop()
            self._window = None  # another read would go on from `_position`
            if not isinstance(error, RangesIgnoredError):
                raise
            self._single = True
            return await super().read_piece(io)
        if part is None:
            self.close()
            return None
        self._position = self._planned = part.end
        return part.memory

    def close(self) -> None:
        if self._window is not None:
            self._window.stop()
            self._window = None
        super().close()


class Window:
    """The parts of a download, in order, several of them under way.

    Args:
        download: what to get.
        start: the first byte to get, counted from the first byte of the download.
        memory: makes or finds the memory for the bytes from `start` on, as many as `size`.
        fed: how much of the first part's memory the download's transfer was given already: all or nothing.
    """

    __slots__ = ("_download", "_fed", "_memory", "_next", "_parts")

    def __init__(
        self, download: Download, start: int, memory: Callable[[int, int], Buffer], fed: int = 0
    ) -> None:
        self._download = download
        self._memory = memory
        self._next = start
        self._fed = fed > 0
        self._parts: deque[Part] = deque()

    async def next(self, io: IO) -> Part | None:
        """The next part, with all its bytes; None after the last one. Others are on their way meanwhile.

        Raises:
            RangesIgnoredError: the server knows no ranges.
        """
        client = self._download.client
        if client.stale_at < time.time():
            await client.refresh(io)
        self._top_up(io)
        if not self._parts:
            return None
        part = self._parts[0]
        await part.wait(io)
        return self._parts.popleft()

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

    def _top_up(self, io: IO) -> None:
        length = self._download.length
        while self._next < length and len(self._parts) < CONNECTIONS:
            if self._parts and len(_under_way) >= CONNECTIONS_IN_ALL:
                return
            size = min(PART_SIZE, length - self._next)
            memory = self._memory(self._next, size)
            self._parts.append(Part(self._download, io, self._next, memory, self._fed))
            self._fed = False
            self._next += size


class Part:
    """One part under way.

    Attributes:
        start: its first byte, counted from the first byte of the download.
        end: the byte behind its last one.
        memory: what it is written into.
        transfer: what writes.
    """

    __slots__ = ("_download", "_goes_on", "_request", "_view", "end", "memory", "start", "transfer")

    def __init__(self, download: Download, io: IO, start: int, memory: Buffer, fed: bool = False) -> None:
        self._view = memoryview(memory)
        self._download = download
        self.memory = memory
        self.start = start
        self.end = start + len(self._view)
        first, last = download.first + start, download.first + self.end - 1
        self._request = download.request.with_range(first, last, download.etag)
        transfer = download.take_transfer(io) if start == 0 else None
        # The transfer that the download began with brings the parts that others bring as well.
        self._goes_on = transfer is not None
        if transfer is None:
            transfer = begin(io, download.client, self._request, into=self._view, background=True)
        elif not fed:
            transfer.feed(self._view)
        self.transfer: Transfer = transfer
        _under_way.add(id(self))

    def __del__(self) -> None:
        _under_way.discard(id(self))

    async def wait(self, io: IO) -> None:
        """Until all bytes are there."""
        arrived = await self.transfer.filled()
        size = len(self._view)
        if not self._answers():
            arrived = 0
        if arrived < size:
            await self._repair(io, arrived)
        elif self._goes_on or self.transfer.response.content_length != size:
            self.transfer.cancel()
        else:
            await self.transfer  # its connection can be used again
        _under_way.discard(id(self))

    def _answers(self) -> bool:
        """Whether the bytes are the ones asked for.

        Raises:
            RangesIgnoredError: they are the first ones of the object.
        """
        if self._goes_on:
            return True
        response = self.transfer.response
        if response.status not in (200, 206) or response.header("ETag") not in (self._download.etag, None):
            return False
        sent = parse_content_range(response.header("Content-Range"))
        if sent is None and response.status == 200:
            raise RangesIgnoredError
        first = self._download.first
        return sent is not None and sent[:2] == (first + self.start, first + self.end)

    async def _repair(self, io: IO, arrived: int) -> None:
        """Fill what is missing; `arrived` bytes are there."""
        response = self.transfer.response
        self.transfer.cancel()
        piece = Piece(self.memory)
        piece.filled = arrived
        whole = self._download
        rest = Download(
            io,
            whole.client,
            self._request,
            None,
            whole.response,
            first=whole.first,
            length=self.end,
            arrived=self.start + arrived,
        )
        await rest.repair(io, piece, response)
