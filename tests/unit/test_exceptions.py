"""The exception hierarchy, compared with obstore's."""

from __future__ import annotations

import pickle
import warnings

import obstore.exceptions
import obstore.store
import pytest

from obstore_c import exceptions


def names(module: object) -> list[str]:
    return sorted(
        name for name in vars(module) if isinstance(getattr(module, name), type) and name[0].isupper()
    )


def test_names_are_obstores() -> None:
    assert sorted(exceptions.__all__) == names(obstore.exceptions)


@pytest.mark.parametrize("name", names(obstore.exceptions))
def test_class_has_obstores_ancestors(name: str) -> None:
    theirs = {base.__name__ for base in getattr(obstore.exceptions, name).__mro__}
    ours = {base.__name__ for base in getattr(exceptions, name).__mro__}
    assert theirs <= ours
    # Of builtins only ValueError may join in: obstore raises that for unknown client options.
    assert ours - theirs <= {"ValueError"}


def test_missing_object_is_the_builtin_and_ours() -> None:
    error = exceptions.ObjectNotFoundError("no object at 'a'")
    assert isinstance(error, FileNotFoundError)
    assert isinstance(error, exceptions.NotFoundError)
    assert isinstance(error, exceptions.BaseError)
    assert str(error) == "no object at 'a'"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_wrong_configuration_is_obstores_error_and_the_builtin() -> None:
    with pytest.raises(obstore.exceptions.GenericError):
        obstore.store.S3Store("bucket", skip_signature="perhaps")  # type: ignore[arg-type]
    assert issubclass(exceptions.ConfigurationError, exceptions.GenericError)
    assert issubclass(exceptions.ConfigurationError, ValueError)


def test_deprecated_name_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exceptions.NotFoundError("gone")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("regoin", "Unknown S3 configuration key 'regoin'; did you mean 'region'?"),
        ("AWS_REGOIN", "Unknown S3 configuration key 'AWS_REGOIN'; did you mean 'region'?"),
        ("xyzzy", "Unknown S3 configuration key 'xyzzy'"),
    ],
)
def test_unknown_key_names_it_and_the_nearest(key: str, message: str) -> None:
    error = exceptions.UnknownConfigurationKeyError.for_key(
        key, ["bucket", "region", "default_region"], "S3 configuration", prefix="aws_"
    )
    assert str(error) == message
