# The rows of a listing, column by column, in plain memory with Arrow's layout. Those who are given a column may let go
# of it in any thread and without the GIL, hence the counted references. Only who has the single one may write.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free

# String i is text[ends[i]:ends[i + 1]]. `valid` is a bitmap, NULL while no string is missing.
cdef struct Strings:
    int32_t* ends
    char* text
    int64_t text_room
    uint8_t* valid
    int64_t missing

cdef struct Block:
    long references
    int64_t rows
    int64_t room
    Strings path
    int64_t* modified  # microseconds since 1970
    uint64_t* size
    Strings e_tag
    Strings version

cdef extern from *:
    """
    #ifdef _MSC_VER
    #include <intrin.h>
    #define oc_count_up(count) _InterlockedIncrement(count)
    #define oc_count_down(count) _InterlockedDecrement(count)
    #define oc_count(count) _InterlockedOr((count), 0)
    #else
    #define oc_count_up(count) __atomic_add_fetch((count), 1, __ATOMIC_RELAXED)
    #define oc_count_down(count) __atomic_sub_fetch((count), 1, __ATOMIC_ACQ_REL)
    #define oc_count(count) __atomic_load_n((count), __ATOMIC_ACQUIRE)
    #endif
    """
    long oc_count_up(long* count) noexcept nogil
    long oc_count_down(long* count) noexcept nogil
    long oc_count(long* count) noexcept nogil


cdef inline bint block_is_shared(Block* block) noexcept nogil:
    return oc_count(&block.references) > 1


cdef inline Block* block_hold(Block* block) noexcept nogil:
    oc_count_up(&block.references)
    return block


cdef inline void block_release(Block* block) noexcept nogil:
    if block == NULL or oc_count_down(&block.references) > 0:
        return
    strings_free(&block.path)
    strings_free(&block.e_tag)
    strings_free(&block.version)
    free(block.modified)
    free(block.size)
    free(block)


cdef inline void strings_free(Strings* strings) noexcept nogil:
    free(strings.ends)
    free(strings.text)
    free(strings.valid)


cdef inline bint is_there(const Strings* strings, int64_t row) noexcept nogil:
    return strings.valid == NULL or strings.valid[row >> 3] >> (row & 7) & 1
