"""Conditional get and put."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from obstore_c.exceptions import AlreadyExistsError, NotModifiedError, PreconditionError

if TYPE_CHECKING:
    from conformance.verbs import BlockingVerbs

MINUTE = timedelta(minutes=1)


@pytest.mark.needs("conditional_put")
def test_create_only_once(verbs: BlockingVerbs) -> None:
    verbs.put("key", b"first", mode="create")
    with pytest.raises(AlreadyExistsError):
        verbs.put("key", b"second", mode="create")
    assert verbs.read("key") == b"first"


@pytest.mark.needs("conditional_put")
def test_update_the_version_that_was_put(verbs: BlockingVerbs) -> None:
    first = verbs.put("key", b"first")
    second = verbs.put("key", b"second", mode=first)
    with pytest.raises(PreconditionError):
        verbs.put("key", b"third", mode=first)
    verbs.put("key", b"fourth", mode={"e_tag": second["e_tag"]})
    assert verbs.read("key") == b"fourth"


def test_overwrite_mode_overwrites(verbs: BlockingVerbs) -> None:
    verbs.put("key", b"first", mode="overwrite")
    verbs.put("key", b"second", mode="overwrite")
    assert verbs.read("key") == b"second"


def test_if_none_match(verbs: BlockingVerbs) -> None:
    e_tag = verbs.put("key", b"data")["e_tag"]
    with pytest.raises(NotModifiedError):
        verbs.get("key", options={"if_none_match": e_tag})
    assert verbs.read("key", if_none_match='"another"') == b"data"


@pytest.mark.needs("conditional_get")
def test_if_match(verbs: BlockingVerbs) -> None:
    e_tag = verbs.put("key", b"data")["e_tag"]
    assert verbs.read("key", if_match=e_tag) == b"data"
    with pytest.raises(PreconditionError):
        verbs.get("key", options={"if_match": '"another"'})


@pytest.mark.needs("conditional_get")
def test_if_unmodified_since(verbs: BlockingVerbs) -> None:
    verbs.put("key", b"data")
    stored = verbs.head("key")["last_modified"]
    assert verbs.read("key", if_unmodified_since=stored + MINUTE) == b"data"
    with pytest.raises(PreconditionError):
        verbs.get("key", options={"if_unmodified_since": stored - MINUTE})


@pytest.mark.needs("conditional_get")
def test_if_modified_since(verbs: BlockingVerbs) -> None:
    verbs.put("key", b"data")
    stored = verbs.head("key")["last_modified"]
    elsewhere = (stored - MINUTE).astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert verbs.read("key", if_modified_since=elsewhere) == b"data"
    with pytest.raises(NotModifiedError):
        verbs.get("key", options={"if_modified_since": stored + timedelta(seconds=1)})


def test_options_that_are_none_are_absent(verbs: BlockingVerbs) -> None:
    verbs.put("key", b"data", attributes=None, tags=None, mode=None, use_multipart=None)
    nothing = dict.fromkeys(
        ("if_match", "if_none_match", "if_modified_since", "if_unmodified_since", "range", "version", "head")
    )
    assert verbs.read("key", **nothing) == b"data"
