# cython: autotestdict=False
"""Listings of S3 in XML, read into `Columns` where they are, without a Python object for each key.

`scan` knows the shape that servers give a ListBucketResult and nothing else of XML. Whatever it does not expect
(attributes, CDATA, comments, non-ASCII text, entities that are no characters, errors of any kind) is not for it: then
expat reads the page from the start, and says what is wrong with it if something is (`listexpat.pyx`). What both read
has to be the same.

    <?xml version="1.0" encoding="UTF-8"?>
    <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
        <Name>..</Name>                                     anything, also nested; skipped
        <EncodingType>url</EncodingType>
        <IsTruncated>true</IsTruncated>
        <NextContinuationToken>..</NextContinuationToken>
        <Contents><Key>..</Key><LastModified>2024-03-01T12:34:56.789Z</LastModified><ETag>..</ETag><Size>5</Size>
            <Owner><ID>..</ID></Owner>                      anything, also nested; skipped
        </Contents>
        <CommonPrefixes><Prefix>..</Prefix></CommonPrefixes>
    </ListBucketResult>

The GIL is held all the time: a page takes a tenth of a millisecond, and getting the GIL back while another thread
computes takes up to five.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.unicode cimport PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8
from libc.stdint cimport INT64_MIN, uint8_t
from libc.string cimport memchr, memcmp, memcpy, memset, strlen

from obstore_c._lib.columns cimport Columns, Row
from obstore_c._lib.moments cimport moment_of
from obstore_c._lib.text cimport Text, text_free, text_reserve

cdef enum:
    DEEPEST = 8  # levels of elements that are skipped
    WINDOW = 4096  # bytes: how far from the start and the end of a page `next_token` looks

# The text of an element; NULL: there was no such element.
cdef struct Span:
    const char* data
    Py_ssize_t size

cdef struct Page:
    Py_ssize_t strip  # bytes that come off keys and prefixes
    bint encoded  # keys and prefixes are percent-encoded
    Span encoding
    Span truncated
    Span token
    Text room  # for texts that are not literally there
    Text e_tag_room


def parse_list(body, Columns columns not None, str prefix=""):
    """Read a page of ListObjectsV2.

    Args:
        body: the XML, in any buffer.
        columns: where the objects are added; with an exception, none of them.
        prefix: what every key starts with and is cut off. A key that is nothing but this is left out.

    Returns:
        The common prefixes, and the token of the next page, None after the last one.

    Raises:
        ValueError: this is no XML, no listing, one without a way on though it says that there is more, or one with a
            DOCTYPE: without one there are no entities to expand.
    """
    found = scan(body, columns, prefix)
    if found is None:
        from obstore_c._lib.listexpat import parse_list as parse_any

        found = parse_any(body, columns, prefix)
    return found


def scan(body, Columns columns not None, str prefix=""):
    """Do what `parse_list` does, but only if the page is of the usual shape. Otherwise return None."""
    cdef Py_buffer view
    cdef Py_ssize_t before = columns.count()
    found = None
    PyObject_GetBuffer(body, &view, PyBUF_SIMPLE)
    try:
        found = _scan(<const char*>view.buf, <const char*>view.buf + view.len, columns, len(prefix.encode()))
    finally:
        PyBuffer_Release(&view)
        if found is None:
            columns.cut_back(before)
    return found


def next_token(body):
    """Guess the token of the next page before this one is read, so that it can be asked for at once.

    Returns:
        The token, or None if there is none near the start or the end of the page.
    """
    cdef Py_buffer view
    PyObject_GetBuffer(body, &view, PyBUF_SIMPLE)
    try:
        return _next_token(<const char*>view.buf, <const char*>view.buf + view.len)
    finally:
        PyBuffer_Release(&view)


cdef object _next_token(const char* start, const char* end):
    cdef const char* at = _find(start, end, b"<NextContinuationToken>")
    cdef Span token = Span(NULL, 0)
    cdef Text room = Text(NULL, 0, 0)
    if at == NULL or _find(start, end, b"<IsTruncated>true</IsTruncated>") == NULL:
        return None
    if _text(at, end, b"</NextContinuationToken>", &token) == NULL:
        return None
    try:
        if not _resolve(&token, &room):
            return None
        return PyUnicode_DecodeUTF8(token.data, token.size, b"replace") or None
    finally:
        text_free(&room)


# The end of the first `tag` in the first or the last WINDOW bytes, else NULL.
cdef const char* _find(const char* start, const char* end, const char* tag) noexcept:
    cdef const char* at = start
    if end - start > 2 * WINDOW:
        at = _find(start, start + WINDOW, tag)
        return at if at != NULL else _find(end - WINDOW, end, tag)
    while True:
        at = <const char*>memchr(at, c"<", end - at)
        if at == NULL or _take(&at, end, tag):
            return at
        at += 1


# ---- The document ----

cdef object _scan(const char* at, const char* end, Columns columns, Py_ssize_t strip):
    cdef Page page
    cdef list prefixes = []
    cdef bint truncated
    if not _is_plain(at, end):
        return None
    memset(&page, 0, sizeof(page))
    page.strip = strip
    page.encoded = _find(at, end, b"<EncodingType>url</EncodingType>") != NULL
    try:
        if not _read(at, end, &page, columns, prefixes):
            return None
        if not _resolve(&page.encoding, &page.room) or page.encoded != _is(&page.encoding, b"url"):
            return None
        if not _resolve(&page.truncated, &page.room):
            return None
        truncated = _is(&page.truncated, b"true")
        if not _resolve(&page.token, &page.room):
            return None
        if not truncated:
            return prefixes, None
        if page.token.size == 0:
            return None
        return prefixes, PyUnicode_DecodeASCII(page.token.data, page.token.size, NULL)
    finally:
        text_free(&page.room)
        text_free(&page.e_tag_room)


# The functions from here on take the place where they begin to read and return the one where they stopped, NULL if
# they have met something that is not for them.

cdef bint _read(const char* at, const char* end, Page* page, Columns columns, list prefixes) except -1:
    at = _start(at, end)
    while at != NULL:
        if _take(&at, end, b"<Contents>"):
            at = _object(at, end, page, columns)
        elif at < end and _is_blank(at[0]):
            at += 1
        elif _take(&at, end, b"<CommonPrefixes>"):
            at = _prefix(at, end, page, prefixes)
        elif _take(&at, end, b"<NextContinuationToken>"):
            at = _text(at, end, b"</NextContinuationToken>", &page.token)
        elif _take(&at, end, b"<IsTruncated>"):
            at = _text(at, end, b"</IsTruncated>", &page.truncated)
        elif _take(&at, end, b"<EncodingType>"):
            at = _text(at, end, b"</EncodingType>", &page.encoding)
        elif _take(&at, end, b"</ListBucketResult>"):
            return _blanks(at, end) == end
        else:
            at = _skip(at, end, page, 0)
    return False


cdef const char* _start(const char* at, const char* end) noexcept:
    if not _take(&at, end, b'<?xml version="1.0" encoding="UTF-8"?>'):
        _take(&at, end, b'<?xml version="1.0" encoding="utf-8"?>')
    at = _blanks(at, end)
    if _take(&at, end, b"<ListBucketResult>"):
        return at
    if not _take(&at, end, b'<ListBucketResult xmlns="'):
        return NULL
    while at < end and (_is_name(at[0]) or at[0] == c":" or at[0] == c"/"):
        at += 1
    return at if _take(&at, end, b'">') else NULL


cdef const char* _object(const char* at, const char* end, Page* page, Columns columns) except? NULL:
    cdef Span key = Span(NULL, 0), modified = key, size = key, e_tag = key
    cdef Row row
    while not _take(&at, end, b"</Contents>"):
        if _take(&at, end, b"<Key>"):
            at = _text(at, end, b"</Key>", &key)
        elif _take(&at, end, b"<LastModified>"):
            at = _text(at, end, b"</LastModified>", &modified)
        elif _take(&at, end, b"<ETag>"):
            at = _text(at, end, b"</ETag>", &e_tag)
        elif _take(&at, end, b"<Size>"):
            at = _text(at, end, b"</Size>", &size)
        elif at < end and _is_blank(at[0]):
            at += 1
        else:
            at = _skip(at, end, page, 1)
        if at == NULL:
            return NULL
    row.modified = moment_of(modified.data, modified.size)
    row.size = size_of(size.data, size.size)
    if key.data == NULL or row.modified == INT64_MIN or <int64_t>row.size < 0:
        return NULL
    if not _resolve(&e_tag, &page.e_tag_room) or not _key(&key, page):
        return NULL
    if page.strip and not key.size:
        return at  # what marks the store's own folder has no path in it
    row.path, row.path_size = key.data, key.size
    row.e_tag, row.e_tag_size = e_tag.data, e_tag.size if e_tag.data != NULL else -1
    row.version, row.version_size = NULL, -1
    columns.add(&row)
    return at


cdef const char* _prefix(const char* at, const char* end, Page* page, list prefixes) except? NULL:
    cdef Span prefix = Span(NULL, 0)
    while not _take(&at, end, b"</CommonPrefixes>"):
        if _take(&at, end, b"<Prefix>"):
            at = _text(at, end, b"</Prefix>", &prefix)
        elif at < end and _is_blank(at[0]):
            at += 1
        else:
            at = _skip(at, end, page, 1)
        if at == NULL:
            return NULL
    if prefix.data == NULL or not _key(&prefix, page):
        return NULL
    prefixes.append(PyUnicode_DecodeUTF8(prefix.data, prefix.size, b"replace"))
    return at


# Text up to `closing`. An element that comes twice is not for us.
cdef inline const char* _text(const char* at, const char* end, const char* closing, Span* text) noexcept:
    if text.data != NULL:
        return NULL
    text.data = at
    at = <const char*>memchr(at, c"<", end - at)
    if at == NULL:
        return NULL
    text.size = at - text.data
    return at if _take(&at, end, closing) else NULL


# An element of no interest, with all that is in it; `depth` elements of a page are around it. An empty one may be of
# interest, as `<Key/>` is.
cdef const char* _skip(const char* at, const char* end, Page* page, int depth) except? NULL:
    cdef const char* name = at + 1
    cdef Py_ssize_t size = 0
    cdef Span text
    if depth > DEEPEST or end - at < 2 or at[0] != c"<" or not _is_letter(name[0]):
        return NULL
    while name + size < end and _is_name(name[size]):
        size += 1
    at = name + size
    if _take(&at, end, b"/>"):
        return at if depth > 1 or (depth == 0 and not _matters(name, size)) else NULL
    if not _take(&at, end, b">"):
        return NULL
    while True:
        text.data = at
        at = <const char*>memchr(at, c"<", end - at)
        if at == NULL:
            return NULL
        text.size = at - text.data
        if not _resolve(&text, &page.room):
            return NULL
        if end - at >= size + 3 and at[1] == c"/":
            return at + size + 3 if memcmp(at + 2, name, size) == 0 and at[size + 2] == c">" else NULL
        at = _skip(at, end, page, depth + 1)
        if at == NULL:
            return NULL


# Whether an empty element of a page says something else than none.
cdef bint _matters(const char* name, Py_ssize_t size) noexcept:
    cdef Span span = Span(name, size)
    return (_is(&span, b"Contents") or _is(&span, b"CommonPrefixes") or _is(&span, b"NextContinuationToken")
            or _is(&span, b"IsTruncated") or _is(&span, b"EncodingType"))


# ---- Text ----

# A key as it is called in this store.
cdef bint _key(Span* key, Page* page) except -1:
    cdef Py_ssize_t strip
    if not _resolve(key, &page.room):
        return False
    if page.encoded:
        text_reserve(&page.room, key.size)
        key.size = decode_percent(key.data, key.size, page.room.data)
        key.data = page.room.data
    strip = min(page.strip, key.size)
    key.data += strip
    key.size -= strip
    return True


# Replaces references by what they stand for. The text is in `room` then, which is used for one text at a time.
cdef bint _resolve(Span* text, Text* room) except -1:
    cdef const char* at = text.data
    cdef const char* end = at + text.size
    cdef const char* mark
    cdef char* out
    mark = <const char*>memchr(at, c"&", text.size) if text.size else NULL
    if mark == NULL:
        return True
    text_reserve(room, text.size)
    out = room.data
    while mark != NULL:
        memcpy(out, at, mark - at)
        out += mark - at
        at = _reference(mark + 1, end, out)
        if at == NULL:
            return False
        out += 1
        mark = <const char*>memchr(at, c"&", end - at)
    memcpy(out, at, end - at)
    text.data = room.data
    text.size = out + (end - at) - room.data
    return True


# What follows an ampersand: one of the predefined names, or the number of an ASCII character.
cdef const char* _reference(const char* at, const char* end, char* out) noexcept:
    cdef int code = 0, base = 10, digit = 0
    if _take(&at, end, b"quot;"):
        out[0] = c'"'
    elif _take(&at, end, b"amp;"):
        out[0] = c"&"
    elif _take(&at, end, b"lt;"):
        out[0] = c"<"
    elif _take(&at, end, b"gt;"):
        out[0] = c">"
    elif _take(&at, end, b"apos;"):
        out[0] = c"'"
    elif _take(&at, end, b"#"):
        if _take(&at, end, b"x"):
            base = 16
        while at < end and at[0] != c";" and code < 0x80:
            digit = digit_of(at[0])
            if not 0 <= digit < base:
                return NULL
            code = code * base + digit
            at += 1
        if not (0x20 <= code < 0x7f or code in (9, 10, 13)) or not _take(&at, end, b";"):
            return NULL
        out[0] = <char>code
    else:
        return NULL
    return at


# ASCII without control characters, and without what XML forbids in text. Carriage returns would have to be translated.
cdef bint _is_plain(const char* at, const char* end) noexcept:
    cdef Py_ssize_t i
    cdef uint8_t c, odd = 0
    for i in range(end - at):
        c = <uint8_t>at[i]
        odd |= (c >= 0x80) | ((c < 0x20) & (c != c"\n") & (c != c"\t"))
    if odd:
        return False
    while at != NULL:
        at = <const char*>memchr(at, c"]", end - at)
        if at != NULL:
            if _take(&at, end, b"]]>"):
                return False
            at += 1
    return True


cdef inline bint _take(const char** at, const char* end, const char* literal) noexcept:
    cdef Py_ssize_t size = <Py_ssize_t>strlen(literal)
    if end - at[0] < size or memcmp(at[0], literal, size) != 0:
        return False
    at[0] += size
    return True


cdef inline bint _is(const Span* text, const char* literal) noexcept:
    return text.size == <Py_ssize_t>strlen(literal) and memcmp(text.data, literal, text.size) == 0


cdef inline const char* _blanks(const char* at, const char* end) noexcept:
    while at < end and _is_blank(at[0]):
        at += 1
    return at


cdef inline bint _is_blank(char c) noexcept:
    return c == c" " or c == c"\n" or c == c"\t"


cdef inline bint _is_letter(char c) noexcept:
    return c"a" <= (c | 0x20) <= c"z"


cdef inline bint _is_name(char c) noexcept:
    return _is_letter(c) or c"0" <= c <= c"9" or c == c"-" or c == c"." or c == c"_"
