"""boto3: the official client, blocking; asynchronous cases run it in threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.peers.base import CHUNK, Peer
from benchmarks.peers.botocore_config import CONFIG, byte_range, client_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.server.endpoint import Endpoint


class Adapter(Peer):
    """boto3's low-level client."""

    module = distribution = "boto3"
    asynchronous = False

    def __init__(self, endpoint: Endpoint, options: Mapping[str, Any]) -> None:
        super().__init__(endpoint, options)
        self.client = self.build()

    def build(self) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(**client_arguments(self.endpoint), config=Config(**CONFIG))

    def get(self, key: str) -> Any:
        return self.client.get_object(Bucket=self.endpoint.bucket, Key=key)["Body"].read()

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

    def paths(self, listing: Any) -> Sequence[str]:
        return [entry["Key"] for entry in listing]
