"""What a provider supplies: requests from arguments, results from answers. Types only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from obstore_c._backend import PutOptions
    from obstore_c._client.errors import Failure
    from obstore_c._client.headers import HeaderNames
    from obstore_c._client.request import Request
    from obstore_c._client.retry_config import RetryPolicy
    from obstore_c._client.xml import ListPage
    from obstore_c._ops.io import IO, Buffer, Response
    from obstore_c._ops.retry import Throttle


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

    def delete(self, path: str) -> Request: ...

    def delete_many(self, paths: list[str]) -> Request: ...

    def deleted(self, response: Response) -> list[tuple[str, str, str]]:
        """What a `delete_many` did not delete: path, code, message."""
        ...

    def can_delete_many(self, path: str) -> bool:
        """Whether the path can be named in a `delete_many`."""
        ...

    def list(self, prefix: str, delimiter: str, after: str | None, token: str | None) -> Request: ...

    def listed(self, response: Response) -> ListPage: ...

    def copy(self, from_: str, to: str, overwrite: bool) -> Request: ...

    def presign(self, method: str, path: str, expires_in: int) -> str: ...
