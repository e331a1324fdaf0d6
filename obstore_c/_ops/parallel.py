"""Large objects over several connections: one to S3 gives 85 to 90 MB/s, a machine can take much more.

The object is split into parts that are asked for with `Range` and, so that two versions never mix,
`If-Match`. The first part comes from the request that was made anyway. The engine writes every part to its
place in memory; a part that fails is repaired like any other download.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

from obstore_c._client.headers import parse_content_range
from obstore_c._lib.engine import Slab
from obstore_c._ops.body import Download, Piece
from obstore_c._ops.retry import begin

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore_c._lib.buffer import Bytes
    from obstore_c._ops.io import IO, Buffer, Transfer

# Objects from this size on are worth more than one connection.
PARALLEL_FROM = 32 << 20
CONNECTIONS = 16
_PART = 8 << 20
_PARTS_AT_MOST = 1024

Memory = TypeVar("Memory", bound="Buffer")


class RangesIgnoredError(Exception):
    """The server sends the whole object though a part was asked for."""


def part_size(length: int) -> int:
    """Bytes of a part, for an object of `length` bytes: 8 MiB, more where that would be too many parts."""
    smallest = -(-length // _PARTS_AT_MOST)
    return max(_PART, -(-smallest // _PART) * _PART)


class LargeDownload(Download):
    """A download that is collected over several connections. As a stream it uses one."""

    __slots__ = ()

    async def collect(self, io: IO) -> Bytes:
        slab = Slab(self.length)
        await self.read_into(io, slab)
        return slab.to_bytes(self.length)

    async def read_into(self, io: IO, memory: Buffer) -> int:
        view = memoryview(memory)
        window = Window(self, io, lambda start, size: view[start : start + size])
        try:
            while await window.next(io) is not None:
                pass
        except RangesIgnoredError:
            window.stop()
            return await super().read_into(io, memory)
        finally:
            window.stop()
        self.close()
        return self.length


class Window:
    """The parts of a download, in order, several of them under way.

    Args:
        download: what to get, none of which was read yet.
        io: who waits.
        memory: makes or finds the memory for the bytes from `start` on, as many as `size`.
    """

    __slots__ = ("_download", "_memory", "_next", "_part_size", "_under_way")

    def __init__(self, download: Download, io: IO, memory: Callable[[int, int], Buffer]) -> None:
        self._download = download
        self._memory = memory
        self._part_size = part_size(download.length)
        self._next = 0
        self._under_way: deque[_Part] = deque()
        self._top_up(io)

    async def next(self, io: IO) -> tuple[int, Buffer] | None:
        """Where the next part starts, and its bytes; None after the last one.

        Raises:
            RangesIgnoredError: the server knows no ranges.
        """
        if not self._under_way:
            return None
        part = self._under_way[0]
        await part.wait(io)
        self._under_way.popleft()
        self._top_up(io)
        return part.start, part.memory

    def stop(self) -> None:
        """End what is under way. Idempotent."""
        for part in self._under_way:
            part.transfer.cancel()
        self._under_way.clear()

    def _top_up(self, io: IO) -> None:
        length = self._download.length
        while self._next < length and len(self._under_way) < CONNECTIONS:
            size = min(self._part_size, length - self._next)
            memory = self._memory(self._next, size)
            self._under_way.append(_Part(self._download, io, self._next, memory))
            self._next += size


class _Part:
    """One part under way."""

    __slots__ = ("_download", "_is_first", "_request", "_view", "memory", "start", "transfer")

    def __init__(self, download: Download, io: IO, start: int, memory: Buffer) -> None:
        self._download = download
        self._view = memoryview(memory)
        self.memory = memory
        self.start = start
        first = download.first + start
        self._request = download.request.with_range(first, first + len(self._view) - 1, download.etag)
        transfer = download.take_transfer(io) if start == 0 else None
        self._is_first = transfer is not None
        if transfer is None:
            transfer = begin(io, download.client, self._request, into=self._view, background=True)
        else:
            transfer.keep_going()
            transfer.feed(self._view)
        self.transfer: Transfer = transfer

    async def wait(self, io: IO) -> None:
        """Until all bytes are there."""
        arrived = await self.transfer.filled()
        if not self._answers():
            arrived = 0
        if arrived < len(self._view):
            await self._repair(io, arrived)
        elif self._is_first:
            self.transfer.cancel()  # it would go on with the parts that others bring
        else:
            await self.transfer

    def _answers(self) -> bool:
        """Whether the bytes are the ones asked for."""
        if self._is_first:
            return True
        response = self.transfer.response
        if response.status not in (200, 206):
            return False
        sent = parse_content_range(response.header("Content-Range"))
        if sent is None and response.status == 200:
            raise RangesIgnoredError
        first = self._download.first + self.start
        return sent is not None and sent[:2] == (first, first + len(self._view))

    async def _repair(self, io: IO, arrived: int) -> None:
        response = self.transfer.response
        self.transfer.cancel()
        piece = Piece(self.memory)
        piece.filled = arrived
        part = Download(
            io,
            self._download.client,
            self._request,
            None,
            self._download.response,
            first=self._download.first + self.start,
            length=len(self._view),
            arrived=arrived,
        )
        await part.repair(io, piece, response)
