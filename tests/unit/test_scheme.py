"""parse_scheme: what obstore says, and no secret of a URL in a message."""

from __future__ import annotations

import obstore
import pytest

import obstore_c as obs
from obstore_c import exceptions as exc

URLS = [
    *("s3://b/p", "s3a://b", "S3://b", "gs://b/p", "az://c", "adl://c", "azure://c", "abfs://c", "abfss://c"),
    *("file:///a", "memory:///", "http://h/p", "https://h/p", "http://b.s3.amazonaws.com/p"),
    *(
        "https://s3.eu-west-1.amazonaws.com/b",
        "https://b.s3.amazonaws.com/p",
        "https://a.r2.cloudflarestorage.com/b",
    ),
    *(
        "https://a.blob.core.windows.net/c",
        "https://a.dfs.fabric.microsoft.com/c",
    ),
]


@pytest.mark.parametrize("url", URLS)
def test_scheme_is_obstores(url: str) -> None:
    assert obs.parse_scheme(url) == obstore.parse_scheme(url)


def test_host_that_only_ends_like_amazons_is_not_amazons() -> None:
    assert obs.parse_scheme("https://notamazonaws.com/b") == "http"  # obstore: "s3"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("nonsense", ValueError),
        ("user:SECRET@host", exc.GenericError),
        ("//user:SECRET@host/x", ValueError),
        ("ftp://user:SECRET@host/x", exc.GenericError),
        ("ftp://host/x?X-Amz-Signature=SECRET", exc.GenericError),
        ("ftp://host/x#SECRET", exc.GenericError),
        ("https:///x?sig=SECRET", ValueError),
    ],
)
def test_url_of_no_store_is_told_without_its_secrets(url: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        obs.parse_scheme(url)
    assert "SECRET" not in str(caught.value)


def test_store_of_no_kind_is_told_without_the_urls_secrets() -> None:
    with pytest.raises(exc.NotSupportedError) as caught:
        obs.store.from_url("https://minio.example/b/k?X-Amz-Signature=SECRET")
    assert "SECRET" not in str(caught.value)
