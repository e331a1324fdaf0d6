"""Finds the libcurl that the installed pycurl carries, without importing pycurl.

pycurl's wheels bring a current libcurl as a shared library that pycurl's extension module depends on; a
pycurl built from source links to the system's. Opening the extension module as a plain library leads to
either.
"""

# pathlib costs more at import than all of this.
# ruff: noqa: PTH110, PTH118

from __future__ import annotations

import os
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder

_HINT = "obstore_c uses the libcurl of pycurl: install it with `pip install pycurl`"


def find() -> str:
    """Path of pycurl's extension module.

    Raises:
        ImportError: pycurl is not installed, or has no extension module.
    """
    spec = PathFinder.find_spec("pycurl")
    if spec is None:
        raise ImportError(f"pycurl is not installed. {_HINT}")
    if spec.submodule_search_locations is None:
        if spec.origin is not None and spec.origin.endswith(tuple(EXTENSION_SUFFIXES)):
            return spec.origin
    else:
        for folder in spec.submodule_search_locations:
            for suffix in EXTENSION_SUFFIXES:
                path = os.path.join(folder, "_pycurl" + suffix)
                if os.path.exists(path):
                    return path
    raise ImportError(f"the installed pycurl ({spec.origin}) has no extension module. {_HINT}")
