"""Uploads in parts: several on their way at once, each repeated by itself, all of them or nothing.

A part leaves while the next one is being read and hashed. Whatever goes wrong, from a refused part to a
cancelled task, aborts the upload, so that no part stays in the bucket to be paid for.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from obstore_c._client.errors import wrong_answer
from obstore_c._ops.parts import Parts, digests_of
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

# Seconds before each attempt to abort. Somebody waits for the exception, so there are not many.
_ABORT_DELAYS = (0.0, 0.2, 1.0)

# Aborts whose caller was interrupted again: the engine goes on with them as long as somebody holds them.
_left_alone: deque[Transfer] = deque(maxlen=64)


async def put_in_parts(
    io: IO, client: Client, path: str, source: Source, options: PutOptions, first: Piece | None = None
) -> PutResult:
    """Store an object in parts, of which the first one may have been read already."""
    async with Upload(io, client, path, options) as upload:
        parts = Parts(client, source, options, first)
        while group := await parts.next_group(io):
            digests = await digests_of(io, client, group)
            for body, digest in zip(group, digests, strict=True):
                await upload.add(io, body, digest)
        return await upload.complete(io)


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

    __slots__ = ("_client", "_count", "_id", "_io", "_options", "_parts", "_path", "_under_way")

    def __init__(self, io: IO, client: Client, path: str, options: PutOptions) -> None:
        self._io = io
        self._client = client
        self._path = path
        self._options = options
        self._id = ""
        self._parts: dict[int, Part] = {}
        self._under_way: list[_Part] = []
        self._count = 0

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

    async def add(self, io: IO, body: Piece, digest: str) -> None:
        """Send the next part; wait first while as many as are allowed are under way.

        Args:
            io: who waits.
            body: its bytes, which nobody changes until the upload is over.
            digest: their SHA-256 in hex, or `UNSIGNED_PAYLOAD`.
        """
        limit = self._client.parts_at_most
        if self._count == limit:
            raise GenericError(
                f"put {self._path!r} in {self._client.where} failed: it is longer than {limit} parts. "
                "Give a larger chunk_size."
            )
        await self._wait(io, self._options.max_concurrency - 1)
        await self._client.refresh(io)
        self._count += 1
        request = self._client.upload_part(self._path, self._id, self._count, body, digest)
        self._under_way.append(_Part(io, self._client, request, self._count, digest))

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
