"""What an upload takes: docs/uploads.md says so, and here it is measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from servers.faults import Reply, ok
from servers.uploads import Bucket

if TYPE_CHECKING:
    from pathlib import Path

    from servers.faults import FaultServer, Request

MIB = 1 << 20
SIZE = 200 * MIB
PARTS = (12 + 2) * 5
"""MiB of max_concurrency parts under way and two being read, with the defaults."""
OTHERS = 25
"""MiB for connections: libcurl's buffers, threads, what asyncio and OpenSSL bring along."""

SCRIPT = """if True:
    import asyncio, mmap, sys
    from pathlib import Path
    from obstore_c.store import S3Store

    url, kind, path = sys.argv[1:]
    MIB = 1 << 20
    store = S3Store("data", endpoint=url, access_key_id="id", secret_access_key="secret", region="us-east-1",
                    client_options={"allow_http": True})

    def peak():
        for line in open("/proc/self/status"):
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024

    def pieces():
        memory = bytearray(MIB)
        for number in range(200):
            memory[0] = number
            yield memory

    async def apieces():
        for piece in pieces():
            yield piece

    store.put("warm-up", b"x")
    buffer = None
    if kind == "buffer":
        buffer = mmap.mmap(-1, 200 * MIB)
        for page in range(0, len(buffer), 4096):
            buffer[page] = 1
    before = peak()
    if kind == "buffer":
        store.put("k", buffer)
    elif kind == "iterator":
        store.put("k", pieces())
    elif kind == "path":
        store.put("k", Path(path))
    elif kind == "file":
        store.put("k", open(path, "rb"))
    elif kind == "asynchronous":
        async def main():
            await store.put_async("k", apieces())
        asyncio.run(main())
    print(peak() - before)
"""


class Sink(Bucket):
    """Counts the bytes of parts, and keeps none."""

    received = 0

    def _part(self, request: Request) -> Reply:
        self.received += len(request.body)
        return ok(etag='"part"')

    def _complete(self, request: Request) -> Reply:
        self.uploads.clear()
        return ok(b'<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>')


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
@pytest.mark.parametrize(
    ("kind", "limit"),
    [("buffer", 0), ("iterator", PARTS), ("path", PARTS), ("file", PARTS), ("asynchronous", PARTS)],
)
def test_memory_of_an_upload(fault_server: FaultServer, tmp_path: Path, kind: str, limit: int) -> None:
    sink = Sink()

    def answer(request: Request) -> Reply:
        fault_server.requests.clear()
        return sink(request)

    fault_server.script(answer)
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(SIZE)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, fault_server.url, kind, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert sink.received == SIZE
    assert float(done.stdout) < limit + OTHERS
