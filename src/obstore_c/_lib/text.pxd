# A growable byte string for building requests in C. Who holds the struct owns `data` and calls text_free().
# Zeroed memory (as the fields of a cdef class are) is a valid empty Text.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.string cimport memcpy

cdef struct Text:
    char* data
    Py_ssize_t size
    Py_ssize_t room


cdef inline int text_reserve(Text* text, Py_ssize_t more) except -1:
    """Makes room for `more` bytes behind the present ones."""
    cdef Py_ssize_t room
    cdef void* data
    if text.room - text.size >= more:
        return 0
    room = max(text.size + more, 2 * text.room, 512)
    data = PyMem_Realloc(text.data, room)
    if data == NULL:
        raise MemoryError
    text.data = <char*> data
    text.room = room
    return 0


cdef inline int text_add(Text* text, const char* data, Py_ssize_t size) except -1:
    text_reserve(text, size)
    memcpy(text.data + text.size, data, size)
    text.size += size
    return 0


cdef inline int text_put(Text* text, bytes piece) except -1:
    return text_add(text, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))


cdef inline int text_char(Text* text, char character) except -1:
    text_reserve(text, 1)
    text.data[text.size] = character
    text.size += 1
    return 0


cdef inline int text_hex(Text* text, bytes digest) except -1:
    """Appends lower-case hex."""
    cdef const unsigned char* data = <const unsigned char*> PyBytes_AS_STRING(digest)
    cdef const char* digits = "0123456789abcdef"
    cdef Py_ssize_t i, size = PyBytes_GET_SIZE(digest)
    cdef char* out
    text_reserve(text, 2 * size)
    out = text.data + text.size
    for i in range(size):
        out[2 * i] = digits[data[i] >> 4]
        out[2 * i + 1] = digits[data[i] & 15]
    text.size += 2 * size
    return 0


cdef inline void text_free(Text* text) noexcept:
    PyMem_Free(text.data)
    text.data = NULL
    text.size = text.room = 0
