"""The conformance suite: what every store does, seen through blocking calls and through asyncio alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance.verbs import AsyncVerbs, BlockingVerbs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[BlockingVerbs, AsyncVerbs], ids=["blocking", "asyncio"])
def make_verbs(request: pytest.FixtureRequest) -> type[BlockingVerbs]:
    """Blocking calls and asyncio in turn."""
    kind: type[BlockingVerbs] = request.param
    return kind


@pytest.fixture
def verbs(make_verbs: type[BlockingVerbs], store: Any) -> Iterator[BlockingVerbs]:
    """An empty store and its verbs."""
    verbs = make_verbs(store)
    yield verbs
    verbs.close()
