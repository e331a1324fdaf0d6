"""ClientOptions: keys and values as obstore takes them, and what libcurl is told."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import obstore
import pycurl
import pytest
from obstore.store import S3Store
from pycurl import _pycurl

import obstore_c
from obstore_c._client import roots
from obstore_c._client.curl_options import _NOT_STRINGS, check_curl_options
from obstore_c._client.options import KEYS, ClientOptions
from obstore_c._client.types import ClientConfig
from obstore_c.exceptions import ConfigurationError, UnknownConfigurationKeyError

if TYPE_CHECKING:
    from pathlib import Path

PEM = "-----BEGIN CERTIFICATE-----\nMAoGCCqGSM49BAMC\n-----END CERTIFICATE-----\n"

EVERYTHING: dict[str, Any] = {
    "allow_http": True,
    "allow_invalid_certificates": "yes",
    "connect_timeout": "250ms",
    "default_content_type": "text/plain",
    "default_headers": {"X-One": "1", "x-two": b"2"},
    "http1_only": False,
    "http2_keep_alive_interval": "10s",
    "http2_keep_alive_timeout": timedelta(seconds=5),
    "http2_keep_alive_while_idle": "true",
    "http2_max_frame_size": "65536",
    "http2_only": True,
    "pool_idle_timeout": timedelta(minutes=1, milliseconds=1),
    "pool_max_idle_per_host": "4",
    "proxy_ca_certificate": PEM,
    "proxy_excludes": "localhost,.internal",
    "proxy_url": "https://user:secret@proxy.example:3128",
    "randomize_addresses": False,
    "read_timeout": "1.5s",
    "timeout": "2h 37min",
    "user_agent": "me/1",
}


class Option(ctypes.Structure):
    """libcurl's `struct curl_easyoption`."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("number", ctypes.c_int),
        ("type", ctypes.c_int),
        ("flags", ctypes.c_uint),
    )


class Blob(ctypes.Structure):
    """libcurl's `struct curl_blob`."""

    _fields_ = (("data", ctypes.c_char_p), ("size", ctypes.c_size_t), ("flags", ctypes.c_uint))


TYPES = ("LONG", "VALUES", "OFF_T", "OBJECT", "STRING", "SLIST", "CBPTR", "BLOB", "FUNCTION")


def libcurl_options() -> dict[str, tuple[int, str]]:
    """Number and type of every option that libcurl knows."""
    following = ctypes.CDLL(_pycurl.__file__).curl_easy_option_next
    following.restype = ctypes.POINTER(Option)
    following.argtypes = [ctypes.POINTER(Option)]
    found = {}
    option = following(None)
    while option:
        found[option.contents.name.decode()] = option.contents.number, TYPES[option.contents.type]
        option = following(option)
    return found


LIBCURL = libcurl_options()


def profile(
    options: Any = None, scheme: str = "https", environ: dict[str, str] | None = None
) -> dict[Any, Any]:
    return ClientOptions(options, environ=environ or {}).profile(scheme)


# What a store shows


def test_keys_are_obstores_and_libcurls() -> None:
    assert set(KEYS) == {*EVERYTHING, "root_certificate", "curl_options"} == set(ClientConfig.__annotations__)


def test_what_a_store_shows_is_obstores() -> None:
    theirs = S3Store("b", client_options=EVERYTHING).client_options
    assert ClientOptions(EVERYTHING).as_config() == theirs


def test_what_a_store_shows_reads_back() -> None:
    options = ClientOptions(EVERYTHING | {"root_certificate": PEM, "curl_options": {pycurl.INTERFACE: "lo"}})
    assert ClientOptions(options.as_config()) == options


def test_keys_in_any_case_as_in_obstore() -> None:
    assert ClientOptions({"TIMEOUT": "5s"}).as_config() == {"timeout": "5s"}
    assert S3Store("b", client_options={"TIMEOUT": "5s"}).client_options == {"timeout": "5s"}  # type: ignore[typeddict-unknown-key]


def test_none_is_absent() -> None:
    assert ClientOptions(dict.fromkeys(KEYS)) == ClientOptions() == ClientOptions({})
    assert profile(dict.fromkeys(KEYS)) == profile()


def test_repr_has_no_values() -> None:
    text = repr(ClientOptions(EVERYTHING))
    assert "proxy_url" in text
    assert "secret" not in text


def test_attributes() -> None:
    options = ClientOptions(EVERYTHING)
    assert options.allow_http
    assert options.timeout == 9420
    assert options.default_content_type == "text/plain"
    assert options.default_headers == (("x-one", "1"), ("x-two", "2"))
    assert options.user_agent == "me/1"


def test_attributes_by_default() -> None:
    options = ClientOptions()
    assert not options.allow_http
    assert options.timeout is None
    assert options.default_content_type is None
    assert options.default_headers == ()
    assert options.root_certificate is None
    assert options.user_agent == f"obstore_c/{obstore_c.__version__}"


# Wrong keys and values


@pytest.mark.parametrize(
    ("key", "near"),
    [("timout", "'timeout'"), ("proxy", "'proxy_url'"), ("DEFAULT_HEADER", "'default_headers'")],
)
def test_unknown_key_is_named_with_the_nearest(key: str, near: str) -> None:
    with pytest.raises(UnknownConfigurationKeyError, match=f"{key}'; did you mean {near}"):
        ClientOptions({key: "x"})
    with pytest.raises(ValueError, match=key):  # what obstore raises
        S3Store("b", client_options={key: "x"})  # type: ignore[misc]
    assert issubclass(UnknownConfigurationKeyError, ValueError)


@pytest.mark.parametrize(
    "options",
    [
        [],
        "timeout",
        {1: 2},
        {"allow_http": 1},
        {"timeout": 5},
        {"timeout": 0.5},
        {"user_agent": b"x"},
        {"default_headers": [("a", "b")]},
        {"default_headers": {"a": 1}},
        {"default_headers": {b"a": "b"}},
        {"root_certificate": 5},
    ],
    ids=repr,
)
def test_wrong_type_is_a_type_error_as_in_obstore(options: Any) -> None:
    with pytest.raises(TypeError, match="must be"):
        ClientOptions(options)
    with pytest.raises(TypeError):
        S3Store("b", client_options=options)


@pytest.mark.parametrize(
    "options",
    [
        {"allow_http": "maybe"},
        {"timeout": "5"},
        {"timeout": ""},
        {"pool_max_idle_per_host": "x"},
        {"pool_max_idle_per_host": "-1"},
        {"user_agent": "a\nb"},
        {"default_headers": {"a": "b\r\nc"}},
        {"default_headers": {"a": b"b\0c"}},
        {"default_headers": {"a": "b\x7f"}},
        {"default_headers": {"a b": "c"}},
        {"default_headers": {"": "c"}},
        {"default_headers": {"a\r\nb": "c"}},
        {"root_certificate": "nothing"},
        {"root_certificate": b""},
        {"proxy_url": "not a url"},
    ],
    ids=repr,
)
def test_wrong_value_is_obstores_error_and_a_value_error(options: Any) -> None:
    with pytest.raises(ConfigurationError):
        ClientOptions(options)
    with pytest.raises((obstore.exceptions.BaseError, ValueError)):
        S3Store("b", client_options=options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": timedelta(seconds=-1)}, "negative"),
        ({"timeout": "0s"}, "timeout must be more than 0"),
        ({"connect_timeout": timedelta(0)}, "connect_timeout must be more than 0"),
        ({"default_content_type": "a\r\nb"}, "default_content_type must not contain control characters"),
        ({"default_headers": {"Content-Length": "5"}}, "made from the request"),
        ({"default_headers": {"HOST": "5"}}, "made from the request"),
        ({"default_headers": {"a": b"\xff"}}, "must be UTF-8"),
        ({"proxy_url": "ftp://secret@host"}, "proxy_url must be a URL with one of the schemes"),
        ({"proxy_url": "http://"}, "proxy_url must be a proxy's URL"),
        ({"proxy_ca_certificate": "junk"}, "proxy_ca_certificate must hold certificates"),
        (
            {"root_certificate": PEM + "-----BEGIN CERTIFICATE-----\nMA"},
            "root_certificate must hold certificates",
        ),
        ({"root_certificate": PEM.replace("MAoG", "/AoG")}, "root_certificate must hold certificates"),
    ],
    ids=repr,
)
def test_value_that_cannot_be_right_is_refused(options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        ClientOptions(options)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["h:1", "http://u:p@h:1", "HTTP://h", "socks5h://h:1", "socks4://h", "https://[::1]:80/"]
)
def test_proxy_url_is_accepted(value: str) -> None:
    assert profile({"proxy_url": value})["PROXY"] == value


def test_header_values_may_be_any_text_of_http() -> None:
    options = ClientOptions(
        {"default_headers": {"A": "t\tb", "B": "", "C": "\N{LATIN SMALL LETTER E WITH ACUTE}"}}
    )
    assert options.default_headers == (("a", "t\tb"), ("b", ""), ("c", "\N{LATIN SMALL LETTER E WITH ACUTE}"))


# What libcurl is told


def test_every_option_exists_in_libcurl_with_a_value_of_its_type() -> None:
    kinds = {"LONG": int, "VALUES": int, "OFF_T": int, "STRING": str, "BLOB": bytes}
    cases = [
        profile(EVERYTHING | {"root_certificate": PEM, "allow_invalid_certificates": False}),
        profile(EVERYTHING),
        profile({"root_certificate": PEM, "pool_idle_timeout": "0s"}),
    ]
    for name, value in [item for case in cases for item in case.items()]:
        assert type(value) is kinds[LIBCURL[name][1]], name


def test_libcurl_accepts_every_option() -> None:
    library = ctypes.CDLL(_pycurl.__file__)
    library.curl_easy_init.restype = ctypes.c_void_p
    library.curl_easy_setopt.argtypes = [ctypes.c_void_p, ctypes.c_int]  # and one more, of any type
    handle = library.curl_easy_init()
    for name, value in [*profile(EVERYTHING).items(), *profile({"root_certificate": PEM}).items()]:
        number, kind = LIBCURL[name]
        argument: Any = (
            ctypes.c_long(value) if isinstance(value, int) else ctypes.c_char_p(os.fsencode(value))
        )
        if kind == "BLOB":
            argument = ctypes.byref(Blob(value, len(value), 1))
        assert library.curl_easy_setopt(handle, number, argument) == 0, name
    library.curl_easy_cleanup(ctypes.c_void_p(handle))


def test_defaults() -> None:
    told = profile()
    bundle = told.pop("CAINFO", None)
    assert bundle == roots.find_bundle({})
    assert told == {
        "PROTOCOLS_STR": "https",
        "HTTP_VERSION": pycurl.CURL_HTTP_VERSION_1_1,
        "USERAGENT": f"obstore_c/{obstore_c.__version__}",
        "CONNECTTIMEOUT_MS": 5000,
        "LOW_SPEED_LIMIT": 1,
        "LOW_SPEED_TIME": 30,
        "DNS_SHUFFLE_ADDRESSES": 1,
        "PROXY": "",
        "NOPROXY": "",
    }


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"timeout": "1.5s"}, {"TIMEOUT_MS": 1500}),
        ({"timeout": "1us"}, {"TIMEOUT_MS": 1}),
        ({"timeout": "100years"}, {"TIMEOUT_MS": 2**31 - 1}),
        ({"connect_timeout": timedelta(milliseconds=250)}, {"CONNECTTIMEOUT_MS": 250}),
        ({"read_timeout": "1.5s"}, {"LOW_SPEED_TIME": 2, "LOW_SPEED_LIMIT": 1}),
        ({"http1_only": False}, {"HTTP_VERSION": pycurl.CURL_HTTP_VERSION_2TLS}),
        ({"http2_only": True}, {"HTTP_VERSION": pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE}),
        ({"pool_idle_timeout": "1.5s"}, {"MAXAGE_CONN": 2}),
        ({"pool_idle_timeout": "0s"}, {"FORBID_REUSE": 1}),
        ({"pool_max_idle_per_host": 0}, {"FORBID_REUSE": 1}),
        ({"randomize_addresses": False}, {"DNS_SHUFFLE_ADDRESSES": 0}),
        ({"allow_http": True}, {"PROTOCOLS_STR": "http,https"}),
        ({"user_agent": "me"}, {"USERAGENT": "me"}),
        (
            {"http2_keep_alive_interval": "9.5s"},
            {"TCP_KEEPALIVE": 1, "TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 10},
        ),
        (
            {"http2_keep_alive_interval": "9s", "http2_keep_alive_timeout": "3s"},
            {"TCP_KEEPALIVE": 1, "TCP_KEEPIDLE": 9, "TCP_KEEPINTVL": 3},
        ),
        ({"allow_invalid_certificates": True}, {"SSL_VERIFYPEER": 0, "SSL_VERIFYHOST": 0}),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
def test_option_becomes_libcurls(options: dict[str, Any], told: dict[str, Any]) -> None:
    changed = {name: value for name, value in profile(options).items() if profile().get(name) != value}
    assert changed == {name: value for name, value in told.items() if profile().get(name) != value}


def test_certificates_are_checked_unless_told_otherwise() -> None:
    assert not {"SSL_VERIFYPEER", "SSL_VERIFYHOST", "PROXY_SSL_VERIFYPEER"} & set(
        profile({"proxy_url": "https://p"})
    )
    careless = profile({"proxy_url": "https://p", "allow_invalid_certificates": True})
    assert careless["PROXY_SSL_VERIFYPEER"] == careless["PROXY_SSL_VERIFYHOST"] == 0


def test_http_needs_no_certificates() -> None:
    told = profile({"allow_http": True, "root_certificate": PEM}, "http")
    assert not [name for name in told if isinstance(name, str) and ("CA" in name or "SSL" in name)]


# The user's own options


def test_curl_options_come_last() -> None:
    told = profile(
        {"curl_options": {pycurl.INTERFACE: "lo", pycurl.LOW_SPEED_TIME: 5, pycurl.USERAGENT: "x"}}
    )
    assert told[pycurl.INTERFACE] == "lo"
    assert list(told)[-3:] == [pycurl.INTERFACE, pycurl.LOW_SPEED_TIME, pycurl.USERAGENT]


def test_curl_options_that_take_no_number_or_text_are_refused() -> None:
    # Passing text for one of these would crash.
    assert {number for number, kind in LIBCURL.values() if kind in ("OBJECT", "SLIST", "CBPTR")} == set(
        _NOT_STRINGS
    )
    for number, kind in LIBCURL.values():
        if kind in ("OBJECT", "SLIST", "CBPTR", "FUNCTION"):
            for value in (1, "x", b"x"):
                with pytest.raises(ConfigurationError, match="cannot be set here"):
                    check_curl_options({number: value})


@pytest.mark.parametrize(
    "number",
    [pycurl.URL, pycurl.NOSIGNAL, pycurl.FOLLOWLOCATION, pycurl.CUSTOMREQUEST, pycurl.RANGE, 0, -1, 50_000],
)
def test_curl_options_that_belong_to_the_request_are_refused(number: int) -> None:
    with pytest.raises(ConfigurationError, match="cannot be set here"):
        check_curl_options({number: 1})


@pytest.mark.parametrize(
    "options",
    [
        5,
        {"INTERFACE": "lo"},
        {True: 1},
        {pycurl.INTERFACE: 5},
        {pycurl.INTERFACE: ["lo"]},
        {pycurl.LOW_SPEED_TIME: "5"},
        {pycurl.LOW_SPEED_TIME: 5.0},
        {pycurl.MAX_RECV_SPEED_LARGE: "5"},
    ],
    ids=repr,
)
def test_curl_options_of_wrong_type_are_refused(options: Any) -> None:
    with pytest.raises(TypeError, match="must be"):
        ClientOptions({"curl_options": options})


def test_curl_options_with_nul_or_out_of_range_are_refused() -> None:
    for options in ({pycurl.INTERFACE: "a\0b"}, {pycurl.INTERFACE: b"a\0b"}, {pycurl.LOW_SPEED_TIME: 2**40}):
        with pytest.raises(ConfigurationError):
            ClientOptions({"curl_options": options})


def test_curl_options_may_be_large_numbers_or_none() -> None:
    assert check_curl_options({pycurl.MAX_RECV_SPEED_LARGE: 2**40, pycurl.INTERFACE: None}) == {
        pycurl.MAX_RECV_SPEED_LARGE: 2**40
    }


# Proxies from the environment

ONE, TWO = "http://one:1", "http://two:2"


@pytest.mark.parametrize(
    ("environ", "scheme", "proxy", "excludes"),
    [
        ({}, "http", "", ""),
        ({"HTTP_PROXY": ONE}, "http", ONE, ""),
        ({"http_proxy": ONE}, "http", ONE, ""),
        ({"HTTP_PROXY": ONE, "http_proxy": TWO}, "http", ONE, ""),
        ({"http_proxy": ONE}, "https", "", ""),
        ({"HTTPS_PROXY": ONE}, "https", ONE, ""),
        ({"https_proxy": ONE}, "http", "", ""),
        ({"ALL_PROXY": ONE}, "http", ONE, ""),
        ({"all_proxy": ONE, "https_proxy": TWO}, "https", TWO, ""),
        ({"http_proxy": "", "ALL_PROXY": ONE}, "http", ONE, ""),
        ({"HTTP_PROXY": ONE, "REQUEST_METHOD": "GET"}, "http", "", ""),
        ({"HTTPS_PROXY": ONE, "REQUEST_METHOD": "GET"}, "https", ONE, ""),
        ({"HTTP_PROXY": ONE, "NO_PROXY": "a,b"}, "http", ONE, "a,b"),
        ({"HTTP_PROXY": ONE, "no_proxy": "*"}, "http", ONE, "*"),
    ],
)
def test_proxy_of_the_environment(environ: dict[str, str], scheme: str, proxy: str, excludes: str) -> None:
    told = profile(None, scheme, environ)
    assert (told["PROXY"], told["NOPROXY"]) == (proxy, excludes)


def test_proxy_of_the_options_ignores_the_environment() -> None:
    told = profile({"proxy_url": ONE}, "http", {"HTTP_PROXY": TWO, "NO_PROXY": "*"})
    assert (told["PROXY"], told["NOPROXY"]) == (ONE, "")
    assert profile({"proxy_url": ONE, "proxy_excludes": "a"})["NOPROXY"] == "a"


# Root certificates


def test_bundle_is_found_on_this_machine_and_libcurl_reads_it() -> None:
    bundle = roots.find_bundle({})
    if bundle is None:
        pytest.skip("this machine has no root certificates")
    with open(bundle, "rb") as file:
        assert roots.check_pem("bundle", file.read())


def test_bundle_of_the_environment_is_preferred(tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    own.write_text(PEM)
    assert profile(environ={"SSL_CERT_FILE": str(own)})["CAINFO"] == str(own)
    assert profile(environ={"SSL_CERT_FILE": str(tmp_path / "absent")}).get("CAINFO") == roots.find_bundle({})


def test_own_certificate_joins_the_bundle(tmp_path: Path) -> None:
    system = tmp_path / "system.pem"
    system.write_text("system")
    told = profile({"root_certificate": PEM}, environ={"SSL_CERT_FILE": str(system)})
    assert told["CAINFO_BLOB"] == b"system\n" + PEM.encode()
    assert "CAPATH" not in told


def test_own_certificate_joins_a_directory_of_hashes(tmp_path: Path) -> None:
    (tmp_path / "0a775a30.0").write_text(PEM)
    told = profile({"root_certificate": PEM}, environ={"SSL_CERT_DIR": str(tmp_path)})
    assert (told["CAINFO_BLOB"], told["CAPATH"]) == (PEM.encode(), str(tmp_path))
    assert "CAINFO" not in told


def test_directory_without_hashes_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(PEM)
    assert roots.find_hashed_directory({"SSL_CERT_DIR": str(tmp_path)}) is None
    assert roots.find_hashed_directory({"SSL_CERT_DIR": str(tmp_path / "absent")}) is None


def test_certificate_of_an_https_proxy() -> None:
    told = profile(
        {"proxy_url": "https://proxy", "proxy_ca_certificate": PEM}, environ={"SSL_CERT_DIR": "/absent"}
    )
    assert told["PROXY_CAINFO_BLOB"].endswith(PEM.encode())
    assert "PROXY_CAINFO_BLOB" not in profile({"proxy_url": "http://proxy", "proxy_ca_certificate": PEM})


def test_import_is_light() -> None:
    script = "import sys, obstore_c._s3.config; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"asyncio", "ssl", "random", "difflib", "hashlib", "urllib.parse", "pathlib"} & set(loaded)
