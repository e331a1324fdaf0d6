"""`ClientOptions`: the `client_options` of a store, checked, and as libcurl options.

One table says which keys there are and how each is read; `ClientOptions.profile` is the one place where they
become libcurl options.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING

from obstore_c._client.config_values import (
    as_text,
    parse_bool,
    parse_count,
    parse_positive_seconds,
    parse_seconds,
    parse_text,
)
from obstore_c._client.proxy import environment_proxy, parse_proxy_url
from obstore_c._client.roots import check_pem, trust_options
from obstore_c.exceptions import ConfigurationError, UnknownConfigurationKeyError

if TYPE_CHECKING:
    from obstore_c._client.config_values import CurlOptions, Parser

# Keys whose value is text (or has a text form), and how it is read.
TEXT_KEYS: dict[str, Parser] = {
    "allow_http": parse_bool,
    "allow_invalid_certificates": parse_bool,
    "connect_timeout": parse_positive_seconds,
    "default_content_type": parse_text,
    "http1_only": parse_bool,
    "http2_keep_alive_interval": parse_positive_seconds,
    "http2_keep_alive_timeout": parse_positive_seconds,
    "http2_keep_alive_while_idle": parse_bool,
    "http2_max_frame_size": parse_count,
    "http2_only": parse_bool,
    "pool_idle_timeout": parse_seconds,
    "pool_max_idle_per_host": parse_count,
    "proxy_ca_certificate": check_pem,
    "proxy_excludes": parse_text,
    "proxy_url": parse_proxy_url,
    "randomize_addresses": parse_bool,
    "read_timeout": parse_positive_seconds,
    "timeout": parse_positive_seconds,
    "user_agent": parse_text,
}

# Keys whose value is something else.
_OBJECT_KEYS = ("curl_options", "default_headers", "root_certificate")

KEYS = (*TEXT_KEYS, *_OBJECT_KEYS)

CONNECT_TIMEOUT = 5.0  # seconds; obstore's default
STALL_TIMEOUT = 30  # seconds without a byte

# Values of libcurl's options
_HTTP_1_1, _HTTP_2_OVER_TLS, _HTTP_2_PRIOR_KNOWLEDGE = 2, 4, 5  # CURL_HTTP_VERSION_*

# Headers that libcurl makes from the request; a second one would contradict it.
_RESERVED_HEADERS = ("host", "content-length", "transfer-encoding")
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")  # RFC 9110, 5.6.2, in lower case


class ClientOptions:
    """The HTTP options of a store.

    What libcurl makes of them, where that is not obvious:

    - Without `timeout` a request may take as long as bytes move; it fails after 30 s without any, or after
      `read_timeout` (in whole seconds, rounded up). `timeout` limits the whole of each attempt.
    - `pool_idle_timeout` is in whole seconds, rounded up; 0 closes each connection after use.
    - `pool_max_idle_per_host` of 0 closes each connection after use; other numbers have no effect, because
      connections are shared by all stores, which limits them by requests in flight.
    - libcurl sends no HTTP/2 pings by itself, so `http2_keep_alive_interval` and `http2_keep_alive_timeout`
      set TCP keep-alive probes instead, for idle connections too; `http2_keep_alive_while_idle` and
      `http2_max_frame_size` are checked and have no effect.
    - `randomize_addresses` (on by default) shuffles the addresses of a host each time it is resolved; libcurl
      keeps the outcome for a minute.
    - `curl_options` are set last and may override anything above.

    Args:
        options: the user's `client_options`; keys in any case, None is absent.
        environ: the environment, read for proxies and root certificates; default: this process's.

    Raises:
        UnknownConfigurationKeyError: a key is not known.
        ConfigurationError: a value cannot be right (a `ValueError`).
        TypeError: a value has the wrong type.

    Example:
        >>> options = ClientOptions({"timeout": "1m 30s"})
        >>> options.timeout
        90.0
        >>> options.profile("https")["TIMEOUT_MS"]
        90000
    """

    __slots__ = ("_environ", "_given", "_values", "curl_options", "default_headers", "root_certificate")

    def __init__(
        self, options: Mapping[str, object] | None = None, *, environ: Mapping[str, str] | None = None
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._given = normalize(options)
        self._values = {
            key: TEXT_KEYS[key](key, value) for key, value in self._given.items() if isinstance(value, str)
        }
        headers = self._given.get("default_headers", {})
        assert isinstance(headers, dict)
        self.default_headers: tuple[tuple[str, str], ...] = tuple(
            (name, value.decode()) for name, value in headers.items()
        )
        root = self._given.get("root_certificate")
        self.root_certificate = root if isinstance(root, bytes) else None
        curl = self._given.get("curl_options", {})
        assert isinstance(curl, dict)
        self.curl_options: CurlOptions = curl

    def __eq__(self, other: object) -> bool:
        return self._given == other._given if isinstance(other, ClientOptions) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ClientOptions({', '.join(self._given)})"  # values may hold passwords

    def as_config(self) -> dict[str, object]:
        """Make the dictionary that a store shows as its `client_options`, in obstore's form."""
        return dict(self._given)

    @property
    def allow_http(self) -> bool:
        """Whether URLs that are not https may be asked for."""
        return self._flag("allow_http")

    @property
    def default_content_type(self) -> str | None:
        """The content type of uploads that name none."""
        return self._text("default_content_type")

    @property
    def timeout(self) -> float | None:
        """How many seconds one attempt may take in all."""
        return self._seconds("timeout")

    @property
    def user_agent(self) -> str:
        """The `User-Agent` header."""
        agent = self._text("user_agent")
        if agent is not None:
            return agent
        from obstore_c import __version__

        return f"obstore_c/{__version__}"

    def profile(self, scheme: str) -> CurlOptions:
        """Make the libcurl options for URLs of one scheme, by name without `CURLOPT_` or by number.

        Args:
            scheme: `http` or `https`.

        Raises:
            ConfigurationError: the system's root certificates cannot be read.
        """
        return {
            "PROTOCOLS_STR": "http,https" if self.allow_http else "https",
            "HTTP_VERSION": self._http_version(),
            "USERAGENT": self.user_agent,
            **self._time_options(),
            **self._connection_options(),
            **self._trust_options(scheme),
            **self._proxy_options(scheme),
            **self.curl_options,
        }

    def _seconds(self, key: str) -> float | None:
        value = self._values.get(key)
        return value if isinstance(value, float) else None

    def _text(self, key: str) -> str | None:
        value = self._values.get(key)
        return value if isinstance(value, str) else None

    def _flag(self, key: str, default: bool = False) -> bool:
        return bool(self._values.get(key, default))

    def _http_version(self) -> int:
        if self._flag("http2_only"):
            return _HTTP_2_PRIOR_KNOWLEDGE  # over TLS: negotiated as usual
        return _HTTP_1_1 if self._flag("http1_only", default=True) else _HTTP_2_OVER_TLS

    def _time_options(self) -> CurlOptions:
        stall = self._seconds("read_timeout")
        options: CurlOptions = {
            "CONNECTTIMEOUT_MS": _milliseconds(self._seconds("connect_timeout") or CONNECT_TIMEOUT),
            "LOW_SPEED_LIMIT": 1,
            "LOW_SPEED_TIME": STALL_TIMEOUT if stall is None else ceil(stall),
        }
        if self.timeout is not None:
            options["TIMEOUT_MS"] = _milliseconds(self.timeout)
        return options

    def _connection_options(self) -> CurlOptions:
        options: CurlOptions = {"DNS_SHUFFLE_ADDRESSES": int(self._flag("randomize_addresses", default=True))}
        idle = self._seconds("pool_idle_timeout")
        if idle == 0 or self._values.get("pool_max_idle_per_host") == 0:
            options["FORBID_REUSE"] = 1
        elif idle is not None:
            options["MAXAGE_CONN"] = ceil(idle)
        interval = self._seconds("http2_keep_alive_interval")
        if interval is not None:
            options["TCP_KEEPALIVE"] = 1
            options["TCP_KEEPIDLE"] = ceil(interval)
            options["TCP_KEEPINTVL"] = ceil(self._seconds("http2_keep_alive_timeout") or interval)
        return options

    def _trust_options(self, scheme: str) -> CurlOptions:
        if scheme != "https":
            return {}
        if self._flag("allow_invalid_certificates"):
            return {"SSL_VERIFYPEER": 0, "SSL_VERIFYHOST": 0}
        return trust_options("", self.root_certificate, self._environ)

    def _proxy_options(self, scheme: str) -> CurlOptions:
        url = self._text("proxy_url")
        if url is not None:
            proxy, excludes = url, self._text("proxy_excludes") or ""
        else:
            proxy, excludes = environment_proxy(scheme, self._environ)
        options: CurlOptions = {"PROXY": proxy, "NOPROXY": excludes}
        if proxy.lower().startswith("https://"):
            if self._flag("allow_invalid_certificates"):
                return options | {"PROXY_SSL_VERIFYPEER": 0, "PROXY_SSL_VERIFYHOST": 0}
            own = self._values.get("proxy_ca_certificate")
            options |= trust_options("PROXY_", own if isinstance(own, bytes) else None, self._environ)
        return options


def normalize(options: Mapping[str, object] | None) -> dict[str, object]:
    """Bring client options into obstore's form: known keys, values as text, None left out.

    Raises:
        UnknownConfigurationKeyError: a key is not known.
        ConfigurationError: a header, a certificate or a libcurl option cannot be right.
        TypeError: a value has the wrong type.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise TypeError(f"client_options must be a dict, not {type(options).__name__}")
    given: dict[str, object] = {}
    for key, value in options.items():
        if not isinstance(key, str):
            raise TypeError(f"the keys of client_options must be str, not {type(key).__name__}")
        name = key.lower()
        if name not in KEYS:
            raise UnknownConfigurationKeyError.for_key(key, KEYS, "client option")
        if value is not None:
            given[name] = _normalize_value(name, value)
    return given


def _normalize_value(name: str, value: object) -> object:
    if name == "default_headers":
        return _normalize_headers(value)
    if name == "root_certificate":
        return check_pem(name, value)
    if name == "curl_options":
        from obstore_c._client.curl_options import check_curl_options

        return check_curl_options(value)
    return as_text(name, value, TEXT_KEYS[name])


def _normalize_headers(headers: object) -> dict[str, bytes]:
    """Names in lower case and values as bytes, as they go over the wire."""
    if not isinstance(headers, Mapping):
        raise TypeError(f"default_headers must be a dict, not {type(headers).__name__}")
    normalized = {}
    for name, value in headers.items():
        if not isinstance(name, str):
            raise TypeError(f"the names of default_headers must be str, not {type(name).__name__}")
        if not isinstance(value, (str, bytes)):
            raise TypeError(f"the header {name!r} must be str or bytes, not {type(value).__name__}")
        lowered = name.lower()
        if not name or not _TOKEN.issuperset(lowered):
            raise ConfigurationError(f"{name!r} is not the name of a header")
        if lowered in _RESERVED_HEADERS:
            raise ConfigurationError(
                f"the header {name!r} is made from the request and cannot be a default header"
            )
        wire = value.encode() if isinstance(value, str) else value
        if any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in wire):
            raise ConfigurationError(f"the header {name!r} must not contain control characters")
        try:
            wire.decode()
        except UnicodeDecodeError:
            raise ConfigurationError(f"the header {name!r} must be UTF-8") from None
        normalized[lowered] = wire
    return normalized


def _milliseconds(seconds: float) -> int:
    """Round up, so that a short timeout does not become 0, which is none."""
    return min(ceil(seconds * 1000), 2**31 - 1)
