"""put of every store that speaks HTTP: one request."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from obstore_c._client.request import UNSIGNED_PAYLOAD
from obstore_c._ops.retry import send

if TYPE_CHECKING:
    from obstore_c._backend import PutOptions
    from obstore_c._client.provider import Client
    from obstore_c._ops.io import IO, Buffer
    from obstore_c._put import PutResult

# From here on hashing takes longer than handing it to a thread, and would hold up the event loop.
_HASH_ASIDE = 256 << 10


async def put(io: IO, client: Client, path: str, payload: Buffer, options: PutOptions) -> PutResult:
    """Store an object."""
    if not client.needs_digest:
        digest = UNSIGNED_PAYLOAD
    elif len(payload) < _HASH_ASIDE:
        digest = sha256(payload).hexdigest()
    else:
        digest = await io.call(_hex_digest, payload)
    request = client.put(path, payload, digest, options)
    _, response = await send(io, client, request)
    return {"e_tag": response.header("ETag"), "version": response.header(client.names.version)}


def _hex_digest(payload: Buffer) -> str:
    return sha256(payload).hexdigest()
