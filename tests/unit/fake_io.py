"""An `io` for operations without a network: scripted answers, recorded requests, no waiting.

    io = FakeIO(answer(503), answer(200, b"hello"))
    run(get(io, client, "key", None))
    assert [sent.delay for sent in io.sent] == [0.0, ...]

It behaves like the engine where operations can tell: bodies on hold, broken bodies, cancellation.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from obstore_c._lib.buffer import Bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Mapping


@dataclass(frozen=True)
class Answer:
    """What the network does with one request."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    curl_code: int = 0
    curl_message: str = ""
    cut: int | None = None
    """Break the connection after that many bytes of the body."""
    length: int | None = None
    """Content-Length to announce, if it is not the body's; -1 for none."""
    retry_safe: bool = False


def answer(status: int = 200, body: bytes = b"", cut: int | None = None, **headers: str) -> Answer:
    """An answer; `etag='"x"'` and `content_range="..."` become headers."""
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()}, cut=cut)


def xml_error(status: int, code: str, message: str = "message", **fields: str) -> Answer:
    """An error as S3 sends it."""
    more = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return Answer(status, f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode())


def broken(curl_code: int = 7, message: str = "it broke", *, retry_safe: bool = False) -> Answer:
    """No answer at all."""
    return Answer(0, curl_code=curl_code, curl_message=message, retry_safe=retry_safe)


@dataclass(frozen=True)
class Sent:
    """A request as it was handed to the engine."""

    method: str
    url: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes | None
    delay: float
    hold_above: int
    transfer: FakeTransfer

    @property
    def path(self) -> str:
        return "/" + self.url.split("/", 3)[3].partition("?")[0]

    @property
    def query(self) -> str:
        return self.url.partition("?")[2]


class FakeResponse:
    """Implements `obstore_c._ops.io.Response`."""

    def __init__(self, scripted: Answer, method: str, hold_above: int, fed: bool = False) -> None:
        body = b"" if method == "HEAD" else scripted.body
        self.status = scripted.status
        self.retry_safe = scripted.retry_safe
        self.timings = {"total": 0.001}
        self._headers = dict(scripted.headers)
        self.content_length = len(scripted.body) if scripted.length is None else scripted.length
        self.data = body if scripted.cut is None else body[: scripted.cut]
        self.received = len(self.data)
        cut = scripted.cut is not None and scripted.cut < len(body)
        self._end = (18, "the connection broke") if cut else (scripted.curl_code, scripted.curl_message)
        size = len(body) if self.content_length < 0 else self.content_length
        good = 200 <= self.status < 300 and bool(self.data)
        held = good and (0 <= hold_above < size or (fed and hold_above >= 0 > self.content_length))
        self.complete = not held
        self.body = Bytes(b"" if held or (fed and good) else self.data)
        self.curl_code, self.curl_message = (0, "") if held else self._end

    def over(self) -> None:
        """The last byte was read."""
        self.curl_code, self.curl_message = self._end

    def take_body(self) -> Bytes:
        body, self.body = self.body, Bytes(b"")
        return body

    def header(self, name: str) -> str | None:
        values = [value for key, value in self._headers.items() if key.lower() == name.lower()]
        return values[-1] if values else None

    def headers(self) -> list[tuple[str, str]]:
        return list(self._headers.items())


class FakeTransfer:
    """Implements `obstore_c._ops.io.Transfer`."""

    def __init__(self, io: FakeIO, response: FakeResponse) -> None:
        self._io = io
        self.response = response
        self.cancelled = False
        self.awaited = False
        self.fed: deque[memoryview] = deque()
        self.most_fed = 0
        self._offset = 0

    def __await__(self) -> Generator[Any, Any, FakeResponse]:
        if self.cancelled:
            return self.response  # waits for its end
        assert not self.awaited or self.response.complete, "awaited twice"
        self.awaited = True
        if self._io.pausing:
            yield
        return self.response

    def keep_going(self) -> None:
        """It always does."""

    def attach(self, io: FakeIO) -> None:
        self._io = io

    def cancel(self) -> None:
        self.cancelled = True
        self.fed.clear()

    def release(self) -> None:
        self.fed.clear()

    def feed(self, buffer: memoryview) -> None:
        assert not self.response.complete, "fed a transfer whose body was collected"
        assert not self.cancelled, "fed after it was cancelled"
        assert len(buffer) > 0
        self.fed.append(buffer)
        self.most_fed = max(self.most_fed, len(self.fed))

    async def filled(self) -> int:
        assert not self.cancelled, "read after it was cancelled"
        assert self.fed, "nothing was fed"
        if self._io.pausing:
            await _Pause()
        buffer = self.fed.popleft()
        data = self.response.data[self._offset : self._offset + len(buffer)]
        if not 200 <= self.response.status < 300:
            data = b""
        buffer[: len(data)] = data
        self._offset += len(data)
        if self._offset == len(self.response.data):
            self.response.over()
        return len(data)


class _Pause:
    def __await__(self) -> Generator[None, None, None]:
        yield


class FakeIO:
    """Implements `obstore_c._ops.io.IO`. Answers are used in order; a callable gets the `Sent` and stays."""

    def __init__(self, *answers: Answer | Callable[[Sent], Answer], blocking: bool = True) -> None:
        self.blocking = blocking
        self.pausing = False
        self.sent: list[Sent] = []
        self.slept: list[float] = []
        self._answers = deque(answers)

    def start(
        self,
        profile: object,
        method: str,
        url: bytes,
        headers: bytes,
        body: Any = None,
        *,
        delay: float = 0.0,
        hold_above: int = -1,
        into: Any = None,
        background: bool = False,
    ) -> FakeTransfer:
        lines = [line.partition(": ") for line in headers.decode().split("\n") if line]
        transfer = FakeTransfer(self, None)  # type: ignore[arg-type]
        sent = Sent(
            method,
            url.decode("ascii"),
            {name.lower(): value for name, _, value in lines},
            None if body is None else bytes(body),
            delay,
            hold_above,
            transfer,
        )
        self.sent.append(sent)
        assert self._answers, f"unexpected request: {method} {url!r}"
        scripted = self._answers[0] if callable(self._answers[0]) else self._answers.popleft()
        if callable(scripted):
            scripted = scripted(sent)
        transfer.response = FakeResponse(scripted, method, hold_above, into is not None)
        if into is not None:
            fed = memoryview(into)
            transfer.fed.append(fed)
            if 200 <= scripted.status < 300:  # it is written, whether somebody asks how much or not
                data = transfer.response.data[: len(fed)]
                fed[: len(data)] = data
        return transfer

    async def first(self, transfers: list[FakeTransfer]) -> FakeTransfer:
        """The last one: nobody may rely on their order."""
        if self.pausing:
            await _Pause()
        return transfers[-1]

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    @property
    def unused(self) -> int:
        """Answers that nobody asked for."""
        return sum(not callable(each) for each in self._answers)


def run(operation: Coroutine[Any, Any, Any]) -> Any:
    """Run an operation on a FakeIO to its end."""
    try:
        while True:
            operation.send(None)
    except StopIteration as stop:
        return stop.value
