"""Where a bucket is: scheme, host and path of its URL."""

from __future__ import annotations

from obstore_c._scheme import shown
from obstore_c.exceptions import ConfigurationError

_DEFAULT_PORTS = {"http": "80", "https": "443"}


def split_endpoint(name: str, url: str) -> tuple[str, str, str]:
    """Take an endpoint apart.

    Args:
        name: the key it is configured with, for messages.
        url: an http or https URL, perhaps with a path.

    Returns:
        Scheme, host as it stands in the `Host` header (without the scheme's own port), and path without a
        slash at its end.

    Raises:
        ConfigurationError: it is not such a URL.

    Example:
        >>> split_endpoint("endpoint", "HTTPS://Example.com:443/minio/")
        ('https', 'example.com', '/minio')
    """
    if "@" in url:
        raise ConfigurationError(
            f"{name} must not hold a user or password; pass them as access_key_id and so on"
        )
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    authority, _, path = rest.partition("/")
    if not separator or scheme not in _DEFAULT_PORTS or not authority:
        raise ConfigurationError(
            f'{name} must be a URL such as "https://storage.example.com", not {shown(url)}'
        )
    if any(character in url for character in " ?#\\") or not path.isascii():
        raise ConfigurationError(f"{name} must be a URL without query, fragment or blanks: {shown(url)}")
    path = path.rstrip("/")
    return scheme, _normalize_host(name, scheme, authority), f"/{path}" if path else ""


def _normalize_host(name: str, scheme: str, authority: str) -> str:
    host, colon, port = authority.rpartition(":")
    if not colon or port.endswith("]"):  # an IPv6 address has colons of its own
        host, port = authority, ""
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ConfigurationError(f"{name} has a port that is none: {authority!r}")
    try:
        host = host.lower() if host.isascii() else host.encode("idna").decode()  # libcurl may know no IDNA
    except UnicodeError:
        raise ConfigurationError(f"{name} has a host name that is none: {authority!r}") from None
    inner = host[1:-1].replace(":", "") if host.startswith("[") and host.endswith("]") else host
    if not all(_is_label(label) for label in inner.removesuffix(".").split(".")):
        raise ConfigurationError(f"{name} has a host name that is none: {authority!r}")
    return host if not port or port == _DEFAULT_PORTS[scheme] else f"{host}:{port}"


def amazon_host(region: str) -> str:
    """Name the host of S3 in a region.

    Raises:
        ConfigurationError: no region can have this name.

    Example:
        >>> amazon_host("eu-west-1")
        's3.eu-west-1.amazonaws.com'
    """
    if not _is_label(region):
        raise ConfigurationError(f"{region!r} is not the name of a region")
    return f"s3.{region}.amazonaws.com.cn" if region.startswith("cn-") else f"s3.{region}.amazonaws.com"


def bucket_host(bucket: str, host: str) -> str:
    """Name the host that stands for a bucket.

    Raises:
        ConfigurationError: the bucket's name cannot be part of a host's.
    """
    if not all(_is_label(label) for label in bucket.split(".")):
        raise ConfigurationError(f"the bucket {bucket!r} cannot be reached with virtual_hosted_style_request")
    return f"{bucket}.{host}"


def _is_label(text: str) -> bool:
    return text.isascii() and text.replace("-", "").replace("_", "").isalnum()


def express_host(bucket: str, region: str) -> str:
    """Name the host of a directory bucket, which tells its zone: `name--usw2-az1--x-s3`.

    Raises:
        ConfigurationError: the bucket's name does not.
    """
    name, separator, zone = bucket.removesuffix("--x-s3").rpartition("--")
    if not bucket.endswith("--x-s3") or not separator or not name or not zone:
        raise ConfigurationError(f"s3_express needs a bucket named like base--usw2-az1--x-s3, not {bucket!r}")
    if not _is_label(region):
        raise ConfigurationError(f"{region!r} is not the name of a region")
    return bucket_host(bucket, f"s3express-{zone}.{region}.amazonaws.com")


def bucket_segment(bucket: str) -> str:
    """Write the bucket's name as a segment of a path."""
    from urllib.parse import quote

    return quote(bucket, safe="")
