"""The dictionaries and callbacks that configure an `S3Store`, as types that can be imported at run time."""

from __future__ import annotations

from collections.abc import Coroutine  # noqa: TC003  the annotations are read at run time, by pydantic for one
from datetime import datetime  # noqa: TC003
from typing import Any, Literal, NotRequired, Protocol, TypeAlias, TypedDict

S3ChecksumAlgorithm: TypeAlias = Literal["SHA256", "sha256", "CRC64NVME", "crc64nvme"]
"""Checksums that can be sent with an upload."""

S3EncryptionAlgorithm: TypeAlias = Literal["AES256", "aws:kms", "aws:kms:dsse", "sse-c"]
"""Server-side encryption."""


class S3Config(TypedDict, total=False):
    """Configuration of an `S3Store`: its `config`, or its keyword arguments.

    Each key may be written with `aws_` in front and in any case. What is missing is taken from the
    environment variable of that name in upper case (`AWS_REGION`). Values that are not text may be given as
    text. None is as good as leaving the key out. The text keys of `ClientConfig` may stand here as well.
    """

    access_key_id: str
    """The access key. Environment: `AWS_ACCESS_KEY_ID`."""

    aws_endpoint_url_s3: str
    """The endpoint for S3 only, used before `endpoint`. Environment: `AWS_ENDPOINT_URL_S3`."""

    bucket: str
    """The bucket. Environment: `AWS_BUCKET`, `AWS_BUCKET_NAME`."""

    checksum_algorithm: S3ChecksumAlgorithm | str
    """The checksum to send with every upload: `SHA256`, `CRC32C` or `CRC64NVME`; none by default.
    Environment: `AWS_CHECKSUM_ALGORITHM`."""

    conditional_put: str
    """`"etag"` (default): the server understands `If-Match` and `If-None-Match` of uploads. `"disabled"`: it
    does not. Environment: `AWS_CONDITIONAL_PUT`."""

    container_credentials_relative_uri: str
    """Where a task of ECS gets its credentials, such as `/v2/credentials/abc123`. Environment:
    `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`."""

    container_credentials_full_uri: str
    """Where a pod of EKS gets its credentials. Environment: `AWS_CONTAINER_CREDENTIALS_FULL_URI`."""

    container_authorization_token_file: str
    """File with the token for `container_credentials_full_uri`. Environment:
    `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`."""

    copy_if_not_exists: Literal["multipart"] | str
    """How `copy(overwrite=False)` makes sure that nothing is overwritten: `"multipart"`, by completing a
    multipart upload on condition; `"header:<name>:<value>"`, with a header that makes the server answer 412
    where the target exists; `"header-with-status:<name>:<value>:<status>"`, the same with another status.
    Environment: `AWS_COPY_IF_NOT_EXISTS`."""

    default_region: str
    """The region if `region` says none. Environment: `AWS_DEFAULT_REGION`."""

    disable_tagging: bool
    """Send no tags, for servers that know none. Environment: `AWS_DISABLE_TAGGING`."""

    disable_bulk_delete: bool
    """Delete with one request per object, for servers without DeleteObjects. Environment:
    `AWS_DISABLE_BULK_DELETE`."""

    endpoint: str
    """The URL of the server, if it is not Amazon's of the region: `"http://localhost:9000"`. With
    `virtual_hosted_style_request` it has to name the bucket. An http URL needs `allow_http` in the client
    options.
    Environment: `AWS_ENDPOINT`, `AWS_ENDPOINT_URL`."""

    imdsv1_fallback: bool
    """Ask the instance metadata service the old way if it refuses the safer one. Environment:
    `AWS_IMDSV1_FALLBACK`."""

    metadata_endpoint: str
    """The instance metadata service, `http://169.254.169.254` by default. Environment:
    `AWS_METADATA_ENDPOINT`."""

    region: str
    """The region, `us-east-1` by default. If the bucket turns out to be elsewhere, that region is used.
    Environment: `AWS_REGION`."""

    request_payer: bool | Literal["requester", "REQUESTER"]
    """Agree to pay for requests to buckets whose owner does not. Environment: `AWS_REQUEST_PAYER`."""

    role_arn: str
    """The role to assume with a web identity token. Environment: `AWS_ROLE_ARN`."""

    role_session_name: str
    """The name of that session. Environment: `AWS_ROLE_SESSION_NAME`."""

    s3_express: bool
    """The bucket is a directory bucket of S3 Express One Zone. Environment: `AWS_S3_EXPRESS`."""

    secret_access_key: str
    """The secret key. Environment: `AWS_SECRET_ACCESS_KEY`."""

    server_side_encryption: S3EncryptionAlgorithm | str
    """How the server encrypts what is written: `"AES256"`, `"aws:kms"`, `"aws:kms:dsse"` or, with a key of
    the client's own, `"sse-c"`. Environment: `AWS_SERVER_SIDE_ENCRYPTION`."""

    session_token: str
    """The token of temporary credentials. Environment: `AWS_SESSION_TOKEN`, `AWS_TOKEN`."""

    skip_signature: bool
    """Fetch no credentials and sign nothing, for public buckets. Environment: `AWS_SKIP_SIGNATURE`."""

    sse_bucket_key_enabled: bool
    """Use, or don't use, one data key for the whole bucket, whatever the bucket's default. Environment:
    `AWS_SSE_BUCKET_KEY_ENABLED`."""

    sse_customer_key_base64: str
    """The 256-bit key for `"sse-c"`, in base64. Environment: `AWS_SSE_CUSTOMER_KEY_BASE64`."""

    sse_kms_key_id: str
    """The key for `"aws:kms"` and `"aws:kms:dsse"`. Environment: `AWS_SSE_KMS_KEY_ID`."""

    sts_endpoint: str
    """The token service, Amazon's of the region by default. Environment: `AWS_ENDPOINT_URL_STS`,
    `AWS_STS_ENDPOINT`."""

    unsigned_payload: bool
    """Don't hash what is uploaded, which saves time over https. Environment: `AWS_UNSIGNED_PAYLOAD`."""

    virtual_hosted_style_request: bool
    """Put the bucket into the host name instead of the path. Environment:
    `AWS_VIRTUAL_HOSTED_STYLE_REQUEST`."""

    web_identity_token_file: str
    """File with the web identity token that assumes `role_arn`. Environment:
    `AWS_WEB_IDENTITY_TOKEN_FILE`."""


class S3Credential(TypedDict):
    """What a credential provider returns."""

    access_key_id: str
    """The access key."""

    secret_access_key: str
    """The secret key."""

    token: NotRequired[str | None]
    """The session token of temporary credentials."""

    expires_at: datetime | None
    """Until when it may be used, with a time zone; None is for ever."""


class S3CredentialProvider(Protocol):
    """A function or object that supplies credentials: the `credential_provider` of an `S3Store`.

    It is called before the first request and again when what it returned is about to expire. An attribute
    `config`, if it has one, is configuration that counts less than the store's own.

    Example:
        >>> from datetime import datetime, timedelta, timezone
        >>> def provider() -> S3Credential:
        ...     return {
        ...         "access_key_id": "...",
        ...         "secret_access_key": "...",
        ...         "token": None,
        ...         "expires_at": datetime.now(timezone.utc) + timedelta(minutes=5),
        ...     }
    """

    def __call__(self) -> S3Credential | Coroutine[Any, Any, S3Credential]:
        """Return the credential, or a coroutine that does."""
        ...
