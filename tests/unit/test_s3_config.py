"""S3Options and S3's URLs: keys, aliases, environment and what a store shows, compared with obstore."""

from __future__ import annotations

import ast
import base64
import hashlib
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints
from unittest import mock

import obstore
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import S3Store

from obstore_c._client.types import BackoffConfig, ClientConfig, RetryConfig
from obstore_c._s3.config import _KEYS, _SECOND_NAMES, S3Options
from obstore_c._s3.endpoint import amazon_host, split_endpoint
from obstore_c._s3.types import S3Config, S3Credential, S3CredentialProvider
from obstore_c._s3.url import parse_s3_url
from obstore_c.exceptions import ConfigurationError, GenericError, UnknownConfigurationKeyError

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKET = "data--usw2-az1--x-s3"  # a directory bucket's name suits every configuration
KEY = "S2V5S2V5S2V5S2V5S2V5S2V5S2V5S2V5S2V5S2V5S2U="  # 32 bytes

VALUES: dict[str, Any] = {
    "checksum_algorithm": "sha256",
    "conditional_put": "etag",
    "copy_if_not_exists": "multipart",
    "endpoint": "https://storage.example.com",
    "endpoint_url_s3": "https://storage.example.com",
    "request_payer": "requester",
    "server_side_encryption": "aws:kms",
}

NEEDS = {
    "access_key_id": {"secret_access_key": "s"},
    "secret_access_key": {"access_key_id": "a"},
    "sse_customer_key_base64": {},
}


def value_of(key: str) -> Any:
    boolean = _KEYS[key].__name__ == "parse_bool"
    return VALUES.get(key, True if boolean else KEY if key == "sse_customer_key_base64" else "some-value")


def options(
    bucket: str | None = BUCKET, config: Any = None, environ: dict[str, str] | None = None, **keywords: Any
) -> S3Options:
    kwargs = {key: value for key, value in keywords.items() if key not in KEYWORDS}
    extra = {key: value for key, value in keywords.items() if key in KEYWORDS}
    return S3Options(bucket, config, kwargs, environ=environ or {}, **extra)


KEYWORDS = ("url_config", "provider_config", "has_provider", "client_options")


# Keys and what a store shows


@pytest.mark.parametrize("prefix", ["", "aws_", "AWS_"])
@pytest.mark.parametrize("name", [*_KEYS, *_SECOND_NAMES])
def test_key_is_shown_as_in_obstore(name: str, prefix: str) -> None:
    key = _SECOND_NAMES.get(name, name)
    spelled = prefix + name if prefix != "AWS_" else (prefix + name).upper()
    config = {spelled: value_of(key), **NEEDS.get(key, {})}
    bucket = None if key == "bucket" else BUCKET
    shown = options(bucket, config).as_config()
    if name in ("sts_endpoint", "endpoint_url_s3") and (prefix == "" or name == "sts_endpoint"):
        with pytest.raises(obstore.exceptions.UnknownConfigurationKeyError):
            S3Store(bucket, config=config)  # type: ignore[arg-type]
    else:
        assert shown == S3Store(bucket, config=config).config  # type: ignore[arg-type]
    assert options(None, shown).as_config() == shown


@pytest.mark.parametrize("name", [*_KEYS, *_SECOND_NAMES])
def test_key_is_read_from_the_environment(name: str) -> None:
    key = _SECOND_NAMES.get(name, name)
    value = value_of(key)
    environ = {f"AWS_{name.upper()}": "true" if value is True else value}
    environ |= {f"AWS_{other.upper()}": value for other, value in NEEDS.get(key, {}).items()}
    bucket = None if key == "bucket" else BUCKET
    from_environment, given = (
        options(bucket, environ=environ),
        options(bucket, {key: value, **NEEDS.get(key, {})}),
    )
    assert from_environment._values.keys() - {"bucket"} == given._values.keys() - {"bucket"}
    assert from_environment._values[key] == given._values[key]
    assert key not in from_environment.as_config() or key == "bucket" != name


def test_values_are_shown_as_text() -> None:
    given = {"skip_signature": True, "unsigned_payload": False, "timeout": timedelta(seconds=90)}
    assert options(config=given).as_config() == {
        "bucket": BUCKET,
        "skip_signature": "true",
        "unsigned_payload": "false",
        "timeout": "1m 30s",
    }


def test_keys_of_the_http_client_are_taken_too() -> None:
    made = options(allow_http=True, aws_timeout="5s", client_options={"timeout": "7s", "user_agent": "me"})
    assert made.client.allow_http
    assert made.client.timeout == 5
    assert made.client.user_agent == "me"
    assert made.client_options == {"timeout": "7s", "user_agent": "me"}
    assert options().client_options is None


def test_keys_of_the_http_client_come_from_the_environment_last() -> None:
    environ = {"AWS_ALLOW_HTTP": "1", "AWS_TIMEOUT": "3s", "AWS_CONNECT_TIMEOUT": "1s"}
    made = options(environ=environ, client_options={"timeout": "7s"})
    assert made.client.allow_http
    assert made.client.timeout == 7
    assert made.profile()["CONNECTTIMEOUT_MS"] == 1000


def stub_keys(file: str, name: str) -> set[str]:
    """The keys of a TypedDict in obstore's stubs."""
    tree = ast.parse((Path(obstore.__file__).parent / "_store" / file).read_text())
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return {
        node.target.id
        for node in body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


@pytest.mark.parametrize(
    ("ours", "file", "extra"),
    [
        (S3Config, "_aws.pyi", set()),
        (S3Credential, "_aws.pyi", set()),
        (ClientConfig, "_client.pyi", {"curl_options", "http2_max_frame_size"}),
        (RetryConfig, "_retry.pyi", set()),
        (BackoffConfig, "_retry.pyi", set()),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_types_have_obstores_keys(ours: Any, file: str, extra: set[str]) -> None:
    assert set(get_type_hints(ours)) == stub_keys(file, ours.__name__) | extra


def test_types_cover_the_table() -> None:
    known = {
        _SECOND_NAMES.get(key.removeprefix("aws_"), key.removeprefix("aws_"))
        for key in get_type_hints(S3Config)
    }
    assert known == set(_KEYS)
    assert callable(S3CredentialProvider)


# Precedence


def test_argument_config_and_kwargs_must_not_repeat_a_key() -> None:
    for bucket, config, kwargs in (
        ("b", {"bucket": "b"}, {}),
        (None, {"bucket": "b"}, {"bucket_name": "b"}),
        ("b", {"region": "a", "aws_region": "b"}, {}),
        ("b", {"region": "a"}, {"region": "a"}),
    ):
        with pytest.raises(obstore.exceptions.GenericError, match="Duplicate key"):
            S3Store(bucket, config=config, **kwargs)  # type: ignore[arg-type]
        with pytest.raises(GenericError, match="is given twice"):
            options(bucket, config, **kwargs)


def test_none_is_absent() -> None:
    made = options(config=dict.fromkeys(_KEYS), region=None, client_options=None)
    assert made.as_config() == {"bucket": BUCKET}
    assert options(config={"region": None}, region="eu-west-1").region == "eu-west-1"
    assert options(None, {"bucket": BUCKET, "bucket_name": None}).bucket == BUCKET


def test_empty_text_is_absent() -> None:
    assert options(region="", endpoint="", session_token="").endpoint() == options().endpoint()
    assert (
        options(environ={"AWS_REGION": "", "AWS_SKIP_SIGNATURE": "", "AWS_ACCESS_KEY_ID": ""}).region
        == "us-east-1"
    )
    assert options(region="", environ={"AWS_REGION": "eu-west-1"}).region == "eu-west-1"


@pytest.mark.parametrize(
    ("config", "environ", "region"),
    [
        ({}, {}, "us-east-1"),
        ({"region": "a"}, {"AWS_REGION": "b", "AWS_DEFAULT_REGION": "c"}, "a"),
        ({}, {"AWS_REGION": "b", "AWS_DEFAULT_REGION": "c"}, "b"),
        ({"default_region": "d"}, {"AWS_REGION": "b"}, "b"),
        ({"default_region": "d"}, {"AWS_DEFAULT_REGION": "c"}, "d"),
        ({}, {"AWS_DEFAULT_REGION": "c"}, "c"),
        ({"region": "a", "default_region": "d"}, {}, "a"),
    ],
)
def test_region(config: Mapping[str, str], environ: dict[str, str], region: str) -> None:
    assert options(config=config, environ=environ).region == region


def test_url_and_provider_count_less_than_what_is_given() -> None:
    made = options(
        None,
        {"region": "given"},
        environ={"AWS_ENDPOINT": "https://environment"},
        url_config={"bucket": "from-url", "region": "from-url", "endpoint": "https://from-url"},
        provider_config={"region": "provider", "endpoint": "https://provider", "request_payer": True},
    )
    assert made.as_config() == {
        "bucket": "from-url",
        "region": "given",
        "endpoint": "https://from-url",
        "request_payer": "true",
    }
    assert made.endpoint()[1] == "from-url"


def test_environment_is_not_read_where_a_value_is_given() -> None:
    environ = {"AWS_SKIP_SIGNATURE": "junk", "AWS_TIMEOUT": "junk"}
    assert options(skip_signature=True, timeout="5s", environ=environ).flag("skip_signature")
    with pytest.raises(ConfigurationError, match="AWS_SKIP_SIGNATURE must be true or false"):
        options(environ=environ)
    with pytest.raises(ConfigurationError, match="AWS_TIMEOUT must be a duration"):
        options(skip_signature=True, environ=environ)


def test_process_environment_is_the_default() -> None:
    with mock.patch.dict(os.environ, {"AWS_BUCKET": "from-environment"}):
        assert S3Options().bucket == "from-environment"


# Credentials


def test_credentials() -> None:
    given = {"access_key_id": "a", "secret_access_key": "s"}
    environ = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T"}
    assert options().credentials is None
    assert options(config=given).credentials == ("a", "s", None)
    assert options(config=given, token="t").credentials == ("a", "s", "t")
    assert options(environ=environ).credentials == ("A", "S", "T")
    assert options(config=given, environ=environ).credentials == ("a", "s", None)


@pytest.mark.parametrize("key", ["access_key_id", "secret_access_key"])
def test_half_of_a_credential_is_refused(key: str) -> None:
    with pytest.raises(GenericError, match=f"{key} is given"):
        options(config={key: "x"})
    with pytest.raises(obstore.exceptions.GenericError):
        S3Store("b", config={key: "x"})  # type: ignore[misc]
    with pytest.raises(GenericError, match=f"{key} is empty"):
        options(config={key: ""})
    assert options(config={key: "x", "skip_signature": True}).credentials is None
    assert options(config={key: "x"}, has_provider=True).credentials is None


def test_repr_and_messages_hold_no_secret() -> None:
    secrets = {"access_key_id": "AKIDSECRET", "secret_access_key": "SECRET1", "session_token": "SECRET2"}
    assert "SECRET" not in repr(options(config=secrets, sse_customer_key_base64=KEY))
    assert KEY not in repr(options(config=secrets, sse_customer_key_base64=KEY))
    wrong: list[dict[str, Any]] = [
        secrets | {"secret_access_key": "SECRET\n"},
        secrets | {"secret_access_key": b"SECRET"},
        {"server_side_encryption": "sse-c", "sse_customer_key_base64": "SECRET"},
        {"endpoint": "https://user:SECRET@host"},
        {"endpoint": "user:SECRET@host"},
        {"proxy_url": "nonsense://user:SECRET@host"},
    ]
    for config in wrong:
        with pytest.raises((ConfigurationError, TypeError)) as caught:
            options(config=config)
        assert "SECRET" not in str(caught.value)


# Wrong keys and values


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("regoin", "'regoin'; did you mean 'region'"),
        ("AWS_SKIP_SIGNATUR", "'AWS_SKIP_SIGNATUR'; did you mean 'skip_signature'"),
        ("alow_http", "did you mean 'allow_http'"),
        ("default_headers", "Unknown S3 configuration key 'default_headers'"),
        ("prefix", "'prefix'"),
    ],
)
def test_unknown_key_is_named_with_the_nearest(key: str, message: str) -> None:
    with pytest.raises(UnknownConfigurationKeyError, match=message):
        options(config={key: "x"})
    with pytest.raises(obstore.exceptions.UnknownConfigurationKeyError):
        S3Store("b", config={key: "x"})  # type: ignore[misc]


@pytest.mark.parametrize(
    "config", [[("region", "x")], {5: "x"}, {"region": 5}, {"skip_signature": 1}, {"bucket": b"x"}], ids=repr
)
def test_wrong_type_is_a_type_error_as_in_obstore(config: Any) -> None:
    with pytest.raises(TypeError, match="must be"):
        options(None, config)
    with pytest.raises(TypeError):
        S3Store(None, config=config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("skip_signature", "perhaps"),
        ("request_payer", "owner"),
        ("checksum_algorithm", "md5"),
        ("conditional_put", "dynamo:table"),
        ("copy_if_not_exists", "header:a"),
        ("copy_if_not_exists", "header-with-status:a:b:x"),
        ("copy_if_not_exists", "anything"),
        ("server_side_encryption", "rot13"),
        ("server_side_encryption", "sse-c"),
        ("timeout", "soon"),
    ],
)
def test_wrong_value_is_obstores_error_and_a_value_error(key: str, value: str) -> None:
    with pytest.raises(GenericError, match=key) as caught:
        options(config={key: value})
    assert isinstance(caught.value, ValueError)
    with pytest.raises(obstore.exceptions.GenericError):
        S3Store("b", config={key: value})  # type: ignore[misc]


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\x7f"], ids=repr)
@pytest.mark.parametrize(
    "key", ["bucket", "region", "secret_access_key", "session_token", "endpoint", "role_arn"]
)
def test_control_characters_are_refused(key: str, character: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{key} must not contain control characters"):
        options(None, {"bucket": "b", "skip_signature": True, key: f"a{character}b"})


@pytest.mark.parametrize(
    ("bucket", "message"),
    [
        (None, "bucket is missing"),
        ("", "bucket is empty"),
        ("a/b", "has a slash; pass the rest of it as prefix"),
        ("..", "is not the name of a bucket"),
        (" b", "is not the name of a bucket"),
    ],
)
def test_bucket_that_is_none_is_refused(bucket: str | None, message: str) -> None:
    with pytest.raises(GenericError, match=message):
        options(bucket)


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("multipart", "multipart"),
        ("header: cf-copy-destination-if-none-match: *", ("cf-copy-destination-if-none-match", "*", 412)),
        ("header-with-status:a:b:409", ("a", "b", 409)),
        (None, None),
    ],
)
def test_copy_if_not_exists(value: str | None, parsed: object) -> None:
    assert options(copy_if_not_exists=value).copy_if_not_exists == parsed


def test_texts_are_normalized() -> None:
    made = options(checksum_algorithm="crc64nvme", request_payer="REQUESTER")
    assert made.text("checksum_algorithm") == "CRC64NVME"
    assert made.flag("request_payer")


# Where the bucket is


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ("https", "s3.us-east-1.amazonaws.com", "/b")),
        ({"region": "eu-west-1"}, ("https", "s3.eu-west-1.amazonaws.com", "/b")),
        ({"region": "cn-north-1"}, ("https", "s3.cn-north-1.amazonaws.com.cn", "/b")),
        ({"virtual_hosted_style_request": True}, ("https", "b.s3.us-east-1.amazonaws.com", "/")),
        ({"endpoint": "https://Host.example/"}, ("https", "host.example", "/b")),
        ({"endpoint": "https://host:443"}, ("https", "host", "/b")),
        ({"endpoint": "http://host:80/s3//", "allow_http": True}, ("http", "host", "/s3/b")),
        ({"endpoint": "http://127.0.0.1:9000", "allow_http": True}, ("http", "127.0.0.1:9000", "/b")),
        ({"endpoint": "https://[::1]:9000"}, ("https", "[::1]:9000", "/b")),
        ({"endpoint": "https://[::1]"}, ("https", "[::1]", "/b")),
        (
            {"endpoint": "https://b\N{LATIN SMALL LETTER U WITH DIAERESIS}.example"},
            ("https", "xn--b-eha.example", "/b"),
        ),
        ({"endpoint": "https://b.host", "virtual_hosted_style_request": True}, ("https", "b.host", "/")),
        ({"endpoint": "https://a", "aws_endpoint_url_s3": "https://c"}, ("https", "c", "/b")),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_endpoint(config: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert options("b", config).endpoint() == expected


def test_endpoint_of_another_region() -> None:
    assert options("b").endpoint("eu-west-1")[1] == "s3.eu-west-1.amazonaws.com"
    assert options("b", endpoint="https://host").endpoint("eu-west-1")[1] == "host"


def test_endpoint_given_counts_more_than_the_environments() -> None:
    environ = {"AWS_ENDPOINT_URL_S3": "https://s3-environment", "AWS_ENDPOINT_URL": "https://environment"}
    assert options(environ=environ).endpoint()[1] == "s3-environment"
    assert options(environ=environ, endpoint="https://given").endpoint()[1] == "given"


def test_endpoint_of_a_directory_bucket() -> None:
    made = options(s3_express=True, region="us-west-2")
    assert made.endpoint() == ("https", f"{BUCKET}.s3express-usw2-az1.us-west-2.amazonaws.com", "/")
    with pytest.raises(GenericError, match="s3_express needs a bucket named like"):
        options("b", s3_express=True)


def test_bucket_is_percent_encoded() -> None:
    assert options("b \N{LATIN SMALL LETTER U WITH DIAERESIS}?").endpoint()[2] == "/b%20%C3%BC%3F"
    with pytest.raises(ConfigurationError, match="cannot be reached with virtual_hosted_style_request"):
        options("b?", virtual_hosted_style_request=True)


def test_http_needs_allow_http() -> None:
    with pytest.raises(
        ConfigurationError, match=r'is not https; client_options=\{"allow_http": True\} allows that'
    ):
        options(endpoint="http://localhost:9000")
    for allowed in (
        options(endpoint="http://localhost:9000", client_options={"allow_http": True}),
        options(endpoint="http://localhost:9000", environ={"AWS_ALLOW_HTTP": "true"}),
    ):
        assert allowed.endpoint()[0] == "http"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "localhost:9000",
            "ftp://host",
            "https://",
            "https:///path",
            "https://host?x=1",
            "https://host#x",
            "//host",
        ),
        *(
            "https://host:port",
            "https://host:0",
            "https://host:65536",
            "https://:80",
            "https://ho st",
            "https://host\\",
        ),
        *("https://host/\N{LATIN SMALL LETTER U WITH DIAERESIS}", "https://\N{FULLWIDTH SOLIDUS}"),
    ],
)
def test_endpoint_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="endpoint "):
        split_endpoint("endpoint", url)


@pytest.mark.parametrize("region", ["evil.example/", "a b", "", "a@b", "a:1"])
def test_region_cannot_name_another_host(region: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the name of a region"):
        amazon_host(region)


# Server-side encryption


def test_encryption_by_the_server() -> None:
    kms = options(
        server_side_encryption="aws:kms", sse_kms_key_id="key", sse_bucket_key_enabled=False
    ).encryption
    assert kms.write_headers == [
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "key"),
        ("x-amz-server-side-encryption-bucket-key-enabled", "false"),
    ]
    assert kms.key_headers == kms.copy_source_headers == []
    assert options(server_side_encryption="AES256").encryption.write_headers == [
        ("x-amz-server-side-encryption", "AES256")
    ]
    assert options(sse_kms_key_id="key").encryption.write_headers == []


def test_encryption_with_the_clients_key() -> None:
    made = options(server_side_encryption="sse-c", sse_customer_key_base64=KEY).encryption
    digest = hashlib.md5(base64.b64decode(KEY)).digest()
    assert made.write_headers == []
    assert made.key_headers == [
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption-customer-key", KEY),
        ("x-amz-server-side-encryption-customer-key-MD5", base64.b64encode(digest).decode()),
    ]
    assert made.copy_source_headers == [
        (name.replace("x-amz-", "x-amz-copy-source-"), value) for name, value in made.key_headers
    ]


# URLs


@pytest.mark.parametrize(
    "url",
    [
        "s3://b/p/q",
        "s3a://b",
        "S3://B/x",
        "s3://b/",
        "s3://b/p/",
        "s3://b/p%20q",
        "s3://b/p q",
        "s3://b/p?x=1",
        "s3://b/p#f",
        "s3://b/p%zz",
        "s3://b.c.d/x",
        "s3://b_c/\N{LATIN SMALL LETTER U WITH DIAERESIS}",
        "s3://b:80/x",
        "https://s3.eu-west-1.amazonaws.com/bk/p/q",
        "https://s3.eu-west-1.amazonaws.com/bk",
        "https://bk.s3.eu-west-1.amazonaws.com/p/q",
        "https://bk.s3.amazonaws.com/p",
        "https://acc.r2.cloudflarestorage.com/bk/p/q",
    ],
)
def test_url_is_read_as_in_obstore(url: str) -> None:
    theirs = S3Store.from_url(url)
    prefix, config = parse_s3_url(url)
    assert prefix == theirs.prefix
    assert options(None, url_config=config).as_config() == theirs.config


@pytest.mark.parametrize(
    ("url", "prefix", "config"),
    [
        ("https://s3.amazonaws.com/bk/p", "p", {"bucket": "bk"}),
        ("https://s3.amazonaws.com", None, {}),
        ("https://a.b.s3.eu-west-1.amazonaws.com", None, {"bucket": "a.b", "region": "eu-west-1"}),
        ("https://s3.bk.s3.amazonaws.com", None, {"bucket": "s3.bk"}),
        ("https://s3-eu-west-1.amazonaws.com/bk", None, {"bucket": "bk", "region": "eu-west-1"}),
        ("https://bk.s3-us-west-2.amazonaws.com:443/p", "p", {"bucket": "bk", "region": "us-west-2"}),
        ("https://bk.s3.cn-north-1.amazonaws.com.cn", None, {"bucket": "bk", "region": "cn-north-1"}),
        ("https://S3.eu-west-1.amazonaws.com", None, {"region": "eu-west-1"}),
        (
            "https://s3.dualstack.eu-west-1.amazonaws.com/bk",
            None,
            {
                "bucket": "bk",
                "region": "eu-west-1",
                "endpoint": "https://s3.dualstack.eu-west-1.amazonaws.com",
            },
        ),
        (
            "https://acc.eu.r2.cloudflarestorage.com/bk",
            None,
            {"bucket": "bk", "region": "auto", "endpoint": "https://acc.eu.r2.cloudflarestorage.com"},
        ),
        ("s3://b//p/", "/p", {"bucket": "b"}),
        ("s3://b/a/../c", "a/../c", {"bucket": "b"}),
    ],
)
def test_url_that_obstore_does_not_know(url: str, prefix: str | None, config: dict[str, str]) -> None:
    found, values = parse_s3_url(url)
    values.pop("virtual_hosted_style_request", None)
    assert (found, values) == (prefix, config)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "b/p",
            "s3://",
            "s3:///x",
            "gs://b",
            "http://s3.eu-west-1.amazonaws.com/bk",
            "https://example.com/b",
        ),
        *("https://bk.s3express-usw2-az1.us-west-2.amazonaws.com", "https://ec2.eu-west-1.amazonaws.com"),
        *("https://r2.cloudflarestorage.com/b", "https://b.acc.r2.cloudflarestorage.com", "s3://b/%ff"),
        *("https://s3.a.b.amazonaws.com/bk", "https://amazonaws.com.evil/bk"),
    ],
)
def test_url_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_s3_url(url)


def test_url_with_credentials_is_refused_without_showing_them() -> None:
    with pytest.raises(ConfigurationError, match="must not hold credentials") as caught:
        parse_s3_url("s3://AKID:SECRET@bucket/x")
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://minio.example/b/k?X-Amz-Signature=SECRET", "gs://b/k?x=SECRET", "s3:///k?x=SECRET"]
)
def test_url_is_shown_without_its_query(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_s3_url(url)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://h/x?token=SECRET", "h/x?token=SECRET", "https://h:0/x#SECRET"])
def test_endpoint_is_shown_without_its_query(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        split_endpoint("endpoint", url)
    assert "SECRET" not in str(caught.value)


def test_url_of_wrong_type_is_refused() -> None:
    with pytest.raises(TypeError):
        parse_s3_url(5)  # type: ignore[arg-type]


@given(st.text("ab/.%2Fe \N{LATIN SMALL LETTER E WITH ACUTE}", max_size=12))
def test_path_of_a_url_is_the_prefix(path: str) -> None:
    from urllib.parse import quote

    prefix, config = parse_s3_url(f"s3://bucket/{quote(path)}")
    assert (prefix or "") == path.removesuffix("/")
    assert config == {"bucket": "bucket"}
