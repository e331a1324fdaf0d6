"""What a client has to know of the server. It crosses to the measuring process as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

BUCKET = "bench"


@dataclass(frozen=True)
class Endpoint:
    """Where the bucket is. The credentials are made up: nginx checks no signature, yet every client signs."""

    url: str
    root: str
    """Folder of the bucket, so that a check can read what was stored."""
    ca_file: str | None = None
    bucket: str = BUCKET
    region: str = "us-east-1"
    access_key_id: str = "BENCHMARKACCESSKEY01"
    secret_access_key: str = "benchmark-secret-that-opens-nothing-0001"

    @property
    def secure(self) -> bool:
        """Whether the endpoint speaks TLS."""
        return self.url.startswith("https")

    def address(self, key: str) -> str:
        """URL of an object, path style."""
        return f"{self.url}/{self.bucket}/{key}"

    def file(self, key: str) -> Path:
        """The file behind an object."""
        return Path(self.root) / key

    def to_json(self) -> str:
        """The endpoint as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Endpoint:
        """The inverse of `to_json`."""
        return cls(**json.loads(text))
