from collections.abc import Sequence
from typing import Final

from typing_extensions import Buffer

LANES: Final[int]

def sha256_each(buffers: Sequence[Buffer]) -> list[str]: ...
