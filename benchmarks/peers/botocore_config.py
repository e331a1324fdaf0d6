"""How boto3, aiobotocore and s3fs, which are all botocore underneath, are set up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.peers.base import KEYS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.server.endpoint import Endpoint

CONFIG: dict[str, Any] = {
    "max_pool_connections": 1024,
    "s3": {"addressing_style": "path"},
    "signature_version": "s3v4",
    # As S3 servers of other makers want it, and as the other peers do it.
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}


def client_arguments(endpoint: Endpoint) -> dict[str, Any]:
    """Arguments of `create_client`, without the configuration."""
    return {
        "service_name": "s3",
        "endpoint_url": endpoint.url,
        "region_name": endpoint.region,
        "aws_access_key_id": endpoint.access_key_id,
        "aws_secret_access_key": endpoint.secret_access_key,
        "verify": endpoint.ca_file or True,
    }


def byte_range(start: int, length: int) -> str:
    """Value of a Range header."""
    return f"bytes={start}-{start + length - 1}"


def batches(keys: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Arguments `Delete` of DeleteObjects."""
    for start in range(0, len(keys), KEYS_AT_ONCE):
        yield {"Objects": [{"Key": key} for key in keys[start : start + KEYS_AT_ONCE]], "Quiet": True}


def no_errors(answer: Mapping[str, Any]) -> None:
    """Look at the answer to DeleteObjects, as everyone should."""
    if answer.get("Errors"):
        raise RuntimeError(f"not deleted: {answer['Errors'][0]}")
