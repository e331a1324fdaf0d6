"""aiobotocore: botocore over aiohttp."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.peers.base import CHUNK, NO_ARROW, NO_BUFFER, Peer
from benchmarks.peers.botocore_config import CONFIG, batches, byte_range, client_arguments, no_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class Adapter(Peer):
    """aiobotocore's client."""

    module, distribution = "aiobotocore.session", "aiobotocore"
    not_served: ClassVar = {
        "blocking": "has coroutines only",
        "build": "builds its client in a coroutine",
        "into": NO_BUFFER,
        "listarrow": NO_ARROW,
    }

    async def aopen(self) -> None:
        from aiobotocore.config import AioConfig
        from aiobotocore.session import AioSession

        self.stack = AsyncExitStack()
        context = AioSession().create_client(**client_arguments(self.endpoint), config=AioConfig(**CONFIG))
        self.client = await self.stack.enter_async_context(context)

    async def aclose(self) -> None:
        await self.stack.aclose()

    async def aget(self, key: str) -> Any:
        response = await self.client.get_object(Bucket=self.endpoint.bucket, Key=key)
        async with response["Body"] as body:
            return await body.read()

    async def aget_range(self, key: str, start: int, length: int) -> Any:
        where = byte_range(start, length)
        response = await self.client.get_object(Bucket=self.endpoint.bucket, Key=key, Range=where)
        async with response["Body"] as body:
            return await body.read()

    async def ahead(self, key: str) -> int:
        response = await self.client.head_object(Bucket=self.endpoint.bucket, Key=key)
        size: int = response["ContentLength"]
        return size

    async def aput(self, key: str, body: bytes) -> object:
        return await self.client.put_object(Bucket=self.endpoint.bucket, Key=key, Body=body)

    async def astream(self, key: str) -> AsyncIterator[Any]:
        response = await self.client.get_object(Bucket=self.endpoint.bucket, Key=key)
        async with response["Body"] as body:
            async for chunk in body.iter_chunks(CHUNK):
                yield chunk

    async def alist(self, prefix: str) -> Any:
        found: list[Any] = []
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.endpoint.bucket, Prefix=f"{prefix}/"
        )
        async for page in pages:
            found += page["Contents"]
        return found

    async def adelete(self, keys: Sequence[str]) -> object:
        delete, bucket = self.client.delete_objects, self.endpoint.bucket
        answers = await asyncio.gather(*(delete(Bucket=bucket, Delete=batch) for batch in batches(keys)))
        return [no_errors(answer) for answer in answers]

    def paths(self, listing: Any) -> Sequence[str]:
        return [entry["Key"] for entry in listing]
