"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest

MODULES = [
    "",
    "._copy",
    "._delete",
    "._download",
    "._get",
    "._get_into",
    "._head",
    "._list",
    "._memory",
    "._prefix",
    "._put",
    "._rename",
    "._scheme",
    "._sign",
    ".store",
]


@pytest.mark.parametrize("name", MODULES, ids=lambda name: name or "package")
def test_examples(name: str) -> None:
    module = import_module(f"obstore_c{name}")
    failed, attempted = doctest.testmod(module)
    assert attempted
    assert not failed
