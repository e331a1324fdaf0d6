"""How fast do large objects arrive, and how much CPU goes into each megabyte?"""

from benchmarks.cases import GIB, MIB, Case

CASES = (
    Case("get-1m-x16", "get 1 MiB, async, 16 in flight", "get", "async", 16, MIB, 16),
    Case("get-64m-x8", "get 64 MiB, async, 8 in flight", "get", "async", 8, 64 * MIB, 8),
    Case("get-1g", "get one 1 GiB object", "get", "async", 1, GIB),
    Case("get-1g-into", "get one 1 GiB object into a buffer of the caller", "into", "async", 1, GIB),
)
