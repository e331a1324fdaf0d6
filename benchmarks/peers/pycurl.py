"""pycurl, raw: libcurl under Python's callbacks, nothing signed, no retries."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Any

from benchmarks.peers.base import Peer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.server.endpoint import Endpoint


class Adapter(Peer):
    """Easy handles that are used again: one for each thread, or a pool beside an AsyncCurlMulti."""

    module = distribution = "pycurl"
    store_options = ("unsigned_payload",)

    def __init__(self, endpoint: Endpoint, options: Mapping[str, Any]) -> None:
        super().__init__(endpoint, options)
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

    def _aim(self, handle: Any, key: str, where: str | None = None) -> io.BytesIO:
        import pycurl

        body = io.BytesIO()
        handle.setopt(pycurl.URL, self.endpoint.address(key))
        handle.setopt(pycurl.WRITEDATA, body)
        if where:
            handle.setopt(pycurl.RANGE, where)
        return body

    def get(self, key: str) -> Any:
        if not hasattr(self.mine, "handle"):
            self.mine.handle = self._handle()
        body = self._aim(self.mine.handle, key)
        self.mine.handle.perform()
        return body.getbuffer()

    async def aget(self, key: str) -> Any:
        return await self._perform(key)

    async def aget_range(self, key: str, start: int, length: int) -> Any:
        return await self._perform(key, f"{start}-{start + length - 1}")

    async def _perform(self, key: str, where: str | None = None) -> Any:
        handle = self.idle.pop() if self.idle else self._handle()
        body = self._aim(handle, key, where)
        await self.multi.perform(handle)
        self.idle.append(handle)
        return body.getbuffer()
