"""Stores on the scripted server, driven blocking and by asyncio, through the real engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from obstore_c.store import S3Store

if TYPE_CHECKING:
    from servers.faults import FaultServer

MakeStore = Callable[..., S3Store]
Call = Callable[..., Any]


@pytest.fixture
def make_store(fault_server: FaultServer) -> MakeStore:
    """A store on the scripted server, with short pauses; keyword arguments are S3Store's."""

    def make(*, retries: int = 3, **config: Any) -> S3Store:
        backoff = {
            "init_backoff": timedelta(milliseconds=1),
            "max_backoff": timedelta(milliseconds=20),
            "base": 2,
        }
        options: dict[str, Any] = {
            "endpoint": fault_server.url,
            "access_key_id": "id",
            "secret_access_key": "secret",
            "region": "us-east-1",
            "client_options": {"allow_http": True},
            "retry_config": {"max_retries": retries, "backoff": backoff},
        }
        return S3Store("data", **(options | config))

    return make


@pytest.fixture(params=["blocking", "asyncio"])
def call(request: pytest.FixtureRequest) -> Call:
    """Call a method of a store, or its asynchronous twin: `call(store, "get", "key")`."""

    def blocking(target: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(target, name)(*args, **kwargs)

    def with_asyncio(target: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        async def main() -> Any:
            return await getattr(target, f"{name}_async")(*args, **kwargs)

        return asyncio.run(main())

    return blocking if request.param == "blocking" else with_asyncio
