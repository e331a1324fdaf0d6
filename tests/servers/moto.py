"""moto's S3 in a process of its own: `with moto.serve() as endpoint: ...`."""

from __future__ import annotations

import importlib.util
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from servers._process import Unavailable, announced

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHILD = Path(__file__).with_name("_moto_server.py")


@contextmanager
def serve() -> Iterator[str]:
    """Serve an empty S3 and yield its endpoint. Any credentials will do."""
    if importlib.util.find_spec("moto") is None:
        raise Unavailable("moto is not installed: pip install 'moto[s3,server]'")
    # moto looks for credentials of its own and must not find the user's.
    own = {"AWS_ACCESS_KEY_ID": "moto", "AWS_SECRET_ACCESS_KEY": "moto", "AWS_REGION": "us-east-1"}
    # -P: this folder's moto.py must not hide the package of that name.
    command = [sys.executable, "-P", "-W", "ignore", str(_CHILD)]
    with announced(command, r"listening on (http://\S+)", env=os.environ | own) as endpoint:
        yield endpoint
