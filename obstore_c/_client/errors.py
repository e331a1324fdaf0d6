"""From what went wrong to an exception: one table per source (HTTP status, provider's code, libcurl's code).

A message is a sentence: verb, path, what the server or the network said, attempts, elapsed, what to do
about it. It never holds a query string, a header or more of the server's answer than its code and its
sentence: signatures, tokens and keys live there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore_c.exceptions import (
    AlreadyExistsError,
    GenericError,
    NotModifiedError,
    ObjectNotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

if TYPE_CHECKING:
    from obstore_c._client.request import Request

# The same classes as obstore's for every verb; `list` uses them too.
_BY_STATUS: dict[int, type[Exception]] = {
    304: NotModifiedError,
    401: UnauthenticatedError,
    403: PermissionDeniedError,
    404: ObjectNotFoundError,
    409: AlreadyExistsError,
    412: PreconditionError,
}

# A conditional put asks about the object's existence: the answer to it is not the answer's usual meaning.
_BY_VERB: dict[tuple[str, int], type[Exception]] = {
    ("create", 304): AlreadyExistsError,
    ("create", 412): AlreadyExistsError,
    ("update", 404): PreconditionError,
}

# Codes that come inside of a 200, with the status that S3 sends them with elsewhere.
_STATUS_OF_CODE = {
    "AccessDenied": 403,
    "InternalError": 500,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "PreconditionFailed": 412,
    "ServiceUnavailable": 503,
    "SlowDown": 503,
}

_CHECK_KEYS = "Check the access key and the secret key, and that they belong to this endpoint."
_HINT_BY_CODE = {
    "AccessDenied": "Check that these credentials may do this, or that the object is public.",
    "AllAccessDisabled": "The provider has closed this bucket.",
    "AuthorizationHeaderMalformed": "Check the region.",
    "ExpiredToken": "The session token has expired; get new credentials.",
    "InvalidAccessKeyId": "Check the access key id: this endpoint does not know it.",
    "InvalidToken": "Check the session token.",
    "NoSuchBucket": "Check the bucket's name and the endpoint; create the bucket if it should exist.",
    "PermanentRedirect": "The bucket lives in another region or at another endpoint; set it.",
    "RequestTimeTooSkewed": "Set this machine's clock.",
    "SignatureDoesNotMatch": "Check the secret key; it does not belong to the access key id.",
    "SlowDown": "Send fewer requests at a time, or spread them over more prefixes.",
    "TokenRefreshRequired": "The session token has expired; get new credentials.",
    "UnauthorizedAccess": _CHECK_KEYS,
}
_HINT_BY_STATUS = {
    301: "The bucket lives in another region or at another endpoint; set it.",
    302: "Redirects are not followed; check the endpoint.",
    303: "Redirects are not followed; check the endpoint.",
    307: "The bucket lives at another endpoint; set it.",
    400: "With HEAD no reason is given; most often the region or the credentials are wrong.",
    401: _CHECK_KEYS,
    403: "Check the credentials and what they may do; a wrong secret key looks like this too.",
    404: "There is no such object, or no such bucket.",
    405: "Check the endpoint: it does not know this kind of request.",
    411: "Check the endpoint or the proxy in front of it.",
    501: "The endpoint does not implement this.",
}

# libcurl's codes (https://curl.se/libcurl/c/libcurl-errors.html): what it means, and what to do.
_CERTIFICATE = (
    "the server's certificate was not accepted",
    "Check the endpoint's host name. If the authority is one of your own, pass it as "
    "client_options={'root_certificate': ...}.",
)
_BY_CURL: dict[int, tuple[str, str]] = {
    1: ("the server does not speak HTTP", "Check scheme and port of the endpoint."),
    3: ("the URL is malformed", "Check the endpoint."),
    5: ("the proxy's name could not be resolved", "Check proxy_url."),
    6: ("the host is unknown", "Check the endpoint's spelling, the region and the DNS."),
    7: (
        "the connection was refused",
        "Check that the server runs and that host and port of the endpoint are right.",
    ),
    18: ("the connection broke in the middle of the body", ""),
    28: (
        "it took too long",
        "Raise timeout, connect_timeout or read_timeout in client_options if the server is slow.",
    ),
    35: (
        "the TLS handshake failed",
        "Check that the endpoint speaks TLS: an http server needs http:// and allow_http.",
    ),
    47: ("there were too many redirects", "Check the endpoint."),
    51: _CERTIFICATE,
    52: ("the server closed the connection without an answer", ""),
    55: ("the connection broke while sending", ""),
    56: ("the connection broke while receiving", ""),
    58: ("the client certificate could not be used", "Check its file and its key."),
    60: _CERTIFICATE,
    67: ("the proxy refused the credentials", "Check user and password in proxy_url."),
    77: ("the root certificates could not be read", "Check root_certificate."),
    83: _CERTIFICATE,
    90: _CERTIFICATE,
    91: _CERTIFICATE,
    97: ("the proxy failed", "Check proxy_url."),
}
# What will not get better by itself; everything else on the network may.
CURL_FINAL = frozenset(
    {1, 2, 3, 4, 23, 26, 27, 42, 43, 47, 48, 51, 53, 54, 58, 59, 60, 65, 66, 67, 77, 80, 82, 83, 90, 91, 98}
)

_SAID_AT_MOST = 400


class Failure:
    """One failed attempt: what a provider's client makes of an answer.

    Attributes:
        status: HTTP status, 0 without an answer.
        code: the provider's code (`"NoSuchKey"`), or "".
        message: the provider's sentence, or "".
        region: the region the bucket lives in, if the answer tells, else "".
        curl_code: libcurl's code, 0 if the network did its part.
        curl_message: libcurl's own words.
        retry_after: seconds the server wants to be left alone, or None.
        retry_safe: the request never left.
        received: bytes of a body that arrived.
    """

    __slots__ = (
        "code",
        "curl_code",
        "curl_message",
        "message",
        "received",
        "region",
        "retry_after",
        "retry_safe",
        "status",
    )

    def __init__(
        self,
        status: int,
        code: str = "",
        message: str = "",
        *,
        region: str = "",
        curl_code: int = 0,
        curl_message: str = "",
        retry_after: float | None = None,
        retry_safe: bool = False,
        received: int = 0,
    ) -> None:
        self.status = status if not 200 <= status < 300 else _STATUS_OF_CODE.get(code, status)
        self.code = code
        self.message = message
        self.region = region
        self.curl_code = curl_code
        self.curl_message = curl_message
        self.retry_after = retry_after
        self.retry_safe = retry_safe
        self.received = received

    @property
    def said(self) -> str:
        """What went wrong, without advice."""
        if self.curl_code:
            return _network_said(self)
        parts = " ".join(part for part in (str(self.status), self.code) if part)
        if self.message:
            return f"the server answered {parts}, {clean(self.message).rstrip('.')}"
        return f"the server answered {parts}"

    @property
    def hint(self) -> str:
        """What to do about it, or ""."""
        if self.curl_code:
            return _BY_CURL.get(self.curl_code, ("", ""))[1]
        by_code = _HINT_BY_CODE.get(self.code)
        # A code of the provider that is not in the table speaks for itself.
        return by_code if by_code is not None else "" if self.code else _HINT_BY_STATUS.get(self.status, "")


def _network_said(failure: Failure) -> str:
    meaning = _BY_CURL.get(failure.curl_code, ("the network failed", ""))[0]
    detail = clean(failure.curl_message) or "no detail"
    return f"{meaning} (libcurl {failure.curl_code}: {detail.rstrip('.')})"


def clean(text: str) -> str:
    """One line of printable text of bearable length, with every query string in it cut off."""
    words = (
        word.partition("?")[0] + "?..." if "://" in word and "?" in word else word for word in text.split()
    )
    line = "".join(c if c.isprintable() else " " for c in " ".join(words))
    return line if len(line) <= _SAID_AT_MOST else line[: _SAID_AT_MOST - 3] + "..."


def error(request: Request, failure: Failure, *, where: str, attempts: int, elapsed: float) -> Exception:
    """The exception for an operation that has failed for good.

    Args:
        request: what was asked.
        failure: the last attempt's answer.
        where: the store in words, e.g. `bucket 'data' at https://s3.us-east-1.amazonaws.com`.
        attempts: how often it was tried.
        elapsed: seconds since the first attempt began.
    """
    status = failure.status
    verb, _, exists = request.verb.partition(" ")
    kind = _BY_VERB.get((verb, status)) or _BY_STATUS.get(status, GenericError)
    if failure.curl_code:
        kind = GenericError
    elif exists == str(status):
        kind = AlreadyExistsError
    tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    hint = f". {failure.hint}" if failure.hint else "."
    subject = _subject(request, _VERB.get(verb, verb))
    return kind(f"{subject} in {where} failed: {failure.said} ({tries}, {elapsed:.3g} s){hint}")


def path_of(request: Request) -> str:
    """What a request is about: `'a'`, or `'a' to 'b'`."""
    return repr(request.key) if isinstance(request.key, str) else " to ".join(map(repr, request.key))


def wrong_answer(request: Request, where: str, what: str) -> GenericError:
    """The exception for an answer that is no failure by itself, but not what was asked for."""
    return GenericError(f"{_subject(request, request.verb)} in {where} failed: {what}.")


def _subject(request: Request, verb: str) -> str:
    return f"{verb} {path_of(request)}" if request.key else verb


_VERB = {
    "create": "put (mode create)",
    "update": "put (mode update)",
    "copy_if_not_exists": "copy (overwrite=False)",
}
