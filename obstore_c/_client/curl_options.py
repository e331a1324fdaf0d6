"""Checks the user's own libcurl options: `client_options={"curl_options": {pycurl.INTERFACE: "eth1"}}`.

libcurl believes that a pointer points to what the option needs. Only options that take a number, a string or
a blob may pass; the kind of most is in the option's number (curl/curl.h, CURLOPTTYPE_*).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from obstore_c.exceptions import ConfigurationError

if TYPE_CHECKING:
    from obstore_c._client.config_values import CurlOptions

_STRING, _FUNCTION, _OFFSET, _BLOB, _END = 10_000, 20_000, 30_000, 40_000, 50_000

# Options numbered like strings that point to something else: lists, handles, callbacks' data.
_NOT_STRINGS = {
    10001: "WRITEDATA",
    10009: "READDATA",
    10010: "ERRORBUFFER",
    10015: "POSTFIELDS",
    10023: "HTTPHEADER",
    10024: "HTTPPOST",
    10028: "QUOTE",
    10029: "HEADERDATA",
    10037: "STDERR",
    10039: "POSTQUOTE",
    10057: "XFERINFODATA",
    10070: "TELNETOPTIONS",
    10093: "PREQUOTE",
    10095: "DEBUGDATA",
    10100: "SHARE",
    10103: "PRIVATE",
    10104: "HTTP200ALIASES",
    10109: "SSL_CTX_DATA",
    10131: "IOCTLDATA",
    10149: "SOCKOPTDATA",
    10164: "OPENSOCKETDATA",
    10165: "COPYPOSTFIELDS",
    10168: "SEEKDATA",
    10185: "SSH_KEYDATA",
    10187: "MAIL_RCPT",
    10195: "INTERLEAVEDATA",
    10201: "CHUNK_DATA",
    10202: "FNMATCH_DATA",
    10203: "RESOLVE",
    10209: "CLOSESOCKETDATA",
    10228: "PROXYHEADER",
    10240: "STREAM_DEPENDS",
    10241: "STREAM_DEPENDS_E",
    10243: "CONNECT_TO",
    10269: "MIMEPOST",
    10273: "RESOLVER_START_DATA",
    10282: "CURLU",
    10284: "TRAILERDATA",
    10302: "HSTSREADDATA",
    10304: "HSTSWRITEDATA",
    10313: "PREREQDATA",
    10317: "SSH_HOSTKEYDATA",
}

# Options that say what a request is and how it is driven; they are set for each transfer.
_OWN = {
    42: "HEADER",
    44: "NOBODY",
    46: "UPLOAD",
    47: "POST",
    52: "FOLLOWLOCATION",
    54: "PUT",
    60: "POSTFIELDSIZE",
    80: "HTTPGET",
    99: "NOSIGNAL",
    141: "CONNECT_ONLY",
    234: "PATH_AS_IS",
    10002: "URL",
    10007: "RANGE",
    10036: "CUSTOMREQUEST",
    10102: "ACCEPT_ENCODING",
    10266: "REQUEST_TARGET",
    30115: "INFILESIZE_LARGE",
    30116: "RESUME_FROM_LARGE",
    30120: "POSTFIELDSIZE_LARGE",
}

_REFUSED = _NOT_STRINGS | _OWN


def check_curl_options(value: object) -> CurlOptions:
    """Check libcurl options given by number.

    Args:
        value: a mapping from pycurl's constants to numbers, `str` or `bytes`; None is left out.

    Raises:
        TypeError: a key is no option number, or a value's type does not fit the option.
        ConfigurationError: the option takes a list, a handle or a function, or belongs to the request.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"curl_options must be a dict, not {type(value).__name__}")
    options: CurlOptions = {}
    for number, setting in value.items():
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(
                f"the keys of curl_options must be numbers such as pycurl.INTERFACE, not {number!r}"
            )
        if setting is not None:
            options[int(number)] = _check_setting(number, setting)
    return options


def _check_setting(number: int, setting: object) -> int | str | bytes:
    if not 0 < number < _END or number in _REFUSED or _FUNCTION <= number < _OFFSET:
        raise ConfigurationError(f"the libcurl option {_REFUSED.get(number, number)} cannot be set here")
    if number < _STRING or _OFFSET <= number < _BLOB:
        if not isinstance(setting, int):
            raise TypeError(f"the libcurl option {number} must be an int, not {type(setting).__name__}")
        if not -(2**31) <= setting < 2**31 and number < _STRING:
            raise ConfigurationError(f"the libcurl option {number} is out of range")
        return int(setting)
    if not isinstance(setting, (str, bytes)):
        raise TypeError(f"the libcurl option {number} must be str or bytes, not {type(setting).__name__}")
    if number < _FUNCTION and ("\0" in setting if isinstance(setting, str) else b"\0" in setting):
        raise ConfigurationError(f"the libcurl option {number} must not contain NUL")
    return setting
