from collections.abc import Iterable
from typing import Final, Never, final

from obstore_c._lib.canonical import canonical_query as canonical_query
from obstore_c._lib.sha256 import sha256_hex as payload_sha256

__all__ = ["EMPTY_SHA256", "UNSIGNED_PAYLOAD", "Signer", "canonical_query", "payload_sha256"]

EMPTY_SHA256: Final[str]
UNSIGNED_PAYLOAD: Final[str]

@final
class Signer:
    def __new__(
        cls,
        access_key_id: str,
        secret_access_key: str,
        token: str | None,
        region: str,
        service: str = "s3",
        *,
        token_header: str = "x-amz-security-token",
    ) -> Signer: ...
    @property
    def region(self) -> str: ...
    @property
    def service(self) -> str: ...
    def sign(
        self,
        method: str,
        host: str,
        path: str,
        query: str,
        headers: Iterable[tuple[str, str]],
        payload_hash: str,
        now: float | None = None,
    ) -> bytes: ...
    def presign(
        self,
        method: str,
        scheme: str,
        host: str,
        path: str,
        query: Iterable[tuple[str, str]],
        headers: Iterable[tuple[str, str]],
        expires: int,
        now: float | None = None,
        *,
        payload_hash: str | None = None,
    ) -> str: ...
    def __reduce__(self) -> Never: ...
