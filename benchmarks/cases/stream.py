"""Does a stream keep up, and does its memory stay bounded when the reader is slow?"""

from benchmarks.cases import GIB, Case

CASES = (
    Case("stream-1g", "1 GiB as a stream, async", "stream", "async", 1, GIB),
    Case("stream-1g-blocking", "1 GiB as a stream, blocking", "stream", "blocking", 1, GIB),
    Case("stream-1g-slow", "1 GiB as a stream, slow reader", "stream", "async", 1, GIB, pause=0.02),
)
