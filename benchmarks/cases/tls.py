"""What does encryption cost?"""

from benchmarks.cases import KIB, MIB, Case

CASES = (
    Case(
        "tls-get-4k-x64",
        "get 4 KiB over TLS, async, 64 in flight",
        "get",
        "async",
        64,
        4 * KIB,
        256,
        server="https",
    ),
    Case(
        "tls-get-1m-x16",
        "get 1 MiB over TLS, async, 16 in flight",
        "get",
        "async",
        16,
        MIB,
        16,
        server="https",
    ),
)
