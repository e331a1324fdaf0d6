"""What one call does, how its result is checked: a class for each verb of a case.

The length of every result is compared inside of the timed section, which costs nothing. Contents are held
against checksums before it, for small objects now and then inside, and after it: those of the last call of
each task or thread, the same for every peer.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import re
import subprocess
import sys
import time
import zlib
from array import array
from typing import TYPE_CHECKING, Any

from benchmarks.cases import KIB, Case
from benchmarks.meter import RSS_UNIT, Meter, Timing
from benchmarks.peers.base import NotMeasuredError
from benchmarks.server.objects import DELETES, LIST_PREFIX, MANIFEST, NOTE, key_of, listed_key, put_key_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.peers.base import Peer
    from benchmarks.server.endpoint import Endpoint

RANGE = 16 * KIB


class WrongResultError(Exception):
    """A peer returned something else than was stored."""


class Work:
    """Calls that a loop can make: `call(i)` or `await acall(i)`, then `size(result) == expected`."""

    call: Callable[[int], Any]
    acall: Callable[[int], Awaitable[Any]]
    expected = 0
    bytes_per_call = 0
    verifying = False
    """Set before and after the timed section, when results are checked whole."""
    lasting = True
    """A result can still be checked when the timed section is over."""

    def __init__(self, case: Case, peer: Peer, endpoint: Endpoint) -> None:
        self.case, self.peer, self.endpoint = case, peer, endpoint

    def size(self, result: Any) -> int:
        """Length of a result in the measure of `expected`."""
        return len(result)

    def check(self, number: int, result: Any) -> None:
        """Hold the whole result against what was stored, or raise WrongResultError."""

    def drive(self, seconds: float) -> Timing | None:
        """Measure where that is not a loop over `call`; None leaves it to `benchmarks.load`."""
        return self.peer.drive(self.case, seconds)

    def checksums(self) -> list[int]:
        """CRC-32 of each object of the case's size."""
        manifest = json.loads(self.endpoint.file(MANIFEST).read_text())
        checksums: list[int] = manifest[str(self.case.size)]
        return checksums


class Get(Work):
    """Objects read whole."""

    def __init__(self, case: Case, peer: Peer, endpoint: Endpoint) -> None:
        super().__init__(case, peer, endpoint)
        self.expected = self.bytes_per_call = case.size
        self.sums = self.checksums()
        keys, count = [key_of(case.size, n) for n in range(case.objects)], case.objects
        self.call = lambda number: peer.get(keys[number % count])
        self.acall = lambda number: peer.aget(keys[number % count])

    def check(self, number: int, result: Any) -> None:
        number %= self.case.objects
        if zlib.crc32(result) != self.sums[number]:
            raise WrongResultError(f"object {number} of {self.case.size} bytes has the wrong checksum")


class Into(Work):
    """An object read into memory of the caller."""

    def __init__(self, case: Case, peer: Peer, endpoint: Endpoint) -> None:
        super().__init__(case, peer, endpoint)
        self.expected = self.bytes_per_call = case.size
        self.sum, self.key = self.checksums()[0], key_of(case.size, 0)
        self.buffer = bytearray(case.size)
        self.call = lambda number: peer.get_into(self.key, self._spoilt())
        self.acall = lambda number: peer.aget_into(self.key, self._spoilt())

    def _spoilt(self) -> bytearray:
        """The buffer, no longer right here and there: what is not written is found by the checksum."""
        for place in range(0, len(self.buffer), 1024 * KIB):
            self.buffer[place] ^= 1
        return self.buffer

    def check(self, number: int, result: Any) -> None:
        if zlib.crc32(result) != self.sum:
            raise WrongResultError("the buffer has the wrong checksum")


class Head(Work):
    """Sizes asked for."""

    def __init__(self, case: Case, peer: Peer, endpoint: Endpoint) -> None:
        super().__init__(case, peer, endpoint)
        self.expected = case.size
        keys, count = [key_of(case.size, n) for n in range(case.objects)], case.objects
        self.call = lambda number: peer.head(keys[number % count])
        self.acall = lambda number: peer.ahead(keys[number % count])

    def size(self, result: int) -> int:
        return result


class Put(Work):
    """Objects stored. What arrived is read from the server's folder, not through the peer."""

    def __init__(self, case: Case, peer: Peer, endpoint: Endpoint) -> None:
        super().__init__(case, peer, endpoint)
        self.bytes_per_call = case.size
        body = endpoint.file(key_of(case.size, 0)).read_bytes()
        self.sum = zlib.crc32(body)
        self.keys = [put_key_of(case.size, n) for n in range(case.objects)]
        self.fresh = itertools.count(case.objects)
        for path in endpoint.file(self.keys[0]).parent.iterdir():
            os.truncate(path, 0)  # what the one before left
        key_of_call = self._new_key if peer.wants_new_keys else self._key
        self.call = lambda number: peer.put(key_of_call(number), body)
        self.acall = lambda number: peer.aput(key_of_call(number), body)

    def _key(self, number: int) -> str:
        return self.keys[number % len(self.keys)]

    def _new_key(self, number: int) -> str:
        """A key that nobody has used yet. The oldest one goes, so that memory stays bounded."""
        place, size = number % len(self.keys), self.case.size
        self.endpoint.file(self.keys[place]).unlink(missing_ok=True)
        self.keys[place] = put_key_of(size, next(self.fresh))
        self.endpoint.file(self.keys[place]).unlink(missing_ok=True)
        return self.keys[place]

    def size(self, result: Any) -> int:
        return 0

    def check(self, number: int, result: Any) -> None:
        path = self.endpoint.file(self._key(number))
        parts = sorted(path.parent.glob(f"{path.name}.*"), key=lambda part: int(part.suffix[1:]))
        parts = [part for part in parts if part.stat().st_size]
        checksum = 0
        for part in parts or [path]:
            with part.open("rb") as file:
                while piece := file.read(1024 * KIB):
                    checksum = zlib.crc32(piece, checksum)
        if checksum != self.sum:
            raise WrongResultError(f"{path.name} arrived with the wrong checksum")
        for part in parts:
            part.write_bytes(b"")


class Stream(Work):
    """An object read in chunks, which are dropped at once."""

    lasting = False

    def __init__(self, case: Case, peer: Peer, endpoint: Endpoint) -> None:
        super().__init__(case, peer, endpoint)
        self.expected = self.bytes_per_call = case.size
        self.sum, self.seen = self.checksums()[0], 0
        self.key = key_of(case.size, 0)
        self.call, self.acall = self._read, self._aread

    def size(self, result: int) -> int:
        return result

    def _read(self, number: int) -> int:
        total = self.seen = 0
        for chunk in self.peer.stream(self.key):
            total += len(chunk)
            if self.verifying:
                self.seen = zlib.crc32(chunk, self.seen)
            elif self.case.pause:
                time.sleep(self.case.pause)
        return total

    async def _aread(self, number: int) -> int:
        total = self.seen = 0
        async for chunk in self.peer.astream(self.key):
            total += len(chunk)
            if self.verifying:
                self.seen = zlib.crc32(chunk, self.seen)
            elif self.case.pause:
                await asyncio.sleep(self.case.pause)
        return total

    def check(self, number: int, result: int) -> None:
        if self.seen != self.sum:
            raise WrongResultError("the stream has the wrong checksum")


def random_starts(case: Case) -> list[int]:
    """Where the ranges of a case begin; the same places in every run."""
    numbers = random.Random(20240517)
    return [numbers.randrange(case.size - RANGE) for _ in range(case.parts)]


class Ranges(Work):
    """Many small parts of one object; the same parts for every peer."""

    def __init__(self, case: Case, peer: Peer, endpoint: Endpoint) -> None:
        super().__init__(case, peer, endpoint)
        self.expected, self.bytes_per_call = case.parts, case.parts * RANGE
        self.key = key_of(case.size, 0)
        self.starts = random_starts(case)
        lengths = [RANGE] * case.parts
        self.call = lambda number: peer.get_ranges(self.key, self.starts, lengths)
        self.acall = lambda number: peer.aget_ranges(self.key, self.starts, lengths)

    def check(self, number: int, result: Any) -> None:
        with self.endpoint.file(self.key).open("rb") as file:
            for start, piece in zip(self.starts, result, strict=True):
                if os.pread(file.fileno(), RANGE, start) != bytes(piece):
                    raise WrongResultError(f"the range at {start} has other bytes")


class List(Work):
    """All keys of a listing of many pages."""

    def __init__(self, case: Case, peer: Peer, endpoint: Endpoint) -> None:
        super().__init__(case, peer, endpoint)
        self.expected = case.parts
        self.call = lambda number: peer.list(LIST_PREFIX)
        self.acall = lambda number: peer.alist(LIST_PREFIX)

    def check(self, number: int, result: Any) -> None:
        if list(self.peer.paths(result)) != [listed_key(n) for n in range(self.case.parts)]:
            raise WrongResultError("the listing has other keys")


class ListArrow(List):
    """The same as Arrow."""

    def __init__(self, case: Case, peer: Peer, endpoint: Endpoint) -> None:
        super().__init__(case, peer, endpoint)
        self.acall = lambda number: peer.alist_arrow(LIST_PREFIX)

    def size(self, result: Any) -> int:
        rows: int = result.num_rows
        return rows


class Delete(Work):
    """Many keys deleted. Nothing goes away; the server notes what it is asked to delete while we verify."""

    lasting = False

    def __init__(self, case: Case, peer: Peer, endpoint: Endpoint) -> None:
        super().__init__(case, peer, endpoint)
        self.keys = [listed_key(n) for n in range(case.parts)]
        self.call = lambda number: peer.delete(self.keys)
        self.acall = lambda number: peer.adelete(self.keys)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "verifying":
            note = self.endpoint.file(NOTE)
            note.touch() if value else note.unlink()

    def size(self, result: Any) -> int:
        return 0

    def check(self, number: int, result: Any) -> None:
        log, deadline = self.endpoint.file(DELETES), time.monotonic() + 2
        while (found := re.findall(b"<Key>(.*?)</Key>", log.read_bytes())) and time.monotonic() < deadline:
            if len(found) >= len(self.keys):
                break
            time.sleep(0.01)  # nginx writes down what it has answered already
        os.truncate(log, 0)
        if sorted(found) != [key.encode() for key in self.keys]:
            raise WrongResultError(f"the server was asked to delete {len(found)} keys, not those it should")


class Build(Work):
    """A client built as a user builds it."""

    def __init__(self, case: Case, peer: Peer, endpoint: Endpoint) -> None:
        super().__init__(case, peer, endpoint)
        self.call = lambda number: peer.build()

    def size(self, result: Any) -> int:
        return 0


class Import(Work):
    """The library imported by a new interpreter; the interpreter's own start is not counted."""

    SCRIPT = """if True:
        import time
        start = time.perf_counter(), time.process_time()
        import {module}
        print(time.perf_counter() - start[0], time.process_time() - start[1])
        import resource
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"""

    def drive(self, seconds: float) -> Timing:
        if not self.peer.module:
            raise NotMeasuredError("nothing to import")
        command = [sys.executable, "-c", self.SCRIPT.format(module=self.peer.module)]
        meter, latencies = Meter(), array("d")
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            wall, cpu, resident = map(float, done.stdout.split())
            latencies.append(wall)
            meter.seconds += wall
            meter.cpu += cpu
            meter.peak = max(meter.peak, int(resident) * RSS_UNIT)
        return meter, latencies


VERBS: dict[str, type[Work]] = {
    "get": Get,
    "into": Into,
    "head": Head,
    "put": Put,
    "stream": Stream,
    "ranges": Ranges,
    "list": List,
    "listarrow": ListArrow,
    "delete": Delete,
    "build": Build,
    "import": Import,
}
