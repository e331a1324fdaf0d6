"""What a provider supplies: requests from arguments, results from answers. Types only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import builtins

    from obstore_c._backend import PutOptions
    from obstore_c._client.errors import Failure
    from obstore_c._client.headers import HeaderNames
    from obstore_c._client.request import Request
    from obstore_c._client.retry_config import RetryPolicy
    from obstore_c._client.xml import ListPage
    from obstore_c._lib.columns import Columns
    from obstore_c._ops.io import IO, Buffer, Response
    from obstore_c._ops.retry import Throttle
    from obstore_c._put import PutResult

    Part = tuple[str, str]
    """The e_tag of a part that was uploaded, and its SHA-256 in hex, or `UNSIGNED_PAYLOAD`."""


class Client(Protocol):
    """One store of one provider. Nothing here waits except `refresh`."""

    profile: Any
    """libcurl's options for this store, an `engine.Profile`."""
    retry: RetryPolicy
    throttle: Throttle
    names: HeaderNames
    where: str
    """The store in words, for messages."""
    stale_at: float
    """When the credential has to be renewed, in seconds since 1970; infinity if it never expires."""
    needs_digest: bool
    """Whether `put` wants the SHA-256 of the body."""
    empty_path_allowed: bool
    """Whether the empty path is a key, which it is below a prefix."""
    delete_at_once: int
    """How many keys one request of `delete_many` may carry; 1: there is no such request."""

    parts_at_most: int
    """How many parts an upload may have; 0: there are no uploads in parts."""
    part_bytes_at_most: int

    async def refresh(self, io: IO) -> None:
        """Renew the credential if it is stale."""

    def forget_credential(self) -> bool:
        """The server calls the credential expired: renew it. False if there is no way to."""
        ...

    def follow(self, failure: Failure) -> bool:
        """Go where the answer says the bucket is. False if it says nothing."""
        ...

    def sign(self, request: Request, delay: float = 0.0) -> tuple[bytes, bytes]:
        """URL and header lines of an attempt that starts in `delay` seconds."""
        ...

    def failure(self, request: Request, response: Response) -> Failure:
        """What is wrong with an answer; a `code` of "" if a 200 is what it says."""
        ...

    def get(self, path: str, options: Any) -> Request: ...

    def put(self, path: str, body: Buffer, digest: str, options: PutOptions) -> Request: ...

    def create_upload(self, path: str, options: PutOptions) -> Request: ...

    def upload_id(self, response: Response) -> str: ...

    def upload_part(self, path: str, upload_id: str, number: int, body: Buffer, digest: str) -> Request: ...

    def complete_upload(
        self, path: str, upload_id: str, parts: builtins.list[Part], options: PutOptions
    ) -> Request:
        """What makes the object out of its parts, and carries the condition of a conditional put."""
        ...

    def completed(self, response: Response) -> PutResult: ...

    def composed_etag(self, parts: builtins.list[Part]) -> str | None:
        """The e_tag that the object of these parts has, None if that cannot be known."""
        ...

    def abort_upload(self, path: str, upload_id: str) -> Request: ...

    def upload_is_gone(self, failure: Failure) -> bool:
        """Whether an answer says that there is no such upload (any more)."""
        ...

    def delete(self, path: str) -> Request: ...

    def delete_many(self, paths: list[str]) -> Request: ...

    def deleted(self, response: Response) -> list[tuple[str, str, str]]:
        """What a `delete_many` did not delete: path, code, message."""
        ...

    def can_delete_many(self, path: str) -> bool:
        """Whether the path can be named in a `delete_many`."""
        ...

    def list(self, prefix: str, delimiter: str, after: str | None, token: str | None) -> Request: ...

    def next_token(self, response: Response) -> str | None:
        """What is probably the token of the next page, found quickly; None if it is not known yet."""
        ...

    def listed(self, response: Response, columns: Columns) -> ListPage:
        """Add the objects of a page to `columns`: all or, with an exception, none."""
        ...

    def copy(self, from_: str, to: str, overwrite: bool) -> Request: ...

    def presign(self, method: str, path: str, expires_in: int) -> str: ...
