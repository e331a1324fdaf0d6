"""Binding to libcurl: what is missing, too old or not thread-safe is told in one sentence, at import."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.support import blocking, check_script, run_script
from obstore_c._lib.engine import Profile, option_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.faults import FaultServer

HEADER = Path(__file__).parents[2] / "src" / "engine" / "curl_api.h"
STUB = """
#include <stddef.h>
#include "curl_api.h"

static struct oc_curl_version version = {11, VERSION, NUMBER, "host", FEATURES, "none"};
struct oc_curl_version *curl_version_info(int age) { return age == 11 ? &version : 0; }
int curl_global_init(long flags) { return flags == 3 ? INIT_CODE : 1; }
const char *curl_easy_strerror(int code) { return code == 2 ? "it was told to fail" : "?"; }
#define NOTHING(name) void curl_##name(void) {}
NOTHING(easy_init) NOTHING(easy_cleanup) NOTHING(easy_setopt) NOTHING(easy_getinfo) NOTHING(easy_pause)
NOTHING(multi_init) NOTHING(multi_cleanup) NOTHING(multi_setopt) NOTHING(multi_add_handle)
NOTHING(multi_remove_handle) NOTHING(multi_socket_action) NOTHING(multi_info_read)
#ifndef ONE_MISSING
NOTHING(multi_strerror)
#endif
"""
IMPORT = """
import sys
import obstore_c._libcurl
obstore_c._libcurl.find = lambda: sys.argv[1]
try:
    import obstore_c._lib.engine
except ImportError as error:
    print(error)
else:
    print("imported")
"""


@pytest.fixture
def stub(tmp_path: Path) -> Callable[..., str]:
    """Compiles a library that looks like libcurl to those who load it."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("there is no C compiler")

    def build(**macros: object) -> str:
        values = {"VERSION": '"8.9.1"', "NUMBER": 0x080901, "FEATURES": 1 << 30, "INIT_CODE": 0, **macros}
        defines = [f"-D{name}={value}" for name, value in values.items()]
        source, library = tmp_path / "stub.c", tmp_path / "libstub.so"
        source.write_text(STUB)
        command = [compiler, "-shared", "-fPIC", *defines, f"-I{HEADER.parent}", source, "-o", library]
        subprocess.run(command, check=True)
        return str(library)

    return build


def _import_with(library: str) -> str:
    ran = run_script(IMPORT, library)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.count("\n") == 1
    return ran.stdout.strip()


def test_a_fitting_library_is_taken(stub: Callable[..., str]) -> None:
    assert _import_with(stub()) == "imported"


@pytest.mark.parametrize(
    ("macros", "words"),
    [
        ({"VERSION": '"7.86.0"', "NUMBER": 0x075600}, ["7.86.0", "at least 7.87.0"]),
        ({"FEATURES": 0}, ["8.9.1", "thread-safe"]),
        ({"INIT_CODE": 2}, ["cannot be initialised", "it was told to fail"]),
        ({"ONE_MISSING": 1}, ["curl_multi_strerror", "older than 7.87.0"]),
    ],
    ids=["too old", "not thread-safe", "does not start", "lacks a function"],
)
def test_an_unfit_library_is_refused(
    stub: Callable[..., str], macros: dict[str, object], words: list[str]
) -> None:
    sentence = _import_with(stub(**macros))
    assert sentence.startswith("obstore_c cannot use pycurl's libcurl: ")
    assert [word for word in words if word not in sentence] == []


def test_a_file_that_is_no_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("no library")
    assert "cannot be loaded" in _import_with(str(tmp_path / "text.so"))
    assert "cannot be loaded" in _import_with(str(tmp_path / "missing.so"))


def test_without_pycurl_the_import_says_how_to_get_it(tmp_path: Path) -> None:
    script = """
import sys
from importlib.machinery import PathFinder
whole = PathFinder.find_spec
PathFinder.find_spec = classmethod(lambda cls, name, *more: None if name == "pycurl" else whole(name, *more))
try:
    import obstore_c._lib.engine
except ImportError as error:
    print(error)
"""
    ran = run_script(script)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "pycurl is not installed" in ran.stdout
    assert "pip install pycurl" in ran.stdout
    # A folder of that name without an extension module is not pycurl either.
    (tmp_path / "pycurl").mkdir()
    (tmp_path / "pycurl" / "__init__.py").touch()
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + script.replace(
        "None if", "x if"
    ).replace("whole = ", "x = PathFinder.find_spec('pycurl')\nwhole = ")
    ran = run_script(script)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "no extension module" in ran.stdout


def test_pycurl_is_not_imported(fault_server: FaultServer) -> None:
    from servers.faults import ok

    fault_server.script(ok(b"hello"))
    check_script(
        """
import sys
from engine.support import blocking
assert blocking(sys.argv[1]).status == 200
assert not [name for name in sys.modules if "pycurl" in name]
print("done")
""",
        fault_server.url,
    )


def test_pycurl_and_the_engine_live_in_one_process(fault_server: FaultServer) -> None:
    from servers.faults import ok

    fault_server.script(lambda request: ok(b"hello"))
    check_script(
        """
import io, sys
import pycurl
from engine.support import blocking
for _ in range(3):
    assert blocking(sys.argv[1]).status == 200
    curl, body = pycurl.Curl(), io.BytesIO()
    curl.setopt(pycurl.URL, sys.argv[1])
    curl.setopt(pycurl.WRITEDATA, body)
    curl.perform()
    curl.close()
    assert body.getvalue() == b"hello"
print("done")
""",
        fault_server.url,
    )


# --- options ------------------------------------------------------------------------------------------------


def test_option_that_libcurl_refuses_is_named(fault_server: FaultServer) -> None:
    profile = Profile({9999: 1})
    response = blocking(fault_server, profile=profile)
    assert response.status == 0
    assert response.curl_code == 48
    assert "option 9999 of client_options" in response.curl_message
    assert fault_server.requests == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"NO_SUCH_OPTION": 1}, "'NO_SUCH_OPTION' is not known"),
        ({"PROXY": 5}, "takes str or bytes, not int"),
        ({"TIMEOUT_MS": "5"}, "takes an int, not str"),
        ({"TIMEOUT_MS": None}, "takes an int, not NoneType"),
        ({"PROXY": "a\0b"}, "has a NUL"),
        ({20011: "f"}, "takes a function"),
        ({"WRITEFUNCTION": 1}, "takes a function"),
    ],
)
def test_option_of_the_wrong_kind_is_refused(options: dict[str | int, str | int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Profile(options)


def test_numbers_that_do_not_fit_are_refused() -> None:
    for number in (1 << 31, 1 << 63, 1 << 100):
        with pytest.raises((ValueError, OverflowError)):
            Profile({number: 1})
    with pytest.raises((ValueError, OverflowError)):
        Profile({"TIMEOUT_MS": 1 << 63})
    for cap in (0, -1):
        with pytest.raises(ValueError, match="max_in_flight"):
            Profile({}, max_in_flight=cap)


def test_equal_profiles_are_equal() -> None:
    assert Profile({"USERAGENT": "a"}) == Profile({"USERAGENT": "a"})
    assert hash(Profile({"USERAGENT": "a"})) == hash(Profile({"USERAGENT": "a"}))
    assert Profile({"USERAGENT": "a"}) != Profile({"USERAGENT": "b"})
    assert Profile({}, max_in_flight=3) != Profile({}, max_in_flight=4)
    assert option_number("USERAGENT") == 10018
    assert option_number("nonsense") == -1


def test_options_reach_libcurl(fault_server: FaultServer) -> None:
    from servers.faults import ok

    fault_server.script(lambda request: ok(b"hello"))
    assert blocking(fault_server, profile=Profile({"USERAGENT": "me", 10016: "x"})).status == 200
    assert fault_server.requests[-1].header("user-agent") == "me"
    assert fault_server.requests[-1].header("referer") == "x"


@pytest.mark.skipif(sys.platform == "win32", reason="other shared libraries")
def test_the_library_is_the_one_of_pycurl() -> None:
    if not os.path.exists("/proc/self/maps"):
        pytest.skip("there is no /proc/self/maps")
    with open("/proc/self/maps") as maps:
        loaded = {line.split()[-1] for line in maps if "libcurl" in line}
    assert len(loaded) == 1, loaded
