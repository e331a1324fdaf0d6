"""The wheel that `pip wheel .` builds here: what is in it, what it needs, and that it works by itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]

# In one worker, so that the wheel is built once.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("wheel")]

SMOKE = """
import asyncio, http.server, threading
import obstore_c as obs
from obstore_c.store import MemoryStore, S3Store

class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.send_header("Last-Modified", "Fri, 01 Mar 2024 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(b"hello")
    def log_message(self, *args): ...

async def get(store):
    return bytes(await (await obs.get_async(store, "file.txt")).bytes_async())

with http.server.HTTPServer(("127.0.0.1", 0), Hello) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    remote = S3Store("bucket", endpoint=endpoint, skip_signature=True, client_options={"allow_http": True})
    for store in (MemoryStore(), remote):
        if store is not remote:
            obs.put(store, "file.txt", b"hello")
        assert bytes(obs.get(store, "file.txt").bytes()) == asyncio.run(get(store)) == b"hello"
    server.shutdown()

assert "site-packages" in obs.__file__, obs.__file__
print("works")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


def _run(*command: str) -> str:
    # Not in this checkout, whose obstore_c has no compiled modules.
    result = subprocess.run(command, capture_output=True, text=True, cwd=sys.prefix)
    assert result.returncode == 0, f"{' '.join(command)}:\n{result.stdout}\n{result.stderr}"
    return result.stdout


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {PurePosixPath(name) for name in archive.namelist()}
    info = f"obstore_c-{version('obstore_c')}.dist-info"
    package = {name for name in names if name.parts[0] == "obstore_c"}
    assert {name.parts[0] for name in names} == {"obstore_c", info}
    assert {name.suffix for name in package} <= {".py", ".pyi", ".typed", ".so", ".pyd"}
    assert PurePosixPath("obstore_c/py.typed") in names


def test_wheel_has_every_compiled_module_with_its_stub(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [PurePosixPath(name) for name in archive.namelist()]
    sources = {path.stem for path in (ROOT / "src/obstore_c/_lib").glob("*.pyx")}
    assert {name.name.split(".")[0] for name in names if name.suffix in (".so", ".pyd")} == sources
    assert {name.stem for name in names if name.suffix == ".pyi"} == sources


@pytest.mark.skipif(sys.platform != "linux", reason="auditwheel is for Linux")
def test_wheel_links_to_the_system_only(wheel: Path) -> None:
    auditwheel = Path(sysconfig.get_path("scripts"), "auditwheel")
    report = " ".join(_run(str(auditwheel), "show", str(wheel)).split())
    assert 'constrained to "manylinux_' in report or "consistent with the following platform tag" in report
    assert "libcurl" not in report
    assert "libssl" not in report


def test_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    _run(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    python = shutil.which(
        "python", path=str(tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin"))
    )
    assert python is not None
    _run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", str(wheel))
    assert _run(python, "-W", "error", "-c", SMOKE).strip() == "works"
