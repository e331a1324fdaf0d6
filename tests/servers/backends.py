"""The stores that the conformance suite runs over, and what each can do.

A quirk of a server is declared here, as a capability it lacks. A test that needs one says so,
`@pytest.mark.needs("conditional_put")`, and is then not made for the backends without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Capabilities:
    """What a backend does as S3 does it. False: not, or not like S3."""

    conditional_put: bool = True
    """put(mode="create") and put(mode=UpdateVersion)."""
    conditional_get: bool = True
    """if_match and if_unmodified_since, if_modified_since. (if_none_match works everywhere.)"""
    range_status_206: bool = True
    """A ranged GET is answered with 206; without it with 200, Content-Range and the right bytes."""
    any_key: bool = True
    """Keys such as `a//b`, `/a`, `dir/`, `..`, control characters, long names, and `a` beside `a/b`."""
    quoted_list_etags: bool = True
    """Listings carry the e_tag exactly as head() does, in quotes."""
    multipart_etags: bool = True
    """The e_tag that a multipart upload returns is the one head() shows later."""
    tags: bool = True
    """Tags of objects can be read back."""
    http: bool = True
    """There is a server behind it: wrong credentials, missing buckets and the like can be tried."""
    checks_signature: bool = True
    """A wrong secret is refused."""
    sign: bool = True
    """Presigned URLs."""
    copy_if_not_exists: bool = False
    """copy(overwrite=False) works."""
    attributes: bool = True
    """put(attributes=...) come back with get()."""

    def __contains__(self, name: object) -> bool:
        return bool(getattr(self, str(name)))


CAPABILITY_NAMES = frozenset(each.name for each in fields(Capabilities))

CAPABILITIES = {
    "memory": Capabilities(
        http=False, checks_signature=False, sign=False, tags=False, copy_if_not_exists=True
    ),
    "moto": Capabilities(checks_signature=False),
    "rclone": Capabilities(
        conditional_put=False,
        conditional_get=False,
        range_status_206=False,
        any_key=False,
        quoted_list_etags=False,
        multipart_etags=False,
        tags=False,
    ),
}


@dataclass(frozen=True)
class Backend:
    """One place that objects can be kept in: how to make a store on it, and what it can do."""

    name: str
    bucket: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of S3Store: endpoint, credentials, region."""

    @property
    def can(self) -> Capabilities:
        return CAPABILITIES[self.name]

    @property
    def endpoint(self) -> str:
        return str(self.config["endpoint"])

    def store(self, bucket: str | None = None, **overrides: Any) -> Any:
        """A store of obstore_c; an override of None takes that setting away."""
        from obstore_c import store

        return self._make(store, bucket, overrides)

    def reference_store(self, bucket: str | None = None, **overrides: Any) -> Any:
        """The same place seen through obstore, whose behaviour ours is compared with.

        In memory it is a place of its own: nothing is shared there.
        """
        from obstore import store

        return self._make(store, bucket, overrides)

    def _make(self, module: Any, bucket: str | None, overrides: dict[str, Any]) -> Any:
        if self.name == "memory":
            return module.MemoryStore()
        config = {key: value for key, value in (self.config | overrides).items() if value is not None}
        return module.S3Store(bucket or self.bucket, **config)


def s3_config(endpoint: str, access_key_id: str, secret_access_key: str) -> dict[str, Any]:
    """S3Store's keyword arguments for a server on loopback."""
    return {
        "endpoint": endpoint,
        "access_key_id": access_key_id,
        "secret_access_key": secret_access_key,
        "region": "us-east-1",
        "client_options": {"allow_http": True},
        "virtual_hosted_style_request": False,
    }
