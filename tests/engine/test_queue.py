"""The queue in front of libcurl: caps per host are kept, and nobody waits longer than they ask for."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from engine.support import waiting
from obstore_c._lib.engine import Profile
from servers.faults import ok

if TYPE_CHECKING:
    from servers.faults import FaultServer


async def test_queued_transfer_starts_when_the_one_before_is_over(fault_server: FaultServer) -> None:
    one_at_a_time = Profile({}, max_in_flight=1)
    fault_server.script(lambda request: ok(b"hello"))
    started = time.monotonic()
    answers = await asyncio.gather(*(waiting(fault_server, profile=one_at_a_time) for _ in range(10)))
    assert [answer.status for answer in answers] == [200] * 10
    assert fault_server.most_in_flight == 1
    assert time.monotonic() - started < 1.5  # no place stays empty until some timer runs out
