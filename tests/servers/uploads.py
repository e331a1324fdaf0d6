"""A bucket in memory that knows uploads in parts, to be scripted into the fault server:

    bucket = Bucket()
    fault_server.script(bucket)
    bucket.fail("part 2", error(503, "SlowDown"), reset())     # the next two times, then it works
    ...
    assert bucket.objects["/data/k"].data == data
    assert not bucket.uploads

It is strict where S3 is: parts of uploads that are no more, parts that were never uploaded or have another
e_tag are refused.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from servers.faults import Reply, Request, error, ok

if TYPE_CHECKING:
    from collections.abc import Mapping

Fault = Reply | Callable[[Request], Reply | None]


@dataclass
class Stored:
    """An object, or an upload that is to become one."""

    e_tag: str = ""
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the request that created it, names in lower case."""
    parts: dict[int, bytes] = field(default_factory=dict)


class Bucket:
    """Answers requests as S3 does, but for the faults that a test asks for."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, Stored] = {}
        self.seen: list[str] = []
        """The steps that were asked for: "create", "part 1", "complete", "abort", "put", "head"."""
        self.requests: dict[str, Request] = {}
        """The last request for each step."""
        self.echo_checksums = False
        """Answer a part with the checksum that came with it, as S3 does."""
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._created = 0

    def fail(self, step: str, *faults: Fault) -> None:
        """Answer a step with these faults first. A callable may return None to let it work."""
        self._faults[step].extend(faults)

    def __call__(self, request: Request) -> Reply:
        step = _step(request)
        with self._lock:
            self.seen.append(step)
            self.requests[step] = request
            fault = self._faults[step].popleft() if self._faults[step] else None
        if callable(fault):
            fault = fault(request)
        if fault is not None:
            return fault
        with self._lock:
            return getattr(self, "_" + step.partition(" ")[0])(request)

    def complete_before_failing(self, request: Request) -> Reply:
        """A fault: the object is there, but the client does not hear of it."""
        with self._lock:
            self._complete(request)
        return Reply(raw=b"", end="reset")

    def _put(self, request: Request) -> Reply:
        if (refused := self._refused(request)) is not None:
            return refused
        e_tag = f'"{hashlib.md5(request.body).hexdigest()}"'
        self.objects[request.path] = Stored(e_tag, request.body, _headers(request))
        return ok(etag=e_tag)

    def _head(self, request: Request) -> Reply:
        found = self.objects.get(request.path)
        if found is None:
            return Reply(404)
        return ok(found.data, etag=found.e_tag, last_modified="Fri, 01 Mar 2024 00:00:00 GMT")

    def _create(self, request: Request) -> Reply:
        self._created += 1
        upload_id = f"{self._created}/+="
        self.uploads[upload_id] = Stored(headers=_headers(request))
        return ok(
            f"<InitiateMultipartUploadResult><UploadId>{upload_id}</UploadId>"
            "</InitiateMultipartUploadResult>".encode()
        )

    def _part(self, request: Request) -> Reply:
        upload = self.uploads.get(_query(request, "uploadId"))
        if upload is None:
            return error(404, "NoSuchUpload", "The specified upload does not exist.")
        upload.parts[int(_query(request, "partNumber"))] = request.body
        headers = {"etag": f'"{hashlib.md5(request.body).hexdigest()}"'}
        checksum = request.header("x-amz-checksum-sha256")
        if self.echo_checksums and checksum:
            headers["x-amz-checksum-sha256"] = checksum
        return Reply(headers=headers)

    def _complete(self, request: Request) -> Reply:
        upload = self.uploads.get(_query(request, "uploadId"))
        if upload is None:
            return error(404, "NoSuchUpload", "The specified upload does not exist.")
        if (refused := self._refused(request)) is not None:
            return refused
        listed = re.findall(
            r"<Part><ETag>(.*?)</ETag><PartNumber>(\d+)</PartNumber>.*?</Part>", request.body.decode()
        )
        sums = []
        for position, (e_tag, number) in enumerate(listed, 1):
            digest = hashlib.md5(upload.parts.get(int(number), b"?"))
            if int(number) != position or e_tag != f'"{digest.hexdigest()}"':
                return error(400, "InvalidPart")
            sums.append(digest.digest())
        if not sums:
            return error(400, "MalformedXML")
        stored = self.uploads.pop(_query(request, "uploadId"))
        stored.data = b"".join(stored.parts[number] for number in range(1, len(sums) + 1))
        stored.e_tag = f'"{hashlib.md5(b"".join(sums)).hexdigest()}-{len(sums)}"'
        self.objects[request.path] = stored
        return ok(
            f"<CompleteMultipartUploadResult><ETag>{stored.e_tag}</ETag></CompleteMultipartUploadResult>".encode()
        )

    def _abort(self, request: Request) -> Reply:
        if self.uploads.pop(_query(request, "uploadId"), None) is None:
            return error(404, "NoSuchUpload", "The specified upload does not exist.")
        return Reply(204)

    def _refused(self, request: Request) -> Reply | None:
        found = self.objects.get(request.path)
        expected = request.header("if-match")
        if (request.header("if-none-match") == "*" and found is not None) or (
            expected is not None and (found is None or found.e_tag != expected)
        ):
            return error(412, "PreconditionFailed", "At least one of the pre-conditions did not hold")
        return None


def _headers(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers}


def _query(request: Request, name: str) -> str:
    return parse_qs(request.query, keep_blank_values=True)[name][0]


def _step(request: Request) -> str:
    query = parse_qs(request.query, keep_blank_values=True)
    if request.method == "POST":
        return "create" if "uploads" in query else "complete"
    if "partNumber" in query:
        return f"part {query['partNumber'][0]}"
    if request.method == "DELETE":
        return "abort" if "uploadId" in query else "delete"
    return request.method.lower()
