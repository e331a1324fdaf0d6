"""`import obstore_c` costs no more than `import obstore`: heavy modules are loaded by those who need them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HEAVY = ("asyncio", "ssl", "pycurl", "cryptography", "inspect", "dataclasses", "typing_extensions", "logging")


def test_import_loads_nothing_heavy() -> None:
    # Less what the interpreter's own start and the environment's .pth files have loaded.
    script = "import sys; before = set(sys.modules); import obstore_c; print(*set(sys.modules) - before)"
    command = [sys.executable, "-P", "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "obstore_c" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_source_folder_is_told_from_an_installed_package(tmp_path: Path) -> None:
    """Who starts Python in a checkout gets its sources, which cannot work, before what was installed."""
    sources = Path(__file__).parents[2] / "obstore_c"
    shutil.copytree(
        sources, tmp_path / "obstore_c", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    )
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from obstore_c.store import MemoryStore"
    # Without site-packages, because an editable installation would find the modules.
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False
    )
    assert "ImportError" in run.stderr.splitlines()[-1]
    assert "run Python in another folder" in run.stderr
