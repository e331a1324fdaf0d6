"""nginx at a distance, or behind a narrow road: it can neither delay a request nor limit an upload itself."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.server.endpoint import Endpoint

SOURCE = Path(__file__).with_suffix(".c")


@contextlib.contextmanager
def proxy(endpoint: Endpoint, *, delay_ms: float = 0, upload_rate: int = 0) -> Iterator[Endpoint]:
    """Run a proxy in front of a plain HTTP endpoint.

    Args:
        endpoint: what it stands in front of.
        delay_ms: how long every request is under way to the server.
        upload_rate: bytes a second that each connection takes, or 0 for any number.

    Yields:
        The same bucket through the proxy.

    Raises:
        NoCompilerError: it can't be compiled here.
    """
    program = compiled(SOURCE)
    port = endpoint.url.rpartition(":")[2]
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        listener.setblocking(False)
        process = subprocess.Popen(
            [program, str(listener.fileno()), port, str(delay_ms), str(upload_rate)],
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield dataclasses.replace(endpoint, url=address)
    finally:
        process.kill()
        process.wait()
