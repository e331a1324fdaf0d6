"""What the README and the examples show runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUICKSTART = ROOT / "examples" / "quickstart.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_quickstart_runs() -> None:
    done = run("-W", "error", str(QUICKSTART))

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("12 bytes, last modified ")
    assert "['folder/copy.txt', 'folder/renamed.txt']" in done.stdout


def test_readme_shows_the_quickstart_as_it_is() -> None:
    between = r"<!-- quickstart: begin -->\n```python\n(.*?)```\n<!-- quickstart: end -->"
    shown = re.search(between, README, re.DOTALL)

    assert shown is not None
    assert shown[1] == QUICKSTART.read_text(encoding="utf-8")


def test_python_in_the_readme_compiles() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

    assert len(blocks) >= 3
    for number, block in enumerate(blocks):
        compile(block, f"README.md, block {number}", "exec")


def test_links_of_the_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
