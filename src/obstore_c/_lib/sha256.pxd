# SHA-256 and HMAC-SHA256 for the signing modules.

# The hash of `size` bytes at `data`; keeps the GIL.
cdef bytes digest_of(const char* data, Py_ssize_t size)

cdef class Hmac:
    cdef object inner
    cdef object outer
    cpdef bytes digest(self, bytes message)
