"""parse_scheme: which store a URL is for."""

from __future__ import annotations

from typing import Literal, TypeAlias

from .exceptions import GenericError

Scheme: TypeAlias = Literal["s3", "gcs", "http", "local", "memory", "azure"]

_BY_SCHEME: dict[str, Scheme] = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "az": "azure",
    "adl": "azure",
    "azure": "azure",
    "abfs": "azure",
    "abfss": "azure",
    "file": "local",
    "memory": "memory",
    "http": "http",
    "https": "http",
}

# Hosts (and all hosts below them) whose https URLs mean the provider's own API.
_BY_HOST: dict[str, Scheme] = {
    "amazonaws.com": "s3",
    "r2.cloudflarestorage.com": "s3",
    "dfs.core.windows.net": "azure",
    "blob.core.windows.net": "azure",
    "dfs.fabric.microsoft.com": "azure",
    "blob.fabric.microsoft.com": "azure",
}


def parse_scheme(url: str) -> Scheme:
    """Tell which kind of store a URL belongs to.

    Args:
        url: a URL such as `s3://bucket/prefix`.

    Returns:
        `"s3"`, `"gcs"`, `"azure"`, `"http"`, `"local"` or `"memory"`.

    Raises:
        ValueError: not a URL.
        GenericError: a URL, but of no store.

    Example:
        >>> parse_scheme("s3://bucket/prefix")
        's3'
        >>> parse_scheme("https://account.blob.core.windows.net/container")
        'azure'
    """
    from urllib.parse import urlsplit

    if not isinstance(url, str):
        raise TypeError(f"url must be a str, not {type(url).__name__}")
    parts = urlsplit(url)
    if not parts.scheme:
        raise ValueError(f"{shown(url)} is not a URL: it does not start with a scheme such as s3://")
    found = _BY_SCHEME.get(parts.scheme)
    if found is None or (found == "local" and parts.hostname not in (None, "localhost")):
        known = ", ".join(f"{scheme}://" for scheme in _BY_SCHEME)
        raise GenericError(f"no store for the URL {shown(url)}; known are {known}")
    if found != "http":
        return found
    if not parts.hostname:
        raise ValueError(f"{shown(url)} has no host")
    if parts.scheme == "https":
        for host, provider in _BY_HOST.items():
            if parts.hostname == host or parts.hostname.endswith("." + host):
                return provider
    return "http"


def shown(url: str) -> str:
    """Write a URL for messages: without user, password, query and fragment, which is where secrets are.

    Example:
        >>> shown("https://user:password@example.com/a?X-Amz-Signature=abc")
        "'https://...@example.com/a?...'"
    """
    base = url.replace("#", "?").partition("?")[0]
    scheme, slashes, rest = base.partition("//") if "//" in base else ("", "", base)
    user, at, place = rest.rpartition("@")
    return repr(f"{scheme}{slashes}{'...' if user else ''}{at}{place}{'?...' if base != url else ''}")
