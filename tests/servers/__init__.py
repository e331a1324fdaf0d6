"""Real and scripted servers for the tests, each a context manager, each on a free loopback port.

| module | server | good for |
|---|---|---|
| `moto` | moto, S3 in Python | conditional writes, tags, versions; checks no signature |
| `rclone` | `rclone serve s3`, S3 in Go | checks every SigV4 signature |
| `faults` | a scripted HTTP server | what servers should not do, and what a client sent |
| `certificates` | a private CA | TLS in front of `faults` |

A server that this machine cannot run raises `Unavailable`; the fixtures turn that into a skip with
its reason, or into a failure when `OBSTORE_C_REQUIRE_SERVERS=1`.
"""

from servers._process import Unavailable

__all__ = ["Unavailable"]
