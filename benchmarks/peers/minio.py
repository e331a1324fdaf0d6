"""minio: the client of MinIO, over urllib3; blocking, asynchronous cases run it in threads."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.peers.base import CHUNK, NO_ARROW, NO_BUFFER, Peer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.cases import Case
    from benchmarks.server.endpoint import Endpoint


class Adapter(Peer):
    """A Minio client with a pool that holds the connections of every case."""

    module = distribution = "minio"
    asynchronous = False
    not_served: ClassVar = {"into": NO_BUFFER, "listarrow": NO_ARROW}

    def __init__(self, endpoint: Endpoint, case: Case) -> None:
        super().__init__(endpoint, case)
        self.client = self.build()

    def build(self) -> Any:
        import urllib3
        from minio import Minio

        endpoint = self.endpoint
        return Minio(
            endpoint.url.partition("//")[2],
            access_key=endpoint.access_key_id,
            secret_key=endpoint.secret_access_key,
            region=endpoint.region,
            secure=endpoint.secure,
            http_client=urllib3.PoolManager(maxsize=1024, ca_certs=endpoint.ca_file),
        )

    def get(self, key: str) -> Any:
        response = self.client.get_object(self.endpoint.bucket, key)
        try:
            return response.read()
        finally:
            response.release_conn()

    def get_range(self, key: str, start: int, length: int) -> Any:
        response = self.client.get_object(self.endpoint.bucket, key, offset=start, length=length)
        try:
            return response.read()
        finally:
            response.release_conn()

    def head(self, key: str) -> int:
        size: int = self.client.stat_object(self.endpoint.bucket, key).size
        return size

    def put(self, key: str, body: bytes) -> object:
        return self.client.put_object(self.endpoint.bucket, key, io.BytesIO(body), len(body))

    def stream(self, key: str) -> Iterator[Any]:
        response = self.client.get_object(self.endpoint.bucket, key)
        try:
            yield from response.stream(CHUNK)
        finally:
            response.release_conn()

    def list(self, prefix: str) -> Any:
        return list(self.client.list_objects(self.endpoint.bucket, prefix=f"{prefix}/", recursive=True))

    def delete(self, keys: Sequence[str]) -> object:
        from minio.deleteobjects import DeleteObject

        for error in self.client.remove_objects(self.endpoint.bucket, map(DeleteObject, keys)):
            raise RuntimeError(f"not deleted: {error}")
        return None

    def paths(self, listing: Any) -> Sequence[str]:
        return [entry.object_name for entry in listing]
