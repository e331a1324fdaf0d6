"""The two C programs of the harness, compiled on demand and again when they have changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class NoCompilerError(Exception):
    """The program can't be compiled here, and why."""


def compiled(source: Path, *options: str) -> Path:
    """Compile one C file.

    Args:
        source: the file. What comes of it is kept in `__pycache__` beside it.
        options: more options of the compiler.

    Returns:
        Path of the library or program.

    Raises:
        NoCompilerError: this is not Linux, or there is no compiler.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if sys.platform != "linux":
        raise NoCompilerError(f"{source.name} needs Linux")
    if compiler is None:
        raise NoCompilerError(f"no C compiler for {source.name}")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    target = source.parent / "__pycache__" / f"{source.stem}-{digest}.so"
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        fresh = target.with_suffix(f".{os.getpid()}")
        command = [compiler, "-O2", *options, str(source), "-o", str(fresh), "-ldl"]
        subprocess.run(command, check=True)
        fresh.replace(target)
    return target
