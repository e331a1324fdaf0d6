from collections.abc import Iterable
from typing import final

__pyx_capi__: dict[str, object]

def canonical_query(pairs: Iterable[tuple[str, str]]) -> str: ...

@final
class CanonicalRequest:
    def __new__(cls, headers: Iterable[tuple[str, str]], replaced: tuple[bytes, ...]) -> CanonicalRequest: ...
