"""The floor: a bare C libcurl loop, bodies dropped, nothing signed. No client, but what one could reach."""

from __future__ import annotations

import ctypes
import os
from array import array
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from benchmarks.cases import MIB
from benchmarks.compiled import NoCompilerError, compiled
from benchmarks.meter import Meter, Timing
from benchmarks.peers.base import KEYS_AT_ONCE, RANGES_IN_FLIGHT, NotMeasuredError, Peer
from benchmarks.server.objects import LIST_PREFIX, PAGE, key_of, listed_key, put_key_of
from benchmarks.work import RANGE, WrongResultError, random_starts

if TYPE_CHECKING:
    from benchmarks.cases import Case

SOURCE = Path(__file__).with_suffix(".c")
SPLIT = 16 * MIB
"""Size of the parts in which one object goes over many connections."""


class _Job(ctypes.Structure):
    """`struct job` of limit.c. ctypes keeps alive what it points to."""

    _fields_ = (
        ("library", ctypes.c_char_p),
        ("urls", ctypes.POINTER(ctypes.c_char_p)),
        ("ranges", ctypes.POINTER(ctypes.c_char_p)),
        ("ca_file", ctypes.c_char_p),
        ("body", ctypes.c_char_p),
        ("method", ctypes.c_char_p),
        ("body_size", ctypes.c_int64),
        ("expected", ctypes.c_int64),
        ("batch", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("in_flight", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("head", ctypes.c_int64),
        ("seconds", ctypes.c_double),
        ("latencies", ctypes.POINTER(ctypes.c_double)),
        ("latency_room", ctypes.c_int64),
        ("calls", ctypes.c_int64),
        ("error", ctypes.c_char * 256),
    )


class Adapter(Peer):
    """libcurl as pycurl ships it, driven by `limit.c`."""

    distribution = "pycurl"
    store_options = ("unsigned_payload",)
    not_served: ClassVar = {"build": "no library", "import": "no library"}

    @classmethod
    def version(cls) -> str:
        """Version of pycurl, which tells that of libcurl."""
        return f"(libcurl of pycurl {super().version()})"

    def drive(self, case: Case, seconds: float) -> Timing | None:
        """Run the case in C: once to warm up, once measured."""
        if case.pause:
            raise NotMeasuredError("nobody reads")
        job = self._job(case, seconds)
        try:
            library = ctypes.CDLL(str(compiled(SOURCE, "-shared", "-fPIC", "-pthread")))
        except NoCompilerError as reason:
            raise NotMeasuredError(str(reason)) from None
        job.seconds = min(0.3, seconds)
        _run(library, job)
        job.seconds = seconds
        with Meter(case.computing) as meter:
            _run(library, job)
        return meter, array("d", job.latencies[: min(job.calls, job.latency_room)])

    def _job(self, case: Case, seconds: float) -> _Job:
        urls, ranges = self._targets(case)
        loop = case.how == "async" or case.in_flight == 1
        spread = bool(ranges) or case.verb == "delete" or case.server == "limited-put"
        job = _Job(
            library=os.fsencode(_libcurl()),
            urls=_strings(urls),
            ranges=_strings(ranges) if ranges else None,
            ca_file=os.fsencode(self.endpoint.ca_file) if self.endpoint.ca_file else None,
            expected=case.size if case.verb in ("get", "into", "stream") and not ranges else -1,
            batch=len(urls) if spread or case.unit == "key" else 1,
            count=len(urls),
            in_flight=min(RANGES_IN_FLIGHT, len(urls)) if spread else case.in_flight,
            threads=0 if loop else case.in_flight,
            head=case.verb == "head",
            latency_room=1000 + int(300_000 * seconds),
        )
        job.latencies = (ctypes.c_double * job.latency_room)()
        if case.verb == "put":
            job.body = self.endpoint.file(key_of(case.size, 0)).read_bytes()
            job.body_size = min(case.size, SPLIT) if spread else case.size
        if case.verb == "delete":
            objects = "".join(f"<Object><Key>{listed_key(n)}</Key></Object>" for n in range(KEYS_AT_ONCE))
            job.body = f"<Delete><Quiet>true</Quiet>{objects}</Delete>".encode()
            job.body_size, job.method = len(job.body), b"POST"
        return job

    def _targets(self, case: Case) -> tuple[list[str], list[str]]:
        """URLs, and the ranges of each where one object is read in parts."""
        address = self.endpoint.address
        if case.verb in ("get", "into", "stream", "head", "ranges"):
            urls = [address(key_of(case.size, n)) for n in range(case.objects)]
            if case.verb == "ranges":
                return urls * case.parts, [f"{start}-{start + RANGE - 1}" for start in random_starts(case)]
            if case.server == "limited":
                starts = range(0, case.size, SPLIT)
                return urls * len(starts), [f"{start}-{start + SPLIT - 1}" for start in starts]
            return urls, []
        if case.verb == "put":
            urls = [address(put_key_of(case.size, n)) for n in range(case.objects)]
            if case.server == "limited-put":
                urls = [f"{urls[0]}?partNumber={n + 1}&uploadId=1" for n in range(-(-case.size // SPLIT))]
            return urls, []
        if case.verb == "delete":
            return [address("").rstrip("/") + "?delete"] * (case.parts // KEYS_AT_ONCE), []
        if case.unit == "key":
            query = f"?list-type=2&prefix={LIST_PREFIX}%2F"
            pages = range(-(-case.parts // PAGE))
            token = ["" if page == 0 else f"&continuation-token={page}" for page in pages]
            return [address("").rstrip("/") + query + token[page] for page in pages], []
        raise NotMeasuredError("not a transfer")


def _run(library: ctypes.CDLL, job: _Job) -> None:
    if library.limit_run(ctypes.byref(job)):
        raise WrongResultError(job.error.decode())


def _strings(texts: list[str]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * len(texts))(*(text.encode() for text in texts))


def _libcurl() -> str:
    """A library through which libcurl's functions can be found: pycurl's extension module."""
    spec = find_spec("pycurl")
    if spec is None or spec.origin is None:
        raise NotMeasuredError("pycurl, whose libcurl it measures, is not installed")
    folder = Path(spec.origin).parent
    found = [path for path in folder.glob("*pycurl*.so") if path.is_file()]
    return str(found[0]) if found else spec.origin
