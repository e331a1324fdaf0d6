"""list and list_with_delimiter of every store that speaks HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from obstore_c._backend import common_prefix, segment_prefix
from obstore_c._client.errors import wrong_answer
from obstore_c._ops.retry import begin, is_good, recover

if TYPE_CHECKING:
    import builtins

    from obstore_c._backend import Listing
    from obstore_c._client.provider import Client
    from obstore_c._client.request import Request
    from obstore_c._client.xml import ListPage
    from obstore_c._ops.io import IO, Transfer


class Pager:
    """A listing, page by page. The next page is on its way while the caller works on this one."""

    __slots__ = ("_after", "_client", "_delimiter", "_io", "_prefix", "_request", "_token", "_transfer")

    def __init__(self, client: Client, prefix: str | None, after: str | None, delimiter: str = "") -> None:
        self._client = client
        self._prefix = segment_prefix(prefix)
        self._after = after
        self._delimiter = delimiter
        self._token: str | None = ""  # "": before the first page; None: after the last one
        self._request: Request | None = None
        self._transfer: Transfer | None = None
        self._io: IO | None = None

    async def next_page(self, io: IO) -> builtins.list[Any] | None:
        """The objects of the next page, None after the last one. A page may be empty."""
        page = await self.next(io)
        return None if page is None else page.objects

    async def next(self, io: IO) -> ListPage | None:
        """The next page as the provider gave it."""
        if self._token is None:
            return None
        client = self._client
        if client.stale_at < time.time():
            await client.refresh(io)
        if self._transfer is None:
            self._begin(io)
        elif self._io is not io:
            self._transfer.attach(io)  # the listing goes on in another thread or event loop
        assert self._transfer is not None
        assert self._request is not None
        transfer, request = self._transfer, self._request
        self._transfer = None  # whatever happens now, this transfer is used up
        response = await transfer
        if not is_good(request, response, client):
            _, response = await recover(io, client, request, transfer, response)
        page = client.listed(response)
        if page.token is not None and page.token == self._token:
            raise wrong_answer(request, client.where, "the server sent the same page again")
        self._token = page.token
        if page.token is not None:
            self._begin(io, background=True)
        return page

    def _begin(self, io: IO, background: bool = False) -> None:
        self._request = self._client.list(self._prefix, self._delimiter, self._after, self._token or None)
        self._transfer = begin(io, self._client, self._request, background=background)
        self._io = io

    def __del__(self) -> None:
        transfer = getattr(self, "_transfer", None)
        if transfer is not None:
            transfer.cancel()


async def list_with_delimiter(io: IO, client: Client, prefix: str | None) -> Listing:
    """One level of a listing, all its pages."""
    pager = Pager(client, prefix, None, "/")
    prefixes: builtins.list[str] = []
    objects: builtins.list[Any] = []
    while (page := await pager.next(io)) is not None:
        prefixes += [common_prefix(directory) for directory in page.prefixes]
        objects += page.objects
    return prefixes, objects
