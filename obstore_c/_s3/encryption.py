"""The headers of server-side encryption.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore_c.exceptions import ConfigurationError

if TYPE_CHECKING:
    Headers = list[tuple[str, str]]

_KINDS = ("AES256", "aws:kms", "aws:kms:dsse", "sse-c")


class Encryption:
    """Which headers go with which requests.

    Attributes:
        write_headers: with requests that write an object.
        key_headers: with requests that read or write one: the client's own key.
        copy_source_headers: with copies: the key of the source.

    Args:
        kind: `server_side_encryption`; None is the bucket's default.
        kms_key_id: the key for `aws:kms` and `aws:kms:dsse`.
        bucket_key: whether to use a bucket key; None is the bucket's default.
        customer_key: the key for `sse-c`, in base64.

    Raises:
        ConfigurationError: the kind is unknown or its key is missing or none.
    """

    __slots__ = ("copy_source_headers", "key_headers", "write_headers")

    def __init__(
        self, kind: str | None, kms_key_id: str | None, bucket_key: bool | None, customer_key: str | None
    ) -> None:
        self.write_headers: Headers = []
        self.key_headers: Headers = []
        self.copy_source_headers: Headers = []
        if kind is None:
            return
        if kind not in _KINDS:
            raise ConfigurationError(
                f"server_side_encryption must be one of {', '.join(_KINDS)}, not {kind!r}"
            )
        if kind == "sse-c":
            headers = _customer_key_headers(customer_key)
            self.key_headers = [(f"x-amz-{name}", value) for name, value in headers]
            self.copy_source_headers = [(f"x-amz-copy-source-{name}", value) for name, value in headers]
            return
        self.write_headers.append(("x-amz-server-side-encryption", kind))
        if kms_key_id:
            self.write_headers.append(("x-amz-server-side-encryption-aws-kms-key-id", kms_key_id))
        if bucket_key is not None:
            enabled = "true" if bucket_key else "false"
            self.write_headers.append(("x-amz-server-side-encryption-bucket-key-enabled", enabled))


def _customer_key_headers(key: str | None) -> Headers:
    from base64 import b64decode, b64encode
    from binascii import Error
    from hashlib import md5

    if not key:
        raise ConfigurationError("server_side_encryption 'sse-c' needs sse_customer_key_base64")
    try:
        raw = b64decode(key, validate=True)
    except (Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise ConfigurationError("sse_customer_key_base64 must be 32 bytes in base64")
    name = "server-side-encryption-customer"
    # The digest is S3's check of what arrived, not a matter of security.
    digest = b64encode(md5(raw, usedforsecurity=False).digest()).decode()
    return [(f"{name}-algorithm", "AES256"), (f"{name}-key", key), (f"{name}-key-MD5", digest)]
