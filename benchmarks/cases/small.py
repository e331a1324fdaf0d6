"""How many small objects a second, and what does each one cost?"""

from benchmarks.cases import KIB, Case

CASES = (
    Case("get-4k-x1", "get 4 KiB, async, one by one", "get", "async", 1, 4 * KIB, 256),
    Case("get-4k-x64", "get 4 KiB, async, 64 in flight", "get", "async", 64, 4 * KIB, 256),
    Case("get-4k-x512", "get 4 KiB, async, 512 in flight", "get", "async", 512, 4 * KIB, 256),
    Case("get-4k-x1024", "get 4 KiB, async, 1,024 in flight", "get", "async", 1024, 4 * KIB, 256),
    Case("get-64k-x64", "get 64 KiB, async, 64 in flight", "get", "async", 64, 64 * KIB, 64),
    Case("get-4k-blocking", "get 4 KiB, blocking, one by one", "get", "blocking", 1, 4 * KIB, 256),
    Case("get-4k-threads", "get 4 KiB, blocking, 16 threads", "get", "blocking", 16, 4 * KIB, 256),
    Case("head-x64", "head, async, 64 in flight", "head", "async", 64, 4 * KIB, 256),
)
