"""How fast are a hundred thousand keys listed?"""

from benchmarks.cases import Case

CASES = (
    Case("list-100k", "list 100,000 keys as dicts", "list", "async", parts=100_000, unit="key"),
    Case("list-100k-arrow", "list 100,000 keys as Arrow", "listarrow", "async", parts=100_000, unit="key"),
)
