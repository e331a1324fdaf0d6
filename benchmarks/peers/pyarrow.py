"""pyarrow's S3FileSystem: the AWS C++ SDK; blocking, asynchronous cases run it in threads."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.peers.base import CHUNK, NO_ARROW, ONE_BY_ONE, RANGES_IN_FLIGHT, Peer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.cases import Case
    from benchmarks.server.endpoint import Endpoint


class Adapter(Peer):
    """pyarrow.fs.S3FileSystem."""

    module = distribution = "pyarrow"
    asynchronous = False
    not_served: ClassVar = {"listarrow": NO_ARROW, "delete": ONE_BY_ONE}

    def __init__(self, endpoint: Endpoint, case: Case) -> None:
        super().__init__(endpoint, case)
        # As S3 servers of other makers want it, and as the other peers do it. It has no option for this.
        os.environ["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required"
        os.environ["AWS_RESPONSE_CHECKSUM_VALIDATION"] = "when_required"
        self.fs = self.build()

    def build(self) -> Any:
        from pyarrow import fs

        endpoint = self.endpoint
        scheme, _, address = endpoint.url.partition("://")
        trust = {"tls_ca_file_path": endpoint.ca_file} if endpoint.ca_file else {}
        return fs.S3FileSystem(
            access_key=endpoint.access_key_id,
            secret_key=endpoint.secret_access_key,
            region=endpoint.region,
            scheme=scheme,
            endpoint_override=address,
            allow_delayed_open=True,  # a small put is one request, not three
            **trust,
        )

    def _path(self, key: str) -> str:
        return f"{self.endpoint.bucket}/{key}"

    def get(self, key: str) -> Any:
        with self.fs.open_input_file(self._path(key)) as file:
            return file.read_buffer()

    def get_into(self, key: str, buffer: bytearray) -> Any:
        with self.fs.open_input_file(self._path(key)) as file:
            return memoryview(buffer)[: file.readinto(buffer)]

    def head(self, key: str) -> int:
        size: int = self.fs.get_file_info(self._path(key)).size
        return size

    def put(self, key: str, body: bytes) -> object:
        with self.fs.open_output_stream(self._path(key)) as file:
            return file.write(body)

    def stream(self, key: str) -> Iterator[Any]:
        with self.fs.open_input_stream(self._path(key)) as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> Sequence[Any]:
        with (
            self.fs.open_input_file(self._path(key)) as file,
            ThreadPoolExecutor(RANGES_IN_FLIGHT) as pool,
        ):
            return list(pool.map(file.read_at, lengths, starts))

    def list(self, prefix: str) -> Any:
        from pyarrow import fs

        entries = self.fs.get_file_info(fs.FileSelector(self._path(prefix), recursive=True))
        return [entry for entry in entries if entry.is_file]

    def paths(self, listing: Any) -> Sequence[str]:
        return [entry.path.partition("/")[2] for entry in listing]
