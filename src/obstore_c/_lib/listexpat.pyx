# cython: autotestdict=False
"""Listings of S3 in XML of any shape, read with the expat inside pyexpat: what `listxml.scan` is not made for.

expat is reached through the capsule that pyexpat makes for C code (`pyexpat.h` of CPython), so there is nothing to
link. Its handlers are called with the GIL held, which is never given up here. They cannot raise: they keep the first
exception, do nothing from then on, and `parse_list` raises it.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.pycapsule cimport PyCapsule_Import
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.limits cimport INT_MAX
from libc.stdint cimport INT64_MIN, int64_t
from libc.string cimport memcpy, strcmp, strncmp, strrchr

from obstore_c._lib.columns cimport Columns, Row, moment_of_datetime
from obstore_c._lib.listxml cimport decode_percent, size_of
from obstore_c._lib.moments cimport moment_of

cdef extern from *:
    """
    #include <stddef.h>

    typedef struct XML_ParserStruct *oc_expat;
    typedef void (*oc_expat_start)(void *data, const char *name, const char **attributes);
    typedef void (*oc_expat_end)(void *data, const char *name);
    typedef void (*oc_expat_text)(void *data, const char *text, int size);

    /* The members of struct PyExpat_CAPI, in its order. Those that are not called here have no type of their own. */
    typedef struct {
        const char *magic;
        int size;
        int version[3];
        const char *(*error_string)(int code);
        int (*error_code)(oc_expat parser);
        unsigned long (*error_column)(oc_expat parser);
        unsigned long (*error_line)(oc_expat parser);
        int (*parse)(oc_expat parser, const char *data, int size, int is_final);
        oc_expat (*create)(const char *encoding, const void *memory, const char *separator);
        void (*free)(oc_expat parser);
        void (*set_text)(oc_expat parser, oc_expat_text handler);
        void (*set_comment)(void);
        void (*set_default)(void);
        void (*set_element)(oc_expat parser, oc_expat_start start, oc_expat_end end);
        void (*set_namespace)(void);
        void (*set_instruction)(void);
        void (*set_encoding_handler)(void);
        void (*set_data)(oc_expat parser, void *data);
    } oc_expat_api;
    """
    ctypedef struct oc_expat_struct "struct XML_ParserStruct":
        pass
    ctypedef oc_expat_struct* oc_expat
    ctypedef void (*oc_expat_start)(void* data, const char* name, const char** attributes) noexcept
    ctypedef void (*oc_expat_end)(void* data, const char* name) noexcept
    ctypedef void (*oc_expat_text)(void* data, const char* text, int size) noexcept
    ctypedef struct oc_expat_api:
        const char* magic
        int size
        const char* (*error_string)(int code) noexcept
        int (*error_code)(oc_expat parser) noexcept
        unsigned long (*error_line)(oc_expat parser) noexcept
        int (*parse)(oc_expat parser, const char* data, int size, int is_final) noexcept
        oc_expat (*create)(const char* encoding, const void* memory, const char* separator) noexcept
        void (*free)(oc_expat parser) noexcept
        void (*set_text)(oc_expat parser, oc_expat_text handler) noexcept
        void (*set_element)(oc_expat parser, oc_expat_start start, oc_expat_end end) noexcept
        void (*set_data)(oc_expat parser, void* data) noexcept

cdef oc_expat_api* _expat = NULL

cdef oc_expat_api* _load() except NULL:
    global _expat
    if _expat == NULL:
        _expat = <oc_expat_api*>PyCapsule_Import("pyexpat.expat_CAPI", 0)
        if strncmp(_expat.magic, b"pyexpat.expat_CAPI 1.", 21) != 0 or _expat.size < <int>sizeof(oc_expat_api):
            _expat = NULL
            raise ImportError("pyexpat has another C interface than the one known here")
    return _expat


cdef enum:
    PAGE = 1  # directly in the root
    OBJECT = 2
    PREFIX = 3


@cython.final
cdef class _Listing:
    """What the handlers know. `text` has room for the whole document, so nothing in it can be too long."""

    cdef char* text
    cdef Py_ssize_t size
    cdef Py_ssize_t strip
    cdef int depth
    cdef int inside
    cdef bint encoded
    cdef bint keys_seen
    cdef bint names_encoding_late  # after keys that were not decoded as it says
    cdef object failure
    cdef str root
    cdef str token
    cdef bint truncated
    cdef Columns columns
    cdef list prefixes
    cdef bytes key
    cdef bytes e_tag
    cdef int64_t modified
    cdef int64_t length

    cdef start(self, const char* name):
        self.depth += 1
        self.size = 0
        if self.depth == 1:
            self.root = name.decode()
        elif self.depth == 2:
            self.inside = PAGE
            if strcmp(name, b"Contents") == 0:
                self.inside = OBJECT
                self.key = self.e_tag = None
                self.modified = INT64_MIN
                self.length = -1
            elif strcmp(name, b"CommonPrefixes") == 0:
                self.inside = PREFIX
                self.key = None

    cdef end(self, const char* name):
        cdef int depth = self.depth
        self.depth -= 1
        if depth == 3 and self.inside == OBJECT:
            self.object_field(name)
        elif depth == 3 and self.inside == PREFIX:
            if strcmp(name, b"Prefix") == 0:
                self.key = self.decoded_key()
        elif depth == 2 and self.inside == OBJECT:
            self.end_object()
        elif depth == 2 and self.inside == PREFIX:
            if self.key is None:
                raise ValueError("a common prefix is empty")
            self.prefixes.append(self.key.decode("utf-8", "replace"))
        elif depth == 2:
            self.page_field(name)

    cdef end_object(self):
        cdef Row row
        if self.key is None or self.modified == INT64_MIN or self.length < 0:
            raise ValueError("an object has no Key, no LastModified or no Size")
        if self.strip and not self.key:
            return  # what marks the store's own folder has no path in it
        row.path, row.path_size = PyBytes_AS_STRING(self.key), PyBytes_GET_SIZE(self.key)
        row.modified, row.size = self.modified, self.length
        row.e_tag, row.e_tag_size = NULL, -1
        row.version, row.version_size = NULL, -1
        if self.e_tag is not None:
            row.e_tag, row.e_tag_size = PyBytes_AS_STRING(self.e_tag), PyBytes_GET_SIZE(self.e_tag)
        self.columns.add(&row)

    cdef object_field(self, const char* name):
        if strcmp(name, b"Key") == 0:
            self.key = self.decoded_key()
        elif strcmp(name, b"LastModified") == 0:
            self.modified = _any_moment(self.text, self.size)
        elif strcmp(name, b"Size") == 0:
            self.length = size_of(self.text, self.size)
            if self.length < 0:
                raise ValueError("a size that is no number")
        elif strcmp(name, b"ETag") == 0:
            self.e_tag = PyBytes_FromStringAndSize(self.text, self.size)

    cdef page_field(self, const char* name):
        cdef bint encoded
        if strcmp(name, b"NextContinuationToken") == 0:
            self.token = PyUnicode_DecodeUTF8(self.text, self.size, NULL)
        elif strcmp(name, b"IsTruncated") == 0:
            self.truncated = self.size == 4 and strncmp(self.text, b"true", 4) == 0
        elif strcmp(name, b"EncodingType") == 0:
            encoded = self.size == 3 and strncmp(self.text, b"url", 3) == 0
            if encoded != self.encoded and self.keys_seen:
                self.names_encoding_late = True
            else:
                self.encoded = encoded

    # A key without the store's prefix, decoded in place.
    cdef bytes decoded_key(self):
        cdef Py_ssize_t size = self.size, strip
        self.keys_seen = True
        if self.encoded:
            size = decode_percent(self.text, size, self.text)
        strip = min(self.strip, size)
        return PyBytes_FromStringAndSize(self.text + strip, size - strip)


# Any form of ISO 8601; UTC if it does not say where.
cdef int64_t _any_moment(const char* text, Py_ssize_t size) except? -1:
    cdef int64_t moment = moment_of(text, size)
    if moment != INT64_MIN:
        return moment
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(PyUnicode_DecodeUTF8(text, size, NULL))
        return moment_of_datetime(found if found.tzinfo is not None else found.replace(tzinfo=UTC))
    except OverflowError as error:
        raise ValueError(f"{error}") from None


cdef const char* _local(const char* name) noexcept:
    cdef const char* colon = strrchr(name, c":")
    return name if colon == NULL else colon + 1


cdef void _on_start(void* data, const char* name, const char** attributes) noexcept:
    cdef _Listing listing = <_Listing>data
    if listing.failure is None:
        try:
            listing.start(_local(name))
        except BaseException as error:
            listing.failure = error


cdef void _on_end(void* data, const char* name) noexcept:
    cdef _Listing listing = <_Listing>data
    if listing.failure is None:
        try:
            listing.end(_local(name))
        except BaseException as error:
            listing.failure = error


cdef void _on_text(void* data, const char* text, int size) noexcept:
    cdef _Listing listing = <_Listing>data
    if listing.failure is None:
        memcpy(listing.text + listing.size, text, size)
        listing.size += size


def parse_list(body, Columns columns not None, str prefix=""):
    """Do what `listxml.parse_list` does, with any XML."""
    cdef Py_buffer view
    cdef _Listing listing
    cdef Py_ssize_t before = columns.count()
    PyObject_GetBuffer(body, &view, PyBUF_SIMPLE)
    try:
        listing = _read(&view, columns, prefix, False)
        if listing.names_encoding_late:
            columns.cut_back(before)
            listing = _read(&view, columns, prefix, not listing.encoded)
    except BaseException:
        columns.cut_back(before)
        raise
    finally:
        PyBuffer_Release(&view)
    return listing.prefixes, listing.token if listing.truncated else None


cdef _Listing _read(Py_buffer* view, Columns columns, str prefix, bint encoded):
    cdef _Listing listing = _Listing.__new__(_Listing)
    cdef bytes room
    if view.len > INT_MAX:
        raise ValueError("it is too long")
    room = PyBytes_FromStringAndSize(<const char*>view.buf, view.len)
    # expat believes the mark of UTF-16, in which nothing below would be found; it always has NULs.
    if b"\0" in room:
        raise ValueError("it is not UTF-8")
    if b"<!DOCTYPE" in room:
        raise ValueError("there is a DOCTYPE in it, which is refused")
    # Written over from here on: no text is longer than the document, whatever references and line ends become.
    listing.text = PyBytes_AS_STRING(room)
    listing.strip = len(prefix.encode())
    listing.encoded = encoded
    listing.columns = columns
    listing.prefixes = []
    _parse(listing, <const char*>view.buf, <int>view.len)
    if listing.root != "ListBucketResult":
        raise ValueError(f"it is <{listing.root}>, not a listing")
    if listing.truncated and not listing.token:
        raise ValueError("there is more of it, but no NextContinuationToken: the server knows no ListObjectsV2")
    return listing


cdef int _parse(_Listing listing, const char* data, int size) except -1:
    cdef oc_expat_api* expat = _load()
    # The encoding is ours to say: in another one, what `parse_list` looked for would be other bytes.
    cdef oc_expat parser = expat.create(b"UTF-8", NULL, NULL)
    cdef int status
    if parser == NULL:
        raise MemoryError
    try:
        expat.set_data(parser, <void*>listing)
        expat.set_element(parser, _on_start, _on_end)
        expat.set_text(parser, _on_text)
        status = expat.parse(parser, data, size, 1)
        if listing.failure is not None:
            raise listing.failure
        if status != 1:
            message = expat.error_string(expat.error_code(parser)).decode("utf-8", "replace")
            raise ValueError(f"{message}, in line {expat.error_line(parser)}")
    finally:
        expat.free(parser)
    return 0
