cdef class Bytes:
    cdef object _owner  # keeps the memory at _data alive and unmoved
    cdef const char* _data
    cdef Py_ssize_t _length
    cdef Py_ssize_t _pinned  # how much memory _owner keeps alive, for the decision to copy a slice
    cdef object __weakref__


# A view of `length` bytes at `data`, memory that lives as long as `owner` does. Nothing is copied.
cdef Bytes bytes_from_owner(object owner, const char* data, Py_ssize_t length)

# A view of the memory of a `bytes` object.
cdef Bytes bytes_from_bytes(bytes owner)
