"""The peers: one adapter a file, found by the file's name."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.peers.base import Peer

BASELINE = "obstore"
"""Ratios are to this peer."""

FIRST = (BASELINE, "obstore_c", "limit")
NOT_ADAPTERS = ("__init__", "base", "obspec_api", "botocore_config")


def names() -> list[str]:
    """Every peer: the baseline first, then ours, then the floor, then the rest by name."""
    found = {path.stem for path in Path(__file__).parent.glob("*.py")} - set(NOT_ADAPTERS)
    return [name for name in FIRST if name in found] + sorted(found.difference(FIRST))


def adapter(name: str) -> type[Peer]:
    """Class of a peer. Its library is imported by the first instance."""
    cls: type[Peer] = import_module(f"benchmarks.peers.{name}").Adapter
    return cls


def installed() -> list[str]:
    """Peers whose library is installed."""
    return [name for name in names() if _is_installed(adapter(name).distribution)]


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
