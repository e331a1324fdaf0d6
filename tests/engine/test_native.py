"""The engine's own tests in C, without Python, under sanitizers: see test_engine.c and the cases beside it.

libcurl and OpenSSL are the ones of pycurl's wheel and not instrumented.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from engine.support import libcurl
from servers import Unavailable

HERE = Path(__file__).parent
ENGINE = HERE.parents[1] / "src" / "engine"
# The compiler's flags, and what the sanitizers are told when the test runs.
BUILDS = {
    "address": (["-fsanitize=address,undefined", "-fno-sanitize-recover=all"], {}),
    "address-poll": (["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DOC_USE_POLL"], {}),
    # What libcurl does among its own threads is not seen, so only conflicts between instrumented code count.
    "thread": (["-fsanitize=thread"], {"TSAN_OPTIONS": "halt_on_error=1:ignore_noninstrumented_modules=1"}),
}
COMMON = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-fno-omit-frame-pointer", "-Wall", "-Wextra", "-Werror"]
LINK = ["-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc", "-lpthread", "-ldl"]
CASES = sorted(
    line.split('"')[1]
    for source in HERE.glob("cases_*.c")
    for line in source.read_text().split("_cases[] = {")[1].splitlines()
    if line.startswith('    {"')
)


def _missing(reason: str) -> None:
    if os.environ.get("OBSTORE_C_REQUIRE_SERVERS", "0") not in ("", "0"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@cache
def _sanitizer_compiler(flags: tuple[str, ...], folder: Path) -> str | None:
    """The first C compiler whose programs run with these flags."""
    source = folder / "empty.c"
    source.write_text("int main(void) { return 0; }\n")
    for name in ("cc", "gcc", "clang"):
        if (compiler := shutil.which(name)) is None:
            continue
        program = folder / f"empty-{name}"
        built = subprocess.run([compiler, *flags, source, "-o", program], capture_output=True)
        if built.returncode == 0 and subprocess.run([program], capture_output=True).returncode == 0:
            return compiler
    return None


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The test program of each build, as far as they are built yet."""
    return {"": tmp_path_factory.mktemp("engine")}


def _program(programs: dict[str, Path], build: str) -> Path:
    if build not in programs:
        flags = BUILDS[build][0]
        compiler = _sanitizer_compiler(tuple(flags), programs[""])
        if compiler is None:
            _missing(f"no C compiler here makes programs with {flags[0]} that run")
        sources = [*ENGINE.glob("*.c"), HERE / "test_engine.c", HERE / "harness.c", HERE / "http_server.c"]
        sources += HERE.glob("cases_*.c")
        program = programs[""] / build
        command = [compiler, *COMMON, *flags, f"-I{ENGINE}", *map(str, sources), "-o", str(program), *LINK]
        subprocess.run(command, check=True)  # type: ignore[arg-type]
        programs[build] = program
    return programs[build]


@pytest.mark.skipif(sys.platform != "linux", reason="linked with GNU ld's --wrap, looks into /proc")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "build", [pytest.param(build, marks=pytest.mark.xdist_group(f"native-{build}")) for build in BUILDS]
)
def test_native(programs: dict[str, Path], build: str, case: str) -> None:
    program = _program(programs, build)
    try:
        library = libcurl()
    except Unavailable as reason:
        _missing(str(reason))
    ran = subprocess.run(
        [program, library, case],
        env={**os.environ, **BUILDS[build][1]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=100,
    )
    assert ran.returncode == 0, ran.stdout[-8000:]


def test_all_cases_are_known(programs: dict[str, Path]) -> None:
    build = next((build for build in BUILDS if build in programs), "address")
    names = subprocess.run([_program(programs, build)], capture_output=True, text=True, check=True).stdout
    assert sorted(names.split()) == CASES
