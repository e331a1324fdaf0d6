"""The SHA-256 of bodies: several at a time where there are several, and never so long that others wait.

Hashing four bodies together takes little more than half the time (`obstore_c._lib.lanes`).
"""

from __future__ import annotations

from _thread import _local
from typing import TYPE_CHECKING

from obstore_c._lib.lanes import LANES, sha256_each
from obstore_c._lib.sigv4 import payload_sha256

if TYPE_CHECKING:
    from obstore_c._ops.io import IO, Buffer

# Hashed at once: to wait for others would take as long.
SMALL = 128 << 10
# A longer body would hold the event loop up for milliseconds: 1 MiB takes 0.6 ms where the processor has
# instructions for it. To have it hashed by a thread costs 0.25 ms, most of it waiting for the GIL.
ASIDE = 2 << 20


async def digest_of(io: IO, body: Buffer, size: int) -> str:
    """The SHA-256 in hex of a body of `size` bytes."""
    if size >= ASIDE:
        return await io.call(payload_sha256, body)
    if size < SMALL or io.blocking or LANES == 1:
        return payload_sha256(body)
    return await _together(io, body)


class _Waiting(_local):
    """The bodies that this thread's event loop has to hash."""

    def __init__(self) -> None:
        self.slots: list[_Slot] = []


class _Slot:
    __slots__ = ("body", "digest")

    def __init__(self, body: Buffer) -> None:
        self.body = memoryview(body)  # of our own: it stays good whatever the caller does with theirs
        self.digest = ""


_waiting = _Waiting()


async def _together(io: IO, body: Buffer) -> str:
    """Hash `body` together with what other operations want to have hashed in this turn of the event loop."""
    slots = _waiting.slots
    slot = _Slot(body)
    slots.append(slot)
    try:
        await io.sleep(0)
        if not slot.digest:
            # Whoever came before has been hashed, or hashes now.
            group = slots[:LANES]
            for each, digest in zip(group, sha256_each([each.body for each in group]), strict=True):
                each.digest = digest
                slots.remove(each)
    finally:
        if not slot.digest:
            slots.remove(slot)
    return slot.digest
