"""How the suite calls a store: as a thread does, and as a coroutine does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class BlockingVerbs:
    """The verbs of a store as its users call them in a thread."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Callable[..., Any]:
        verb: Callable[..., Any] = getattr(self.store, name)
        return verb

    def read(self, path: str, **options: Any) -> bytes:
        return bytes(self.body(self.get(path, options=options or None)))

    def body(self, result: Any) -> Any:
        return result.bytes()

    def chunks(self, stream: Any) -> list[Any]:
        return list(stream)

    def collect(self, stream: Any) -> Any:
        return stream.collect()

    def paths(self, prefix: str | None = None, **options: Any) -> list[str]:
        return [meta["path"] for meta in self.collect(self.store.list(prefix, **options))]

    def close(self) -> None:
        pass


class AsyncVerbs(BlockingVerbs):
    """The same, each as its asynchronous twin, all in one event loop."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self._runner = asyncio.Runner()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        verb = getattr(self.store, f"{name}_async")
        return lambda *args, **kwargs: self._wait(verb, *args, **kwargs)

    def body(self, result: Any) -> Any:
        return self._wait(result.bytes_async)

    def chunks(self, stream: Any) -> list[Any]:
        async def gather() -> list[Any]:
            return [chunk async for chunk in stream]

        return self._runner.run(gather())

    def collect(self, stream: Any) -> Any:
        return self._wait(stream.collect_async)

    def close(self) -> None:
        self._runner.close()

    def _wait(self, verb: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        async def wait() -> Any:
            return await verb(*args, **kwargs)

        return self._runner.run(wait())
