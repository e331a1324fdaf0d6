"""What does encryption cost? The small cases again, and one of megabytes."""

from dataclasses import replace

from benchmarks.cases import Case, large, put, small


def _encrypted(case: Case) -> Case:
    return replace(case, name=f"tls-{case.name}", title=f"{case.title}, TLS", server="https")


PLAIN = (
    *small.CASES,
    *(case for case in (*large.CASES, *put.CASES) if case.name in ("get-1m-x16", "put-4k-x64", "put-1m-x16")),
)
CASES = tuple(_encrypted(case) for case in PLAIN)
