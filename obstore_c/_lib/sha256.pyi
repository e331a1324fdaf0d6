from typing import final

from typing_extensions import Buffer

__pyx_capi__: dict[str, object]

def sha256_hex(buffer: Buffer) -> str: ...

@final
class Hmac:
    def __new__(cls, key: bytes) -> Hmac: ...
    def digest(self, message: bytes) -> bytes: ...
