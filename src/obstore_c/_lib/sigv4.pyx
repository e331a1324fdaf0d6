# cython: autotestdict=False
"""AWS Signature Version 4: signed headers and presigned URLs.

Protocol: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html

    string to sign = AWS4-HMAC-SHA256, time, scope, hash of the canonical request; a line each
    signature      = HMAC(signing key, string to sign); the key is derived once a day

A signature is made afresh for every attempt, so it has to cost a few microseconds only. The GIL is held
throughout: beside a computing thread it would be 5 ms before we had it again.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy
from libc.time cimport time

from obstore_c._lib.canonical cimport CanonicalRequest, canonical_query, check_header, plain_bytes, utf8_bytes
from obstore_c._lib.quote cimport quote_path
from obstore_c._lib.sha256 cimport Hmac
from obstore_c._lib.text cimport Text, text_char, text_hex, text_put

from obstore_c._lib.canonical import canonical_query
from obstore_c._lib.sha256 import sha256_hex as payload_sha256

__all__ = ["EMPTY_SHA256", "UNSIGNED_PAYLOAD", "Signer", "canonical_query", "payload_sha256"]

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

cdef enum:
    DAY = 86400
    MAX_EXPIRES = 604800  # a week

cdef double LAST_SECOND = 253402300799  # of the year 9999, the last one a time stamp can have

# Services whose paths are signed as they are sent. All others remove dot segments and doubled slashes, and
# encode the path once more.
cdef frozenset _PATH_AS_IS = frozenset({"s3", "s3express", "s3-object-lambda", "s3-outposts"})


cdef str _normalized(str path):
    """A path without dot segments (RFC 3986, section 5.2.4) and without empty ones."""
    kept = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")


cdef long long _moment(now) except -1:
    """Seconds since 1970, in the range that a time stamp of four-digit years has."""
    cdef double seconds
    if now is None:
        return time(NULL)
    seconds = now
    if not 0 <= seconds <= LAST_SECOND:
        raise ValueError(f"{now!r} is not a time between 1970 and 9999, in seconds since 1970")
    return <long long> seconds


@cython.final
@cython.auto_pickle(False)
cdef class _DayKey:
    """The signing key of one day. Immutable, so threads may share it."""

    cdef long long day  # since 1970
    cdef bytes date  # "20260131"
    cdef bytes scope  # "20260131/us-east-1/s3/aws4_request"
    cdef Hmac hmac

    def __cinit__(self, bytes secret, bytes region, bytes service, long long day):
        from time import gmtime, strftime

        self.day = day
        self.date = strftime("%Y%m%d", gmtime(day * DAY)).encode()
        self.scope = b"/".join((self.date, region, service, b"aws4_request"))
        key = b"AWS4" + secret
        for part in (self.date, region, service, b"aws4_request"):
            key = Hmac(key).digest(part)
        self.hmac = Hmac(key)

    cdef bytes stamp(self, long long now):
        """The time as x-amz-date has it: "20260131T235959Z"."""
        cdef int second = <int> (now - self.day * DAY)
        cdef bytes stamp = PyBytes_FromStringAndSize(NULL, 16)
        cdef char* out = PyBytes_AS_STRING(stamp)
        memcpy(out, PyBytes_AS_STRING(self.date), 8)
        out[8] = c'T'
        _two_digits(out + 9, second // 3600)
        _two_digits(out + 11, second // 60 % 60)
        _two_digits(out + 13, second % 60)
        out[15] = c'Z'
        return stamp

    cdef bytes signature(self, bytes stamp, bytes digest):
        """The 32 bytes of the signature of a canonical request with this SHA-256."""
        cdef bytes to_sign = b"AWS4-HMAC-SHA256\n%b\n%b\n" % (stamp, self.scope)
        return self.hmac.digest(to_sign + digest.hex().encode())


@cython.cdivision(True)
cdef inline void _two_digits(char* out, int number) noexcept:
    out[0] = <char> (c'0' + number // 10)
    out[1] = <char> (c'0' + number % 10)


@cython.final
@cython.auto_pickle(False)
cdef class Signer:
    """Signs requests with one set of credentials, for one region and service. Threads may share it.

    Args:
        access_key_id: The public half of the key pair; part of every signature.
        secret_access_key: The secret half. It is never shown.
        token: The session token of temporary credentials, or None.
        region: Where the service runs, as the signature names it: `us-east-1`.
        service: The service's signing name.
        token_header: The header that carries the token; S3 Express sessions have another one.

    Raises:
        ValueError: A value is empty or has characters that can't be sent.

    Example:
        >>> signer = Signer("AKIDEXAMPLE", "secret", None, "us-east-1")
        >>> headers = signer.sign("GET", "example.com", "/bucket/key", "", [], EMPTY_SHA256)
    """

    cdef readonly str region
    cdef readonly str service
    cdef bytes _access_key_id, _secret, _token, _token_header
    cdef bytes _region, _service
    cdef tuple _replaced_in_headers, _replaced_in_query
    cdef bint _is_s3
    # The key of the day last signed for. Threads that find it outdated all derive the same and swap it in.
    cdef _DayKey _day_key

    def __cinit__(
        self,
        access_key_id,
        secret_access_key,
        token,
        region,
        service="s3",
        *,
        token_header="x-amz-security-token",
    ):
        self._access_key_id = plain_bytes(access_key_id, "access key ID")
        self._secret = utf8_bytes(secret_access_key, "secret access key")
        self._region = plain_bytes(region, "region")
        self._service = plain_bytes(service, "service")
        self._token_header = plain_bytes(token_header, "name of the token header").lower()
        if token:
            self._token = utf8_bytes(token, "session token")
            check_header(self._token_header, self._token)
        self.region, self.service = str(region), str(service)
        self._is_s3 = self.service in _PATH_AS_IS

        replaced = (b"authorization", b"x-amz-date") + ((self._token_header,) if token else ())
        self._replaced_in_query = replaced
        self._replaced_in_headers = replaced + ((b"x-amz-content-sha256",) if self._is_s3 else ())

    def __repr__(self):
        return f"Signer(region={self.region!r}, service={self.service!r})"

    def __reduce__(self):
        raise TypeError("a Signer holds a secret and can't be pickled; pickle what it was made from")

    cdef _DayKey _key(self, long long now):
        cdef _DayKey key = self._day_key
        if key is None or key.day != now // DAY:
            self._day_key = key = _DayKey(self._secret, self._region, self._service, now // DAY)
        return key

    cdef str _signed_path(self, str path):
        if path == "":
            return "/"
        if not path.startswith("/"):
            raise ValueError("the encoded path has to begin with a slash")
        return path if self._is_s3 else quote_path(_normalized(path))

    def sign(self, method, host, path, query, headers, payload_hash, now=None):
        """Make the headers of a signed request.

        The given headers go out as they are, in their order. All are signed but for those that proxies change
        (`user-agent`, `connection`, ...). An `authorization`, `x-amz-date`, `x-amz-content-sha256` or token
        header among them is replaced by the signature's own.

        Args:
            method: The HTTP method, in upper case.
            host: The Host header as it will be sent, with the port if it isn't the scheme's. It is signed but
                not emitted.
            path: The path, percent-encoded, as it will be sent.
            query: The query as `canonical_query` makes it, maybe empty.
            headers: Names and values. A name may come several times.
            payload_hash: `payload_sha256(body)`, `EMPTY_SHA256` or `UNSIGNED_PAYLOAD`.
            now: Seconds since 1970, if not the system's clock.

        Returns:
            The lines `name: value`, joined by a line feed; `name;` for a header without a value, as libcurl
            wants it.

        Raises:
            ValueError: A line break or NUL in a header, or something not percent-encoded that has to be.
        """
        cdef long long moment = _moment(now)
        cdef _DayKey key = self._key(moment)
        cdef bytes stamp = key.stamp(moment)
        cdef bytes host_value = plain_bytes(host, "host")
        cdef bytes hash_value = plain_bytes(payload_hash, "payload hash")
        cdef CanonicalRequest request = CanonicalRequest(headers, self._replaced_in_headers)
        if not request.names_host:
            request.add(b"host", host_value, False)
        if self._is_s3:
            request.add(b"x-amz-content-sha256", hash_value, True)
        request.add(b"x-amz-date", stamp, True)
        if self._token is not None:
            request.add(self._token_header, self._token, True)
        request.sort()
        digest = request.digest(method, self._signed_path(path), query, payload_hash)

        cdef Text* lines = &request.lines
        text_put(lines, b"authorization: AWS4-HMAC-SHA256 Credential=")
        text_put(lines, self._access_key_id)
        text_char(lines, c'/')
        text_put(lines, key.scope)
        text_put(lines, b", SignedHeaders=")
        request.write_names(lines)
        text_put(lines, b", Signature=")
        text_hex(lines, key.signature(stamp, digest))
        return PyBytes_FromStringAndSize(lines.data, lines.size)

    def presign(self, method, scheme, host, path, query, headers, expires, now=None, *, payload_hash=None):
        """Make a URL that anybody may use until it expires.

        Args:
            method: The HTTP method, in upper case.
            scheme: `https` or `http`.
            host: The Host header that the user of the URL will send.
            path: The path, percent-encoded.
            query: Names and values of further parameters, not encoded.
            headers: Names and values of the headers that the user of the URL has to send, exactly so.
            expires: Seconds that the URL is good for, from 1 to 604800.
            now: Seconds since 1970, if not the system's clock.
            payload_hash: The body's hash. By default S3 takes any body, other services an empty one.

        Returns:
            The URL.

        Raises:
            ValueError: `expires` out of range, a parameter that belongs to the signature, a line break or NUL
                in a header, or something not percent-encoded that has to be.

        Example:
            >>> signer = Signer("AKIDEXAMPLE", "secret", None, "us-east-1")
            >>> url = signer.presign("GET", "https", "example.com", "/bucket/key", [], [], 3600)
        """
        if not isinstance(expires, int):
            raise TypeError(f"expires must be an int of seconds, not {type(expires).__name__}")
        if not 1 <= expires <= MAX_EXPIRES:
            raise ValueError(f"a presigned URL can last 1 to {MAX_EXPIRES} seconds (a week), not {expires}")
        if payload_hash is None:
            payload_hash = UNSIGNED_PAYLOAD if self._is_s3 else EMPTY_SHA256
        cdef long long moment = _moment(now)
        cdef _DayKey key = self._key(moment)
        cdef bytes stamp = key.stamp(moment)
        cdef bytes host_value = plain_bytes(host, "host")
        cdef CanonicalRequest request = CanonicalRequest(headers, self._replaced_in_query)
        if not request.names_host:
            request.add(b"host", host_value, False)
        request.sort()
        parameters = canonical_query(self._parameters(query, key, stamp, expires, request.names()))
        digest = request.digest(method, self._signed_path(path), parameters, payload_hash)
        signature = key.signature(stamp, digest).hex()
        base = f"{plain_bytes(scheme, 'scheme').decode()}://{host}{path or '/'}"
        return f"{base}?{parameters}&X-Amz-Signature={signature}"

    cdef list _parameters(self, query, _DayKey key, bytes stamp, expires, str names):
        own = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", (self._access_key_id + b"/" + key.scope).decode()),
            ("X-Amz-Date", stamp.decode()),
            ("X-Amz-Expires", str(int(expires))),
            ("X-Amz-SignedHeaders", names),
        ]
        if self._token is not None:
            name = "-".join([part.capitalize() for part in self._token_header.decode().split("-")])
            own.append((name, self._token.decode()))
        given = list(query)
        reserved = {name for name, _ in own} | {"X-Amz-Signature"}
        for name, _ in given:
            if name in reserved:
                raise ValueError(f"the query parameter {name} belongs to the signature")
        return given + own
