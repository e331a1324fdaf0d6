"""`S3Options`: the configuration of an `S3Store`, from arguments, URL and environment, checked.

One table says which keys there are and how each is read. A key may be written with `aws_` in front and in any
case; a few have a second name. The environment variable is `AWS_` and the name in upper case.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from obstore_c._client.config_values import as_text, parse_bool, parse_text
from obstore_c._client.options import TEXT_KEYS as CLIENT_KEYS
from obstore_c._client.options import ClientOptions, normalize
from obstore_c._s3.encryption import Encryption
from obstore_c._s3.endpoint import amazon_host, bucket_host, bucket_segment, express_host, split_endpoint
from obstore_c.exceptions import ConfigurationError, UnknownConfigurationKeyError

if TYPE_CHECKING:
    from obstore_c._client.config_values import CurlOptions, Parser

_CHECKSUMS = ("SHA256", "CRC32C", "CRC64NVME")


def _parse_checksum(name: str, text: str) -> str:
    if text.upper() not in _CHECKSUMS:
        raise ConfigurationError(f"{name} must be one of {', '.join(_CHECKSUMS)}, not {text!r}")
    return text.upper()


def _parse_conditional_put(name: str, text: str) -> str:
    if text.strip() not in ("etag", "disabled"):
        raise ConfigurationError(f"{name} must be 'etag' or 'disabled', not {text!r}")
    return text.strip()


def _parse_request_payer(name: str, text: str) -> bool:
    return text.lower() == "requester" or parse_bool(name, text)


def _parse_copy_if_not_exists(name: str, text: str) -> str | tuple[str, str, int]:
    """`"multipart"`, or the header, its value and the status that says that the target exists."""
    kind, *parts = [part.strip() for part in parse_text(name, text).split(":")]
    if kind == "multipart" and not parts:
        return kind
    if kind == "header" and len(parts) == 2 and all(parts):
        return parts[0], parts[1], 412
    if kind == "header-with-status" and len(parts) == 3 and all(parts) and parts[2].isdecimal():
        return parts[0], parts[1], int(parts[2])
    forms = "'multipart', 'header:<name>:<value>' or 'header-with-status:<name>:<value>:<status>'"
    raise ConfigurationError(f"{name} must be {forms}, not {text!r}")


# The names that `store.config` shows, which are obstore's.
_KEYS: dict[str, Parser] = {
    "access_key_id": parse_text,
    "bucket": parse_text,
    "checksum_algorithm": _parse_checksum,
    "conditional_put": _parse_conditional_put,
    "container_authorization_token_file": parse_text,
    "container_credentials_full_uri": parse_text,
    "container_credentials_relative_uri": parse_text,
    "copy_if_not_exists": _parse_copy_if_not_exists,
    "default_region": parse_text,
    "disable_bulk_delete": parse_bool,
    "disable_tagging": parse_bool,
    "endpoint": parse_text,
    "endpoint_url_s3": parse_text,
    "endpoint_url_sts": parse_text,
    "imdsv1_fallback": parse_bool,
    "metadata_endpoint": parse_text,
    "region": parse_text,
    "request_payer": _parse_request_payer,
    "role_arn": parse_text,
    "role_session_name": parse_text,
    "s3_express": parse_bool,
    "secret_access_key": parse_text,
    "server_side_encryption": parse_text,
    "session_token": parse_text,
    "skip_signature": parse_bool,
    "sse_bucket_key_enabled": parse_bool,
    "sse_customer_key_base64": parse_text,
    "sse_kms_key_id": parse_text,
    "unsigned_payload": parse_bool,
    "virtual_hosted_style_request": parse_bool,
    "web_identity_token_file": parse_text,
}

_SECOND_NAMES = {
    "bucket_name": "bucket",
    "endpoint_url": "endpoint",
    "sts_endpoint": "endpoint_url_sts",
    "token": "session_token",
}

_REQUIRED = ("access_key_id", "bucket", "secret_access_key")  # an empty value of these is a mistake

_DEFAULT_REGION = "us-east-1"


class S3Options:
    """What an `S3Store` is told, from all sources.

    Explicit values (the bucket, `config`, keyword arguments) count most; the same key twice among them is an
    error. Then come the URL, the credential provider's own `config`, and the environment. None, and an empty
    text, is absent. Temporary credentials are taken together: a session token in the environment does not go
    with an access key from the arguments.

    Args:
        bucket: the bucket's name.
        config: the user's `config`.
        kwargs: the user's keyword arguments.
        url_config: what `parse_s3_url` found.
        provider_config: the `config` of the credential provider.
        has_provider: whether there is a credential provider, so that keys are not needed.
        client_options: the user's `client_options`.
        environ: the environment; default: this process's.

    Attributes:
        bucket: the bucket's name.
        client: the HTTP options, those from the environment and from `config` included.
        client_options: what the store shows as its `client_options`.
        encryption: the headers of server-side encryption.

    Raises:
        UnknownConfigurationKeyError: a key is not known.
        ConfigurationError: a value cannot be right, or something is missing (a `GenericError` and
            `ValueError`).
        TypeError: a value has the wrong type.

    Example:
        >>> options = S3Options("data", {"aws_region": "eu-west-1"}, {"skip_signature": True}, environ={})
        >>> options.as_config()
        {'bucket': 'data', 'region': 'eu-west-1', 'skip_signature': 'true'}
        >>> options.endpoint()
        ('https', 's3.eu-west-1.amazonaws.com', '/data')
    """

    __slots__ = ("_config", "_environment", "_values", "bucket", "client", "client_options", "encryption")

    def __init__(
        self,
        bucket: str | None = None,
        config: Mapping[str, object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        url_config: Mapping[str, object] | None = None,
        provider_config: Mapping[str, object] | None = None,
        has_provider: bool = False,
        client_options: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        self._config = _merge({"bucket": bucket}, config, kwargs)
        for weaker in (url_config, provider_config):
            self._config = _merge(weaker) | self._config
        self._environment, client_environment = _from_environment(environ, self._config)
        self._values = self._environment | {
            key: _KEYS[key](key, text) for key, text in self._config.items() if key in _KEYS and text
        }
        self.client_options = None if client_options is None else normalize(client_options)
        in_config = {key: text for key, text in self._config.items() if key in CLIENT_KEYS}
        self.client = ClientOptions(
            {**client_environment, **(self.client_options or {}), **in_config}, environ=environ
        )
        self.bucket = self._check_bucket()
        self.encryption = Encryption(
            self.text("server_side_encryption"),
            self.text("sse_kms_key_id"),
            self._optional_flag("sse_bucket_key_enabled"),
            self.text("sse_customer_key_base64"),
        )
        if not has_provider and not self.flag("skip_signature"):
            self._check_credentials()
        self.endpoint()

    def __repr__(self) -> str:
        scheme, host, path = self.endpoint()
        return (
            f"S3Options(bucket={self.bucket!r}, region={self.region!r}, url={f'{scheme}://{host}{path}'!r})"
        )

    def as_config(self) -> dict[str, str]:
        """Make the dictionary that a store shows as its `config`: what was given, in obstore's form."""
        return dict(self._config)

    def text(self, key: str) -> str | None:
        """Return the value of a key that is text, None if there is none."""
        value = self._values.get(key)
        return value if isinstance(value, str) else None

    def flag(self, key: str) -> bool:
        """Return the value of a key that is true or false; false if there is none."""
        return self._values.get(key) is True

    def _optional_flag(self, key: str) -> bool | None:
        value = self._values.get(key)
        return value if isinstance(value, bool) else None

    @property
    def region(self) -> str:
        """The region: `region` before `default_region`, each given before each from the environment."""
        given = self.text("region") or self.text("default_region")
        return given or _DEFAULT_REGION

    @property
    def credentials(self) -> tuple[str, str, str | None] | None:
        """Access key, secret key and session token, if they were given or are in the environment."""
        access_key_id, secret_access_key = self.text("access_key_id"), self.text("secret_access_key")
        if access_key_id is None or secret_access_key is None:
            return None
        token = self.text("session_token")
        if "access_key_id" in self._config and not self._config.get("session_token"):
            token = None  # the environment's belongs to another key
        return access_key_id, secret_access_key, token

    @property
    def copy_if_not_exists(self) -> str | tuple[str, str, int] | None:
        """`"multipart"`, or the header, its value and the status that says that the target exists."""
        value = self._values.get("copy_if_not_exists")
        return value if isinstance(value, (str, tuple)) else None

    def endpoint(self, region: str | None = None) -> tuple[str, str, str]:
        """Find out where the bucket is.

        Args:
            region: the region; default: the configured one. With an endpoint of the user's own it does not
                matter.

        Returns:
            Scheme, host as it stands in the `Host` header, and percent-encoded path, `/` if the host stands
            for the bucket.
        """
        region = region or self.region
        key, url = self._custom_endpoint()
        if url is None:
            if self.flag("s3_express"):
                return "https", express_host(self.bucket, region), "/"
            host = amazon_host(region)
            if self.flag("virtual_hosted_style_request"):
                return "https", bucket_host(self.bucket, host), "/"
            return "https", host, f"/{bucket_segment(self.bucket)}"
        scheme, host, path = split_endpoint(key, url)
        if scheme == "http" and not self.client.allow_http:
            raise ConfigurationError(
                f'{key} {url!r} is not https; client_options={{"allow_http": True}} allows that'
            )
        if self.flag("virtual_hosted_style_request"):
            return scheme, host, path or "/"
        return scheme, host, f"{path}/{bucket_segment(self.bucket)}"

    def profile(self) -> CurlOptions:
        """Make the libcurl options for requests to the bucket."""
        return self.client.profile(self.endpoint()[0])

    def _custom_endpoint(self) -> tuple[str, str | None]:
        """The service's own endpoint before the general one, but what is given before the environment."""
        for source in (self._config, self._environment):
            for key in ("endpoint_url_s3", "endpoint"):
                if source.get(key):
                    return key, self.text(key)
        return "endpoint", None

    def _check_bucket(self) -> str:
        bucket = self.text("bucket")
        if not bucket:
            problem = "is empty" if "bucket" in self._config else "is missing"
            raise ConfigurationError(f'bucket {problem}: name one, as in S3Store("my-bucket")')
        if "/" in bucket:
            raise ConfigurationError(
                f"the bucket's name {bucket!r} has a slash; pass the rest of it as prefix"
            )
        if bucket in (".", "..") or bucket != bucket.strip():
            raise ConfigurationError(f"{bucket!r} is not the name of a bucket")
        return bucket

    def _check_credentials(self) -> None:
        present = [key for key in ("access_key_id", "secret_access_key") if self.text(key) is not None]
        if len(present) == 1:
            missing = "secret_access_key" if present == ["access_key_id"] else "access_key_id"
            raise ConfigurationError(f"{present[0]} is given, {missing} is missing")


def _merge(*sources: Mapping[str, object] | None) -> dict[str, str]:
    """Bring keys and values of explicit configuration into obstore's form; the same key twice is an error."""
    merged: dict[str, str] = {}
    for source in sources:
        if source is None:
            continue
        if not isinstance(source, Mapping):
            raise TypeError(f"config must be a dict, not {type(source).__name__}")
        for key, value in source.items():
            if not isinstance(key, str):
                raise TypeError(f"the keys of config must be str, not {type(key).__name__}")
            name = _canonical(key)
            if value is None:
                continue
            if name in merged:
                raise ConfigurationError(f"{name} is given twice")
            merged[name] = text = as_text(name, value, _KEYS.get(name) or CLIENT_KEYS[name])
            if not text and name in _REQUIRED:
                raise ConfigurationError(f"{name} is empty")
    return merged


def _canonical(key: str) -> str:
    name = key.lower().removeprefix("aws_")
    name = _SECOND_NAMES.get(name, name)
    if name not in _KEYS and name not in CLIENT_KEYS:
        known = (*_KEYS, *_SECOND_NAMES, *CLIENT_KEYS)
        raise UnknownConfigurationKeyError.for_key(key, known, "S3 configuration", prefix="aws_")
    return name


def _from_environment(
    environ: Mapping[str, str], given: Mapping[str, str]
) -> tuple[dict[str, object], dict[str, str]]:
    """Read the values of S3's own keys, and the texts of the HTTP client's, as far as they are not given."""
    values: dict[str, object] = {}
    for name in (*_KEYS, *_SECOND_NAMES):
        variable = f"AWS_{name.upper()}"
        key = _SECOND_NAMES.get(name, name)
        text = environ.get(variable)
        if text and key not in values and not given.get(key):
            values[key] = _KEYS[key](variable, text)
    client: dict[str, str] = {}
    for key, parse in CLIENT_KEYS.items():
        variable = f"AWS_{key.upper()}"
        text = environ.get(variable)
        if text and key not in given:
            parse(variable, text)
            client[key] = text
    return values, client
