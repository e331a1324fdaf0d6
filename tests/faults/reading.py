"""All ways to read an object whole or in part, and an object whose server can be told what to do wrong."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from obstore_c._ops import body, parallel
from obstore_c._ops import get as getting
from servers.faults import Reply, Request, blob

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

KIB = 1024
PART = 16 * KIB
FROM = 4 * PART
CONNECTIONS = 4
_BLOCK = b"".join(n.to_bytes(4, "big") for n in range(64 * KIB))  # no two places look alike


def content(size: int) -> bytes:
    return (_BLOCK * (size // len(_BLOCK) + 1))[:size]


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make objects of some KiB large ones."""
    monkeypatch.setattr(getting, "COLLECT_UP_TO", PART)
    monkeypatch.setattr(body, "PIECE_SIZE", PART)
    monkeypatch.setattr(parallel, "PARALLEL_FROM", FROM)
    monkeypatch.setattr(parallel, "PART_SIZE", PART)
    monkeypatch.setattr(parallel, "CONNECTIONS", CONNECTIONS)


class Object:
    """An object on the scripted server. `flaws` change its answers, given which one it is, counted from 0."""

    def __init__(self, data: bytes, etag: str | None = '"v1"') -> None:
        self.data = data
        self.etag = etag
        self.checks_if_match = True
        self.flaws: list[Callable[[Request, Reply, int], Reply]] = []
        self._lock = threading.Lock()
        self._answers = 0

    def __call__(self, request: Request) -> Reply:
        with self._lock:
            number = self._answers
            self._answers += 1
        if not self.checks_if_match or self.etag is None:
            kept = tuple(pair for pair in request.headers if pair[0].lower() != "if-match")
            request = replace(request, headers=kept)
        reply = blob(self.data, self.etag or '""')(request)
        if self.etag is None:
            reply = replace(
                reply, headers={name: value for name, value in reply.headers.items() if name != "etag"}
            )
        for flaw in self.flaws:
            reply = flaw(request, reply, number)
        return reply


def first_byte(request: Request) -> int | None:
    """Where the range asked for begins, None if all was asked for."""
    match = re.fullmatch(r"bytes=(\d+)-\d*", request.header("range") or "")
    return int(match[1]) if match else None


def once_at(start: int, wrong: Callable[[Reply], Reply]) -> Callable[[Request, Reply, int], Reply]:
    """A flaw of the first answer about the range that begins at `start` (0: of the first answer of all)."""
    done: list[int] = []

    def flaw(request: Request, reply: Reply, number: int) -> Reply:
        if done or first_byte(request) != (start or None) or (not start and number):
            return reply
        done.append(number)
        return wrong(reply)

    return flaw


def _bytes(call: Any, store: Any, path: Any, options: Any = None) -> bytes:
    result = call(store, "get", "k", options=options)
    return bytes(call(result, "bytes"))


def _into(call: Any, store: Any, path: Any, options: Any = None) -> bytes:
    buffer = bytearray(b"\xaa" * 4_000_000)
    count = call(store, "get_into", "k", buffer, options=options)
    if not options or "offset" not in options["range"]:  # else a server that ignores it may write more
        assert buffer[count:].count(b"\xaa") == len(buffer) - count
    return bytes(buffer[:count])


def _download(call: Any, store: Any, path: Any, options: Any = None) -> bytes:
    file = path / "file"
    call(store, "download", "k", file, options=options)
    assert [each.name for each in path.iterdir()] == ["file"]
    return bytes(file.read_bytes())


READERS = {"bytes": _bytes, "get_into": _into, "download": _download}
"""Each reads the object `k` of a store: `reader(call, store, temporary_folder, options)`."""
