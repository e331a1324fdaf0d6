"""What an operation may ask of its `io`. Types only: `obstore_c._lib.engine` and `drive` implement them.

An operation is written once, as an `async def` whose first argument is an `IO`. It awaits nothing but what
came from that `io`, so the blocking driver can run it as well as asyncio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping

    from obstore_c._lib.buffer import Bytes
    from obstore_c._lib.engine import Chunk, Slab

T = TypeVar("T")
Buffer: TypeAlias = "bytes | bytearray | memoryview | Bytes | Slab | Chunk"


class Response(Protocol):
    """What arrived: never an exception, whatever the network and the server did."""

    @property
    def status(self) -> int:
        """The HTTP status, 0 if there was none."""

    @property
    def curl_code(self) -> int:
        """Libcurl's CURLcode, 0 if the transfer went well."""

    @property
    def curl_message(self) -> str: ...

    @property
    def complete(self) -> bool:
        """False: the body is on hold, waiting for `Transfer.feed`."""

    @property
    def body(self) -> Bytes:
        """The body, when it was collected."""

    def take_body(self) -> Bytes:
        """The body, which the response then forgets."""

    @property
    def content_length(self) -> int:
        """The length that the server announced, -1 if it did not."""

    @property
    def received(self) -> int:
        """Bytes of the body that arrived."""

    @property
    def retry_safe(self) -> bool:
        """The request never left this machine."""

    @property
    def timings(self) -> Mapping[str, float]: ...

    def header(self, name: str, /) -> str | None: ...

    def headers(self) -> list[tuple[str, str]]: ...


class Transfer(Protocol):
    """A request on its way. Awaiting it gives the `Response`; if a held body breaks, that tells."""

    @property
    def response(self) -> Response: ...

    def __await__(self) -> Generator[Any, Any, Response]: ...

    def cancel(self) -> None: ...

    def keep_going(self) -> None: ...

    def attach(self, io: Any, /) -> None:
        """Have another `io` wait for what comes from now on."""

    def feed(self, buffer: Any, /) -> None: ...

    def filled(self) -> Awaitable[int]: ...

    def release(self) -> None:
        """Give back the buffers that were fed to a transfer that is over."""


class IO(Protocol):
    """Who waits: the blocking driver or an event loop."""

    @property
    def blocking(self) -> bool: ...

    def start(
        self,
        profile: Any,
        method: str,
        url: bytes,
        headers: bytes,
        body: Buffer | None = None,
        *,
        delay: float = 0.0,
        hold_above: int = -1,
        into: Buffer | None = None,
        background: bool = False,
    ) -> Transfer: ...

    def first(self, transfers: list[Any], /) -> Awaitable[Transfer]:
        """Wait until one of several transfers, all started in the background, is over or filled a buffer."""

    def sleep(self, seconds: float, /) -> Awaitable[None]: ...

    def call(self, function: Callable[..., T], /, *args: Any) -> Awaitable[T]: ...
