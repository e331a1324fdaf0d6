"""One REST call before it is signed: what a provider's client returns and an operation sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore_c._ops.io import Buffer

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"


class Request:
    """An unsigned request. It is signed anew for every attempt and never changed once built.

    Attributes:
        verb: the operation as its caller knows it (`"get"`), for messages. A status behind it says that the
            target exists: `"copy_if_not_exists 412"`.
        key: the path as the caller gave it, or source and target of a copy; for messages.
        method: the HTTP method.
        path: percent-encoded, from the root of the host.
        query: canonical (encoded and sorted), without the question mark.
        headers: in sending order. May be shared with other requests: don't append to it.
        body: any contiguous buffer, or None.
        payload_hash: SHA-256 of the body in hex, or `UNSIGNED_PAYLOAD`.
        idempotent: sending it twice has the effect of sending it once.
        inspect: a 200 may carry an error in its body.
    """

    __slots__ = (
        "body",
        "headers",
        "idempotent",
        "inspect",
        "key",
        "method",
        "path",
        "payload_hash",
        "query",
        "verb",
    )

    def __init__(
        self,
        verb: str,
        key: str | tuple[str, str],
        method: str,
        path: str,
        query: str,
        headers: list[tuple[str, str]],
        body: Buffer | None = None,
        payload_hash: str = EMPTY_SHA256,
        idempotent: bool = True,
        inspect: bool = False,
    ) -> None:
        self.verb = verb
        self.key = key
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.payload_hash = payload_hash
        self.idempotent = idempotent
        self.inspect = inspect

    def __repr__(self) -> str:
        return f"<Request {self.verb} {self.key!r}: {self.method} {self.path}>"

    def with_range(self, first: int, last: int | None, etag: str | None) -> Request:
        """This download from byte `first` on, of the same version of the object."""
        headers = [pair for pair in self.headers if pair[0].lower() not in _REPLACED_ON_RESUME]
        headers.append(("Range", f"bytes={first}-{'' if last is None else last}"))
        if etag is not None:
            headers.append(("If-Match", etag))
        return Request(self.verb, self.key, self.method, self.path, self.query, headers)


# The first answer has met the caller's conditions; what continues it must only be the same version.
_REPLACED_ON_RESUME = frozenset(
    {"range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}
)
