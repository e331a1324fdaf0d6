"""Start a server as a child process, wait until it has named its port, stop it for certain."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SUPERVISOR = Path(__file__).with_name("_supervise.py")


class Unavailable(Exception):
    """A server that this machine cannot run, and why."""


@contextmanager
def announced(
    command: Sequence[str], pattern: str, *, env: Mapping[str, str] | None = None, timeout: float = 30.0
) -> Iterator[str]:
    """Run `command` and yield group 1 of `pattern`, once its output (stdout or stderr) matches.

    Servers choose a free port themselves and say which, so there is no race for it.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SUPERVISOR), *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=env,
        )
        try:
            yield _wait_for(pattern, process, log.fileno(), timeout)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)


def _wait_for(pattern: str, process: subprocess.Popen[bytes], log: int, timeout: float) -> str:
    deadline = time.monotonic() + timeout
    while True:
        # pread: the child writes through the same open file, whose position must stay its own.
        output = os.pread(log, 1 << 20, 0).decode(errors="replace")
        if match := re.search(pattern, output):
            return match[1]
        if process.poll() is not None:
            raise Unavailable(f"the server ended with status {process.returncode}: {output[-2000:]}")
        if time.monotonic() > deadline:
            raise Unavailable(f"the server was not ready after {timeout:.0f} s: {output[-2000:]}")
        time.sleep(0.01)
