"""Helpers of the engine's Python tests: the smallest operations, and what a process holds."""

from __future__ import annotations

import gc
import os
import threading
import time
from ctypes.util import find_library
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obstore_c._lib import engine
from obstore_c._libcurl import find
from obstore_c._ops.drive import run, run_async
from servers import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.faults import FaultServer

PROFILE = engine.Profile({})


async def request(io: Any, server: FaultServer | str, path: str = "/", **kwargs: Any) -> Any:
    """One exchange. Options: method, headers, body, profile, delay, hold_above."""
    return await start(io, server, path, **kwargs)


def start(
    io: Any,
    server: FaultServer | str,
    path: str = "/",
    *,
    method: str = "GET",
    headers: bytes = b"",
    body: Any = None,
    profile: Any = PROFILE,
    **kwargs: Any,
) -> Any:
    """The transfer of one exchange, not awaited."""
    base = server if isinstance(server, str) else server.url
    return io.start(profile, method, (base + path).encode(), headers, body, **kwargs)


def blocking(server: FaultServer | str, path: str = "/", **kwargs: Any) -> Any:
    return run(request, server, path, **kwargs)


async def waiting(server: FaultServer | str, path: str = "/", **kwargs: Any) -> Any:
    return await run_async(request, server, path, **kwargs)


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait until `condition` holds; whether it did."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def native_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def libcurl() -> str:
    """The libcurl that pycurl uses, for programs that are not Python and so cannot load pycurl itself."""
    package = Path(find()).parent
    folders = [package / "pycurl.libs", package.parent / "pycurl.libs", package / ".dylibs"]
    for folder in folders:
        for library in sorted(folder.glob("libcurl*")):
            return str(library)
    system = find_library("curl")
    if system is None:
        raise Unavailable(f"there is no libcurl beside {package}, nor one of the system")
    return system


class Resources:
    """What a process holds; `returned` waits until it holds no more than that again."""

    def __init__(self) -> None:
        gc.collect()
        self.before = self._count()

    def _count(self) -> dict[str, int]:
        counted = {"slabs": engine.stats()["slabs"], "threads": threading.active_count()}
        if os.path.isdir("/proc/self/fd"):
            counted["descriptors"] = descriptors()
        return counted

    def surplus(self) -> dict[str, int]:
        now = self._count()
        return {name: now[name] - self.before[name] for name in now if now[name] > self.before[name]}

    def returned(self, seconds: float = 10.0) -> dict[str, int]:
        """What is still held after waiting that long for it to go; empty when all is well."""
        gc.collect()
        eventually(lambda: not self.surplus(), seconds)
        return self.surplus()
