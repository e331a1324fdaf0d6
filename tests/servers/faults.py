"""A scripted HTTP/1.1 server: it answers what a test tells it to, however wrong, and records what came.

    with faults.serve() as server:
        server.script(error(503, "SlowDown"), reset(), ok(b"hello"))       # one answer per request, in order
        server.script(truncated(b"hello", at=2), method="GET", path="/bucket/a")   # only for these requests
        ...
        assert [request.method for request in server.requests] == ["GET", "GET", "GET"]

Answers are data (`Reply`), so tables of faults read as tables. A callable in place of a `Reply` is
called with the `Request` and returns the `Reply`; it serves every request from then on. A request
that nothing is scripted for is answered with 599 and listed in `server.unexpected`.

One thread per connection; `server.requests` is complete once the client has its answers.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Literal
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    target: str
    """The request target, byte for byte (latin-1): nothing decoded, nothing normalised."""
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int
    """Which connection it came on, counted from 0."""
    time: float
    """`time.monotonic()` when its head was complete."""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """The value of a header, whatever its case; the last one when there are several."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return values[-1] if values else None


@dataclass(frozen=True)
class Reply:
    """What to answer, and how to go wrong about it."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds to wait before the status line."""
    length: int | None = None
    """Content-Length to claim, when it is not the body's; -1 sends none."""
    chunked: bool = False
    """Send the body with Transfer-Encoding: chunked."""
    piece: int = 0
    """Send the body in pieces of that many bytes ..."""
    pause: float = 0.0
    """... with that many seconds after each."""
    end: Literal["keep", "close", "reset", "hang"] = "keep"
    """Afterwards: keep the connection, close it, reset it (RST), or say nothing until the server ends."""
    raw: bytes | None = None
    """Send these bytes and nothing else of the above, then `end`."""


Answer = Reply | Callable[[Request], Reply]


def ok(body: bytes = b"", status: int = 200, **headers: str) -> Reply:
    """An answer as it should be. `content_type="a/b"` becomes the header `content-type: a/b`."""
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def error(status: int, code: str = "", message: str = "", **headers: str) -> Reply:
    """An error the way S3 tells it, in XML; `retry_after="1"` and the like become headers."""
    xml = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>" if code else ""
    return ok(xml.encode(), status, content_type="application/xml", **headers)


def reset() -> Reply:
    """No answer: the connection is reset."""
    return Reply(raw=b"", end="reset")


def closed() -> Reply:
    """No answer: the connection is closed."""
    return Reply(raw=b"", end="close")


def hang() -> Reply:
    """No answer, ever; the connection stays open."""
    return Reply(raw=b"", end="hang")


def truncated(
    body: bytes, at: int, *, end: Literal["close", "reset", "hang"] = "close", **headers: str
) -> Reply:
    """Promise all of `body`, send its first `at` bytes, and stop in that way."""
    return replace(ok(body[:at], **headers), length=len(body), end=end)


def slow(body: bytes, piece: int, pause: float, **headers: str) -> Reply:
    """All of `body`, `piece` bytes at a time with `pause` seconds in between."""
    return replace(ok(body, **headers), piece=piece, pause=pause)


def blob(body: bytes, etag: str = '"v1"') -> Callable[[Request], Reply]:
    """A well-behaved object of that content: GET, HEAD, ranges (206 and 416), If-Match, If-None-Match."""

    def answer(request: Request) -> Reply:
        headers = {"etag": etag, "last-modified": "Fri, 01 Mar 2024 00:00:00 GMT", "accept-ranges": "bytes"}
        if request.header("if-match") not in (None, "*", etag):
            return error(412, "PreconditionFailed", "At least one of the pre-conditions did not hold")
        if request.header("if-none-match") in ("*", etag):
            return Reply(304, headers=headers)
        if (value := request.header("range")) is None:
            return Reply(200, body, headers)
        start, end = _parse_range(value, len(body))
        if start >= end:
            return Reply(416, headers={"content-range": f"bytes */{len(body)}"})
        headers["content-range"] = f"bytes {start}-{end - 1}/{len(body)}"
        return Reply(206, body[start:end], headers)

    return answer


def _parse_range(value: str, size: int) -> tuple[int, int]:
    first, _, last = value.removeprefix("bytes=").partition("-")
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


class FaultServer:
    """The server; made by `serve`."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._tls = tls
        self._lock = threading.Lock()
        self._scripts: list[_Script] = []
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self.host = "localhost" if tls else "127.0.0.1"
        self.url = f"{'https' if tls else 'http'}://{self.host}:{self.port}"
        self.requests: list[Request] = []
        self.unexpected: list[Request] = []
        self.connections = 0
        """Connections accepted so far."""
        self.most_open = 0
        """The most connections that were open at once."""
        self.in_flight = 0
        self.most_in_flight = 0
        """The most requests that were being answered at once."""
        self.tls_errors: list[str] = []

    def script(self, *answers: Answer, method: str | None = None, path: str | None = None) -> None:
        """Answer the coming requests (all, or those of that method and path) with these, in order.

        The scripts made for a method or path are asked first, then the general ones. A `Reply` serves
        one request, a callable all that follow.
        """
        with self._lock:
            self._scripts.append(_Script(method, path, deque(answers)))
            self._scripts.sort(key=lambda script: script.method is None and script.path is None)

    @property
    def open_connections(self) -> int:
        with self._lock:
            return len(self._open)

    def _next_reply(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            answer = next((s.answers[0] for s in self._scripts if s.fits(request)), None)
            if isinstance(answer, Reply):
                next(s for s in self._scripts if s.fits(request)).answers.popleft()
            elif answer is None:
                self.unexpected.append(request)
        if answer is None:
            return Reply(599, b"nothing is scripted for this request")
        return answer if isinstance(answer, Reply) else answer(request)

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._ended.is_set():
                connection.close()
                return
            with self._lock:
                number = self.connections
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(connection, number), daemon=True)
                self._threads.append(thread)
                thread.start()  # before `_close` finds it

    def _serve(self, connection: socket.socket, number: int) -> None:
        if self._tls is not None:
            # Takes the descriptor over; the handshake comes with the first read.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.add(connection)
            self.most_open = max(self.most_open, len(self._open))
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Connection(self, connection, number, self._ended).serve()
        except ssl.SSLError as reason:
            self.tls_errors.append(str(reason))
        except OSError:
            pass  # the client went away, which is its right
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _close(self) -> None:
        self._ended.set()
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes accept()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)  # TLS or not
            threads = list(self._threads)
        for thread in threads:
            thread.join(timeout=10)


@dataclass
class _Script:
    method: str | None
    path: str | None
    answers: deque[Answer]

    def fits(self, request: Request) -> bool:
        return (
            bool(self.answers) and self.method in (None, request.method) and self.path in (None, request.path)
        )


class _Connection:
    """One connection, served by one thread."""

    def __init__(self, server: FaultServer, sock: socket.socket, number: int, ended: threading.Event) -> None:
        self._server = server
        self._socket = sock
        self._number = number
        self._ended = ended
        self._input = sock.makefile("rb")

    def serve(self) -> None:
        with self._input:
            while (request := self._read_request()) is not None:
                with self._counted():
                    reply = self._server._next_reply(request)
                    kept = self._send(request, reply)
                if not kept:
                    return

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        server = self._server
        with server._lock:
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
        try:
            yield
        finally:
            with server._lock:
                server.in_flight -= 1

    def _read_request(self) -> Request | None:
        line = self._input.readline().decode("latin-1").rstrip("\r\n")
        if not line:
            return None
        method, target, _ = line.split(" ")
        headers = tuple(self._read_headers())
        arrived = time.monotonic()
        named = {name.lower(): value for name, value in headers}
        if named.get("expect", "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in named.get("transfer-encoding", ""):
            body = b"".join(self._read_chunks())
        else:
            body = self._input.read(int(named.get("content-length", 0)))
        return Request(method, target, headers, body, self._number, arrived)

    def _read_headers(self) -> Iterator[tuple[str, str]]:
        while line := self._input.readline().decode("latin-1").rstrip("\r\n"):
            name, _, value = line.partition(":")
            yield name, value.strip(" \t")

    def _read_chunks(self) -> Iterator[bytes]:
        while size := int(self._input.readline().split(b";")[0], 16):
            yield self._input.read(size)
            self._input.readline()
        while self._input.readline().strip():  # trailers
            pass

    def _send(self, request: Request, reply: Reply) -> bool:
        """Send a reply; whether the connection goes on."""
        if reply.delay and self._ended.wait(reply.delay):
            return False
        if reply.raw is not None:
            self._socket.sendall(reply.raw)
        else:
            self._socket.sendall(_head(reply))
            if request.method != "HEAD" and reply.status not in (204, 304):
                self._send_body(reply)
        return self._finish(reply)

    def _send_body(self, reply: Reply) -> None:
        body = memoryview(reply.body)
        step = reply.piece or len(body) or 1
        for start in range(0, len(body), step):
            piece = body[start : start + step]
            if reply.chunked:
                self._socket.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            else:
                self._socket.sendall(piece)
            if reply.pause and self._ended.wait(reply.pause):
                return
        if reply.chunked and reply.end == "keep":
            self._socket.sendall(b"0\r\n\r\n")

    def _finish(self, reply: Reply) -> bool:
        if reply.end == "hang":
            self._ended.wait()
        elif reply.end == "reset":
            # Linger of zero seconds: close() sends RST in place of FIN.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif reply.end == "close" and not isinstance(self._socket, ssl.SSLSocket):
            self._socket.shutdown(socket.SHUT_WR)
        return reply.end == "keep" and reply.length != -1


def _head(reply: Reply) -> bytes:
    try:
        reason = HTTPStatus(reply.status).phrase
    except ValueError:
        reason = "Whatever"
    lines = [f"HTTP/1.1 {reply.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    length = len(reply.body) if reply.length is None else reply.length
    if reply.chunked:
        lines.append("transfer-encoding: chunked")
    elif length >= 0 and reply.status not in (204, 304) and "content-length" not in reply.headers:
        lines.append(f"content-length: {length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@contextlib.contextmanager
def serve(tls: ssl.SSLContext | None = None) -> Iterator[FaultServer]:
    """Run a server on a free loopback port; with `tls` (see `certificates`) it speaks HTTPS as localhost."""
    server = FaultServer(tls)
    accepting = threading.Thread(target=server._accept, daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        server._close()
        accepting.join(timeout=10)
        server._listener.close()
