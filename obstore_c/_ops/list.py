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
    from obstore_c._lib.columns import Columns
    from obstore_c._ops.io import IO, Response, Transfer


class Pager:
    """A listing, page by page.

    The next page is asked for before this one is read, so it is on its way while the caller reads and uses
    this one.
    """

    __slots__ = (
        "_after",
        "_client",
        "_columns",
        "_delimiter",
        "_io",
        "_prefix",
        "_request",
        "_token",
        "_transfer",
    )

    def __init__(self, client: Client, prefix: str | None, after: str | None, delimiter: str = "") -> None:
        self._client = client
        self._prefix = segment_prefix(prefix)
        self._after = after
        self._delimiter = delimiter
        self._token: str | None = ""  # of the page to read; "": the first one; None: there is none left
        self._request: Request | None = None  # for that page, if it was sent already, as `_transfer`
        self._transfer: Transfer | None = None
        self._io: IO | None = None
        self._columns: Columns | None = None

    async def next_page(self, io: IO) -> builtins.list[Any] | None:
        """The objects of the next page, None after the last one. A page may be empty."""
        if self._columns is None:
            self._columns = new_columns()
        page = await self.next(io, self._columns)
        return None if page is None else self._columns.take_dicts()

    async def next_into(self, io: IO, columns: Columns) -> bool:
        """Add the objects of the next page to `columns`; False after the last one."""
        return await self.next(io, columns) is not None

    async def next(self, io: IO, columns: Columns) -> ListPage | None:
        """Read the next page: its objects go to `columns`, the rest is returned."""
        if self._token is None:
            return None
        client = self._client
        if client.stale_at < time.time():
            await client.refresh(io)
        if self._transfer is None:
            self._begin(io, self._token)
        elif self._io is not io:
            self._transfer.attach(io)  # the listing goes on in another thread or event loop
        assert self._transfer is not None
        assert self._request is not None
        transfer, request = self._transfer, self._request
        self._transfer = None  # whatever happens now, this transfer is used up
        response = await transfer
        if not is_good(request, response, client):
            _, response = await recover(io, client, request, transfer, response)
        return self._read(io, request, response, columns)

    def _read(self, io: IO, request: Request, response: Response, columns: Columns) -> ListPage:
        """Ask for the page after this one, and read this one."""
        guess = self._client.next_token(response)
        if guess is not None:
            self._begin(io, guess, background=True)
        try:
            page = self._client.listed(response, columns)
            if page.token is not None and page.token == self._token:
                raise wrong_answer(request, self._client.where, "the server sent the same page again")
        except BaseException:
            self._drop()
            raise
        if page.token != guess:
            self._drop()
            if page.token is not None:
                self._begin(io, page.token, background=True)
        self._token = page.token
        return page

    def _begin(self, io: IO, token: str, background: bool = False) -> None:
        self._request = self._client.list(self._prefix, self._delimiter, self._after, token or None)
        self._transfer = begin(io, self._client, self._request, background=background)
        self._io = io

    def _drop(self) -> None:
        if self._transfer is not None:
            self._transfer.cancel()
            self._transfer = None

    def __del__(self) -> None:
        if hasattr(self, "_transfer"):
            self._drop()


def new_columns(after: str | None = None) -> Columns:
    """Columns for the objects of a listing; paths up to `after` are left out."""
    from obstore_c._lib.columns import Columns  # late: not every program lists

    return Columns(after)


async def list_with_delimiter(io: IO, client: Client, prefix: str | None) -> Listing:
    """One level of a listing, all its pages."""
    pager = Pager(client, prefix, None, "/")
    prefixes: builtins.list[str] = []
    columns = new_columns()
    while (page := await pager.next(io, columns)) is not None:
        prefixes += [common_prefix(directory) for directory in page.prefixes]
    return prefixes, columns.take_dicts()
