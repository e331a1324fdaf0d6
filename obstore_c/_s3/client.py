"""S3's REST calls as pure functions: arguments to `Request`, answer to result.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

import os
import re
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from obstore_c._client import xml
from obstore_c._client.errors import Failure
from obstore_c._client.headers import (
    HeaderNames,
    Headers,
    attribute_headers,
    check_value,
    condition_headers,
    retry_after,
)
from obstore_c._client.request import UNSIGNED_PAYLOAD, Request
from obstore_c._lib.quote import quote, quote_path
from obstore_c._lib.sigv4 import Signer, canonical_query, payload_sha256
from obstore_c._ops.retry import Throttle
from obstore_c._s3 import uploads
from obstore_c.exceptions import GenericError, NotSupportedError, UnauthenticatedError

if TYPE_CHECKING:
    from obstore_c._backend import PutOptions
    from obstore_c._client.retry_config import RetryPolicy
    from obstore_c._lib.columns import Columns
    from obstore_c._lib.engine import Profile
    from obstore_c._ops.io import IO, Buffer, Response
    from obstore_c._put import PutResult
    from obstore_c._s3.config import S3Options
    from obstore_c._s3.credential import Credential, CredentialSource

NAMES = HeaderNames(
    version="x-amz-version-id",
    metadata_prefix="x-amz-meta-",
    storage_class="x-amz-storage-class",
    tagging="x-amz-tagging",
)
_KEYS_PER_DELETE = 1000
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_FOREVER = float("inf")

# What a bucket in another region answers. HEAD has no body to say it with, hence statuses without a code.
_WRONG_REGION = frozenset({"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"})
_WRONG_REGION_HEAD = frozenset({301, 307, 400, 403})
_REGION = re.compile(r"[a-z][a-z0-9-]{1,38}[a-z0-9]")
_REGION_IN_HOST = re.compile(r"s3[.-]([a-z0-9-]+)\.amazonaws\.com")


class Route:
    """Where requests go and how they are signed: replaced whole, so that no thread sees half of a change."""

    __slots__ = ("host", "origin", "scheme", "signer")

    def __init__(self, scheme: str, host: str, signer: Signer | None) -> None:
        self.scheme = scheme
        self.host = host
        self.origin = f"{scheme}://{host}"
        self.signer = signer


class S3Client:
    """One bucket, perhaps below a prefix. Implements `obstore_c._client.provider.Client`."""

    names = NAMES
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
    parts_at_most = 10_000
    part_bytes_at_most = 5 << 30

    def __init__(
        self,
        options: S3Options,
        prefix: str,
        source: CredentialSource | None,
        profile: Profile,
        retry: RetryPolicy,
    ) -> None:
        """Connect nothing yet.

        Args:
            options: the bucket, where it is and what its requests carry.
            prefix: what comes before every path: "" or "a/b/".
            source: where credentials come from; None for requests that are not signed.
            profile: libcurl's options.
            retry: how failures are repeated.
        """
        self.profile = profile
        self.retry = retry
        self.throttle = Throttle()
        self.delete_at_once = 1 if options.flag("disable_bulk_delete") else _KEYS_PER_DELETE
        self.empty_path_allowed = bool(prefix)
        self.stale_at = _FOREVER if source is None else 0.0
        self._options = options
        self._prefix = prefix
        self._source = source
        self._credential: Credential | None = None
        if source is not None and options.flag("s3_express"):
            raise NotSupportedError("s3_express is not supported yet: it needs sessions to sign with")
        self._refreshing_in = 0
        self._region_found = False
        self._go_to(options.region)
        self._bucket_path = options.endpoint()[2]
        self._bucket_base = self._bucket_path.rstrip("/") + "/"
        self._key_base = self._bucket_base + quote_path(prefix)
        self._prepare_headers(options)

    def _prepare_headers(self, options: S3Options) -> None:
        encryption = options.encryption
        payer = [("x-amz-request-payer", "requester")] if options.flag("request_payer") else []
        self._defaults = frozenset(options.client.default_headers)
        self._headers: Headers = [*options.client.default_headers, *payer]
        self._read_headers: Headers = self._headers + encryption.key_headers
        self._write_headers: Headers = self._read_headers + encryption.write_headers
        self._copy_headers: Headers = self._write_headers + encryption.copy_source_headers
        self._content_type = options.client.default_content_type
        self._unsigned = options.flag("unsigned_payload") or self._source is None
        self._checksum = options.text("checksum_algorithm")
        if self._checksum not in (None, "SHA256"):
            raise NotSupportedError(f"checksum_algorithm {self._checksum!r} is not supported yet; SHA256 is")
        self.needs_digest = self._checksum is not None or not self._unsigned

    # --- where and who ------------------------------------------------------------------------------------

    def _go_to(self, region: str) -> None:
        scheme, host, _ = self._options.endpoint(region)
        self._region = region
        self._route = Route(scheme, host, self._new_signer())
        self.where = f"bucket {self._options.bucket!r} at {self._route.origin}"

    def _use(self, credential: Credential) -> None:
        self._credential = credential
        self._route = Route(self._route.scheme, self._route.host, self._new_signer())
        self.stale_at = credential.stale_at

    def _new_signer(self) -> Signer | None:
        found = self._credential
        if found is None:
            return None
        return Signer(found.access_key_id, found.secret_access_key, found.token, self._region)

    async def refresh(self, io: IO) -> None:
        """Fetch a credential if there is none or it is stale; one caller fetches, the others wait for it."""
        while self.stale_at < time.time():
            if self._refreshing_in == os.getpid():
                # Polling, because the one who fetches may belong to another thread or event loop.
                await io.sleep(0.005)
                continue
            assert self._source is not None
            self._refreshing_in = os.getpid()  # a fork may leave it set in a child where nobody fetches
            try:
                self._use(await self._source.fetch(io))
            finally:
                self._refreshing_in = 0
            return

    def forget_credential(self) -> bool:
        """Have the credential renewed before the next attempt, if it can be."""
        if self._source is None or not self._source.renewable:
            return False
        self.stale_at = 0.0
        return True

    def follow(self, failure: Failure) -> bool:
        """Go to the region that an answer names, and remember it."""
        region = failure.region
        if not region:
            return False
        if region != self._region:
            self._go_to(region)
            self._region_found = True
        # Requests that were on their way when another one found the region have to be repeated as well.
        return self._region_found

    def sign(self, request: Request, delay: float = 0.0) -> tuple[bytes, bytes]:
        """URL and header lines of an attempt that starts in `delay` seconds."""
        query = request.query
        route = self._route
        url = f"{route.origin}{request.path}?{query}" if query else route.origin + request.path
        headers = self._without_outranked(request.headers) if self._defaults else request.headers
        signer = route.signer
        if signer is None:
            return url.encode(), "\n".join([f"{name}: {value}" for name, value in headers]).encode(
                "utf-8", "surrogateescape"
            )
        now = time.time() + delay if delay else None
        return url.encode(), signer.sign(
            request.method, route.host, request.path, query, headers, request.payload_hash, now
        )

    def _without_outranked(self, headers: Headers) -> Headers:
        """A default header is for requests that have none of that name."""
        defaults = self._defaults
        own = {name.lower() for name, value in headers if (name, value) not in defaults}
        return [pair for pair in headers if pair not in defaults or pair[0] not in own]

    def presign(self, method: str, path: str, expires_in: int) -> str:
        """A URL that is its own permission."""
        route = self._route
        if route.signer is None:
            raise UnauthenticatedError("a URL cannot be signed without credentials")
        query = [("x-amz-request-payer", "requester")] if self._options.flag("request_payer") else []
        return route.signer.presign(method, route.scheme, route.host, self._path(path), query, [], expires_in)

    def _key(self, path: str) -> str:
        """The key of a path. The empty path is the prefix itself, without the slash."""
        if path:
            return self._prefix + path
        if not self._prefix:
            raise ValueError("path is empty; an object needs a name")  # this would address the bucket
        return self._prefix[:-1]

    def _path(self, path: str) -> str:
        return self._key_base + quote_path(path) if path else self._bucket_base + quote_path(self._key(path))

    # --- objects ------------------------------------------------------------------------------------------

    def get(self, path: str, options: Any) -> Request:
        """GetObject or, with the option `head`, HeadObject."""
        if not options:
            return Request("get", path, "GET", self._path(path), "", self._read_headers)
        method = "HEAD" if options.get("head") else "GET"
        version = options.get("version")
        query = "" if version is None else "versionId=" + quote(version)
        headers = self._read_headers + condition_headers(options)
        return Request(method.lower(), path, method, self._path(path), query, headers)

    def put(self, path: str, body: Buffer, digest: str, options: PutOptions) -> Request:
        """PutObject."""
        headers = self._object_headers(options)
        if self._checksum is not None:
            headers = [*headers, ("x-amz-checksum-sha256", uploads.checksum(digest))]
        if self._unsigned:
            digest = UNSIGNED_PAYLOAD
        if options.mode is None:
            return Request("put", path, "PUT", self._path(path), "", headers, body, digest)
        verb, condition = self._condition(options.mode)
        headers = [*headers, condition]
        return Request(verb, path, "PUT", self._path(path), "", headers, body, digest, idempotent=False)

    def _object_headers(self, options: PutOptions) -> Headers:
        """What is stored with a new object, and how."""
        headers = self._write_headers
        if options.attributes:
            headers = headers + attribute_headers(options.attributes, NAMES)
        if self._content_type and not any(name == "Content-Type" for name, _ in headers):
            headers = [*headers, ("Content-Type", self._content_type)]
        if options.tags and not self._options.flag("disable_tagging"):
            headers = [*headers, (NAMES.tagging, encode_tags(options.tags))]
        return headers

    def _condition(self, mode: Any) -> tuple[str, tuple[str, str]]:
        """The verb for messages, and the header, of a conditional put."""
        if self._options.text("conditional_put") == "disabled":
            raise NotSupportedError("conditional_put='disabled': this store can only overwrite")
        if mode == "create":
            return "create", ("If-None-Match", "*")
        if not mode.get("e_tag"):
            raise GenericError("a conditional put needs the e_tag of the version that it replaces")
        return "update", ("If-Match", check_value(mode["e_tag"], "e_tag"))

    def delete(self, path: str) -> Request:
        """DeleteObject. A missing object is no error."""
        return Request("delete", path, "DELETE", self._path(path), "", self._headers)

    def can_delete_many(self, path: str) -> bool:
        """Control characters cannot be written in XML 1.0, not even as references."""
        return xml.representable(path)

    def delete_many(self, paths: list[str]) -> Request:
        """DeleteObjects, of at most 1,000 keys."""
        from hashlib import md5  # late: loading libcrypto takes milliseconds

        keys = "".join([f"<Object><Key>{xml.escape(self._key(path))}</Key></Object>" for path in paths])
        body = f'<Delete xmlns="{_NAMESPACE}"><Quiet>true</Quiet>{keys}</Delete>'.encode()
        headers = [
            *self._headers,
            ("Content-Type", "application/xml"),
            ("Content-MD5", b64encode(md5(body, usedforsecurity=False).digest()).decode()),
        ]
        digest = UNSIGNED_PAYLOAD if self._unsigned else payload_sha256(body)
        return Request(
            "delete", paths[0], "POST", self._bucket_path, "delete=", headers, body, digest, inspect=True
        )

    def deleted(self, response: Response) -> list[tuple[str, str, str]]:
        """The keys that DeleteObjects left, with code and message."""
        body = bytes(response.body)
        if b"Error>" not in body:  # the end of the tag, whatever namespace or attributes its start has
            return []
        cut = len(self._prefix)
        errors = xml.parse(body).all("Error")
        found = [(error.value("Key")[cut:], error.value("Code"), error.value("Message")) for error in errors]
        return [each for each in found if each[1] != "NoSuchKey"]

    def copy(self, from_: str, to: str, overwrite: bool) -> Request:
        """CopyObject."""
        source = f"{quote(self._options.bucket)}/{quote_path(self._key(from_))}"
        headers = [*self._copy_headers, ("x-amz-copy-source", source)]
        if overwrite:
            return Request("copy", (from_, to), "PUT", self._path(to), "", headers, inspect=True)
        how = self._options.copy_if_not_exists
        if not isinstance(how, tuple):
            raise NotSupportedError(
                "S3 cannot copy without overwriting unless copy_if_not_exists says how, "
                "for example copy_if_not_exists='header:if-none-match:*'"
            )
        name, value, status = how
        headers.append((name, value))
        verb = f"copy_if_not_exists {status}"
        return Request(verb, (from_, to), "PUT", self._path(to), "", headers, idempotent=False, inspect=True)

    # --- uploads in parts ---------------------------------------------------------------------------------

    def create_upload(self, path: str, options: PutOptions) -> Request:
        """CreateMultipartUpload. The condition of a put is checked here and sent at the end."""
        if options.mode is not None:
            self._condition(options.mode)
        headers = self._object_headers(options)
        if self._checksum is not None:
            headers = [*headers, ("x-amz-checksum-algorithm", self._checksum)]
        return Request("put", path, "POST", self._path(path), "uploads=", headers, inspect=True)

    def upload_id(self, response: Response) -> str:
        """What CreateMultipartUpload calls the upload; "" if it does not say."""
        return uploads.value_in(response, "UploadId")

    def upload_part(self, path: str, upload_id: str, number: int, body: Buffer, digest: str) -> Request:
        """UploadPart."""
        headers = self._read_headers
        if self._checksum is not None:
            headers = [*headers, ("x-amz-checksum-sha256", uploads.checksum(digest))]
        query = f"partNumber={number}&uploadId={quote(upload_id)}"
        payload_hash = UNSIGNED_PAYLOAD if self._unsigned else digest
        return Request("put", path, "PUT", self._path(path), query, headers, body, payload_hash)

    def complete_upload(
        self, path: str, upload_id: str, parts: list[uploads.Part], options: PutOptions
    ) -> Request:
        """CompleteMultipartUpload. It can answer 200 with an error inside."""
        verb, headers = "put", [*self._read_headers, ("Content-Type", "application/xml")]
        if options.mode is not None:
            verb, condition = self._condition(options.mode)
            headers.append(condition)
        body = uploads.complete_body(parts, with_checksums=self._checksum is not None)
        digest = UNSIGNED_PAYLOAD if self._unsigned else payload_sha256(body)
        query, once = f"uploadId={quote(upload_id)}", options.mode is not None
        return Request(verb, path, "POST", self._path(path), query, headers, body, digest, not once, True)

    def completed(self, response: Response) -> PutResult:
        """The e_tag and version of an object that was put together."""
        e_tag = uploads.value_in(response, "ETag") or response.header("ETag")
        return {"e_tag": e_tag, "version": response.header(NAMES.version)}

    def composed_etag(self, parts: list[uploads.Part]) -> str | None:
        """The e_tag that an object put together from these parts has, None if that cannot be known."""
        return uploads.composed_etag(parts)

    def abort_upload(self, path: str, upload_id: str) -> Request:
        """AbortMultipartUpload. Its parts are deleted."""
        query = f"uploadId={quote(upload_id)}"
        return Request("put", path, "DELETE", self._path(path), query, self._headers)

    def upload_is_gone(self, failure: Failure) -> bool:
        """Whether the answer says that there is no such upload (any more)."""
        return failure.code == "NoSuchUpload"

    # --- listings -----------------------------------------------------------------------------------------

    def list(self, prefix: str, delimiter: str, after: str | None, token: str | None) -> Request:
        """ListObjectsV2. Keys come URL-encoded, because XML cannot carry all of them."""
        query = [("encoding-type", "url"), ("list-type", "2")]
        if full_prefix := self._prefix + prefix:
            query.append(("prefix", full_prefix))
        if delimiter:
            query.append(("delimiter", delimiter))
        if token is not None:
            query.append(("continuation-token", token))
        elif after is not None:
            query.append(("start-after", self._prefix + after))
        return Request("list", prefix, "GET", self._bucket_path, canonical_query(query), self._headers)

    def next_token(self, response: Response) -> str | None:
        """What is probably the token of the next page, found quickly; None if it is not known yet."""
        return xml.next_token(response.body)

    def listed(self, response: Response, columns: Columns) -> xml.ListPage:
        """Add the objects of a page to `columns`: all or, with an exception, none."""
        return xml.parse_list(response.body, columns, self._prefix)

    # --- errors -------------------------------------------------------------------------------------------

    def failure(self, request: Request, response: Response) -> Failure:
        """What is wrong with an answer. Copies and deletes can answer 200 with an error inside."""
        status = response.status
        error = None
        if not response.curl_code and (status >= 300 or request.inspect):
            error = _parse_error(response)
        code = error.value("Code") if error is not None else ""
        return Failure(
            status,
            code,
            error.value("Message") if error is not None else "",
            region=_region_in(request, response, code, error),
            curl_code=response.curl_code,
            curl_message=response.curl_message,
            retry_after=retry_after(response),
            retry_safe=response.retry_safe,
            received=response.received,
        )


def encode_tags(tags: dict[str, str]) -> str:
    """Tags as a query string. A blank is `%20`: not every server takes a plus sign for one."""
    return "&".join([f"{quote(key)}={quote(value)}" for key, value in tags.items()])


def _parse_error(response: Response) -> xml.Element | None:
    """The `<Error>` that is the answer's body, None if it is something else."""
    body = bytes(response.body)
    if b"<Error" not in body:
        return None
    try:
        root = xml.parse(body)
    except xml.XMLError:
        return None
    return root if root.name == "Error" else None


def _region_in(request: Request, response: Response, code: str, error: xml.Element | None) -> str:
    """The region that an answer sends us to, "" if it does not."""
    if code:
        if code not in _WRONG_REGION:
            return ""
    elif response.status not in _WRONG_REGION_HEAD:
        return ""
    region = response.header("x-amz-bucket-region") or ""
    if not region and error is not None:
        region = error.value("Region")
        if not region and (match := _REGION_IN_HOST.search(error.value("Endpoint"))):
            region = match[1]
    # It becomes part of a host name and of what is signed.
    return region if _REGION.fullmatch(region) else ""
