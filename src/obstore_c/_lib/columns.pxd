from libc.stdint cimport int64_t, uint64_t

from obstore_c._lib.block cimport Block

# A row to be added. A size of -1 says that there is no such string.
cdef struct Row:
    const char* path
    Py_ssize_t path_size
    int64_t modified  # microseconds since 1970
    uint64_t size
    const char* e_tag
    Py_ssize_t e_tag_size
    const char* version
    Py_ssize_t version_size

cdef enum:
    MOMENTS = 64


cdef class Columns:
    cdef Block* block
    cdef int64_t taken  # the first rows of the block, which were given away
    cdef bytes after
    cdef int64_t moments[MOMENTS]
    cdef list datetimes  # of `moments`

    cdef Py_ssize_t count(self) noexcept
    # A path that is no UTF-8 is repaired with U+FFFD: it must not hide all others. The other strings have to be UTF-8.
    cdef int add(self, const Row* row) except -1
    # Keeps the first `count` rows.
    cdef void cut_back(self, Py_ssize_t count) noexcept
    cdef int renew(self) except -1
    cdef object datetime_of(self, int64_t moment)


# Microseconds since 1970.
cdef int64_t moment_of_datetime(object moment) except? -1
