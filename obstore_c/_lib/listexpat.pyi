from typing_extensions import Buffer

from obstore_c._lib.columns import Columns

def parse_list(body: Buffer, columns: Columns, prefix: str = "") -> tuple[list[str], str | None]: ...
