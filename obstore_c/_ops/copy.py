"""copy and rename of every store that speaks HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore_c._ops.retry import send

if TYPE_CHECKING:
    from obstore_c._client.provider import Client
    from obstore_c._ops.io import IO


async def copy(io: IO, client: Client, from_: str, to: str, overwrite: bool) -> None:
    """Copy an object on the server."""
    await send(io, client, client.copy(from_, to, overwrite))


async def rename(io: IO, client: Client, from_: str, to: str, overwrite: bool) -> None:
    """Copy an object, then delete its source. `from_` and `to` differ."""
    await send(io, client, client.copy(from_, to, overwrite))
    await send(io, client, client.delete(from_))
