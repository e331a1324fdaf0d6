# The canonical request, for the modules that sign it.

from obstore_c._lib.text cimport Text

cdef struct Header:
    const char* name
    Py_ssize_t name_size
    const char* value
    Py_ssize_t value_size
    Py_ssize_t order  # the values of one name stay in the order they were given in
    bint blanks  # in the value, which the canonical form trims and collapses

cpdef str canonical_query(pairs)

# A text, not empty and without line breaks; plain_bytes() wants visible ASCII. Their errors call it `what`.
cdef bytes utf8_bytes(object text, str what)
cdef bytes plain_bytes(object text, str what)

# Refuses a header that would break out of its line.
cdef int check_header(bytes name, bytes value) except -1

# Use: CanonicalRequest(headers, replaced), add() the signature's own headers, sort(), names(), digest().
cdef class CanonicalRequest:
    # Ownership: `items` points into the strs of `given` and into what the callers of add() keep alive to the
    # end. `given` is a copy of the caller's list, which others may change meanwhile.
    cdef tuple given
    cdef Header* items  # the headers to sign; in canonical order after sort()
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef Text lines  # the headers to send, each ended by "\n"
    cdef Text work  # the canonical request
    cdef bint names_host  # a Host header was given

    cdef int insert(self, const Header* header) except -1
    cdef int send(self, const Header* header) except -1
    cdef int add(self, bytes name, bytes value, bint sent) except -1
    cdef void sort(self) noexcept
    cdef int write_names(self, Text* text) except -1
    cdef str names(self)
    cdef bytes digest(self, method, path, query, payload_hash)
