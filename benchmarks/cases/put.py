"""How fast do objects go up, with the payload hashed into the signature and without?"""

from benchmarks.cases import GIB, KIB, MIB, Case

UNSIGNED = {"unsigned_payload": True}

CASES = (
    Case("put-4k-x64", "put 4 KiB, async, 64 in flight", "put", "async", 64, 4 * KIB, 1024),
    Case("put-1m-x16", "put 1 MiB, async, 16 in flight", "put", "async", 16, MIB, 64),
    Case(
        "put-1m-x16-unsigned",
        "put 1 MiB, async, 16 in flight, unsigned payload",
        *("put", "async", 16, MIB, 64),
        store=UNSIGNED,
    ),
    Case("put-1g", "put one 1 GiB object", "put", "async", 1, GIB),
    Case("put-1g-unsigned", "put one 1 GiB object, unsigned payload", "put", "async", 1, GIB, store=UNSIGNED),
)
