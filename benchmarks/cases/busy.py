"""What is left of it while Python code computes in another thread, as in every real job?"""

from benchmarks.cases import KIB, MIB, Case

CASES = (
    Case(
        "get-4k-x64-busy",
        "get 4 KiB, async, 64 in flight, a Python thread computing",
        *("get", "async", 64, 4 * KIB, 256),
        computing=True,
    ),
    Case(
        "get-1m-x16-busy",
        "get 1 MiB, async, 16 in flight, a Python thread computing",
        *("get", "async", 16, MIB, 16),
        computing=True,
    ),
)
