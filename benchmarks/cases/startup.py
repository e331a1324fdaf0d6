"""What does it cost before the first byte moves?"""

from benchmarks.cases import Case

CASES = (
    Case("import", "import the library in a new process", "import", "blocking", unit="import"),
    Case("build-store", "build a store", "build", "blocking", unit="store"),
)
