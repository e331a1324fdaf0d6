"""What if the server is far away, or gives each connection only so much, as S3 does?"""

from benchmarks.cases import GIB, KIB, Case

CASES = (
    Case(
        "get-4k-x512-30ms",
        "get 4 KiB, async, 512 in flight, 30 ms away",
        *("get", "async", 512, 4 * KIB, 256),
        server="distant",
    ),
    Case(
        "get-1g-limited",
        "get one 1 GiB object, 85 MB/s a connection",
        *("get", "async", 1, GIB),
        server="limited",
        most=2,
    ),
    Case(
        "put-1g-limited",
        "put one 1 GiB object, 85 MB/s a connection",
        *("put", "async", 1, GIB),
        server="limited-put",
        most=2,
    ),
)
