"""nginx as an object server: static GET, PUT through its dav module, listings as static pages.

nginx is far cheaper per request than any client here, so the client is what gets measured.
It runs as the calling user, from a folder of its own, and needs nothing of the system's configuration.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from benchmarks.compiled import NoCompilerError
from benchmarks.server.certificate import write_certificates
from benchmarks.server.endpoint import BUCKET, Endpoint
from benchmarks.server.objects import DELETES, NOTE, choose_folder, fill
from benchmarks.server.proxy import proxy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from benchmarks.cases import Case

LIMIT_RATE = 85_000_000
"""Bytes a second of each connection to the limited servers: what S3 gives."""
DELAY_MS = 30
"""How long a request is under way to the distant server."""

PROXIES: dict[str, dict[str, int]] = {
    "distant": {"delay_ms": DELAY_MS},
    "limited-put": {"upload_rate": LIMIT_RATE},
}

HOW_TO_GET = """nginx was not found on PATH or in /usr/sbin. The benchmarks need it as their server:
    Debian, Ubuntu:  apt-get install nginx
    Fedora:          dnf install nginx
    macOS:           brew install nginx"""

CONFIG = """\
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
worker_processes {workers};
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; multi_accept on; }}
http {{
    access_log off;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    etag on;
    server_tokens off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_buffer_size 1m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    open_file_cache max=8192 inactive=1h;
    open_file_cache_valid 1h;

    # A listing is a pile of static pages; the continuation token is the number of the page.
    map $args $page {{
        "~continuation-token=(?<token>[0-9]+)" $token;
        default 0;
    }}
    # The steps of a multipart upload. Parts are files beside the object; both ends are a constant.
    map $arg_partnumber $part {{ "" ""; default .$arg_partnumber; }}
    map $args $multipart {{
        "~uploadId=" '<CompleteMultipartUploadResult><ETag>"stored"</ETag></CompleteMultipartUploadResult>';
        default '<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>';
    }}
    # The answer to DeleteObjects is a static file too: every key of a request, or none if it wants to hear
    # of failures only. The request goes round through a proxy, as nothing else in nginx reads its body.
    map $request_body $answer {{ "~<Quiet>true" quiet; default deleted; }}
    log_format bodies escape=none $request_body;
    upstream answers {{ server unix:{folder}/answers.sock; keepalive 32; }}
    server {{ listen unix:{folder}/answers.sock; default_type application/xml; root {folder}/answers;
              location / {{ rewrite .* /$http_x_answer.xml break; }} }}
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_session_cache shared:tls:4m;
    ssl_protocols TLSv1.2 TLSv1.3;

    server {{ listen 127.0.0.1:{http}; include {folder}/bucket.conf; }}
    server {{ listen 127.0.0.1:{https} ssl; include {folder}/bucket.conf; }}
    server {{ listen 127.0.0.1:{limited}; limit_rate {limit_rate}; include {folder}/bucket.conf; }}
}}
"""

BUCKET_CONFIG = """\
root {folder};
location = /{bucket}/ {{ rewrite .* /{bucket} last; }}
location = /{bucket} {{
    default_type application/xml;
    if ($request_method = POST) {{ rewrite .* /delete last; }}
    alias {folder}/pages/$page.xml;
}}
location = /delete {{
    internal;
    open_file_cache off;
    set $noted 0;
    if (-f {folder}/{bucket}/{note}) {{ set $noted 1; }}
    access_log {folder}/{bucket}/{deletes} bodies if=$noted;
    proxy_pass http://answers;
    proxy_method GET;
    proxy_http_version 1.1;
    proxy_pass_request_body off;
    proxy_set_header Connection "";
    proxy_set_header Content-Length "";
    proxy_set_header X-Answer $answer;
    proxy_buffers 64 16k;
}}
location /{bucket}/put/ {{
    default_type application/xml;
    if ($request_method = POST) {{ return 200 $multipart; }}
    rewrite ^(.*)$ $1$part break;
    dav_methods PUT DELETE;
    create_full_put_path on;
    # S3 answers a PUT with the object's ETag, and clients insist on it.
    add_header ETag '"stored"' always;
    open_file_cache off;
}}
"""


class ServerUnavailableError(Exception):
    """nginx is missing or did not start; the message says what to do."""


def find_nginx() -> str | None:
    """Path of the nginx program, or None."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/local/sbin:/usr/sbin:/sbin")


def nginx_version(program: str) -> str:
    """Version of the program, as it says itself."""
    done = subprocess.run([program, "-v"], capture_output=True, text=True, check=True)
    return done.stderr.strip().rpartition("/")[2]


@contextlib.contextmanager
def serve(cases: Iterable[Case], workers: int) -> Iterator[dict[str, Endpoint | str]]:
    """Run nginx over a bucket that holds what the cases need; remove all of it afterwards.

    Args:
        cases: the cases that will be measured.
        workers: nginx's worker processes.

    Yields:
        The endpoints by the names that cases use. Instead of one that can't be had here, why that is.

    Raises:
        ServerUnavailableError: nginx is missing or would not start.
    """
    program = find_nginx()
    if program is None:
        raise ServerUnavailableError(HOW_TO_GET)
    cases = list(cases)
    folder = choose_folder(cases)
    try:
        fill(folder, cases)
        with _nginx(program, folder, workers) as endpoints, contextlib.ExitStack() as stack:
            yield {**endpoints, **_proxies(stack, endpoints["http"], {case.server for case in cases})}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _proxies(stack: contextlib.ExitStack, endpoint: Endpoint, wanted: set[str]) -> dict[str, Endpoint | str]:
    found: dict[str, Endpoint | str] = {}
    for name, options in PROXIES.items():
        if name in wanted:
            try:
                found[name] = stack.enter_context(proxy(endpoint, **options))
            except NoCompilerError as reason:
                found[name] = str(reason)
    return found


@contextlib.contextmanager
def _nginx(program: str, folder: Path, workers: int) -> Iterator[dict[str, Endpoint]]:
    authority, certificate, key = write_certificates(folder)
    http, https, limited = _free_ports(3)
    # Started by root, nginx would hand its workers to another user, who can't read the folder.
    user = f"user {pwd.getpwuid(0).pw_name};" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
    values = {"folder": folder, "workers": workers, "http": http, "https": https, "limited": limited}
    config = CONFIG.format(user=user, certificate=certificate, key=key, limit_rate=LIMIT_RATE, **values)
    (folder / "nginx.conf").write_text(config)
    (folder / "bucket.conf").write_text(
        BUCKET_CONFIG.format(folder=folder, bucket=BUCKET, note=NOTE, deletes=DELETES)
    )
    # In its own session, so that Ctrl-C in the terminal reaches us alone and we stop nginx in order.
    command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    with (folder / "error.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(process, http, folder / "error.log")
        root = str(folder / BUCKET)
        yield {
            "http": Endpoint(f"http://127.0.0.1:{http}", root),
            "https": Endpoint(f"https://127.0.0.1:{https}", root, str(authority)),
            "limited": Endpoint(f"http://127.0.0.1:{limited}", root),
        }
    finally:
        _stop(process)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in sockets]


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    said = log.read_text()
    raise ServerUnavailableError(f"nginx did not start:\n{said.strip() or 'it said nothing'}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
