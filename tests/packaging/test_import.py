"""`import obstore_c` costs no more than `import obstore`: heavy modules are loaded by those who need them."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("asyncio", "ssl", "pycurl", "cryptography", "inspect", "dataclasses", "typing_extensions", "logging")


def test_import_loads_nothing_heavy() -> None:
    # Less what the interpreter's own start and the environment's .pth files have loaded.
    script = "import sys; before = set(sys.modules); import obstore_c; print(*set(sys.modules) - before)"
    command = [sys.executable, "-P", "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "obstore_c" in loaded
    assert [name for name in HEAVY if name in loaded] == []
