"""get, get_range, get_ranges and head of every store that speaks HTTP."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from obstore_c._client.errors import wrong_answer
from obstore_c._client.headers import (
    expected_range,
    parse_content_range,
    range_header,
    read_attributes,
    read_meta,
)
from obstore_c._get import GetResult
from obstore_c._lib.buffer import Bytes
from obstore_c._ops import parallel
from obstore_c._ops.body import Download
from obstore_c._ops.retry import begin, recover, send
from obstore_c._ops.salvage import salvage

if TYPE_CHECKING:
    from obstore_c._client.provider import Client
    from obstore_c._client.request import Request
    from obstore_c._get import GetOptions
    from obstore_c._list import ObjectMeta
    from obstore_c._ops.io import IO, Response, Transfer

# A longer body stays with the engine until somebody reads it; up to here one wake-up delivers everything.
COLLECT_UP_TO = 4 << 20
# Requests of one get_ranges that are under way at a time; the engine's own cap per host comes on top. A range
# that comes over several connections counts as that many.
RANGES_IN_FLIGHT = 64
# A part of a larger buffer keeps all of it alive, so it is copied out of it unless it is most of it.
_KEEP_FROM_SHARE = 0.5


async def get(io: IO, client: Client, path: str, options: GetOptions | None) -> GetResult:
    """Start reading an object. The hot path of the package: a small object costs one pass through here."""
    if client.stale_at < time.time():
        await client.refresh(io)
    request = client.get(path, options)
    hold_above = COLLECT_UP_TO if request.method == "GET" else -1
    transfer = begin(io, client, request, hold_above)
    response = await transfer
    status = response.status
    if response.curl_code or (status != 200 and status != 206):
        transfer, response = await recover(io, client, request, transfer, response, hold_above, None, salvage)
    if options is None and response.complete:
        body = response.take_body()
        head = Head(path, client, response, len(body))
        return GetResult(head.meta, head.attributes, (0, head.size), body)
    return result_of(io, client, path, request, transfer, response, options or {})


class Head:
    """What the headers of an answer say about an object, read when asked for."""

    __slots__ = ("client", "path", "response", "size")

    def __init__(self, path: str, client: Client, response: Response, size: int) -> None:
        self.path = path
        self.client = client
        self.response = response
        self.size = size

    def meta(self) -> ObjectMeta:
        """The `ObjectMeta`."""
        return read_meta(self.path, self.response, self.size, self.client.names)

    def attributes(self) -> dict[str, str]:
        """The attributes."""
        return read_attributes(self.response, self.client.names)


def result_of(
    io: IO,
    client: Client,
    path: str,
    request: Request,
    transfer: Transfer,
    response: Response,
    options: Any,
) -> GetResult:
    """The result of a get with options, or of one whose body is on hold."""
    if request.method == "HEAD":
        head = Head(path, client, response, _size(response))
        return GetResult(head.meta, head.attributes, (0, head.size), Bytes(b""))
    span = Span(client, request, response, options.get("range"))
    head = Head(path, client, response, max(0, span.total))
    body: Bytes | Download
    if response.complete:
        body = span.cut(client, request, response.take_body())
    else:
        body = span.download(io, client, request, transfer, response)
        body.park()
    return GetResult(head.meta, head.attributes, (span.start, span.end), body)


def _size(response: Response) -> int:
    """The size of the object that the answer to a HEAD is about."""
    sent = parse_content_range(response.header("Content-Range"))
    return sent[2] if sent is not None and sent[2] >= 0 else max(0, response.content_length)


class Span:
    """Which bytes of the object an answer holds.

    A server may ignore `Range` and send everything with 200, or send the range and say 200 (rclone does):
    what counts is `Content-Range`.

    Attributes:
        start: offset of the first byte wanted.
        end: offset behind the last one.
        total: the size of the object, -1 if nobody knows.
        surplus: bytes that come before `start`.
    """

    __slots__ = ("end", "start", "surplus", "total")

    def __init__(self, client: Client, request: Request, response: Response, requested: Any) -> None:
        """Read the answer to a request for `requested`, None for everything.

        Raises:
            GenericError: these are not the bytes that were asked for.
        """
        sent = parse_content_range(response.header("Content-Range"))
        self.surplus = 0
        if sent is None:
            if response.status == 206:
                raise wrong_answer(request, client.where, "the server sent a part and did not say which")
            self.total = response.received if response.complete else response.content_length
            self.start, self.end = 0, max(0, self.total)
            if requested is not None:
                self.start, self.end = self._expected(client, request, requested)
                self.surplus = self.start
            return
        self.start, self.end, self.total = sent
        if requested is None:
            raise wrong_answer(request, client.where, "the server sent a part, though all was asked for")
        if self.total < 0:
            self.total = self.end if isinstance(requested, dict) else max(self.end, requested[1])
        if self._expected(client, request, requested) != (self.start, self.end):
            what = f"{range_header(requested)} was asked for, bytes={self.start}-{self.end - 1} was sent"
            raise wrong_answer(request, client.where, what)

    def _expected(self, client: Client, request: Request, requested: Any) -> tuple[int, int]:
        if self.total < 0:
            what = "the server ignored the range that was asked for, and the size of the object is unknown"
            raise wrong_answer(request, client.where, what)
        return within(client, request, requested, self.total)

    def cut(self, client: Client, request: Request, body: Bytes) -> Bytes:
        """The bytes wanted out of a body that was collected."""
        size = self.end - self.start
        if self.surplus or len(body) > size:
            body = part_of(body, self.surplus, self.surplus + size)
        if len(body) != size:
            what = f"{len(body)} bytes were sent for the {size} from {self.start} to {self.end}"
            raise wrong_answer(request, client.where, what)
        return body

    def download(
        self, io: IO, client: Client, request: Request, transfer: Transfer, response: Response
    ) -> Download:
        """The bytes wanted out of a body that is on hold."""
        length = -1 if self.total < 0 else self.end - self.start
        large = length >= parallel.PARALLEL_FROM and self._has_ranges(response)
        kind = parallel.LargeDownload if large else Download
        return kind(
            io, client, request, transfer, response, first=self.start, length=length, skip=self.surplus
        )

    def _has_ranges(self, response: Response) -> bool:
        """Whether parts of this very version of the object can be asked for."""
        etag = response.header("ETag")
        if self.surplus or etag is None or etag.startswith("W/"):
            return False
        return response.header("Content-Range") is not None or response.header("Accept-Ranges") == "bytes"


def within(client: Client, request: Request, requested: Any, total: int) -> tuple[int, int]:
    """The bytes `(start, end)` that a range means in an object of `total` bytes.

    Raises:
        GenericError: it is outside of the object.
    """
    expected = expected_range(requested, total)
    if expected is None:
        what = f"the range {range_header(requested)} is outside of the object, which has {total} bytes"
        raise wrong_answer(request, client.where, what)
    return expected


def part_of(body: Bytes, start: int, end: int) -> Bytes:
    """A part of a body. It owns its bytes where it would keep much more than itself alive."""
    if start == 0 and end >= len(body):
        return body
    part = body[start:end]
    if len(part) >= len(body) * _KEEP_FROM_SHARE:
        return part
    return Bytes(part.to_bytes())


# --- ranges -----------------------------------------------------------------------------------------------


async def get_range(io: IO, client: Client, path: str, start: int, end: int) -> Bytes:
    """Read one range; fewer bytes if the object ends in it."""
    if client.stale_at < time.time():
        await client.refresh(io)
    return await Fetch(io, client, path, start, end).wait(io, client)


async def get_ranges(
    io: IO, client: Client, path: str, ranges: list[tuple[int, int]], coalesce: int
) -> list[Bytes]:
    """Read several ranges in parallel; those within `coalesce` bytes of each other share a request."""
    if client.stale_at < time.time():
        await client.refresh(io)
    groups = merge(ranges, coalesce)
    found: dict[int, Bytes] = {}
    under_way: deque[Fetch] = deque()
    started = load = 0
    try:
        for first, _, members in groups:
            while started < len(groups) and load < RANGES_IN_FLIGHT:
                under_way.append(Fetch(io, client, path, groups[started][0], groups[started][1]))
                load += under_way[-1].weight
                started += 1
            fetch = under_way[0]
            body = await fetch.wait(io, client)
            load -= under_way.popleft().weight
            for index in members:
                start, end = ranges[index]
                if start - first >= len(body):
                    # Alone it would have been refused; with others it must not become an empty success.
                    within(client, fetch.request, (start, end), first + len(body))
                found[index] = part_of(body, start - first, end - first)
    finally:
        for fetch in under_way:
            fetch.transfer.cancel()
    return [found[index] for index in range(len(ranges))]


def merge(ranges: list[tuple[int, int]], coalesce: int) -> list[tuple[int, int, list[int]]]:
    """Ranges to request and, for each, which of `ranges` it serves. 0 merges nothing, not even duplicates."""
    if coalesce <= 0:
        return [(start, end, [index]) for index, (start, end) in enumerate(ranges)]
    merged: list[tuple[int, int, list[int]]] = []
    for index in sorted(range(len(ranges)), key=ranges.__getitem__):
        start, end = ranges[index]
        if merged and start <= merged[-1][1] + coalesce:
            first, last, members = merged[-1]
            members.append(index)
            merged[-1] = (first, max(last, end), members)
        else:
            merged.append((start, end, [index]))
    return merged


class Fetch:
    """One ranged request under way.

    Attributes:
        weight: how many connections it may need.
    """

    __slots__ = ("end", "request", "start", "transfer", "weight")

    def __init__(self, io: IO, client: Client, path: str, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.request = client.get(path, {"range": (start, end)})
        # What was asked for is collected; a server that sends more than that has to wait.
        large = end - start >= parallel.PARALLEL_FROM
        self.weight = parallel.CONNECTIONS if large else 1
        self.transfer = begin(io, client, self.request, 0 if large else end - start)

    async def wait(self, io: IO, client: Client) -> Bytes:
        """The bytes from `start` on."""
        response = await self.transfer
        start, end = self.start, self.end
        if response.curl_code or (response.status != 206 and response.status != 200):
            self.transfer, response = await recover(
                io, client, self.request, self.transfer, response, end - start, None, salvage
            )
        body = response.body
        if response.complete and len(body) == end - start:
            sent = response.header("Content-Range")
            if sent is not None and sent.startswith(f"bytes {start}-{end - 1}/"):
                return body
        span = Span(client, self.request, response, (start, end))
        if response.complete:
            return span.cut(client, self.request, body)
        download = span.download(io, client, self.request, self.transfer, response)
        try:
            return await download.collect(io)
        finally:
            download.close()


async def head(io: IO, client: Client, path: str) -> ObjectMeta:
    """Look an object up."""
    request = client.get(path, {"head": True})
    _, response = await send(io, client, request)
    return read_meta(path, response, _size(response), client.names)
