"""From failures to exceptions: the classes are obstore's, the messages are sentences without secrets."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obstore_c import exceptions as exc
from obstore_c._client import errors
from obstore_c._client.errors import Failure
from obstore_c._client.request import Request

WHERE = "bucket 'data' at https://s3.example.com"


def request(verb: str = "get", key: str = "a/b") -> Request:
    return Request(verb, key, "GET", "/data/a/b", "X-Amz-Signature=secret", [("authorization", "secret")])


def raised(failure: Failure, verb: str = "get") -> Exception:
    return errors.error(request(verb), failure, where=WHERE, attempts=1, elapsed=0.25)


VERBS = ("get", "head", "put", "delete", "list", "copy", "create", "update")


@pytest.mark.parametrize(
    ("status", "usual", "exceptions"),
    [
        (301, exc.GenericError, {}),
        (304, exc.NotModifiedError, {"create": exc.AlreadyExistsError}),
        (400, exc.GenericError, {}),
        (401, exc.UnauthenticatedError, {}),
        (403, exc.PermissionDeniedError, {}),
        (404, FileNotFoundError, {"update": exc.PreconditionError}),
        (405, exc.GenericError, {}),
        (408, exc.GenericError, {}),
        (409, exc.AlreadyExistsError, {}),
        (411, exc.GenericError, {}),
        (412, exc.PreconditionError, {"create": exc.AlreadyExistsError}),
        (416, exc.GenericError, {}),
        (429, exc.GenericError, {}),
        (500, exc.GenericError, {}),
        (503, exc.GenericError, {}),
    ],
)
def test_class_by_status_and_verb(
    status: int, usual: type[Exception], exceptions: dict[str, type[Exception]]
) -> None:
    """Checked against obstore for every verb but `list`, which has the classes of the others here."""
    for verb in VERBS:
        error = raised(Failure(status), verb)
        assert isinstance(error, exceptions.get(verb, usual)), verb
        assert isinstance(error, exc.BaseError)


def test_class_of_copy_if_not_exists_by_configured_status() -> None:
    assert isinstance(raised(Failure(412), "copy_if_not_exists 412"), exc.AlreadyExistsError)
    assert isinstance(raised(Failure(418), "copy_if_not_exists 418"), exc.AlreadyExistsError)
    assert isinstance(raised(Failure(412), "copy_if_not_exists 409"), exc.PreconditionError)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDenied", exc.PermissionDeniedError),
        ("NoSuchKey", FileNotFoundError),
        ("PreconditionFailed", exc.PreconditionError),
        ("InternalError", exc.GenericError),
        ("Whatever", exc.GenericError),
    ],
)
def test_class_of_an_error_inside_a_200(code: str, kind: type[Exception]) -> None:
    assert isinstance(raised(Failure(200, code)), kind)


def test_message_is_a_sentence_with_everything_in_it() -> None:
    failure = Failure(403, "SignatureDoesNotMatch", "The signature we calculated does not match.")
    error = errors.error(request(), failure, where=WHERE, attempts=3, elapsed=1.25)
    assert str(error) == (
        "get 'a/b' in bucket 'data' at https://s3.example.com failed: the server answered "
        "403 SignatureDoesNotMatch, The signature we calculated does not match (3 attempts, 1.25 s). "
        "Check the secret key; it does not belong to the access key id."
    )


def test_message_of_a_copy_names_source_and_target() -> None:
    both = Request("copy", ("a", "b"), "PUT", "/data/b", "", [])
    error = errors.error(both, Failure(404, "NoSuchKey"), where=WHERE, attempts=1, elapsed=0.1)
    assert str(error).startswith("copy 'a' to 'b' in bucket 'data'")


def test_message_without_a_key() -> None:
    error = errors.error(request("list", ""), Failure(500), where=WHERE, attempts=1, elapsed=0.1)
    assert str(error) == f"list in {WHERE} failed: the server answered 500 (1 attempt, 0.1 s)."


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        (Failure(404, "NoSuchBucket"), "Check the bucket's name"),
        (Failure(403, "InvalidAccessKeyId"), "Check the access key id"),
        (Failure(403), "Check the credentials"),
        (Failure(400, "ExpiredToken"), "session token has expired"),
        (Failure(404), "no such object, or no such bucket"),
        (Failure(302), "Redirects are not followed"),
        (Failure(301, "PermanentRedirect"), "another region"),
        (Failure(403, "RequestTimeTooSkewed"), "clock"),
        (Failure(0, curl_code=6, curl_message="Could not resolve host: x"), "Check the endpoint's spelling"),
        (Failure(0, curl_code=7), "Check that the server runs"),
        (Failure(0, curl_code=60), "root_certificate"),
        (Failure(0, curl_code=28), "timeout"),
        (Failure(0, curl_code=35), "speaks TLS"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_message_says_what_to_do(failure: Failure, advice: str) -> None:
    assert advice in str(raised(failure))


def test_message_of_the_network_has_libcurls_words() -> None:
    error = raised(Failure(0, curl_code=7, curl_message="Failed to connect to h:1 after 0 ms"))
    assert isinstance(error, exc.GenericError)
    assert "the connection was refused (libcurl 7: Failed to connect to h:1 after 0 ms)" in str(error)


def test_network_failure_in_a_good_answer_is_no_success() -> None:
    assert type(raised(Failure(206, curl_code=18, curl_message="broke"))) is exc.GenericError


def test_unknown_libcurl_code_is_told() -> None:
    assert "the network failed (libcurl 89: no detail)" in str(raised(Failure(0, curl_code=89)))


def test_message_has_no_secret() -> None:
    message = "Bad: https://h/b/k?X-Amz-Signature=deadbeef&sig=cafe\nhttp://h/?x=beef, sorry"
    text = str(raised(Failure(400, "Bad", message)))
    assert not re.search("secret|deadbeef|cafe|beef", text)
    assert "https://h/b/k?..." in text


@given(st.text(max_size=2000))
def test_message_is_one_bearable_line(said: str) -> None:
    text = str(raised(Failure(400, "Code", said)))
    assert text.isprintable()
    assert len(text) < 700


def test_failure_shows_no_secret() -> None:
    assert "secret" not in repr(request())
