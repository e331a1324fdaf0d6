from libc.stdint cimport int64_t

from obstore_c._lib.block cimport Block


cdef class Batch:
    cdef Block* block
    cdef int64_t start
    cdef int64_t length


# Rows of `block`; the reference to it is given to the batch.
cdef Batch batch_of(Block* block, int64_t start, int64_t length)
