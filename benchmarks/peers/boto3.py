"""boto3: the official client, blocking; asynchronous cases run it in threads.

Where each connection is limited, its transfer manager moves many parts at a time; elsewhere that is slower.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.peers.base import CHUNK, NO_ARROW, NO_BUFFER, Peer
from benchmarks.peers.botocore_config import CONFIG, batches, byte_range, client_arguments, no_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.cases import Case
    from benchmarks.server.endpoint import Endpoint


class Adapter(Peer):
    """boto3's low-level client."""

    module = distribution = "boto3"
    asynchronous = False
    not_served: ClassVar = {"into": NO_BUFFER, "listarrow": NO_ARROW}

    def __init__(self, endpoint: Endpoint, case: Case) -> None:
        super().__init__(endpoint, case)
        self.client = self.build()
        if case.server.startswith("limited"):
            self.get, self.put = self._download, self._upload  # type: ignore[method-assign]

    def build(self) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(**client_arguments(self.endpoint), config=Config(**CONFIG))

    def get(self, key: str) -> Any:
        return self.client.get_object(Bucket=self.endpoint.bucket, Key=key)["Body"].read()

    def _download(self, key: str) -> Any:
        body = io.BytesIO()
        self.client.download_fileobj(self.endpoint.bucket, key, body)
        return body.getbuffer()

    def _upload(self, key: str, body: bytes) -> object:
        return self.client.upload_fileobj(io.BytesIO(body), self.endpoint.bucket, key)

    def get_range(self, key: str, start: int, length: int) -> Any:
        where = byte_range(start, length)
        return self.client.get_object(Bucket=self.endpoint.bucket, Key=key, Range=where)["Body"].read()

    def head(self, key: str) -> int:
        size: int = self.client.head_object(Bucket=self.endpoint.bucket, Key=key)["ContentLength"]
        return size

    def put(self, key: str, body: bytes) -> object:
        return self.client.put_object(Bucket=self.endpoint.bucket, Key=key, Body=body)

    def stream(self, key: str) -> Iterator[Any]:
        body = self.client.get_object(Bucket=self.endpoint.bucket, Key=key)["Body"]
        return iter(body.iter_chunks(CHUNK))

    def list(self, prefix: str) -> Any:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.endpoint.bucket, Prefix=f"{prefix}/"
        )
        return [entry for page in pages for entry in page["Contents"]]

    def delete(self, keys: Sequence[str]) -> object:
        delete, bucket = self.client.delete_objects, self.endpoint.bucket
        return [no_errors(delete(Bucket=bucket, Delete=batch)) for batch in batches(keys)]

    def paths(self, listing: Any) -> Sequence[str]:
        return [entry["Key"] for entry in listing]
