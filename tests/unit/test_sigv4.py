"""Signature Version 4: botocore is the oracle, for header signing and for presigned URLs."""

from __future__ import annotations

import hashlib
import hmac
import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import assume, example, given
from hypothesis import strategies as st

from obstore_c._lib.quote import quote_path
from obstore_c._lib.sha256 import Hmac
from obstore_c._lib.sigv4 import (
    EMPTY_SHA256,
    UNSIGNED_PAYLOAD,
    Signer,
    canonical_query,
    payload_sha256,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJhLWIifQ_-" * 150 + ".c2lnbmF0dXJl=="
HOST = "127.0.0.1:9000"
NOW = 1369353600.0  # 20130524T000000Z, the time of the examples in AWS's documentation

Headers = list[tuple[str, str]]

NAME_CHARACTERS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Set by the signature, replaced by botocore, or unsigned here: each has a test of its own.
SPECIAL = {"accept-encoding", "authorization", "date", "host", "x-amz-content-sha256", "x-amz-date"}
names = st.sampled_from(
    ["Range", "range", "Content-Type", "If-None-Match", "x-amz-meta-a", "X-Amz-Meta-A", "x-amz-meta-ab",
     "x-amz-meta-a-b", "User-Agent", "Connection", "x-amz-copy-source"]
)  # fmt: skip
names |= st.text(NAME_CHARACTERS, min_size=1, max_size=12).filter(lambda name: name.lower() not in SPECIAL)
values = st.lists(
    st.sampled_from([" ", "  ", "\t", "bytes=0-4095", ",", ";", "a", "é€😀"])
    | st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), max_size=8)
).map("".join)
headers = st.lists(st.tuples(names, values), max_size=8)
pieces = st.sampled_from(
    [" ", "+", "%", "//", "/", ".", "..", "~", "?", "&", "=", "#", "ü", "😀", "\n", "\0"]
)
keys = st.lists(pieces | st.text(max_size=4), max_size=12).map("".join)
queries = st.lists(st.tuples(st.sampled_from(["a", "B", "a b", "versionId"]) | keys, keys), max_size=6)
tokens = (
    st.none()
    | st.just(JWT)
    | st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1)
)
services = st.sampled_from(["s3", "execute-api", "sts"])
moments = st.floats(0, 253402300799)


def stamp_of(now: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now // 1))


def oracle(
    auth_class: type[SigV4Auth], signer_arguments: tuple[str | None, str, str], payload_hash: str
) -> SigV4Auth:
    """botocore's signer, which takes the payload's hash as given."""
    token, region, service = signer_arguments

    class Auth(auth_class):  # type: ignore[misc]
        def payload(self, request: AWSRequest) -> str:
            return payload_hash

    return Auth(Credentials(KEY_ID, SECRET, token), service, region)


def signed_by_botocore(auth: SigV4Auth, request: AWSRequest, given: Headers, now: float) -> AWSRequest:
    """What `auth.add_auth(request)` does, at the time `now`."""
    for name, value in given:
        request.headers[name] = value
    request.context["timestamp"] = stamp_of(now)
    auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    auth._inject_signature_to_request(request, signature)
    return request


def parsed(block: bytes) -> Headers:
    """The header lines for libcurl as names and values."""
    lines = [
        line.partition(":") if ":" in line else (line.removesuffix(";"), ":", " ")
        for line in block.decode().split("\n")
    ]
    assert all(value.startswith(" ") for _, _, value in lines)
    return [(name, value[1:]) for name, _, value in lines]


def signed(
    *,
    method: str = "GET",
    host: str = HOST,
    path: str = "/bucket/key",
    query: str = "",
    headers: Iterable[tuple[str, str]] = (),
    payload_hash: str = EMPTY_SHA256,
    token: str | None = None,
    service: str = "s3",
) -> Headers:
    signer = Signer(KEY_ID, SECRET, token, "us-east-1", service)
    return parsed(signer.sign(method, host, path, query, headers, payload_hash, NOW))


def signature_of(**request: object) -> str:
    return dict(signed(**request))["authorization"].rpartition("Signature=")[2]  # type: ignore[arg-type]


class TestSign:
    @given(
        keys, queries, headers, tokens, services, moments, st.sampled_from([EMPTY_SHA256, UNSIGNED_PAYLOAD])
    )
    @example(
        "a b//../.~+%ü",
        [("b", ""), ("a", "2"), ("a", "1")],
        [("x-amz-meta-a", " two  blanks ")],
        JWT,
        "s3",
        0,
        "x",
    )
    def test_agrees_with_botocore(
        self,
        key: str,
        query: list[tuple[str, str]],
        given: Headers,
        token: str | None,
        service: str,
        now: float,
        payload_hash: str,
    ) -> None:
        path, query_text = "/bucket/" + quote_path(key), canonical_query(query)
        auth = oracle(
            S3SigV4Auth if service == "s3" else SigV4Auth, (token, "eu-west-3", service), payload_hash
        )
        request = AWSRequest("PUT", f"http://{HOST}{path}" + ("?" + query_text if query_text else ""))
        expected = signed_by_botocore(auth, request, given, now).headers

        signer = Signer(KEY_ID, SECRET, token, "eu-west-3", service)
        block = parsed(signer.sign("PUT", HOST, path, query_text, given, payload_hash, now))

        own = dict(block[len(given) :])
        assert own.pop("authorization") == expected["Authorization"]
        assert own.pop("x-amz-date") == expected["X-Amz-Date"]
        assert own.pop("x-amz-security-token", None) == expected["X-Amz-Security-Token"]
        assert own.pop("x-amz-content-sha256", None) == expected["X-Amz-Content-SHA256"]
        assert not own

    @given(headers)
    def test_given_headers_go_out_first_and_unchanged(self, given: Headers) -> None:
        block = signed(headers=given)
        # libcurl can't send a value of blanks only; on the wire it is the same as an empty one.
        assert block[: len(given)] == [(name, value if value.strip(" \t") else "") for name, value in given]
        assert [name for name, _ in block[len(given) :]] == [
            "x-amz-content-sha256",
            "x-amz-date",
            "authorization",
        ]

    @pytest.mark.parametrize(
        ("method", "path", "query", "given", "payload_hash", "signature"),
        [
            ("GET", "/test.txt", "", [("Range", "bytes=0-9")], EMPTY_SHA256,
             "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            ("GET", "/", "lifecycle=", [], EMPTY_SHA256,
             "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            ("GET", "/", "max-keys=2&prefix=J", [], EMPTY_SHA256,
             "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ],
        ids=["range", "lifecycle", "list"],
    )  # fmt: skip
    def test_gives_the_signatures_of_the_documentation(
        self, method: str, path: str, query: str, given: Headers, payload_hash: str, signature: str
    ) -> None:
        host = "examplebucket.s3.amazonaws.com"
        assert signature == signature_of(
            method=method, host=host, path=path, query=query, headers=given, payload_hash=payload_hash
        )

    def test_uses_the_clock_when_no_time_is_given(self) -> None:
        before = stamp_of(time.time() - 1)
        block = dict(parsed(Signer(KEY_ID, SECRET, None, "r").sign("GET", HOST, "/", "", [], EMPTY_SHA256)))
        assert before <= block["x-amz-date"] <= stamp_of(time.time() + 1)

    def test_uses_the_key_of_the_day(self) -> None:
        signer = Signer(KEY_ID, SECRET, None, "us-east-1")
        for now in (NOW - 1, NOW, NOW + 86399, NOW + 86400, NOW):
            block = dict(parsed(signer.sign("GET", HOST, "/", "", [], EMPTY_SHA256, now)))
            fresh = Signer(KEY_ID, SECRET, None, "us-east-1")
            assert block == dict(parsed(fresh.sign("GET", HOST, "/", "", [], EMPTY_SHA256, now)))
            assert f"/{stamp_of(now)[:8]}/us-east-1/s3/aws4_request" in block["authorization"]

    @pytest.mark.parametrize(
        "name", ["Authorization", "X-Amz-Date", "x-amz-content-SHA256", "X-Amz-Security-Token"]
    )
    def test_replaces_given_headers_that_are_its_own(self, name: str) -> None:
        block = signed(headers=[(name, "given"), ("range", "bytes=0-1")], token="t")
        assert sum(given.lower() == name.lower() for given, _ in block) == 1
        assert block == signed(headers=[("range", "bytes=0-1")], token="t")

    def test_keeps_a_given_token_header_when_it_has_no_token(self) -> None:
        block = signed(headers=[("X-Amz-Security-Token", "given")])
        assert block[0] == ("X-Amz-Security-Token", "given")
        assert ";x-amz-security-token," in dict(block)["authorization"]

    def test_signs_a_given_host_header_instead_of_the_urls(self) -> None:
        block = signed(headers=[("Host", "example.com")], host="127.0.0.1")
        assert block[0] == ("Host", "example.com")
        assert dict(block)["authorization"] == dict(signed(host="example.com"))["authorization"]

    @pytest.mark.parametrize(
        "name", ["User-Agent", "Accept-Encoding", "connection", "Expect", "X-Amzn-Trace-Id"]
    )
    def test_sends_but_does_not_sign_what_proxies_change(self, name: str) -> None:
        block = signed(headers=[(name, "x")])
        assert block[0] == (name, "x")
        assert block[1:] == signed()

    @pytest.mark.parametrize(
        ("value", "canonical"), [("a  b", "a b"), ("  a\t \tb ", "a b"), ('"a   b"', '"a b"'), (" \t ", "")]
    )
    def test_signs_runs_of_blanks_as_one(self, value: str, canonical: str) -> None:
        sent, same = signed(headers=[("x-amz-meta-k", value)]), signed(headers=[("x-amz-meta-k", canonical)])
        assert sent[-1] == same[-1]

    def test_joins_several_values_of_a_name_in_their_order(self) -> None:
        several = signature_of(headers=[("x-a", "2"), ("b", "x"), ("X-A", " 1  3")])
        assert several == signature_of(headers=[("b", "x"), ("x-a", "2,1 3")])
        assert several != signature_of(headers=[("b", "x"), ("x-a", "1 3,2")])

    @given(st.permutations([("b", "1"), ("A", "2"), ("a-b", "3"), ("x-amz-z", "4"), ("X-AMZ-y", "5")]))
    def test_signature_does_not_depend_on_order_or_case_of_names(self, given: Headers) -> None:
        lower = [(name.lower(), value) for name, value in sorted(given)]
        assert signature_of(headers=given) == signature_of(headers=lower)

    def test_takes_thousands_of_headers(self) -> None:
        many = [(f"x-amz-meta-{number}", "v" * number) for number in range(3000)]
        assert signature_of(headers=many) == signature_of(headers=many[::-1])

    def test_sends_a_session_token_of_s3_express_in_its_own_header(self) -> None:
        signer = Signer(KEY_ID, SECRET, "tok", "r", "s3express", token_header="x-amz-s3session-token")
        block = dict(parsed(signer.sign("GET", HOST, "/a//b", "", [], EMPTY_SHA256, NOW)))
        assert block["x-amz-s3session-token"] == "tok"
        assert ";x-amz-s3session-token," in block["authorization"]
        url = signer.presign("GET", "https", HOST, "/k", [], [], 60, NOW)
        assert "&X-Amz-S3session-Token=tok" in url

    @pytest.mark.parametrize("character", ["\r", "\n", "\0"], ids=["CR", "LF", "NUL"])
    @pytest.mark.parametrize("where", ["name", "value"])
    def test_refuses_line_breaks_and_nul_in_headers(self, where: str, character: str) -> None:
        evil = f"secret{character}value"
        header = (evil, "v") if where == "name" else ("x-a", evil)
        with pytest.raises(ValueError, match="header name" if where == "name" else "header 'x-a'") as caught:
            signed(headers=[header])
        assert where == "name" or "secret" not in str(caught.value)

    @pytest.mark.parametrize("name", ["", "a b", "a:", "a;", "ü", "a\x7f", "(a)"])
    def test_refuses_what_is_not_a_header_name(self, name: str) -> None:
        with pytest.raises(ValueError, match="can't be a header name"):
            signed(headers=[(name, "v")])

    @pytest.mark.parametrize("header", [("a", 1), (b"a", "b"), ("a",), ["a", "b"], "ab", ("a", None)])
    def test_refuses_headers_that_are_not_pairs_of_strs(self, header: object) -> None:
        with pytest.raises(TypeError):
            signed(headers=[header])  # type: ignore[list-item]

    @pytest.mark.parametrize(
        ("argument", "value"),
        [("path", "/a b"), ("path", "/ü"), ("path", "/a\n"), ("path", "a"), ("query", "a=b c"),
         ("query", "\0"), ("host", "a\r\nb"), ("host", ""), ("method", "GET /"), ("payload_hash", "a\nb"),
         ("payload_hash", "")],
    )  # fmt: skip
    def test_refuses_what_is_not_encoded(self, argument: str, value: str) -> None:
        with pytest.raises(ValueError, match=argument.replace("_", " ")):
            signed(**{argument: value})  # type: ignore[arg-type]

    @pytest.mark.parametrize("now", [-1, 253402300800, float("nan"), float("inf")])
    def test_refuses_times_without_a_time_stamp(self, now: float) -> None:
        with pytest.raises(ValueError, match="not a time between 1970 and 9999"):
            Signer(KEY_ID, SECRET, None, "r").sign("GET", HOST, "/", "", [], EMPTY_SHA256, now)


class TestPresign:
    @given(
        keys,
        st.dictionaries(keys, keys, max_size=4),
        headers,
        tokens,
        services,
        st.integers(1, 604800),
        moments,
    )
    def test_agrees_with_botocore(
        self,
        key: str,
        query: dict[str, str],
        given: Headers,
        token: str | None,
        service: str,
        expires: int,
        now: float,
    ) -> None:
        path = "/bucket/" + quote_path(key)
        auth = oracle(
            S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth,
            (token, "eu-west-3", service),
            UNSIGNED_PAYLOAD if service == "s3" else EMPTY_SHA256,
        )
        auth._expires = expires
        request = AWSRequest("GET", f"https://{HOST}{path}", params=dict(query))
        expected = urlsplit(signed_by_botocore(auth, request, given, now).url)

        signer = Signer(KEY_ID, SECRET, token, "eu-west-3", service)
        url = urlsplit(signer.presign("GET", "https", HOST, path, list(query.items()), given, expires, now))

        assert url[:3] == expected[:3]
        ours, theirs = (parse_qsl(parts.query, keep_blank_values=True) for parts in (url, expected))
        assert ours[-1] == theirs[-1]  # the signature
        assert sorted(ours) == sorted(theirs)

    def test_gives_the_url_of_the_documentation(self) -> None:
        signer = Signer(KEY_ID, SECRET, None, "us-east-1")
        assert signer.presign(
            "GET", "https", "examplebucket.s3.amazonaws.com", "/test.txt", [], [], 86400, NOW
        ) == (
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
            "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
            "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        )

    @pytest.mark.parametrize("expires", [0, -1, 604801, 10**30])
    def test_refuses_to_outlast_a_week(self, expires: int) -> None:
        with pytest.raises(ValueError, match="604800"):
            Signer(KEY_ID, SECRET, None, "r").presign("GET", "https", HOST, "/k", [], [], expires)

    @pytest.mark.parametrize("expires", [1.5, "60", None])
    def test_refuses_expiry_that_is_not_an_int(self, expires: Any) -> None:
        with pytest.raises(TypeError, match="expires"):
            Signer(KEY_ID, SECRET, None, "r").presign("GET", "https", HOST, "/k", [], [], expires)

    @pytest.mark.parametrize("name", ["X-Amz-Expires", "X-Amz-Signature", "X-Amz-Credential"])
    def test_refuses_parameters_of_the_signature(self, name: str) -> None:
        with pytest.raises(ValueError, match=name):
            Signer(KEY_ID, SECRET, None, "r").presign("GET", "https", HOST, "/k", [(name, "1")], [], 60)

    def test_takes_a_payload_hash(self) -> None:
        signer = Signer(KEY_ID, SECRET, None, "r")

        def url(payload_hash: str | None) -> str:
            return signer.presign("PUT", "https", HOST, "/k", [], [], 60, NOW, payload_hash=payload_hash)

        assert url(None) == url(UNSIGNED_PAYLOAD) != url(EMPTY_SHA256)


class TestSigner:
    def test_repr_shows_region_and_service_only(self) -> None:
        signer = Signer(KEY_ID, SECRET, "token", "eu-west-3", "s3")
        assert repr(signer) == str(signer) == "Signer(region='eu-west-3', service='s3')"
        assert not hasattr(signer, "__dict__")
        shown = [getattr(signer, name) for name in dir(signer) if not name.startswith("__")]
        assert not any(secret in map(str, shown) for secret in (KEY_ID, SECRET, "token"))

    def test_is_not_pickled(self) -> None:
        with pytest.raises(TypeError, match="secret"):
            pickle.dumps(Signer(KEY_ID, SECRET, None, "r"))

    @pytest.mark.parametrize("position", range(5))
    @pytest.mark.parametrize("value", ["a\nb", "a\0", "\ud800"], ids=["LF", "NUL", "surrogate"])
    def test_refuses_credentials_that_cannot_be_sent(self, position: int, value: str) -> None:
        arguments = [KEY_ID, SECRET, "token", "region", "s3"]
        arguments[position] = "hidden" + value
        with pytest.raises(ValueError, match=r"^the ") as caught:
            Signer(*arguments)
        assert "hidden" not in str(caught.value)
        assert type(caught.value) is ValueError

    @pytest.mark.parametrize("position", [0, 1, 3, 4])
    def test_refuses_empty_credentials(self, position: int) -> None:
        arguments = [KEY_ID, SECRET, "token", "region", "s3"]
        arguments[position] = ""
        with pytest.raises(ValueError, match="is empty"):
            Signer(*arguments)

    def test_takes_an_empty_token_for_none(self) -> None:
        assert signed(token="") == signed(token=None)

    def test_is_thread_safe(self) -> None:
        signer = Signer(KEY_ID, SECRET, JWT, "us-east-1")

        def sign(number: int) -> bytes:
            return signer.sign(
                "GET", HOST, "/k", "", [("x-n", str(number))], EMPTY_SHA256, NOW + number * 40000
            )

        expected = [sign(number) for number in range(20)]
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(sign, [number % 20 for number in range(4000)])) == expected * 200

    def test_never_hands_hashlib_enough_to_release_the_gil(self) -> None:
        # Beside a computing thread, one signature in ten would then wait 5 ms to get it back.
        done = subprocess.run(
            [sys.executable, "-c", RECORD_HASHED_SIZES, JWT], capture_output=True, check=True
        )
        sizes = [int(size) for size in done.stdout.split()]
        assert sum(sizes) > len(JWT)
        assert max(sizes) < 2048  # HASHLIB_GIL_MINSIZE in CPython's Modules/hashlib.h


RECORD_HASHED_SIZES = """
import hashlib, sys

class Recorder:
    def __init__(self, data, state=hashlib.sha256()):
        self.state = state.copy()
        self.update(data)
    def update(self, data):
        print(len(data))
        self.state.update(data)
    def copy(self):
        return Recorder(b"", self.state)
    def digest(self):
        return self.state.digest()

hashlib.sha256 = Recorder
from obstore_c._lib.sigv4 import EMPTY_SHA256, Signer
Signer("id", "secret", sys.argv[1], "us-east-1").sign("GET", "host", "/k", "", [], EMPTY_SHA256)
"""


class TestCanonicalQuery:
    @given(queries)
    def test_agrees_with_botocore(self, query: list[tuple[str, str]]) -> None:
        auth = SigV4Auth(Credentials("a", "b"), "s3", "r")
        assert canonical_query(query) == auth._canonical_query_string_params(query)

    def test_sorts_repeated_names_by_value_and_keeps_empty_values(self) -> None:
        assert canonical_query([("b", ""), ("a", "2"), ("a", "10"), ("A", "ü")]) == "A=%C3%BC&a=10&a=2&b="
        assert canonical_query([]) == ""


class TestPayloadSha256:
    @given(st.binary(max_size=5000))
    def test_agrees_with_hashlib_for_any_buffer(self, data: bytes) -> None:
        expected = hashlib.sha256(data).hexdigest()
        assert (
            payload_sha256(data)
            == payload_sha256(bytearray(data))
            == payload_sha256(memoryview(data))
            == expected
        )

    def test_hashes_the_bytes_of_any_shape_and_format(self) -> None:
        data = bytes(range(240))
        view = memoryview(data)
        assert (
            payload_sha256(view.cast("Q"))
            == payload_sha256(view.cast("B", (4, 6, 10)))
            == payload_sha256(data)
        )

    def test_of_nothing_is_the_constant(self) -> None:
        assert payload_sha256(b"") == EMPTY_SHA256

    @pytest.mark.parametrize("value", ["text", 1, None])
    def test_refuses_what_is_not_a_buffer(self, value: object) -> None:
        with pytest.raises(TypeError):
            payload_sha256(value)  # type: ignore[arg-type]

    def test_refuses_gaps(self) -> None:
        with pytest.raises(BufferError):
            payload_sha256(memoryview(b"abcd")[::2])


@given(st.binary(max_size=200), st.binary(max_size=5000))
def test_hmac_agrees_with_the_standard_library(key: bytes, message: bytes) -> None:
    assume(key)
    assert Hmac(key).digest(message) == hmac.digest(key, message, "sha256")
