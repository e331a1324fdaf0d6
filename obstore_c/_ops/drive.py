"""Stand-in for the driver: runs operations that never wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class _BlockingIO:
    blocking = True

    async def call(self, function: Callable[..., T], /, *args: Any) -> T:
        return function(*args)


class _LoopIO:
    blocking = False

    async def call(self, function: Callable[..., T], /, *args: Any) -> T:
        import asyncio

        return await asyncio.to_thread(function, *args)


def run(operation: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
    coroutine = operation(_BlockingIO(), *args)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("this stand-in cannot wait")


def run_async(operation: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> Coroutine[Any, Any, T]:
    return operation(_LoopIO(), *args)
