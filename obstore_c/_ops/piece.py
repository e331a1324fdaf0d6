"""A piece of a body, and the memory that it is received in."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from obstore_c._lib.engine import Chunk, Slab

if TYPE_CHECKING:
    from obstore_c._ops.io import Buffer

Memory: TypeAlias = "Slab | Chunk | Buffer"


class Piece:
    """Memory that the engine fills: a `Slab`, which becomes `Bytes`, or a `Chunk`, which becomes `bytes`."""

    __slots__ = ("fed", "filled", "memory", "view")

    def __init__(self, memory: Memory, start: memoryview | None = None) -> None:
        self.memory = memory
        self.view = memoryview(memory)
        self.filled = 0
        self.fed = False
        if start is not None:
            self.filled = min(len(self.view), len(start))
            self.view[: self.filled] = start[: self.filled]

    def renewed(self) -> Piece:
        """Same bytes, other memory: a transfer that was dropped may write into this one for a moment."""
        return Piece(
            Chunk(len(self.view)) if isinstance(self.memory, Chunk) else Slab(len(self.view)),
            self.view[: self.filled],
        )
