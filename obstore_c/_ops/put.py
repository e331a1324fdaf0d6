"""put of every store that speaks HTTP: one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore_c._client.request import UNSIGNED_PAYLOAD
from obstore_c._lib.sigv4 import payload_sha256
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
        digest = payload_sha256(payload)
    else:
        digest = await io.call(payload_sha256, payload)
    request = client.put(path, payload, digest, options)
    _, response = await send(io, client, request)
    return {"e_tag": response.header("ETag"), "version": response.header(client.names.version)}
