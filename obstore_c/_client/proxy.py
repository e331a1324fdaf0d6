"""Which proxy the requests of a store go through.

The environment is read here, when a store is made, and libcurl is always told the outcome: by itself it would
read the environment again for every connection, on its own thread, while Python may be changing it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore_c.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


def parse_proxy_url(name: str, text: str) -> str:
    """Accept `[scheme://][user:password@]host[:port]`. Messages don't show it: it may hold a password.

    Raises:
        ConfigurationError: it is no such URL or the scheme is unknown.
    """
    scheme, separator, rest = text.partition("://")
    if separator and scheme.lower() not in _SCHEMES:
        raise ConfigurationError(f"{name} must be a URL with one of the schemes {', '.join(_SCHEMES)}")
    host = (rest if separator else text).rpartition("@")[2]
    if not host.strip("/") or any(character <= " " or character == "\x7f" for character in text):
        raise ConfigurationError(f"{name} must be a proxy's URL such as http://proxy.example:3128")
    return text


def environment_proxy(scheme: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Read the proxy for a scheme, and the hosts that bypass it, from the environment.

    An HTTP proxy is not believed when `REQUEST_METHOD` is set: in a CGI program `HTTP_PROXY` is the `Proxy`
    header of whoever asks (https://httpoxy.org), and some systems don't tell the case of names apart.

    Args:
        scheme: `http` or `https`.
        environ: the environment.

    Returns:
        The proxy, `""` for none, and a comma-separated list of hosts.
    """
    names = ["ALL_PROXY", "all_proxy"]
    if scheme != "http" or "REQUEST_METHOD" not in environ:
        names = [f"{scheme}_proxy".upper(), f"{scheme}_proxy", *names]
    proxy = next((environ[name] for name in names if environ.get(name)), "")
    excludes = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    return proxy, excludes
