"""What becomes of a body that was to be collected and broke off: the rest is fetched, not all of it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obstore_c._client.headers import parse_content_range
from obstore_c._lib.buffer import Bytes
from obstore_c._lib.engine import Slab
from obstore_c._ops.body import Download
from obstore_c._ops.piece import Piece

if TYPE_CHECKING:
    from obstore_c._client.provider import Client
    from obstore_c._client.request import Request
    from obstore_c._ops.io import IO, Response, Transfer
    from obstore_c._ops.retry import Attempts, Sent


class Assembled:
    """An answer whose body came in several transfers: the first one's head, and the whole body."""

    __slots__ = ("_head", "body", "header", "headers")

    complete = True
    curl_code = 0
    curl_message = ""
    retry_safe = False

    def __init__(self, head: Response, body: Bytes) -> None:
        self._head = head
        self.body = body
        self.header = head.header
        self.headers = head.headers

    def take_body(self) -> Bytes:
        body, self.body = self.body, Bytes(b"")
        return body

    @property
    def status(self) -> int:
        return self._head.status

    @property
    def content_length(self) -> int:
        return self._head.content_length

    @property
    def received(self) -> int:
        return len(self.body)

    @property
    def timings(self) -> Any:
        return self._head.timings


async def salvage(
    io: IO, client: Client, request: Request, transfer: Transfer, response: Response, attempts: Attempts
) -> Sent | None:
    """Complete a body that was to be collected and broke off. None: start over.

    For `recover`. Bytes that arrived are progress, so a connection that breaks every few seconds still gets
    there.
    """
    length = response.content_length
    arrived = len(response.body) if response.status in (200, 206) and response.curl_code else 0
    etag = response.header("ETag")
    if not 0 < arrived < length or etag is None or etag.startswith("W/"):
        return None
    failure = client.failure(request, response)
    sent = parse_content_range(response.header("Content-Range"))
    memory = Slab(length)
    piece = Piece(memory, memoryview(response.body))
    first = sent[0] if sent else 0
    download = Download(
        io, client, request, None, response, first=first, length=length, arrived=arrived, attempts=attempts
    )
    attempts.renew()
    await download.complete(io, piece, failure)
    return transfer, Assembled(response, memory.to_bytes(length))
