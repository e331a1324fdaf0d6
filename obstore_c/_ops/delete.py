"""delete of every store that speaks HTTP: many keys a request where possible, many requests at a time."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from obstore_c._client.errors import Failure
from obstore_c._ops.retry import Attempts, begin, is_good, may_repeat, recover, send

if TYPE_CHECKING:
    from obstore_c._client.provider import Client
    from obstore_c._client.request import Request
    from obstore_c._ops.io import IO, Transfer

IN_FLIGHT = 16


async def delete(io: IO, client: Client, paths: list[str]) -> None:
    """Delete objects. A key that the server refuses stops no other one; the first is raised."""
    if len(paths) == 1:
        await send(io, client, client.delete(paths[0]))
        return
    if client.stale_at < time.time():
        await client.refresh(io)
    requests = deque(_requests(client, paths))
    under_way: deque[tuple[Request, Transfer]] = deque()
    refused: Exception | None = None
    try:
        while requests or under_way:
            while requests and len(under_way) < IN_FLIGHT:
                request = requests.popleft()
                under_way.append((request, begin(io, client, request)))
            error = await _finish(io, client, *under_way[0])
            refused = refused or error
            under_way.popleft()
    finally:
        for _, transfer in under_way:
            transfer.cancel()
    if refused is not None:
        raise refused


def _requests(client: Client, paths: list[str]) -> list[Request]:
    """One request for as many keys as it may carry, and one each for those that it cannot name."""
    at_once = client.delete_at_once
    if at_once == 1:
        return [client.delete(path) for path in paths]
    together = [path for path in paths if client.can_delete_many(path)]
    requests = [client.delete_many(together[n : n + at_once]) for n in range(0, len(together), at_once)]
    if len(together) < len(paths):
        requests += [client.delete(path) for path in paths if not client.can_delete_many(path)]
    return requests


async def _finish(io: IO, client: Client, request: Request, transfer: Transfer) -> Exception | None:
    """Wait for an answer. Keys that a busy server left are sent again; the first refused one is returned."""
    response = await transfer
    attempts = None
    refused: Exception | None = None
    while True:
        if not is_good(request, response, client):
            transfer, response = await recover(io, client, request, transfer, response, -1, attempts)
        left = client.deleted(response) if request.inspect else []
        attempts = attempts or Attempts(client, response)
        again: list[str] = []
        for path, code, message in left:
            failure = Failure(response.status, code, message)
            if may_repeat(request, failure):
                again.append(path)
                busy = failure
            else:
                refused = refused or attempts.error(client.delete(path), failure)
        if not again:
            return refused
        delay = attempts.next_delay(request, busy)
        request = client.delete_many(again)
        transfer = begin(io, client, request, -1, delay)
        response = await transfer
