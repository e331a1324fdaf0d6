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

# A longer body would hold the event loop up for milliseconds: 1 MiB takes 0.6 ms where the processor has
# instructions for it. To have it hashed by a thread costs 0.25 ms, most of it waiting for the GIL.
_HASH_ASIDE = 2 << 20


async def put(io: IO, client: Client, path: str, payload: Buffer, options: PutOptions) -> PutResult:
    """Store an object."""
    if not client.needs_digest:
        digest = UNSIGNED_PAYLOAD
    elif memoryview(payload).nbytes < _HASH_ASIDE:
        digest = payload_sha256(payload)
    else:
        digest = await io.call(payload_sha256, payload)
    request = client.put(path, payload, digest, options)
    _, response = await send(io, client, request)
    return {"e_tag": response.header("ETag"), "version": response.header(client.names.version)}
