"""What the engine writes down of libcurl's binary interface, held against pycurl and libcurl itself."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pycurl
import pytest

from engine.support import libcurl
from servers import Unavailable

ROOT = Path(__file__).parents[2]
HEADER = (ROOT / "src" / "engine" / "curl_api.h").read_text()
ENGINE = (ROOT / "src" / "obstore_c" / "_lib" / "engine.pyx").read_text()


def _listed(macro: str) -> dict[str, int]:
    block = re.search(rf"#define {macro}\(X\)(.*?[^\\])\n", HEADER, re.DOTALL)
    assert block is not None
    pairs = re.findall(r"X\((\w+), ([0-9a-fx +]+)\)", block[1])
    return {name: sum(int(part, 0) for part in number.split("+")) for name, number in pairs}


def _enumerated(prefix: str) -> dict[str, int]:
    pairs = re.findall(rf"^    {prefix}(\w+) = ([0-9a-fx<> ]+),$", HEADER, re.MULTILINE)
    return {name: int(eval(number)) for name, number in pairs}


OPTIONS = _listed("OC_CURL_OPTIONS")
INFOS = _listed("OC_CURL_INFOS")
MULTI_OPTIONS = _listed("OC_CURL_MULTI_OPTIONS")
FUNCTIONS = re.findall(r"X\([^()]*?, (\w+), \(", HEADER)


class _Option(ctypes.Structure):
    """`struct curl_easyoption`, https://curl.se/libcurl/c/curl_easy_option_by_name.html."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("number", ctypes.c_int),
        ("type", ctypes.c_int),
        ("flags", ctypes.c_uint),
    )


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(libcurl())
    except Unavailable as reason:
        pytest.skip(str(reason))


def test_the_header_was_understood() -> None:
    assert len(OPTIONS) > 40
    assert len(INFOS) > 8
    assert len(MULTI_OPTIONS) == 6
    assert len(FUNCTIONS) == 16
    assert len(_enumerated("OC_CURLE_")) >= 6


@pytest.mark.parametrize("name", OPTIONS)
def test_option_numbers(library: ctypes.CDLL, name: str) -> None:
    find = library.curl_easy_option_by_name
    find.restype = ctypes.POINTER(_Option)
    found = find(name.encode())
    assert found, f"libcurl knows no option {name}"
    assert found.contents.number == OPTIONS[name]
    assert getattr(pycurl, name, OPTIONS[name]) == OPTIONS[name]


def test_most_options_are_known_to_pycurl_as_well() -> None:
    assert sum(hasattr(pycurl, name) for name in OPTIONS) > len(OPTIONS) * 0.7


@pytest.mark.parametrize("name", INFOS)
def test_info_numbers(name: str) -> None:
    # pycurl has no name for three that only a C program can use, or that options have taken.
    names = {"HTTP_VERSION": "INFO_HTTP_VERSION"}
    if name == "PRIVATE":
        assert INFOS[name] == 0x100000 + 21  # CURLINFO_STRING + 21, curl/curl.h
        return
    assert getattr(pycurl, names.get(name, name), None) in (INFOS[name], None)
    if name.endswith("_TIME_T"):
        # CURLINFO_OFF_T + 50 and so on are the microseconds of the doubles known by the same name.
        assert hasattr(pycurl, name.removesuffix("_T"))


@pytest.mark.parametrize("name", MULTI_OPTIONS)
def test_multi_option_numbers(name: str) -> None:
    known = getattr(pycurl, f"M_{name}", None)
    assert known == MULTI_OPTIONS[name] or (known is None and name.endswith("DATA"))


def test_error_codes() -> None:
    for name, code in _enumerated("OC_CURLE_").items():
        assert getattr(pycurl, f"E_{name}") == code, name


def test_codes_of_requests_that_never_left() -> None:
    codes = re.search(r"curl_code in \(([\d, ]+)\)", ENGINE)
    assert codes is not None
    assert {int(code) for code in codes[1].split(",")} == {
        pycurl.E_COULDNT_RESOLVE_PROXY,
        pycurl.E_COULDNT_RESOLVE_HOST,
        pycurl.E_COULDNT_CONNECT,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_PEER_FAILED_VERIFICATION,
    }


def test_other_numbers() -> None:
    other = _enumerated("OC_CURL_") | _enumerated("OC_CURLP")
    assert other["AUSE_CONT"] == pycurl.PAUSE_CONT
    assert other["POLL_IN"] == pycurl.POLL_IN
    assert other["POLL_OUT"] == pycurl.POLL_OUT
    assert other["POLL_REMOVE"] == pycurl.POLL_REMOVE
    assert other["WRITEFUNC_PAUSE"] == pycurl.WRITEFUNC_PAUSE
    assert other["GLOBAL_ALL"] == pycurl.GLOBAL_ALL
    assert other["IPE_MULTIPLEX"] == pycurl.PIPE_MULTIPLEX
    assert other["VERSION_SSL"] == pycurl.VERSION_SSL


def test_functions_are_there(library: ctypes.CDLL) -> None:
    assert [name for name in FUNCTIONS if not hasattr(library, f"curl_{name}")] == []


def test_against_the_headers_of_libcurl() -> None:
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("there is no C compiler")
    check = [compiler, "-std=gnu11", f"-I{ROOT / 'src' / 'engine'}", "-fsyntax-only"]
    program = "#include <curl/curl.h>\n"
    if subprocess.run([*check, "-x", "c", "-"], input=program, capture_output=True, text=True).returncode:
        pytest.skip("there is no curl/curl.h")
    checked = subprocess.run(
        [*check, str(ROOT / "tests" / "engine" / "abi_check.c")], capture_output=True, text=True
    )
    if "older than what the engine asks for" in checked.stderr:
        pytest.skip("curl/curl.h is older than 7.87.0")
    assert checked.returncode == 0, checked.stderr
