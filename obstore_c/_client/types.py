"""The dictionaries that configure HTTP and retries, as types that can be imported at run time."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  the annotations are read at run time, by pydantic for one
from datetime import timedelta  # noqa: TC003
from typing import TypedDict


class ClientConfig(TypedDict, total=False):
    """HTTP options of a store: `client_options`.

    Durations are `timedelta` objects or numbers with units, added up: `"30s"`, `"2h 37min"`. The units are
    `ns`, `us`, `ms`, `s`, `m`, `h`, `days`, `weeks`, `months` (30.44 days), `years` (365.25 days) and the
    usual longer or shorter spellings of them. Booleans may be text: `"true"`, `"yes"`, `"on"`, `"1"` and
    their opposites. None is as good as leaving the key out.
    """

    allow_http: bool | str
    """Allow URLs that are not https. Default: false."""

    allow_invalid_certificates: bool | str
    """Don't check the server's certificate. Whoever sits in between can then read and change everything; use
    `root_certificate` for a private authority. Default: false."""

    connect_timeout: str | timedelta
    """How long connecting may take, TLS included. Default: 5 seconds."""

    curl_options: Mapping[int, int | str | bytes]
    """Any other options of libcurl, by pycurl's constants: `{pycurl.INTERFACE: "eth1"}`. They are set last.
    Options that take lists, handles or functions, or that belong to a single request, are refused."""

    default_content_type: str
    """The content type of uploads that name none and whose file name tells none."""

    default_headers: Mapping[str, str] | Mapping[str, bytes]
    """Headers to send with every request."""

    http1_only: bool | str
    """Speak HTTP/1.1 only, over many connections. False allows HTTP/2 where the server offers it. Default:
    true."""

    http2_keep_alive_interval: str | timedelta
    """After how much silence to probe a connection. Done with TCP keep-alive."""

    http2_keep_alive_timeout: str | timedelta
    """How long to wait between unanswered probes. Done with TCP keep-alive."""

    http2_keep_alive_while_idle: bool | str
    """Accepted; idle connections are always probed once `http2_keep_alive_interval` is set."""

    http2_max_frame_size: int | str
    """Accepted, without effect."""

    http2_only: bool | str
    """Speak HTTP/2 even without TLS. Takes precedence over `http1_only`."""

    pool_idle_timeout: str | timedelta
    """How long an idle connection may still be used again. Default: 118 seconds."""

    pool_max_idle_per_host: int | str
    """0 closes every connection after use. Other numbers have no effect."""

    proxy_url: str
    """The proxy: `http://`, `https://`, `socks4://`, `socks4a://`, `socks5://` or `socks5h://`, with user and
    password if it wants them. Default: from `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` in the
    environment."""

    proxy_ca_certificate: str
    """Certificates in PEM form to trust, besides the system's, when `proxy_url` is an https URL."""

    proxy_excludes: str
    """Hosts that bypass `proxy_url`, separated by commas: names, domain suffixes, addresses, address
    blocks."""

    randomize_addresses: bool | str
    """Shuffle the addresses of a host, to spread connections over its servers. Default: true."""

    read_timeout: str | timedelta
    """How long a request may wait without a byte moving. Whole seconds, rounded up. Default: 30 seconds."""

    root_certificate: str | bytes
    """Certificates in PEM form to trust besides the system's, one or several."""

    timeout: str | timedelta
    """How long one attempt of a request may take in all. Default: as long as bytes move."""

    user_agent: str
    """The `User-Agent` header."""


class BackoffConfig(TypedDict, total=False):
    """How long to wait before a retry: a random time up to a bound that grows exponentially."""

    init_backoff: timedelta
    """The bound before the first retry. Default: 100 milliseconds."""

    max_backoff: timedelta
    """What the bound never exceeds. Default: 15 seconds."""

    base: int | float
    """The factor from bound to bound. Default: 2."""


class RetryConfig(TypedDict, total=False):
    """When a failed request is tried again: `retry_config`.

    Connection errors, timeouts, broken bodies and the statuses 408, 429 and 5xx are, if repeating the request
    does no harm. Each attempt is signed anew.
    """

    backoff: BackoffConfig
    """How long to wait before a retry."""

    max_retries: int
    """How often a request is tried again at most; 0 is never. Default: 10."""

    retry_timeout: timedelta
    """How long after the start, or after the last progress, a retry may still begin. Default: 3 minutes."""
