# cython: autotestdict=False
"""Listings of S3 in XML, read with the expat inside pyexpat: one dict per key and nothing in between.

expat is reached through the capsule that pyexpat makes for C code (`pyexpat.h` of CPython), so there is nothing to
link. Its handlers are called with the GIL held, which is never given up here. They cannot raise: they keep the first
exception, do nothing from then on, and `parse_list` raises it.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.datetime cimport datetime_new, get_utc, import_datetime
from cpython.pycapsule cimport PyCapsule_Import
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.limits cimport INT_MAX
from libc.string cimport memcpy, strcmp, strncmp, strrchr

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

import_datetime()

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
    cdef object failure
    cdef str root
    cdef str token
    cdef bint truncated
    cdef list objects
    cdef list prefixes
    cdef object key
    cdef object modified
    cdef object length
    cdef object e_tag

    cdef start(self, const char* name):
        self.depth += 1
        self.size = 0
        if self.depth == 1:
            self.root = name.decode()
        elif self.depth == 2:
            self.inside = PAGE
            if strcmp(name, b"Contents") == 0:
                self.inside = OBJECT
                self.key = self.modified = self.length = self.e_tag = None
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
            if self.key is None or self.modified is None or self.length is None:
                raise ValueError("an object has no Key, no LastModified or no Size")
            # What marks the store's own folder has no path in it.
            if self.key or not self.strip:
                self.objects.append({"path": self.key, "last_modified": self.modified, "size": self.length,
                                     "e_tag": self.e_tag, "version": None})
        elif depth == 2 and self.inside == PREFIX:
            if self.key is None:
                raise ValueError("a common prefix is empty")
            self.prefixes.append(self.key)
        elif depth == 2:
            self.page_field(name)

    cdef object_field(self, const char* name):
        if strcmp(name, b"Key") == 0:
            self.key = self.decoded_key()
        elif strcmp(name, b"LastModified") == 0:
            self.modified = _parse_date(self.text, self.size)
        elif strcmp(name, b"Size") == 0:
            self.length = _parse_size(self.text, self.size)
        elif strcmp(name, b"ETag") == 0:
            self.e_tag = PyUnicode_DecodeUTF8(self.text, self.size, NULL)

    cdef page_field(self, const char* name):
        if strcmp(name, b"NextContinuationToken") == 0:
            self.token = PyUnicode_DecodeUTF8(self.text, self.size, NULL)
        elif strcmp(name, b"IsTruncated") == 0:
            self.truncated = self.size == 4 and strncmp(self.text, b"true", 4) == 0

    # A key without the store's prefix, decoded in place. Bytes that are no UTF-8 are replaced: one such key must not
    # hide all others.
    cdef str decoded_key(self):
        cdef Py_ssize_t size = _decode_percent(self.text, self.size) if self.encoded else self.size
        cdef Py_ssize_t strip = min(self.strip, size)
        return PyUnicode_DecodeUTF8(self.text + strip, size - strip, b"replace")


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


# `%41` and `+`, as in a form: that is how S3 encodes keys with encoding-type=url. Returns the new size.
cdef Py_ssize_t _decode_percent(char* text, Py_ssize_t size) noexcept:
    cdef Py_ssize_t read = 0, write = 0
    cdef int high, low
    while read < size:
        if text[read] == c"+":
            text[write] = c" "
        elif text[read] == c"%" and read + 2 < size:
            high, low = _digit(text[read + 1]), _digit(text[read + 2])
            if high >= 0 and low >= 0:
                text[write] = <char>(high * 16 + low)
                read += 2
            else:
                text[write] = text[read]
        else:
            text[write] = text[read]
        read += 1
        write += 1
    return write


cdef inline int _digit(char c) noexcept:
    if c"0" <= c <= c"9":
        return c - c"0"
    if c"a" <= (c | 0x20) <= c"f":
        return (c | 0x20) - c"a" + 10
    return -1


cdef object _parse_size(const char* text, Py_ssize_t size):
    cdef long long value = 0
    cdef Py_ssize_t i
    if not 0 < size <= 18:
        raise ValueError("a size that is no number")
    for i in range(size):
        if not c"0" <= text[i] <= c"9":
            raise ValueError("a size that is no number")
        value = value * 10 + (text[i] - c"0")
    return value


# ISO 8601 as S3 writes it, 2024-03-01T12:34:56.000Z, by position; anything else is left to datetime.
cdef object _parse_date(const char* text, Py_ssize_t size):
    cdef int year = _number(text, size, 0, 4), month = _number(text, size, 5, 2), day = _number(text, size, 8, 2)
    cdef int hour = _number(text, size, 11, 2), minute = _number(text, size, 14, 2)
    cdef int second = _number(text, size, 17, 2), milli = 0
    if size == 24 and text[19] == c".":
        milli = _number(text, size, 20, 3)
    elif size != 20:
        milli = -1
    if min(year, month, day, hour) < 0 or min(minute, second, milli) < 0 or text[size - 1] != c"Z":
        return _parse_any_date(PyUnicode_DecodeUTF8(text, size, NULL))
    return datetime_new(year, month, day, hour, minute, second, milli * 1000, get_utc())


cdef int _number(const char* text, Py_ssize_t size, int start, int count) noexcept:
    cdef int value = 0, i
    if start + count > size:
        return -1
    for i in range(start, start + count):
        if not c"0" <= text[i] <= c"9":
            return -1
        value = value * 10 + (text[i] - c"0")
    return value


def _parse_any_date(str text):
    from datetime import UTC, datetime

    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_list(body, str prefix=""):
    """Read a page of ListObjectsV2.

    Args:
        body: the XML, in any buffer.
        prefix: what every key starts with and is cut off. A key that is nothing but this is left out.

    Returns:
        Objects, common prefixes, and the token of the next page, None after the last one.

    Raises:
        ValueError: this is no XML, no listing, or one with a DOCTYPE: without one there are no entities to expand.
    """
    cdef _Listing listing = _Listing.__new__(_Listing)
    cdef bytes room
    cdef Py_buffer view
    PyObject_GetBuffer(body, &view, PyBUF_SIMPLE)
    try:
        if view.len > INT_MAX:
            raise ValueError("it is too long")
        room = PyBytes_FromStringAndSize(<const char*>view.buf, view.len)
        # expat believes the mark of UTF-16, in which nothing below would be found; it always has NULs.
        if b"\0" in room:
            raise ValueError("it is not UTF-8")
        if b"<!DOCTYPE" in room:
            raise ValueError("there is a DOCTYPE in it, which is refused")
        listing.encoded = b"EncodingType>url<" in room
        # Written over from here on: no text is longer than the document, whatever references and line ends become.
        listing.text = PyBytes_AS_STRING(room)
        listing.strip = len(prefix.encode())
        listing.objects = []
        listing.prefixes = []
        _parse(listing, <const char*>view.buf, <int>view.len)
    finally:
        PyBuffer_Release(&view)
    if listing.root != "ListBucketResult":
        raise ValueError(f"it is <{listing.root}>, not a listing")
    if listing.truncated and not listing.token:
        raise ValueError("there is more of it, but no NextContinuationToken: the server knows no ListObjectsV2")
    return listing.objects, listing.prefixes, listing.token if listing.truncated else None


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
