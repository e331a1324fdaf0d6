"""Fixtures of all tests.

Asyncio tests are plain `async def test_...`: pytest-asyncio runs in auto mode, one event loop per test.
Servers are session-scoped, so with pytest-xdist each worker has its own; ports are chosen by the servers.

| fixture | gives |
|---|---|
| `store` | a fresh store of obstore_c, once for each backend: memory, moto, rclone |
| `backend` | the place behind `store` (`servers.backends.Backend`): `backend.can`, `backend.store(...)` |
| `s3_backend` | the same, only for the backends with a server behind them |
| `moto_backend`, `rclone_backend` | a fresh bucket of that server |
| `fault_server` | a scripted HTTP server (`servers.faults`) |
| `authority`, `tls_fault_server` | a private CA, and the scripted server with TLS as `localhost` |
"""

from __future__ import annotations

import os
import shutil
import urllib.request
import uuid
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from servers import Unavailable, faults, moto, rclone
from servers.backends import CAPABILITIES, CAPABILITY_NAMES, Backend, s3_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from servers.certificates import Authority

REQUIRE_SERVERS = os.environ.get("OBSTORE_C_REQUIRE_SERVERS", "0") not in ("", "0")


def pytest_configure(config: pytest.Config) -> None:
    # The user's credentials and endpoints must not reach a test, nor a proxy its loopback servers.
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")) or name.lower().endswith("_proxy"):
            del os.environ[name]
    # A busy machine is no failure. In CI the examples are the same every time.
    settings.register_profile("obstore_c", deadline=None, derandomize="CI" in os.environ, print_blob=True)
    settings.load_profile("obstore_c")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop the tests that need what their backend lacks (marker `needs`)."""
    kept, dropped = [], []
    for item in items:
        needed = {name for mark in item.iter_markers("needs") for name in mark.args}
        if unknown := needed - CAPABILITY_NAMES:
            raise pytest.UsageError(f"{item.nodeid}: no such capability: {', '.join(sorted(unknown))}")
        parameters = item.callspec.params if needed and hasattr(item, "callspec") else {}
        name = parameters.get("backend") or parameters.get("s3_backend")
        missing = name is not None and any(each not in CAPABILITIES[name] for each in needed)
        (dropped if missing else kept).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


@contextmanager
def _started(name: str, server: AbstractContextManager[str]) -> Iterator[str]:
    """Run a server; where it cannot run, skip the test and say why, or fail if servers are required."""
    with ExitStack() as stack:
        try:
            started = stack.enter_context(server)
        except Unavailable as reason:
            message = f"{name} cannot run here: {reason}"
            if REQUIRE_SERVERS:
                pytest.fail(message, pytrace=False)
            pytest.skip(message)
        yield started


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    with _started("moto", moto.serve()) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def rclone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The endpoint of `rclone serve s3`, and the folder whose folders are its buckets."""
    folder = tmp_path_factory.mktemp("rclone")
    with _started("rclone", rclone.serve_s3(folder)) as endpoint:
        yield endpoint, folder


@pytest.fixture
def moto_backend(moto_endpoint: str) -> Backend:
    bucket = f"bucket-{uuid.uuid4().hex}"
    urllib.request.urlopen(urllib.request.Request(f"{moto_endpoint}/{bucket}", method="PUT")).close()
    return Backend("moto", bucket, s3_config(moto_endpoint, "moto-key-id", "moto-secret"))


@pytest.fixture
def rclone_backend(rclone_server: tuple[str, Path]) -> Iterator[Backend]:
    endpoint, folder = rclone_server
    bucket = folder / f"bucket-{uuid.uuid4().hex}"
    bucket.mkdir()
    config = s3_config(endpoint, rclone.ACCESS_KEY_ID, rclone.SECRET_ACCESS_KEY)
    yield Backend("rclone", bucket.name, config)
    shutil.rmtree(bucket, ignore_errors=True)


@pytest.fixture(params=list(CAPABILITIES))
def backend(request: pytest.FixtureRequest) -> Backend:
    """Every backend in turn."""
    if request.param == "memory":
        return Backend("memory")
    found: Backend = request.getfixturevalue(f"{request.param}_backend")
    return found


@pytest.fixture(params=[name for name, can in CAPABILITIES.items() if can.http])
def s3_backend(request: pytest.FixtureRequest) -> Backend:
    """Every backend with a server behind it."""
    found: Backend = request.getfixturevalue(f"{request.param}_backend")
    return found


@pytest.fixture
def store(backend: Backend) -> Any:
    """An empty store of obstore_c, over every backend in turn."""
    return backend.store()


@pytest.fixture
def fault_server() -> Iterator[faults.FaultServer]:
    with faults.serve() as server:
        yield server


@pytest.fixture(scope="session")
def authority() -> Authority:
    from servers.certificates import Authority

    return Authority.create()


@pytest.fixture
def tls_fault_server(authority: Authority) -> Iterator[faults.FaultServer]:
    with faults.serve(authority.server_context()) as server:
        yield server
