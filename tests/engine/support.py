"""Helpers of the engine's Python tests: the smallest operations, and what a process holds."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import subprocess
import sys
import threading
import time
from ctypes.util import find_library
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from obstore_c._lib import engine
from obstore_c._libcurl import find
from obstore_c._ops.drive import run, run_async
from servers import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

PROFILE = engine.Profile({})


class Server(Protocol):
    """A `FaultServer` or what else has an address."""

    url: str


async def request(io: Any, server: Server | str, path: str = "/", **kwargs: Any) -> Any:
    """One exchange. Options: method, headers, body, profile, delay, hold_above."""
    return await start(io, server, path, **kwargs)


def start(
    io: Any,
    server: Server | str,
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


def blocking(server: Server | str, path: str = "/", **kwargs: Any) -> Any:
    return run(request, server, path, **kwargs)


async def waiting(server: Server | str, path: str = "/", **kwargs: Any) -> Any:
    return await run_async(request, server, path, **kwargs)


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait until `condition` holds; whether it did."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


async def soon(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """`eventually`, while the event loop goes on."""
    import asyncio

    return await asyncio.to_thread(eventually, condition, seconds)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


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


class Silent:
    """A server that reads what comes, never answers, and notices when its clients go away."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests = 0
        self.closed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def open(self) -> int:
        with self._lock:
            return len(self._open)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with self._lock:
                    self._open.append(connection)
                threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        seen = b""
        with contextlib.suppress(OSError):
            while received := connection.recv(1 << 16):
                if b"\r\n\r\n" not in seen and b"\r\n\r\n" in (seen := seen + received):
                    with self._lock:
                        self.requests += 1
        with self._lock:
            self._open.remove(connection)
            self.closed += 1
        connection.close()


def script_environment() -> dict[str, str]:
    """For processes that import these tests' modules; a warning is an error there as well."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONWARNINGS": "error"}


def run_script(script: str, *arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, with these tests' modules at hand."""
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", script, *arguments],
        env=script_environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def check_script(script: str, *arguments: str, output: str = "done\n", timeout: float = 60.0) -> None:
    """It prints `output` and nothing to stderr, and ends with status 0."""
    ran = run_script(script, *arguments, timeout=timeout)
    assert (ran.returncode, ran.stderr, ran.stdout) == (0, "", output)
