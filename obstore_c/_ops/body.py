"""Bodies that are too large to be collected at once: read piece by piece, over as many transfers as it takes.

A broken transfer is resumed where it stopped, with `Range` and `If-Match`. Two versions of an object never
mix: if it changed in the meantime, or if there is no ETag to tell, the read fails.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from obstore_c._checks import too_small
from obstore_c._client.errors import Failure
from obstore_c._client.headers import parse_content_range
from obstore_c._lib.buffer import Bytes
from obstore_c._lib.engine import Chunk, Slab, capacity
from obstore_c._ops.letgo import let_go
from obstore_c._ops.piece import Piece
from obstore_c._ops.retry import Attempts, begin, recover
from obstore_c.exceptions import GenericError, PreconditionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore_c._client.provider import Client
    from obstore_c._client.request import Request
    from obstore_c._ops.io import IO, Buffer, Response, Transfer
    from obstore_c._ops.piece import Memory

# Pieces that are being filled while the reader works on the one before: bounds what a slow reader costs.
AHEAD = 2
# Bodies that nobody reads at the moment and that keep their connection. Were there as many as the engine
# allows transfers, no other one could start: a thousand gathered gets of large objects, or three hundred
# streams read in turn, would never end.
PARKED_AT_MOST = min(64, capacity() // 2)
# What a reader gets at a time who leaves the choice to us.
PIECE_SIZE = 8 << 20
# A blocking reader of less than this does not get a thread that goes on receiving while it works.
_WORTH_A_THREAD = 32 << 20
_SCRATCH = 1 << 20
BROKEN = 18  # CURLE_PARTIAL_FILE

_parked: set[int] = set()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_parked.clear)  # their transfers are the parent's


class Download:
    """The bytes of an answer that is on hold; implements `obstore_c._backend.Body`.

    One reader at a time. A read that is cancelled loses nothing: the next one resumes where the last one
    ended.
    """

    __slots__ = (
        "_attempts",
        "_collected",
        "_given",
        "_io",
        "_more",
        "_over",
        "_pieces",
        "_planned",
        "_position",
        "_skip",
        "_stale",
        "_transfer",
        "client",
        "etag",
        "first",
        "length",
        "request",
        "response",
    )

    def __init__(
        self,
        io: IO,
        client: Client,
        request: Request,
        transfer: Transfer | None,
        response: Response,
        *,
        first: int,
        length: int,
        skip: int = 0,
        arrived: int = 0,
        attempts: Attempts | None = None,
    ) -> None:
        """Take over a transfer whose body is on hold.

        Args:
            io: where the transfer was started.
            client: whom to ask for the rest.
            request: what the transfer sent.
            transfer: the transfer, None if it is over and the rest must be asked for.
            response: its answer so far.
            first: offset within the object of the first byte wanted.
            length: how many bytes are wanted, -1 for all there are.
            skip: bytes that come before `first`: the server sends more than it was asked for.
            arrived: bytes wanted that somebody has already.
            attempts: what is left of an operation that failed.
        """
        etag = response.header("ETag")
        self._io = io
        self.client = client
        self.request = request
        self._transfer = transfer
        # If-Match compares strongly (RFC 9110, 13.1.1): a weak tag would never match.
        self.etag = None if etag is None or etag.startswith("W/") else etag
        self.response = response
        self.first = first
        self.length = length
        # A body of unknown length is put on hold when it turns out to be long: its start is there already.
        self._collected = memoryview(response.take_body() if transfer is not None else b"")
        self._skip = max(0, skip - len(self._collected))
        self._collected = self._collected[skip:]
        # The transfer brings more than is wanted, so it has to be ended.
        self._more = response.content_length != skip + length
        self._position = arrived
        self._planned = arrived
        self._pieces: deque[Piece] = deque()
        self._attempts = attempts
        self._over = False
        self._stale = False
        self._given = 0  # by read_piece

    def park(self) -> None:
        """Wait for a reader. Where too many wait already, give the transfer up; the reader gets a new one."""
        if self._over or self._transfer is None:
            return
        if len(_parked) < PARKED_AT_MOST or self.etag is None:
            _parked.add(id(self))
            return
        self._stop()
        self._stale = True
        while self._pieces and not self._pieces[-1].filled:
            self._planned -= len(self._pieces.pop().view)

    def __del__(self) -> None:
        _parked.discard(id(self))

    # --- Body ---------------------------------------------------------------------------------------------

    async def collect(self, io: IO) -> Bytes:
        if self.length < 0:
            return await self._collect_unknown(io)
        piece = await self._read(io, self.length - self._position, 1, Slab)
        if piece is None:
            return Bytes(b"")
        assert isinstance(piece.memory, Slab)
        return piece.memory.to_bytes(piece.filled)

    async def _collect_unknown(self, io: IO) -> Bytes:
        collected = bytearray()
        while (piece := await self._read(io, _SCRATCH, AHEAD, Chunk)) is not None:
            collected += piece.view[: piece.filled]
        return Bytes(collected)

    async def read_chunk(self, io: IO, size: int) -> bytes | None:
        if self._transfer is not None:
            self._transfer.keep_going()  # the next chunks arrive while the reader works on this one
        piece = await self._read(io, size, AHEAD, Chunk)
        self.park()
        if piece is None:
            return None
        assert isinstance(piece.memory, Chunk)
        return piece.memory.to_bytes(piece.filled)

    async def read_piece(self, io: IO) -> tuple[int, Buffer] | None:
        if self._transfer is not None and not 0 <= self.length < _WORTH_A_THREAD:
            self._transfer.keep_going()
        piece = await self._read(io, PIECE_SIZE, AHEAD, Slab)
        self.park()
        if piece is None:
            return None
        start = self._given
        self._given += piece.filled
        return start, piece.view[: piece.filled]

    async def read_into(self, io: IO, memory: memoryview, fed: int = 0) -> int:
        """Fill `memory` from its start; `fed` bytes of it were given to the transfer already."""
        room = self._room_in(memory)
        rooms = [room[:fed], room[fed:]]
        if self.length < 0:
            rooms.append(memoryview(bytearray(1)))  # filled, if the body is longer than the memory
        for each in rooms:
            if len(each):
                self._add(each).fed = each is rooms[0]
        arrived = 0
        try:
            while (piece := await self._read(io, 0, 0, Chunk)) is not None:
                arrived += piece.filled
        finally:
            self.close()
        if arrived > len(memory):
            raise too_small(self.request.key, None, len(memory))
        return arrived

    def _room_in(self, memory: memoryview) -> memoryview:
        """As much of `memory` as the body needs."""
        if self.length > len(memory):
            self.close()
            raise too_small(self.request.key, self.length, len(memory))
        return memory if self.length < 0 else memory[: self.length]

    def close(self) -> None:
        _parked.discard(id(self))
        self._over = True
        self._stop()
        self._pieces.clear()

    # --- reading ------------------------------------------------------------------------------------------

    async def _read(self, io: IO, size: int, ahead: int, kind: Callable[[int], Memory]) -> Piece | None:
        """The next `size` bytes, fewer at the end, None after it; `ahead` pieces are on their way."""
        if self._over:
            return None
        _parked.discard(id(self))
        if self._stale:
            self._stale = False
            self._pieces = deque(piece.renewed() for piece in self._pieces)
        if self._transfer is None:
            await self._resume(io, None)
        elif io is not self._io:
            self._transfer.attach(io)
            self._io = io
        self._plan(size, ahead, kind)
        if not self._pieces:
            self.close()
            return None
        piece = self._pieces[0]
        await self._fill(io, piece)
        self._pieces.popleft()
        if piece.filled < len(piece.view):
            self.close()
        elif self._position == self.length:
            self._over = True
            if self._more:  # else it is at its end, and its connection can serve another one
                self._stop()
        else:
            self._plan(size, ahead, kind)
            self._feed()
        return piece if piece.filled else None

    def _plan(self, size: int, ahead: int, kind: Callable[[int], Memory]) -> None:
        """Have `ahead` pieces ready, but none beyond the end."""
        while len(self._pieces) < ahead:
            if self.length >= 0:
                size = min(size, self.length - self._planned)
            if size <= 0:
                return
            self._add(kind(size))

    def _add(self, memory: Memory) -> Piece:
        piece = Piece(memory, self._collected)
        self._collected = self._collected[piece.filled :]
        self._position += piece.filled
        self._planned += len(piece.view)
        self._pieces.append(piece)
        return piece

    def _feed(self) -> None:
        """Queue with the engine what it does not have yet; not before the bytes to be skipped are through."""
        if self._transfer is None or self._skip:
            return
        for piece in self._pieces:
            if not piece.fed and piece.filled < len(piece.view):
                piece.fed = True
                self._transfer.feed(piece.view[piece.filled :] if piece.filled else piece.view)

    async def _fill(self, io: IO, piece: Piece) -> None:
        """Wait until `piece` is full or the body is over."""
        while piece.filled < len(piece.view):
            if not self._skip or await self._skipped():
                self._feed()
                arrived = await self._filled()
                piece.filled += arrived
                self._position += arrived
                if arrived and self._attempts is not None:
                    self._attempts.renew()
                if piece.filled == len(piece.view):
                    return
            failure = self._broken()
            if failure is None:
                return
            await self._resume(io, failure)

    async def _skipped(self) -> bool:
        """Throw away what comes before the bytes wanted; False if the body ended on the way."""
        scratch = memoryview(bytearray(min(self._skip, _SCRATCH)))
        while self._skip:
            window = scratch[: min(self._skip, len(scratch))]
            if self._transfer is not None:
                self._transfer.feed(window)
            arrived = await self._filled()
            self._skip -= arrived
            if arrived < len(window):
                return False
        return True

    async def _filled(self) -> int:
        transfer = self._transfer
        if transfer is None:
            return 0
        try:
            return await transfer.filled()
        except GeneratorExit:
            self._stop()
            self._stale = True
            raise
        except BaseException:
            # Nobody knows how much was written, so the next read asks again for what was not counted.
            self._stop()
            await let_go(transfer)
            raise

    def _broken(self) -> Failure | None:
        """Why the body ended early; None if it did not."""
        if self._transfer is None:
            return Failure(0, curl_code=BROKEN, curl_message="the transfer was cancelled")
        failure = self.client.failure(self.request, self.response)
        if failure.curl_code:
            return failure
        if self._skip or 0 <= self.length != self._position:
            return Failure(
                0, curl_code=BROKEN, curl_message=f"{self._position} of {self.length} bytes arrived"
            )
        return None

    def _stop(self) -> None:
        for piece in self._pieces:
            piece.fed = False
        if self._transfer is not None:
            self._transfer.cancel()
            self._transfer = None

    def take_transfer(self, io: IO) -> Transfer | None:
        """The transfer of a download that nobody has read from, if it brings just what is wanted."""
        transfer, self._transfer = self._transfer, None
        _parked.discard(id(self))
        if transfer is not None and (self._skip or self._position or self._collected):
            transfer.cancel()
            return None
        if transfer is not None:
            transfer.attach(io)
        return transfer

    async def complete(self, io: IO, piece: Piece, failure: Failure) -> None:
        """Fill the rest of `piece`, which holds what had arrived before `failure`."""
        self._pieces.append(piece)
        await self._resume(io, failure)
        await self._fill(io, piece)
        self._pieces.popleft()
        self._over = True

    # --- resuming -----------------------------------------------------------------------------------------

    async def _resume(self, io: IO, failure: Failure | None) -> None:
        """Ask for the bytes from `_position` on; `failure` is why, None if nothing went wrong."""
        self._stop()
        self._collected = self._collected[:0]  # it is asked for again
        attempts = self._attempts = self._attempts or Attempts(self.client)
        if self._position and self.etag is None:
            raise attempts.error(
                self.request, failure or Failure(0, curl_code=BROKEN, curl_message="interrupted")
            )
        delay = attempts.next_delay(self.request, failure) if failure is not None else 0.0
        last = None if self.length < 0 else self.first + self.length - 1
        request = self.request.with_range(self.first + self._position, last, self.etag)
        await self.client.refresh(io)
        transfer = begin(io, self.client, request, 0, delay)
        response = await transfer
        if response.curl_code or response.status not in (200, 206):
            self.check_unchanged(response, self._position)
            transfer, response = await recover(io, self.client, request, transfer, response, 0, attempts)
        self._io = io
        self._transfer = transfer
        self.response = response
        try:
            self._skip = self._offset_of(response)
            self._more = response.content_length != self._skip + self.length - self._position
        except BaseException:
            self._stop()
            raise

    def check_unchanged(self, response: Response, position: int) -> None:
        """Refuse the answer to a request for the bytes from `position` on if it is about another version."""
        if response.status == 412 or (
            self.etag is not None and response.header("ETag") not in (self.etag, None)
        ):
            raise PreconditionError(
                f"{self.request.verb} {self.request.key!r} in {self.client.where} failed: the object was "
                f"changed while it was being read, after {position} bytes of the version {self.etag}. "
                "Read it again."
            )

    def _offset_of(self, response: Response) -> int:
        """How many bytes the answer has before the ones that are missing."""
        self.check_unchanged(response, self._position)
        wanted = self.first + self._position
        sent = parse_content_range(response.header("Content-Range"))
        if sent is None:
            if response.status == 206:
                raise GenericError("the server sent a part of the object and did not say which")
            return wanted
        if sent[0] != wanted:
            raise GenericError(f"asked to go on at byte {wanted}, the server went on at byte {sent[0]}")
        return 0
