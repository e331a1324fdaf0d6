from typing import Any

from typing_extensions import Buffer

def parse_list(body: Buffer, prefix: str = "") -> tuple[list[dict[str, Any]], list[str], str | None]: ...
