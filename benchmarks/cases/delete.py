"""How fast do ten thousand keys go away?"""

from benchmarks.cases import Case

CASES = (Case("delete-10k", "delete 10,000 keys", "delete", "async", parts=10_000, unit="key"),)
