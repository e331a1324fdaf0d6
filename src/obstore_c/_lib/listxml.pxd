# What both readers of listings (`listxml`, `listexpat`) have to take the same way.

from libc.stdint cimport int64_t

cdef enum:
    LONGEST_SIZE = 18  # digits


cdef inline int64_t size_of(const char* text, Py_ssize_t size) noexcept nogil:
    """The number that `text` is, -1 if it is none."""
    cdef int64_t value = 0
    cdef Py_ssize_t i
    if not 0 < size <= LONGEST_SIZE:
        return -1
    for i in range(size):
        if not c"0" <= text[i] <= c"9":
            return -1
        value = value * 10 + (text[i] - c"0")
    return value


cdef inline Py_ssize_t decode_percent(const char* text, Py_ssize_t size, char* decoded) noexcept nogil:
    """Undoes `%41` and `+`, as in a form: so S3 encodes keys with encoding-type=url. Returns the new size.

    `decoded` has room for `size` bytes and may be `text`.
    """
    cdef Py_ssize_t read = 0, write = 0
    cdef int high, low
    cdef char c
    while read < size:
        c = text[read]
        if c == c"+":
            c = c" "
        elif c == c"%" and read + 2 < size:
            high, low = digit_of(text[read + 1]), digit_of(text[read + 2])
            if high >= 0 and low >= 0:
                c = <char>(high * 16 + low)
                read += 2
        decoded[write] = c
        read += 1
        write += 1
    return write


cdef inline int digit_of(char c) noexcept nogil:
    if c"0" <= c <= c"9":
        return c - c"0"
    if c"a" <= (c | 0x20) <= c"f":
        return (c | 0x20) - c"a" + 10
    return -1
