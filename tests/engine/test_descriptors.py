"""A process that may open few descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.support import check_script
from servers.faults import ok

if TYPE_CHECKING:
    from servers.faults import FaultServer

resource = pytest.importorskip("resource", reason="only POSIX bounds descriptors this way")


def test_threads_and_a_crowd_of_tasks_share_256_descriptors(fault_server: FaultServer) -> None:
    fault_server.script(lambda request: ok(b"data"))
    check_script(
        """
import asyncio, resource, sys, threading
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
from engine.support import blocking, waiting
errors = []

def work():
    try:
        for _ in range(5):
            assert blocking(sys.argv[1]).status == 200
    except BaseException as error:
        errors.append(error)

threads = [threading.Thread(target=work) for _ in range(100)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

async def main():
    answers = await asyncio.gather(*(waiting(sys.argv[1]) for _ in range(2000)))
    assert {answer.status for answer in answers} == {200}

asyncio.run(main())
assert not errors, errors[0]
print("done")
""",
        fault_server.url,
    )
