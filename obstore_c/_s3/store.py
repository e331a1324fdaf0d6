"""`S3Store`: a bucket of Amazon S3 or of anything that speaks its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obstore_c._client.retry_config import RetryPolicy
from obstore_c._lib.engine import Profile
from obstore_c._ops.backend import HttpBackend
from obstore_c._s3.client import S3Client
from obstore_c._s3.config import S3Options
from obstore_c._s3.credential import Credential, CredentialSource, MissingSource, ProviderSource, StaticSource
from obstore_c._s3.url import parse_s3_url
from obstore_c.store import ObjectStoreMethods

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from obstore_c._client.types import ClientConfig, RetryConfig
    from obstore_c._s3.types import S3Config, S3CredentialProvider


class S3Store(ObjectStoreMethods):
    """A bucket, or the part of it below a prefix.

    What is not passed is taken from the environment (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, ...; see
    `S3Config`). Making a store connects to nothing. A store may be used from any thread and any event loop,
    and by forked processes.

    Example:
        >>> store = S3Store("my-bucket", prefix="data", region="eu-west-1", skip_signature=True)
        >>> store
        S3Store(bucket="my-bucket", prefix="data")
        >>> store.config
        {'bucket': 'my-bucket', 'region': 'eu-west-1', 'skip_signature': 'true'}
    """

    def __init__(
        self,
        bucket: str | None = None,
        *,
        prefix: str | None = None,
        config: S3Config | Mapping[str, Any] | None = None,
        client_options: ClientConfig | Mapping[str, Any] | None = None,
        retry_config: RetryConfig | None = None,
        credential_provider: S3CredentialProvider | None = None,
        **kwargs: Any,
    ) -> None:
        """Make a store.

        Args:
            bucket: the bucket's name.

        Keyword Args:
            prefix: use only the keys below this one; all paths are relative to it.
            config: configuration; it counts more than the environment.
            client_options: HTTP options.
            retry_config: how failed requests are repeated.
            credential_provider: a function or coroutine function that returns an `S3Credential`.
            kwargs: configuration, as in `config`.

        Raises:
            UnknownConfigurationKeyError: a key that there is not.
            GenericError: a value that cannot be, or no bucket (a `ValueError` as well).
            TypeError: a value of the wrong type.
        """
        self._set_up(bucket, prefix, config, client_options, retry_config, credential_provider, kwargs, None)

    def _set_up(
        self,
        bucket: str | None,
        prefix: str | None,
        config: Any,
        client_options: Any,
        retry_config: RetryConfig | None,
        provider: Callable[[], Any] | None,
        kwargs: dict[str, Any],
        url_config: dict[str, str] | None,
    ) -> None:
        self._options = S3Options(
            bucket,
            config,
            kwargs,
            url_config=url_config,
            provider_config=getattr(provider, "config", None),
            has_provider=provider is not None,
            client_options=client_options,
        )
        self._prefix = _checked_prefix(prefix if prefix is not None else getattr(provider, "prefix", None))
        self._retry = None if retry_config is None else RetryPolicy(retry_config)
        self._provider = provider
        client = S3Client(
            self._options,
            "" if self._prefix is None else self._prefix + "/",
            _source(self._options, provider),
            Profile(self._options.profile()),
            self._retry or RetryPolicy(),
        )
        self._backend = HttpBackend(client)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        config: S3Config | Mapping[str, Any] | None = None,
        client_options: ClientConfig | Mapping[str, Any] | None = None,
        retry_config: RetryConfig | None = None,
        credential_provider: S3CredentialProvider | None = None,
        **kwargs: Any,
    ) -> Self:
        """Make a store from a URL; what follows the bucket in its path becomes the prefix.

        - `s3://bucket/prefix`, `s3a://bucket/prefix`
        - `https://s3.region.amazonaws.com/bucket/prefix`
        - `https://bucket.s3.region.amazonaws.com/prefix`
        - `https://account.r2.cloudflarestorage.com/bucket/prefix`

        Args:
            url: the URL.

        Keyword Args:
            config: configuration; it counts more than the URL.
            client_options: HTTP options.
            retry_config: how failed requests are repeated.
            credential_provider: a function or coroutine function that returns an `S3Credential`.
            kwargs: configuration, as in `config`.

        Raises:
            GenericError: this is no such URL (a `ValueError` as well).

        Example:
            >>> S3Store.from_url("s3://my-bucket/data", skip_signature=True)
            S3Store(bucket="my-bucket", prefix="data")
        """
        prefix, url_config = parse_s3_url(url)
        store = cls.__new__(cls)
        store._set_up(
            None, prefix, config, client_options, retry_config, credential_provider, kwargs, url_config
        )
        return store

    @property
    def prefix(self) -> str | None:
        """The prefix that all paths are relative to, without a slash at its end; None if there is none."""
        return self._prefix

    @property
    def config(self) -> S3Config:
        """The configuration that was passed; what came from the environment is not in it."""
        config: S3Config = self._options.as_config()  # type: ignore[assignment]
        return config

    @property
    def client_options(self) -> ClientConfig | None:
        """The HTTP options that were passed."""
        given = self._options.client_options
        options: ClientConfig | None = None if given is None else dict(given)  # type: ignore[assignment]
        return options

    @property
    def credential_provider(self) -> S3CredentialProvider | None:
        """The credential provider that was passed."""
        return self._provider

    @property
    def retry_config(self) -> RetryConfig | None:
        """The retry configuration that was passed, with all defaults filled in."""
        return None if self._retry is None else self._retry.as_config()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, S3Store):
            return NotImplemented
        return self._identity() == other._identity()

    __hash__ = None  # type: ignore[assignment]

    def _identity(self) -> tuple[object, ...]:
        options = self._options
        return options.as_config(), options.client_options, self._prefix, self._retry, self._provider

    def __repr__(self) -> str:
        prefix = "" if self._prefix is None else f', prefix="{self._prefix}"'
        return f'{type(self).__name__}(bucket="{self._options.bucket}"{prefix})'

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]:
        """What the constructor needs for an equal store. The credentials that were passed are part of it."""
        arguments = {
            "prefix": self._prefix,
            "config": self._options.as_config(),
            "client_options": self._options.client_options,
            "retry_config": self.retry_config,
            "credential_provider": self._provider,
        }
        return (), {name: value for name, value in arguments.items() if value is not None}

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.__getnewargs_ex__()[1])


def _restore(kind: type[S3Store], arguments: dict[str, Any]) -> S3Store:
    return kind(**arguments)


def _checked_prefix(prefix: str | None) -> str | None:
    """A prefix without a slash at either end; None if nothing is left."""
    if prefix is None:
        return None
    from obstore_c._checks import check_prefix

    check_prefix(prefix)
    return prefix.removeprefix("/").removesuffix("/") or None


def _source(options: S3Options, provider: Callable[[], Any] | None) -> CredentialSource | None:
    if options.flag("skip_signature"):
        return None
    if provider is not None:
        return ProviderSource(provider)
    if options.credentials is None:
        return MissingSource()
    return StaticSource(Credential(*options.credentials))
