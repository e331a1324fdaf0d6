"""Uploads in parts: several on their way at once, each repeated by itself, all of them or nothing.

A part leaves while the next one is being read and hashed. Whatever goes wrong, from a refused part to a
cancelled task, aborts the upload, so that no part stays in the bucket to be paid for.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from obstore_c._client.errors import wrong_answer
from obstore_c._client.request import UNSIGNED_PAYLOAD
from obstore_c._lib.sigv4 import payload_sha256
from obstore_c._ops.retry import Attempts, begin, is_good, may_repeat, recover, send
from obstore_c.exceptions import AlreadyExistsError, BaseError, GenericError, PreconditionError

if TYPE_CHECKING:
    from types import TracebackType

    from obstore_c._backend import PutOptions
    from obstore_c._client.provider import Client, Part
    from obstore_c._client.request import Request
    from obstore_c._ops.io import IO, Response, Transfer
    from obstore_c._ops.retry import Sent
    from obstore_c._payload import Piece, Source
    from obstore_c._put import PutResult

# Parts of what is in memory anyway: larger ones mean fewer requests, and cost nothing.
_LARGE_PART = 16 << 20
# Shorter bodies are hashed in the event loop (`_ops/put.py`).
_HASH_ASIDE = 2 << 20
# Seconds before each attempt to abort. Somebody waits for the exception, so there are not many.
_ABORT_DELAYS = (0.0, 0.2, 1.0)
# How fast parts grow when nobody knows how long the object will be: see `growing_part_size`.
_STEADY_SHARE = 2
_GROWTH = 900

# Aborts whose caller was interrupted again: the engine goes on with them as long as somebody holds them.
_left_alone: deque[Transfer] = deque(maxlen=64)


async def put_in_parts(
    io: IO, client: Client, path: str, source: Source, options: PutOptions, part: Piece | None = None
) -> PutResult:
    """Store an object in parts, of which `part`, the first one, may have been read already."""
    from obstore_c._payload import BufferSource

    async with Upload(io, client, path, options) as upload:
        in_memory = isinstance(source, BufferSource)
        fixed = 0 if source.size is None else part_size(client, source.size, options, in_memory=in_memory)
        size = fixed or growing_part_size(client, upload, options)
        if part is None:
            part = await source.read(io, size)
        while True:
            await upload.add(io, part)
            if upload.sent == source.size or len(part) < size:
                break
            size = fixed or growing_part_size(client, upload, options)
            part = await source.read(io, size)
            if not len(part):
                break
        return await upload.complete(io)


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


def growing_part_size(client: Client, upload: Upload, options: PutOptions) -> int:
    """Bytes of the next part, for an object of unknown length.

    Half of the parts that there may be have `chunk_size`: with 5 MiB that is 24 GiB. After that each has a
    nine hundredth of what was sent so far, which is enough for 5 TiB within 10,000 parts.
    """
    size = options.chunk_size
    if upload.count >= client.parts_at_most // _STEADY_SHARE:
        size = max(size, upload.sent // _GROWTH)
    return min(size, client.part_bytes_at_most)


class Upload:
    """One upload in parts. `async with` creates it, and aborts it when its block raises.

    The methods are told each time who waits, so one upload can be used by several operations, one after the
    other.

    Args:
        io: who waits for it to be created and aborted, if it is used with `async with`.
        client: where to.
        path: the object.
        options: how to store it, and how many parts may be under way.
    """

    __slots__ = ("_client", "_id", "_io", "_options", "_parts", "_path", "_under_way", "count", "sent")

    def __init__(self, io: IO, client: Client, path: str, options: PutOptions) -> None:
        self._io = io
        self._client = client
        self._path = path
        self._options = options
        self._id = ""
        self._parts: dict[int, Part] = {}
        self._under_way: list[_Part] = []
        self.count = 0
        """Parts that were sent."""
        self.sent = 0
        """Bytes of them."""

    async def __aenter__(self) -> Upload:
        await self.create(self._io)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, GeneratorExit):
            self._abandon(self._io)
        elif error is not None:
            await self.abort(self._io, error)

    async def create(self, io: IO) -> None:
        """Begin."""
        request = self._client.create_upload(self._path, self._options)
        await self._check_condition(io)
        _, response = await send(io, self._client, request)
        self._id = self._client.upload_id(response)
        if not self._id:
            raise wrong_answer(request, self._client.where, "the server did not name the upload it created")

    async def add(self, io: IO, body: Piece) -> None:
        """Send the next part; wait first while as many as are allowed are under way."""
        limit = self._client.parts_at_most
        if self.count == limit:
            raise GenericError(
                f"put {self._path!r} in {self._client.where} failed: it is longer than {limit} parts. "
                "Give a larger chunk_size."
            )
        digest = await self._digest(io, body)
        await self._wait(io, self._options.max_concurrency - 1)
        await self._client.refresh(io)
        self.count += 1
        self.sent += len(body)
        request = self._client.upload_part(self._path, self._id, self.count, body, digest)
        self._under_way.append(_Part(io, self._client, request, self.count, digest))

    async def _digest(self, io: IO, body: Piece) -> str:
        if not self._client.needs_digest:
            return UNSIGNED_PAYLOAD
        if len(body) < _HASH_ASIDE:
            return payload_sha256(body)
        return await io.call(payload_sha256, body)

    async def _wait(self, io: IO, at_most: int) -> None:
        """Until at most that many parts are under way. Any of them may be the next to arrive."""
        while len(self._under_way) > at_most:
            over = await io.first([part.transfer_for(io) for part in self._under_way])
            part = next(part for part in self._under_way if part.transfer is over)
            arrived = await part.settle(io)
            if arrived is not None:
                self._parts[part.number] = arrived
                self._under_way.remove(part)

    async def complete(self, io: IO) -> PutResult:
        """Make the object out of the parts."""
        await self._wait(io, 0)
        await self._check_condition(io)
        client = self._client
        await client.refresh(io)
        request = client.complete_upload(self._path, self._id, self._in_order(), self._options)
        transfer = begin(io, client, request)
        response = await transfer
        if not is_good(request, response, client):
            _, response = await recover(
                io, client, request, transfer, response, salvage=self._after_failed_complete
            )
        result = client.completed(response)
        if result["e_tag"] is None:
            raise wrong_answer(
                request, client.where, "the server did not say that the object was put together"
            )
        self._id = ""
        return result

    async def _check_condition(self, io: IO) -> None:
        """See for ourselves whether the condition of a conditional put is met.

        The server decides in the end. But nobody wants to send gigabytes in vain, and there are servers that
        know conditions only with a plain PUT: these leave a gap of one round trip, instead of none at all.
        """
        mode = self._options.mode
        if mode is None:
            return
        found: Response | None = None
        try:
            _, found = await send(io, self._client, self._client.get(self._path, {"head": True}))
        except FileNotFoundError:
            pass
        except (BaseError, OSError):
            return  # who may write need not be allowed to read
        where = f"{self._path!r} in {self._client.where} failed"
        if mode == "create":
            if found is not None:
                raise AlreadyExistsError(f"put (mode create) {where}: there is an object already.")
        elif found is None or found.header("ETag") != mode["e_tag"]:  # type: ignore[index]
            seen = "there is no object" if found is None else f"the object's e_tag is {found.header('ETag')}"
            raise PreconditionError(f"put (mode update) {where}: {seen}.")

    async def _after_failed_complete(
        self,
        io: IO,
        client: Client,
        request: Request,
        transfer: Transfer,
        response: Response,
        attempts: Attempts,
    ) -> Sent | None:
        """Find out what to make of a failed attempt to complete; None: repeat it if that is allowed."""
        failure = client.failure(request, response)
        if client.upload_is_gone(failure):
            # An earlier attempt may have worked, though its answer was lost. It need not be one of ours:
            # libcurl repeats by itself what it sent on a kept connection that turned out to be closed.
            if (found := await self._completed_before(io)) is not None:
                return found
            raise GenericError(str(attempts.error(request, failure)))
        if failure.status == 409 and not request.idempotent:
            raise attempts.error(request, failure)  # S3 wants all parts again then
        return None

    async def _completed_before(self, io: IO) -> Sent | None:
        expected = self._client.composed_etag(self._in_order())
        try:
            sent = await send(io, self._client, self._client.get(self._path, {"head": True}))
        except (BaseError, OSError):
            return None
        return sent if expected is not None and sent[1].header("ETag") == expected else None

    def _in_order(self) -> list[Part]:
        return [self._parts[number] for number in sorted(self._parts)]

    async def abort(self, io: IO, error: BaseException | None = None) -> None:
        """Drop what was sent. Idempotent; that it failed becomes a note of `error`, the reason."""
        if not self._id:
            return
        under_way = len(self._under_way)
        self._cancel_parts()
        try:
            problem = await self._abort(io)
            if under_way and not problem:
                # A part that was all there when it was cancelled may have been stored after the abort.
                problem = await self._abort(io)
        except BaseException:
            self._abandon(io)
            raise
        self._id = ""
        if problem and error is not None:
            error.add_note(
                f"The parts that were sent may still be there: aborting the upload failed, {problem}."
            )

    async def _abort(self, io: IO) -> str:
        """Ask the server to abort; return why it did not, or ""."""
        client = self._client
        request = client.abort_upload(self._path, self._id)
        said = ""
        try:
            await client.refresh(io)
            for delay in _ABORT_DELAYS:
                transfer = begin(io, client, request, delay=delay, background=True)
                response = await transfer
                failure = client.failure(request, response)
                if is_good(request, response, client) or client.upload_is_gone(failure):
                    return ""
                said = failure.said
                if not may_repeat(request, failure):
                    break
        except Exception as error:
            said = str(error) or type(error).__name__
        return said

    def _abandon(self, io: IO) -> None:
        """Abort without waiting: the caller was interrupted again, or is no more."""
        self._cancel_parts()
        if self._id:
            request = self._client.abort_upload(self._path, self._id)
            self._id = ""
            _left_alone.append(begin(io, self._client, request, background=True))

    def _cancel_parts(self) -> None:
        for part in self._under_way:
            part.transfer.cancel()
        self._under_way.clear()


class _Part:
    """A part under way."""

    __slots__ = ("_attempts", "_client", "_digest", "_io", "_request", "number", "transfer")

    def __init__(self, io: IO, client: Client, request: Request, number: int, digest: str) -> None:
        self._io = io
        self._client = client
        self._request = request
        self._digest = digest
        self._attempts: Attempts | None = None
        self.number = number
        self.transfer = begin(io, client, request, background=True)

    def transfer_for(self, io: IO) -> Transfer:
        """The transfer, so that `io` can wait for it."""
        if io is not self._io:
            self.transfer.attach(io)
            self._io = io
        return self.transfer

    async def settle(self, io: IO) -> Part | None:
        """Look at a transfer that is over: the part is there, or (None) on its way once more."""
        client, request = self._client, self._request
        response = await self.transfer
        if is_good(request, response, client):
            if self._attempts is not None:
                self._attempts.succeeded()
            e_tag = response.header("ETag")
            if e_tag:
                return e_tag, self._digest
            raise wrong_answer(request, client.where, f"the server sent no ETag for part {self.number}")
        try:
            delay = self._next_delay(response)
        except Exception as error:
            error.add_note(f"It was part {self.number} of an upload in parts.")
            raise
        await client.refresh(io)
        self.transfer = begin(io, client, request, delay=delay, background=True)
        return None

    def _next_delay(self, response: Response) -> float:
        client, request = self._client, self._request
        failure = client.failure(request, response)
        if self._attempts is None:
            self._attempts = Attempts(client, response)
        if client.upload_is_gone(failure):
            # Somebody has aborted it. That is not what a FileNotFoundError is about.
            raise GenericError(str(self._attempts.error(request, failure)))
        return self._attempts.next_delay(request, failure)
