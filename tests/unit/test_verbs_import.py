"""Importing the package costs little, because it loads little."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "asyncio",
    "concurrent.futures",
    "cryptography",
    "dataclasses",
    "inspect",
    "logging",
    "pycurl",
    "ssl",
    "typing_extensions",
    "arro3",
}


def _loaded(code: str) -> set[str]:
    report = f"import sys; before = set(sys.modules); {code}; print(*(set(sys.modules) - before), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import obstore_c",
        "from obstore_c.store import MemoryStore",
        "import obstore_c as obs; from obstore_c.store import MemoryStore; store = MemoryStore();"
        "obs.put(store, 'a', b''); obs.get(store, 'a').bytes(); obs.list(store).collect()",
    ],
    ids=["package", "store", "use"],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert not HEAVY & _loaded(code)


def test_the_package_alone_loads_nothing_but_itself() -> None:
    ours = {name for name in _loaded("import obstore_c") if name.startswith("obstore_c")}
    assert ours == {"obstore_c"}


def test_memory_needs_no_provider() -> None:
    assert not [name for name in _loaded("from obstore_c.store import MemoryStore") if "_s3" in name]


def test_version_is_the_package_s() -> None:
    from importlib.metadata import version

    import obstore_c

    assert obstore_c.__version__ == version("obstore_c")
