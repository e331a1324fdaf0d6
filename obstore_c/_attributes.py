"""Attributes: what is stored with an object besides its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from ._checks import check_text

if TYPE_CHECKING:
    from collections.abc import Mapping

Attribute: TypeAlias = (
    Literal[
        "Content-Disposition",
        "Content-Encoding",
        "Content-Language",
        "Content-Type",
        "Cache-Control",
        "Storage-Class",
    ]
    | str
)
"""The name of an attribute.

The six names above mean the HTTP header of that name (and the provider's storage class); they are recognised
in any case. Every other name is metadata of the user's own, which the provider stores with the object.
"""

Attributes: TypeAlias = dict[Attribute, str]
"""Attributes by name, given to `put` and found again in `GetResult.attributes`.

Listings do not carry them: no provider returns them there.

Example:
    >>> from obstore_c.store import MemoryStore
    >>> store = MemoryStore()
    >>> _ = store.put("page.html", b"<p>", attributes={"Content-Type": "text/html", "author": "me"})
    >>> store.get("page.html").attributes
    {'Content-Type': 'text/html', 'author': 'me'}
"""

_CANONICAL: dict[str, Attribute] = {
    name.lower(): name
    for name in (
        "Content-Disposition",
        "Content-Encoding",
        "Content-Language",
        "Content-Type",
        "Cache-Control",
        "Storage-Class",
    )
}


def check_attributes(attributes: Mapping[str, str]) -> Attributes:
    """Return a copy of `attributes` with the known names in their usual spelling.

    Raises:
        TypeError: not a dict of strings.
        ValueError: a name or a value that cannot be sent in a header, because it breaks the line.
    """
    if not isinstance(attributes, dict):
        raise TypeError(f"attributes must be a dict of strings, not {type(attributes).__name__}")
    checked: Attributes = {}
    for name, value in attributes.items():
        check_text("a name in attributes", name)
        check_text(f"attributes[{name!r}]", value)
        checked[_CANONICAL.get(name.lower()) or name] = value
    return checked
