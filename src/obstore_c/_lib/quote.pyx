# cython: autotestdict=False
"""Percent-encoding of keys and query values, as RFC 3986, section 2 defines it and every provider signs it.

The unreserved characters (letters, digits, `-._~`) stay; each other byte of the UTF-8 form becomes `%XX` in
upper case. A blank is `%20`, never `+`: servers disagree about `+`.
"""

from cpython.exc cimport PyErr_Clear
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_FromObject, PyUnicode_New

cdef extern from "Python.h":
    # Declared here and not cimported: the caller turns the UnicodeEncodeError into our own sentence.
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size)

# How many characters a byte takes: 1 when it stays, 3 when it is escaped.
cdef unsigned char[256] _path_width
cdef unsigned char[256] _value_width
cdef const char* _hex = "0123456789ABCDEF"


cdef void _fill_widths() noexcept:
    cdef int byte
    for byte in range(256):
        _value_width[byte] = 3
    for byte in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~":
        _value_width[byte] = 1
    _path_width[:] = _value_width
    _path_width[c'/'] = 1


_fill_widths()


cdef const char* utf8_of(object text, str what, Py_ssize_t* size) except NULL:
    if not isinstance(text, str):
        raise TypeError(f"the {what} must be a str, not {type(text).__name__}")
    cdef const char* data = PyUnicode_AsUTF8AndSize(text, size)
    if data == NULL:
        PyErr_Clear()
        _refuse(text, what)
    return data


cdef int _refuse(object text, str what) except -1:
    """Says why a str has no UTF-8 form. It may be a secret and stays out of the message."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise ValueError(
            f"the {what} has no UTF-8 form: there is a lone surrogate (U+{code:04X}) at index {error.start}"
        ) from None
    raise MemoryError


cdef str _quoted(object text, str what, const unsigned char* width):
    cdef Py_ssize_t i, total, size = 0, kept = 0
    cdef const unsigned char* data = <const unsigned char*> utf8_of(text, what, &size)
    while kept < size and width[data[kept]] == 1:
        kept += 1
    if kept == size:
        # A str subclass may format as something else, as Enum members do; the result is joined into URLs.
        return text if type(text) is str else PyUnicode_FromObject(text)

    total = kept
    for i in range(kept, size):
        total += width[data[i]]
    cdef str result = PyUnicode_New(total, 127)
    cdef unsigned char* out = <unsigned char*> PyUnicode_1BYTE_DATA(result)
    for i in range(size):
        if width[data[i]] == 1:
            out[0] = data[i]
            out += 1
        else:
            out[0] = c'%'
            out[1] = _hex[data[i] >> 4]
            out[2] = _hex[data[i] & 15]
            out += 3
    return result


cpdef str quote_path(object key):
    """Percent-encode a key for the path of a URL: everything but unreserved characters and `/`.

    Args:
        key: The key as the user wrote it. Dots and repeated slashes are part of it and stay.

    Returns:
        The encoded key; the very same object when nothing needs escaping.

    Raises:
        ValueError: The key holds a lone surrogate, which has no UTF-8 form.

    Example:
        >>> quote_path("a b//ü+.txt")
        'a%20b//%C3%BC%2B.txt'
    """
    return _quoted(key, "key", _path_width)


cpdef str quote(object value):
    """Percent-encode a name or value of a query: everything but unreserved characters, so `/` as well.

    Args:
        value: Any text.

    Returns:
        The encoded text; the very same object when nothing needs escaping.

    Raises:
        ValueError: The text holds a lone surrogate, which has no UTF-8 form.

    Example:
        >>> quote("a/b=c")
        'a%2Fb%3Dc'
    """
    return _quoted(value, "query value", _value_width)
