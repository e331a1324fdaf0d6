"""What goes into CompleteMultipartUpload, and what comes out of it.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from obstore_c._client import xml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from obstore_c._ops.io import Response

    Part = tuple[str, str]
    """The e_tag that the server gave a part, and the part's SHA-256 in hex, or `UNSIGNED_PAYLOAD`."""


def checksum(digest: str) -> str:
    """A SHA-256 as S3's own headers and documents carry it.

    >>> checksum("00" * 32)
    'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
    """
    return b64encode(bytes.fromhex(digest)).decode()


def complete_body(parts: Sequence[Part], *, with_checksums: bool) -> bytes:
    """The list of the parts, in order."""
    items = []
    for number, (e_tag, digest) in enumerate(parts, 1):
        more = f"<ChecksumSHA256>{checksum(digest)}</ChecksumSHA256>" if with_checksums else ""
        items.append(f"<Part><ETag>{xml.escape(e_tag)}</ETag><PartNumber>{number}</PartNumber>{more}</Part>")
    return f"<CompleteMultipartUpload>{''.join(items)}</CompleteMultipartUpload>".encode()


def composed_etag(parts: Sequence[Part]) -> str | None:
    """The e_tag that S3 gives to the object of these parts, None where theirs are no MD5 sums.

    It is not documented, but the same since the beginning: the MD5 of the MD5 sums, and how many they are.

    >>> composed_etag([('"900150983cd24fb0d6963f7d28e17f72"', "")])
    '"af5da9f45af7a300e3aded972f8ff687-1"'
    """
    from hashlib import md5  # late: loading libcrypto takes milliseconds

    try:
        sums = b"".join([bytes.fromhex(e_tag.strip('"')) for e_tag, _ in parts])
    except ValueError:
        return None
    if len(sums) != 16 * len(parts):
        return None
    return f'"{md5(sums, usedforsecurity=False).hexdigest()}-{len(parts)}"'


def value_in(response: Response, name: str) -> str:
    """The text of an element of a small answer, "" if there is none or it makes no sense.

    Blanks are sent ahead of an answer to keep the connection alive.
    """
    body = bytes(response.body).strip()
    try:
        return xml.parse(body).value(name) if body else ""
    except xml.XMLError:
        return ""
