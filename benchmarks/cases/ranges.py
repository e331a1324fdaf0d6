"""How fast are many small pieces of one large object, as a Parquet or Zarr reader wants them?"""

from benchmarks.cases import GIB, Case

CASES = (
    Case(
        "ranges-16k-1000",
        "1,000 random 16 KiB ranges of 1 GiB",
        *("ranges", "async", 1, GIB),
        parts=1000,
        unit="range",
    ),
)
