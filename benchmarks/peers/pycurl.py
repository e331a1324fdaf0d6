"""pycurl, raw: libcurl under Python's callbacks, nothing signed, no retries."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.peers.base import NO_BUFFER, Peer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.cases import Case
    from benchmarks.server.endpoint import Endpoint


class Adapter(Peer):
    """Easy handles that are used again: one for each thread, or a pool beside an AsyncCurlMulti.

    A handle does one kind of thing only, so that nothing has to be set back.
    """

    module = distribution = "pycurl"
    store_options = ("unsigned_payload",)
    not_served: ClassVar = {
        "build": "builds nothing but handles",
        "into": NO_BUFFER,
        "stream": "gives chunks to callbacks, to no iterator",
        "list": "raw HTTP: no listings",
        "listarrow": "raw HTTP: no listings",
        "delete": "raw HTTP: no DeleteObjects",
    }

    def __init__(self, endpoint: Endpoint, case: Case) -> None:
        super().__init__(endpoint, case)
        self.mine = threading.local()
        self.idle: list[Any] = []

    async def aopen(self) -> None:
        import pycurl

        self.multi = pycurl.AsyncCurlMulti()
        self.multi.setopt(pycurl.M_MAXCONNECTS, 1024)

    async def aclose(self) -> None:
        await self.multi.aclose()

    def _handle(self) -> Any:
        import pycurl

        handle = pycurl.Curl()
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.FAILONERROR, 1)
        if self.endpoint.ca_file:
            handle.setopt(pycurl.CAINFO, self.endpoint.ca_file)
        return handle

    def _aim(self, handle: Any, key: str) -> io.BytesIO:
        import pycurl

        body = io.BytesIO()
        handle.setopt(pycurl.URL, self.endpoint.address(key))
        handle.setopt(pycurl.WRITEDATA, body)
        return body

    def get(self, key: str) -> Any:
        if not hasattr(self.mine, "handle"):
            self.mine.handle = self._handle()
        body = self._aim(self.mine.handle, key)
        self.mine.handle.perform()
        return body.getbuffer()

    async def aget(self, key: str) -> Any:
        _, body = await self._perform(key)
        return body.getbuffer()

    async def aget_range(self, key: str, start: int, length: int) -> Any:
        import pycurl

        _, body = await self._perform(key, {pycurl.RANGE: f"{start}-{start + length - 1}"})
        return body.getbuffer()

    async def ahead(self, key: str) -> int:
        import pycurl

        size, _ = await self._perform(key, {pycurl.NOBODY: 1})
        return size

    async def aput(self, key: str, body: bytes) -> object:
        import pycurl

        options = {
            pycurl.UPLOAD: 1,
            pycurl.UPLOAD_BUFFERSIZE: 512 * 1024,
            pycurl.HTTPHEADER: ["Expect:"],
            pycurl.INFILESIZE_LARGE: len(body),
            pycurl.READDATA: io.BytesIO(body),
        }
        return await self._perform(key, options)

    async def _perform(self, key: str, options: Mapping[int, Any] | None = None) -> tuple[int, io.BytesIO]:
        """One request: the Content-Length it was answered with, and the body."""
        import pycurl

        handle = self.idle.pop() if self.idle else self._handle()
        body = self._aim(handle, key)
        for option, value in (options or {}).items():
            handle.setopt(option, value)
        await self.multi.perform(handle)
        size = int(handle.getinfo(pycurl.CONTENT_LENGTH_DOWNLOAD))
        self.idle.append(handle)
        return size, body
