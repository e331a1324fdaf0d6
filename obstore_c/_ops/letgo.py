"""Ending transfers in such a way that the memory they fill is its owner's again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore_c._ops.io import Transfer


async def let_go(*transfers: Transfer) -> None:
    """Cancel `transfers`, and wait until the engine writes nothing into their buffers any more.

    That takes the engine a moment, not the network a round trip. So whatever interrupts the wait, be it
    another Ctrl-C, has to wait for its end as well.
    """
    for transfer in transfers:
        transfer.cancel()
    interrupt: BaseException | None = None
    for transfer in transfers:
        while True:
            try:
                await transfer
            except GeneratorExit:
                raise  # dropped: nothing can be awaited any more
            except BaseException as error:
                interrupt = error
            else:
                transfer.release()
                break
    if interrupt is not None:
        raise interrupt
