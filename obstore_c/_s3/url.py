"""The URLs that name a place in S3."""

from __future__ import annotations

from obstore_c._scheme import shown
from obstore_c.exceptions import ConfigurationError

_AMAZON = (".amazonaws.com", ".amazonaws.com.cn")
_R2 = ".r2.cloudflarestorage.com"
_R2_JURISDICTIONS = ("eu", "fedramp")


def parse_s3_url(url: str) -> tuple[str | None, dict[str, str]]:
    """Read the prefix and the configuration that a URL stands for.

    - `s3://bucket/prefix`, `s3a://bucket/prefix`
    - `https://s3.region.amazonaws.com/bucket/prefix`, `https://s3.amazonaws.com/bucket/prefix`
    - `https://bucket.s3.region.amazonaws.com/prefix`, `https://bucket.s3.amazonaws.com/prefix`, both also as
      `s3.dualstack.region` and as `s3-region`
    - `https://account.r2.cloudflarestorage.com/bucket/prefix`

    The prefix is percent-decoded, and otherwise taken as it stands; a query or fragment is ignored.

    Args:
        url: the URL.

    Returns:
        The prefix, None if there is none, and keys of `S3Config`: `bucket`, and what of `region`, `endpoint`
        and `virtual_hosted_style_request` the URL tells.

    Raises:
        ConfigurationError: no S3 URL.
        TypeError: not a str.

    Example:
        >>> parse_s3_url("https://s3.eu-west-1.amazonaws.com/bucket/some%20dir/")
        ('some dir', {'region': 'eu-west-1', 'bucket': 'bucket'})
    """
    if not isinstance(url, str):
        raise TypeError(f"url must be a str, not {type(url).__name__}")
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ConfigurationError("a URL such as s3://bucket/prefix is needed, with the scheme in front")
    authority, _, path = rest.partition("?")[0].partition("#")[0].partition("/")
    if "@" in authority:
        raise ConfigurationError(
            "the URL must not hold credentials; pass access_key_id and secret_access_key"
        )
    if scheme.lower() in ("s3", "s3a"):
        if not authority:
            raise ConfigurationError(f"{shown(url)} names no bucket")
        return _decode(path), {"bucket": authority.partition(":")[0]}
    if scheme.lower() != "https":
        raise ConfigurationError(f"{shown(url)} is no S3 URL; the schemes are s3, s3a and https")
    host = authority.lower().removesuffix(":443")
    config = _amazon(host)
    if config is None:
        config = _r2(host)
    if config is None:
        raise ConfigurationError(
            f"{shown(url)} is no URL of Amazon S3 or Cloudflare R2; elsewhere pass bucket and endpoint"
        )
    if "bucket" not in config:
        bucket, _, path = path.partition("/")
        if bucket:
            config["bucket"] = bucket
    return _decode(path), config


def _amazon(host: str) -> dict[str, str] | None:
    domain = next((domain for domain in _AMAZON if host.endswith(domain)), None)
    if domain is None:
        return None
    labels = host.removesuffix(domain).split(".")
    # The service's label is the last "s3" or "s3-region"; what is left of it is the bucket, dots included.
    at = next(
        (i for i in reversed(range(len(labels))) if labels[i] == "s3" or labels[i].startswith("s3-")), None
    )
    if at is None:
        return None
    bucket, service, rest = ".".join(labels[:at]), labels[at], labels[at + 1 :]
    config: dict[str, str] = {}
    if service != "s3":
        if rest:
            return None
        config["region"] = service.removeprefix("s3-")
    elif len(rest) == 2 and rest[0] == "dualstack":
        config |= {"region": rest[1], "endpoint": f"https://{host}"}
    elif len(rest) == 1:
        config["region"] = rest[0]
    elif rest:
        return None
    if bucket:
        config |= {"bucket": bucket, "virtual_hosted_style_request": "true"}
    return config


def _r2(host: str) -> dict[str, str] | None:
    account, dot, jurisdiction = host.removesuffix(_R2).partition(".")
    if not host.endswith(_R2) or not account or (dot and jurisdiction not in _R2_JURISDICTIONS):
        return None
    return {"region": "auto", "endpoint": f"https://{host}"}


def _decode(path: str) -> str | None:
    from urllib.parse import unquote

    try:
        decoded = unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise ConfigurationError(f"the path {path!r} is not UTF-8 when percent-decoded") from None
    return decoded.removesuffix("/") or None
