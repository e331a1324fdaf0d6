"""get_into of every store that speaks HTTP: the engine writes the body straight into the caller's memory.

The memory goes along with the request, so a small object costs one wake-up and no copy. Of a body for which
that memory may not be enough the engine tells when its head is there, while its first bytes are on their way
already.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from obstore_c._backend import fill
from obstore_c._checks import too_small
from obstore_c._client.headers import expected_range, parse_content_range
from obstore_c._ops import parallel
from obstore_c._ops.body import Download
from obstore_c._ops.get import Span, get, result_of
from obstore_c._ops.letgo import let_go
from obstore_c._ops.piece import Piece
from obstore_c._ops.retry import begin, recover
from obstore_c._ops.salvage import salvage

if TYPE_CHECKING:
    from obstore_c._client.provider import Client
    from obstore_c._client.request import Request
    from obstore_c._get import GetOptions
    from obstore_c._ops.io import IO, Response, Transfer


async def get_into(io: IO, client: Client, path: str, view: memoryview, options: GetOptions | None) -> int:
    """Fill `view` from its start. When it raises, nothing is written into `view` any more."""
    if not view:
        return await fill(io, path, await get(io, client, path, options), view)
    if client.stale_at < time.time():
        await client.refresh(io)
    request = client.get(path, options)
    into = _Into(client, path, view, options, request)
    transfer = begin(io, client, request, len(into.head), into=into.head)
    try:
        response = await transfer
        if response.curl_code or response.status not in (200, 206):
            return await into.recovered(io, transfer, response)
        if options is None and response.complete and response.received <= len(into.head):
            return response.received
        return await into.received(io, transfer, response)
    except GeneratorExit:
        raise
    except BaseException:
        await let_go(transfer)
        raise


class _Into:
    """What one call of `get_into` is about.

    Attributes:
        head: as much of the caller's memory as goes along with the request.
    """

    __slots__ = ("_client", "_options", "_path", "_request", "_requested", "_view", "head")

    def __init__(self, client: Client, path: str, view: memoryview, options: Any, request: Request) -> None:
        self._client = client
        self._path = path
        self._view = view
        self._options = options
        self._request = request
        self._requested = options.get("range") if options else None
        # Where several connections will share the work, the first one brings the first part only.
        self.head = view if len(view) < parallel.PARALLEL_FROM else view[: parallel.PART_SIZE]
        # A server that ignores the range must not write more than was asked for.
        if isinstance(self._requested, tuple):
            self.head = self.head[: self._requested[1] - self._requested[0]]
        elif self._requested is not None and "suffix" in self._requested:
            self.head = self.head[: self._requested["suffix"]]

    async def received(self, io: IO, transfer: Transfer, response: Response) -> int:
        """Go on after a good answer, of which the head is filled or being filled."""
        span = Span(self._client, self._request, response, self._requested)
        size = -1 if span.total < 0 else span.end - span.start
        if size > len(self._view):
            raise too_small(self._path, size, len(self._view))
        sent = response.received if response.complete else response.content_length
        if span.surplus or size != sent:
            # The server ignores the range, or contradicts itself: what is in the head may be anything.
            await let_go(transfer)
            return await self._anew(io)
        if response.complete and sent <= len(self.head):
            return sent
        download = span.download(io, self._client, self._request, transfer, response)
        return await download.read_into(io, self._view, fed=len(self.head))

    async def recovered(self, io: IO, transfer: Transfer, response: Response) -> int:
        """Go on after a failure: from where a body broke off, or with another attempt."""
        client, request = self._client, self._request
        arrived = await transfer.filled()
        span = self._broken_off(response)
        if span is not None and 0 < arrived < span[1] - span[0] <= len(self._view):
            first, end = span
            piece = Piece(self._view[: end - first])
            piece.filled = arrived
            rest = Download(
                io, client, request, None, response, first=first, length=end - first, arrived=arrived
            )
            await rest.complete(io, piece, client.failure(request, response))
            return end - first
        transfer, response = await recover(io, client, request, transfer, response, 0, None, salvage)
        result = result_of(io, client, self._path, request, transfer, response, self._options or {})
        return await fill(io, self._path, result, self._view)

    def _broken_off(self, response: Response) -> tuple[int, int] | None:
        """Which bytes of the object the answer promised, None if it is not to be resumed."""
        etag = response.header("ETag")
        length = response.content_length
        if response.status not in (200, 206) or length < 0 or etag is None or etag.startswith("W/"):
            return None
        sent = parse_content_range(response.header("Content-Range"))
        if self._requested is None:
            return (0, length) if sent is None else None
        if (
            sent is None
            or expected_range(self._requested, sent[2]) != sent[:2]
            or sent[1] - sent[0] != length
        ):
            return None
        return sent[:2]

    async def _anew(self, io: IO) -> int:
        return await fill(io, self._path, await get(io, self._client, self._path, self._options), self._view)
