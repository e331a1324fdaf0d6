"""How does throughput grow with the number of requests in flight, and with the size of the objects?

A sweep is a line through many cases. Those that answer another question as well are measured once.
"""

from benchmarks.cases import GIB, KIB, MIB, Case, large, small

IN_FLIGHT = tuple(2**n for n in range(11))
SIZES = tuple(KIB * 4**n for n in range(11))
IN_MEMORY = 512 * MIB
"""Of the large objects not more are in flight at a time than have room in this."""


def size_name(size: int) -> str:
    """A size as people say it: `64 KiB`."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size // KIB} KiB"


def _get(size: int, in_flight: int) -> Case:
    for case in (*small.CASES, *large.CASES):
        if (case.verb, case.how, case.size, case.in_flight) == ("get", "async", size, in_flight):
            return case
    name = size_name(size).lower().replace("ib", "").replace(" ", "")
    title = f"get {size_name(size)}, async, {in_flight} in flight"
    objects = max(1, min(256, 64 * MIB // size, 4 * in_flight))
    return Case(f"get-{name}-x{in_flight}", title, "get", "async", in_flight, size, objects)


CONCURRENCY = {number: _get(4 * KIB, number) for number in IN_FLIGHT}
"""Cases by the number of requests in flight, all of 4 KiB."""
SIZE = {size: _get(size, max(1, min(16, IN_MEMORY // size))) for size in SIZES}
"""Cases by the size of the objects, as far as possible with 16 in flight."""

_ALL = {case.name: case for case in (*CONCURRENCY.values(), *SIZE.values())}
CASES = tuple(_ALL[name] for name in _ALL if name not in {case.name for case in (*small.CASES, *large.CASES)})
