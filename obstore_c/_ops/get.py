"""get, get_range, get_ranges and head of every store that speaks HTTP."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from obstore_c._client.headers import (
    expected_range,
    parse_content_range,
    range_header,
    read_attributes,
    read_meta,
)
from obstore_c._get import GetResult
from obstore_c._lib.buffer import Bytes
from obstore_c._ops.body import Download, salvage
from obstore_c._ops.retry import begin, recover, send
from obstore_c.exceptions import GenericError

if TYPE_CHECKING:
    from obstore_c._client.provider import Client
    from obstore_c._client.request import Request
    from obstore_c._get import GetOptions
    from obstore_c._list import ObjectMeta
    from obstore_c._ops.io import IO, Response, Transfer

# A longer body stays with the engine until somebody reads it; up to here one wake-up delivers everything.
COLLECT_UP_TO = 4 << 20
# Requests of one get_ranges that are under way at a time; the engine's own cap per host comes on top.
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
        body = response.body
        head = Head(path, client, response, len(body))
        return GetResult(head.meta, head.attributes, (0, head.size), body)
    return _result(io, client, request, transfer, response, options or {})


class Head:
    """What the headers of an answer say about an object, read when asked for."""

    __slots__ = ("client", "path", "response", "size")

    def __init__(self, path: str, client: Client, response: Response, size: int) -> None:
        self.path = path
        self.client = client
        self.response = response
        self.size = size

    def meta(self) -> Any:
        """The `ObjectMeta`."""
        return read_meta(self.path, self.response, self.size, self.client.names)

    def attributes(self) -> dict[str, str]:
        """The attributes."""
        return read_attributes(self.response, self.client.names)


def _result(
    io: IO, client: Client, request: Request, transfer: Transfer, response: Response, options: Any
) -> GetResult:
    """The result of a get with options, or of one whose body is on hold."""
    if request.method == "HEAD":
        head = Head(request.key, client, response, _size(response))
        return GetResult(head.meta, head.attributes, (0, head.size), Bytes(b""))
    requested = options.get("range")
    start, end, total, before = _span(response, requested)
    head = Head(request.key, client, response, total)
    if response.complete:
        body = response.body
        if before or len(body) != end - start:
            body = _cut(body, before, before + end - start)
        _check_length(body, start, end)
        return GetResult(head.meta, head.attributes, (start, end), body)
    length = -1 if total < 0 else end - start
    download = Download(io, client, request, transfer, response, first=start, length=length, skip=before)
    return GetResult(head.meta, head.attributes, (start, end), download)


def _span(response: Response, requested: Any) -> tuple[int, int, int, int]:
    """Which bytes an answer stands for: `(start, end, size of the object, bytes sent before start)`.

    A server may ignore `Range` and send everything with 200, or send the range and say 200 (rclone): what
    counts is `Content-Range`.

    Raises:
        GenericError: these are not the bytes that were asked for.
    """
    sent = parse_content_range(response.header("Content-Range"))
    if requested is None:
        if response.status == 206 or sent is not None:
            raise GenericError("the server sent a part of the object, though all of it was asked for")
        size = response.content_length
        if size < 0 and response.complete:
            size = len(response.body)
        return 0, max(0, size), size, 0
    if sent is None:
        if response.status == 206:
            raise GenericError("the server sent a part of the object and did not say which")
        size = response.content_length if not response.complete else len(response.body)
        if size < 0:
            raise GenericError(
                "the server ignored the range that was asked for and did not say how much it sends"
            )
        start, end = expected_range(requested, size)
        return start, end, size, start
    start, end, size = sent
    if size < 0:
        size = end if isinstance(requested, dict) else max(end, requested[1])
    if expected_range(requested, size) != (start, end):
        raise GenericError(
            f"asked for {range_header(requested)}, the server sent bytes {start} to {end} of {size}"
        )
    return start, end, size, 0


def _size(response: Response) -> int:
    """The size of the object that the answer to a HEAD is about."""
    sent = parse_content_range(response.header("Content-Range"))
    return sent[2] if sent is not None and sent[2] >= 0 else max(0, response.content_length)


def _check_length(body: Bytes, start: int, end: int) -> None:
    if len(body) != end - start:
        raise GenericError(f"the server sent {len(body)} bytes for the range from {start} to {end}")


def _cut(body: Bytes, start: int, end: int) -> Bytes:
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
    fetch = _Fetch(io, client, path, start, end)
    body, first = await fetch.wait(io, client)
    return body if first == start else _cut(body, start - first, end - first)


async def get_ranges(
    io: IO, client: Client, path: str, ranges: list[tuple[int, int]], coalesce: int
) -> list[Bytes]:
    """Read several ranges in parallel; those within `coalesce` bytes of each other share a request."""
    if client.stale_at < time.time():
        await client.refresh(io)
    groups = merge(ranges, coalesce)
    found: list[Bytes | None] = [None] * len(ranges)
    under_way: deque[_Fetch] = deque()
    try:
        started = 0
        for _, _, members in groups:
            while started < len(groups) and len(under_way) < RANGES_IN_FLIGHT:
                under_way.append(_Fetch(io, client, path, groups[started][0], groups[started][1]))
                started += 1
            body, first = await under_way[0].wait(io, client)
            under_way.popleft()
            for index in members:
                found[index] = _member(body, first, *ranges[index])
    finally:
        for fetch in under_way:
            fetch.transfer.cancel()
    return [part for part in found if part is not None]


def _member(body: Bytes, first: int, start: int, end: int) -> Bytes:
    if start - first >= len(body):
        # Alone it would have been refused with 416; merged with others it must not become an empty success.
        expected_range((start, end), first + len(body))
    return _cut(body, start - first, end - first)


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


class _Fetch:
    """One ranged request under way."""

    __slots__ = ("end", "request", "start", "transfer")

    def __init__(self, io: IO, client: Client, path: str, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.request = client.get(path, {"range": (start, end)})
        # The body asked for is collected whatever its size; a server that sends everything instead is put
        # on hold.
        self.transfer = begin(io, client, self.request, end - start)

    async def wait(self, io: IO, client: Client) -> tuple[Bytes, int]:
        """The bytes, and the offset of the first of them."""
        response = await self.transfer
        if response.curl_code or (response.status != 206 and response.status != 200):
            self.transfer, response = await recover(
                io, client, self.request, self.transfer, response, self.end - self.start, None, salvage
            )
        sent = response.header("Content-Range")
        if sent is not None and response.complete:
            body = response.body
            if len(body) == self.end - self.start and sent.startswith(f"bytes {self.start}-{self.end - 1}/"):
                return body, self.start
        first, end, _, before = _span(response, (self.start, self.end))
        if response.complete:
            body = _cut(response.body, before, before + end - first)
        else:
            download = Download(
                io,
                client,
                self.request,
                self.transfer,
                response,
                first=first,
                length=end - first,
                skip=before,
            )
            try:
                body = await download.collect(io)
            finally:
                download.close()
        _check_length(body, first, end)
        return body, first


async def head(io: IO, client: Client, path: str) -> ObjectMeta:
    """Look an object up."""
    request = client.get(path, {"head": True})
    _, response = await send(io, client, request)
    meta: ObjectMeta = read_meta(path, response, _size(response), client.names)  # type: ignore[assignment]
    return meta
