"""Where the trusted root certificates are.

A libcurl from a wheel looks where its build machine keeps them, which often is nowhere on this one. So the
system's bundle is looked for here, for stores that speak TLS.

How they are passed on matters for speed: libcurl parses a `CAINFO` file once and shares the result between
connections, but parses a `CAINFO_BLOB` for each (5 ms for a system's bundle). A certificate of the user's own
therefore goes into a small blob, next to the system's directory of certificates named by hash (`CAPATH`),
from which OpenSSL reads only what a connection needs. Where there is no such directory, blob and bundle are
joined.
"""

# pathlib costs more at import than all of this.
# ruff: noqa: PTH113, PTH123, PTH208
from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from obstore_c.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obstore_c._client.config_values import CurlOptions

_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL, Amazon Linux
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, Alpine, BSD
    "/usr/local/etc/ssl/cert.pem",  # FreeBSD
)
_DIRECTORY = "/etc/ssl/certs"

_NATIVE_CA = 1 << 4  # CURLSSLOPT_NATIVE_CA: the operating system's own store


def find_bundle(environ: Mapping[str, str]) -> str | None:
    """Find the system's root certificates: `SSL_CERT_FILE`, the usual places, Python's own idea."""
    for path in (environ.get("SSL_CERT_FILE"), *_FILES):
        if path and os.path.isfile(path):
            return path
    import ssl  # costs 10 ms, so only as the last resort

    return ssl.get_default_verify_paths().cafile


def find_hashed_directory(environ: Mapping[str, str]) -> str | None:
    """Find a directory of root certificates with OpenSSL's file names, `<hash>.<n>`.

    There is none when `SSL_CERT_FILE` says to trust something else than the system does.
    """
    named = environ.get("SSL_CERT_FILE")
    if (
        named
        and os.path.isfile(named)
        and os.path.realpath(named) not in {os.path.realpath(path) for path in _FILES}
    ):
        return None
    directory = environ.get("SSL_CERT_DIR") or _DIRECTORY
    try:
        names = os.listdir(directory)
    except OSError:
        return None
    return directory if any(len(name) == 10 and name[8:] == ".0" for name in names) else None


def trust_options(prefix: str, own: bytes | None, environ: Mapping[str, str]) -> CurlOptions:
    """Make the libcurl options that say whom to trust.

    Args:
        prefix: `""` for servers, `"PROXY_"` for a proxy.
        own: certificates in PEM form that are trusted besides the system's.
        environ: the environment.
    """
    if sys.platform == "win32":
        options: CurlOptions = {f"{prefix}SSL_OPTIONS": _NATIVE_CA}
        return options if own is None else options | {f"{prefix}CAINFO_BLOB": own}
    if own is not None:
        directory = find_hashed_directory(environ)
        if directory is not None:
            return {f"{prefix}CAINFO_BLOB": own, f"{prefix}CAPATH": directory}
    bundle = find_bundle(environ)
    if own is None:
        return {} if bundle is None else {f"{prefix}CAINFO": bundle}
    return {f"{prefix}CAINFO_BLOB": own if bundle is None else b"%b\n%b" % (_read(bundle), own)}


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigurationError(
            f"the root certificates in {path!r} cannot be read: {error.strerror}"
        ) from error


def check_pem(name: str, value: object) -> bytes:
    """Accept certificates in PEM form, one or several.

    Raises:
        TypeError: neither `str` nor bytes-like.
        ConfigurationError: there is no certificate in it, or something else in its place.
    """
    if isinstance(value, str):
        pem = value.encode()
    elif isinstance(value, (bytes, bytearray, memoryview)):
        pem = bytes(value)
    else:
        raise TypeError(f"{name} must be PEM text as str or bytes, not {type(value).__name__}")
    blocks = pem.split(b"-----BEGIN CERTIFICATE-----")[1:]
    if not blocks or not all(_is_certificate(block) for block in blocks):
        raise ConfigurationError(
            f"{name} must hold certificates in PEM form (-----BEGIN CERTIFICATE----- ...)"
        )
    return pem


def _is_certificate(block: bytes) -> bool:
    from binascii import Error, a2b_base64

    body, end, _rest = block.partition(b"-----END CERTIFICATE-----")
    try:
        return bool(end) and a2b_base64(body)[:1] == b"\x30"  # DER: a sequence
    except Error:
        return False
