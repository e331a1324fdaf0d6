"""The two drivers: the only places in Python that wait.

An operation is a coroutine function whose first argument says who waits. `run` drives it from a blocking
call, each pause being a native wait without the GIL; `run_async` hands it to asyncio, whose task awaits the
same transfers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from obstore_c._lib.engine import BlockingIO, loop_io

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


def run(operation: Callable[..., Coroutine[Any, Any, T]], /, *args: Any, **kwargs: Any) -> T:
    """Run `operation(io, *args, **kwargs)` to its end in this thread and return its result."""
    io = BlockingIO.acquire()
    coroutine = operation(io, *args, **kwargs)
    try:
        waiting = coroutine.send(None)
        while True:
            try:
                io.wait(waiting)
            except (
                BaseException
            ) as error:  # an interrupt: the operation cleans up, then it goes on to the caller
                waiting = coroutine.throw(error)
            else:
                waiting = coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    except BaseException:
        io.settle()
        raise
    finally:
        coroutine.close()
        io.close()


def run_async(
    operation: Callable[..., Coroutine[Any, Any, T]], /, *args: Any, **kwargs: Any
) -> Coroutine[Any, Any, T]:
    """The coroutine of `operation` for the running event loop, or for the one that it will run in."""
    try:
        io = loop_io()
    except RuntimeError:
        return _run_later(operation, args, kwargs)
    return operation(io, *args, **kwargs)


async def _run_later(
    operation: Callable[..., Coroutine[Any, Any, T]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> T:
    return await operation(loop_io(), *args, **kwargs)
