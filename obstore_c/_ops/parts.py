"""How an object is cut into parts, and what is known about each before it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore_c._client.request import UNSIGNED_PAYLOAD
from obstore_c._lib.lanes import LANES, sha256_each
from obstore_c._ops.digest import ASIDE
from obstore_c._payload import BufferSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from obstore_c._backend import PutOptions
    from obstore_c._client.provider import Client
    from obstore_c._ops.io import IO
    from obstore_c._payload import Piece, Source

# Parts of what is in memory anyway: larger ones mean fewer requests, and cost nothing.
_LARGE_PART = 16 << 20
# How fast parts grow when nobody knows how long the object will be: see `growing_part_size`.
_STEADY_SHARE = 2
_GROWTH = 900


class Parts:
    """Cuts a source into parts, and hands them out in groups that are hashed together.

    Args:
        client: where they go, which says how many there may be.
        source: where they come from, opened.
        options: how large they should be at least.
        first: the first one, if it was read already.
    """

    __slots__ = ("_bytes", "_client", "_count", "_first", "_fixed", "_group", "_options", "_over", "_source")

    def __init__(self, client: Client, source: Source, options: PutOptions, first: Piece | None) -> None:
        in_memory = isinstance(source, BufferSource)
        self._client = client
        self._source = source
        self._options = options
        self._first = first
        self._fixed = 0
        if source.size is not None:
            self._fixed = part_size(client, source.size, options, in_memory=in_memory)
        # What is read into memory for the purpose waits there for the rest of its group.
        self._group = min(LANES if in_memory else min(LANES, 2), options.max_concurrency)
        self._count = 0
        self._bytes = 0
        self._over = False

    async def next_group(self, io: IO) -> list[Piece]:
        """The next parts; none after the last one. An empty source has one part, which is empty."""
        group: list[Piece] = []
        while not self._over and len(group) < self._group:
            size = self._fixed or growing_part_size(self._client, self._count, self._bytes, self._options)
            part, self._first = self._first, None
            if part is None:
                part = await self._source.read(io, size)
            self._bytes += len(part)
            self._over = len(part) < size or self._bytes == self._source.size
            if len(part) or not self._count:
                group.append(part)
            self._count += 1
        return group


async def digests_of(io: IO, client: Client, group: Sequence[Piece]) -> list[str]:
    """The SHA-256 of each part in hex, or `UNSIGNED_PAYLOAD` where nobody wants it."""
    if not client.needs_digest:
        return [UNSIGNED_PAYLOAD] * len(group)
    if sum(map(len, group)) < ASIDE:
        return sha256_each(group)
    return await io.call(sha256_each, group)


def part_size(client: Client, total: int, options: PutOptions, *, in_memory: bool) -> int:
    """Bytes of a part, for an object of `total` bytes: never less than `chunk_size`.

    More where that would be too many parts. A part that is in memory anyway is as large as all connections
    together can make use of, so that they finish at the same time: 96 MiB over 12 connections are 12 parts of
    8 MiB.
    """
    size = max(options.chunk_size, -(-total // client.parts_at_most))
    if in_memory:
        rounds = -(-total // (_LARGE_PART * options.max_concurrency)) or 1
        size = max(size, -(-total // (rounds * options.max_concurrency)))
    return min(size, client.part_bytes_at_most)


def growing_part_size(client: Client, count: int, sent: int, options: PutOptions) -> int:
    """Bytes of the part after `count` parts of `sent` bytes, for an object of unknown length.

    Half of the parts that there may be have `chunk_size`: with 5 MiB that is 24 GiB. After that each has a
    nine hundredth of what was sent so far, which is enough for 5 TiB within 10,000 parts.
    """
    size = options.chunk_size
    if count >= client.parts_at_most // _STEADY_SHARE:
        size = max(size, sent // _GROWTH)
    return min(size, client.part_bytes_at_most)
