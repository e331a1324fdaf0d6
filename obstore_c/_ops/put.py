"""put of every store that speaks HTTP: one request, or an upload in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore_c._client.request import UNSIGNED_PAYLOAD
from obstore_c._lib.sigv4 import payload_sha256
from obstore_c._ops.digest import SMALL, digest_of
from obstore_c._ops.retry import send

if TYPE_CHECKING:
    from obstore_c._backend import PutOptions
    from obstore_c._client.provider import Client
    from obstore_c._ops.io import IO, Buffer
    from obstore_c._payload import Source
    from obstore_c._put import PutResult

# Longer bodies are worth the two requests that an upload in parts adds: see docs/uploads.md.
PARTS_FROM = 16 << 20


async def put(io: IO, client: Client, path: str, payload: Buffer, options: PutOptions) -> PutResult:
    """Store an object. The hot path is a small one: a single request."""
    size = memoryview(payload).nbytes
    if (size > PARTS_FROM or options.use_multipart) and in_parts(client, size, options, in_memory=True):
        from obstore_c._ops.multipart import put_in_parts
        from obstore_c._payload import BufferSource

        return await put_in_parts(io, client, path, BufferSource(payload), options)
    if not client.needs_digest:
        digest = UNSIGNED_PAYLOAD
    elif size < SMALL:
        digest = payload_sha256(payload)
    else:
        digest = await digest_of(io, payload, size)
    request = client.put(path, payload, digest, options)
    _, response = await send(io, client, request)
    return {"e_tag": response.header("ETag"), "version": response.header(client.names.version)}


async def put_source(io: IO, client: Client, path: str, source: Source, options: PutOptions) -> PutResult:
    """Store an object that has to be read first."""
    if options.use_multipart is False or not client.parts_at_most:
        return await put(io, client, path, await source.read_all(io), options)
    if source.size is None:
        # Nobody knows how long it is: what fits into one part is sent in one request.
        from obstore_c._ops.multipart import put_in_parts

        limit = min(options.chunk_size, client.part_bytes_at_most)
        first = await source.read(io, limit)
        if len(first) == limit or options.use_multipart:
            return await put_in_parts(io, client, path, source, options, first)
        return await put(io, client, path, first, options)
    if in_parts(client, source.size, options, in_memory=False):
        from obstore_c._ops.multipart import put_in_parts

        return await put_in_parts(io, client, path, source, options)
    return await put(io, client, path, await source.read_all(io), options)


def in_parts(client: Client, size: int, options: PutOptions, *, in_memory: bool) -> bool:
    """Whether a body of `size` bytes goes up in parts.

    Not every server that knows the condition of a conditional put knows it for an upload in parts: what is in
    memory anyway is put on the safe side.
    """
    if not client.parts_at_most:
        return False
    if options.use_multipart is not None:
        return options.use_multipart
    limit = PARTS_FROM
    if in_memory and options.mode is not None:
        limit = client.part_bytes_at_most
    return size > max(limit, options.chunk_size)
