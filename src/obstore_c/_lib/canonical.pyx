# cython: autotestdict=False
"""The canonical request: the text of a request that AWS and Google have signed (Signature Version 4).

Protocol: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html

    method, path, query, a line for each signed header, an empty line, the signed headers' names, payload hash

It is written straight into a C buffer, which keeps a signature at a few microseconds. The GIL is held
throughout.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdlib cimport qsort
from libc.string cimport memchr

from obstore_c._lib.quote cimport quote, utf8_of
from obstore_c._lib.sha256 cimport digest_of
from obstore_c._lib.text cimport Text, text_add, text_char, text_free, text_put

# Headers that proxies may change on the way: sent, but not signed. botocore's list, and accept-encoding:
# Google Cloud Storage's front end rewrites it.
cdef tuple _UNSIGNED = (
    b"accept-encoding", b"baggage", b"connection", b"expect", b"keep-alive", b"proxy-authenticate",
    b"proxy-authorization", b"te", b"traceparent", b"tracestate", b"trailer", b"transfer-encoding",
    b"upgrade", b"user-agent", b"x-amzn-trace-id",
)

cdef tuple _HOST = (b"host",)

cdef enum:
    OWN_HEADERS = 8  # room for what add() brings

# Lower case of the characters that a header name may have (RFC 9110, section 5.6.2), 0 for all others.
cdef unsigned char[256] _lower


cdef void _fill_lower() noexcept:
    cdef int byte
    for byte in b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz":
        _lower[byte] = <unsigned char> byte
    for byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        _lower[byte] = <unsigned char> (byte + 32)


_fill_lower()


cpdef str canonical_query(pairs):
    """Encode and sort the parameters of a query, into the one form that is both sent and signed.

    Args:
        pairs: Names and values as they are, not encoded. A name may come several times.

    Returns:
        `name=value` joined by `&`, sorted by encoded name, then value; empty for no parameters.

    Raises:
        ValueError: A name or value holds a lone surrogate.

    Example:
        >>> canonical_query([("prefix", "a b/"), ("list-type", "2"), ("delimiter", "")])
        'delimiter=&list-type=2&prefix=a%20b%2F'
    """
    encoded = [(quote(name), quote(value)) for name, value in pairs]
    encoded.sort()
    return "&".join([f"{name}={value}" for name, value in encoded])


cdef const char* _plain(object text, str what, Py_ssize_t* size) except NULL:
    """The characters of a text that goes out as it is, so it has to be visible ASCII.

    They live as long as `text`.
    """
    cdef const unsigned char* data = <const unsigned char*> utf8_of(text, what, size)
    cdef Py_ssize_t i
    cdef int odd = 0
    for i in range(size[0]):
        odd |= (data[i] <= 0x20) | (data[i] >= 0x7F)  # no early exit, so that the compiler can vectorise
    if odd:
        raise ValueError(f"the {what} has a blank, a control character or a character outside ASCII")
    return <const char*> data


cdef int _add_plain(Text* text, object piece, str what) except -1:
    cdef Py_ssize_t size = 0
    cdef const char* data = _plain(piece, what, &size)
    return text_add(text, data, size)


cdef bytes plain_bytes(object text, str what):
    cdef Py_ssize_t size = 0
    cdef const char* data = _plain(text, what, &size)
    if size == 0:
        raise ValueError(f"the {what} is empty")
    return PyBytes_FromStringAndSize(data, size)


cdef bytes utf8_bytes(object text, str what):
    cdef Py_ssize_t size = 0
    cdef const char* data = utf8_of(text, what, &size)
    if size == 0:
        raise ValueError(f"the {what} is empty")
    if _has_line_break(data, size):
        raise ValueError(f"the {what} has a line break or a NUL character in it")
    return PyBytes_FromStringAndSize(data, size)


cdef bint _has_line_break(const char* data, Py_ssize_t size) noexcept:
    return (
        memchr(data, c'\r', size) != NULL
        or memchr(data, c'\n', size) != NULL
        or memchr(data, 0, size) != NULL
    )


cdef int _compare_names(const Header* a, const Header* b) noexcept nogil:
    cdef Py_ssize_t i
    cdef int difference
    for i in range(min(a.name_size, b.name_size)):
        difference = <int> _lower[<unsigned char> a.name[i]] - <int> _lower[<unsigned char> b.name[i]]
        if difference != 0:
            return difference
    return (a.name_size > b.name_size) - (a.name_size < b.name_size)


cdef int _compare_headers(const void* left, const void* right) noexcept nogil:
    cdef const Header* a = <const Header*> left
    cdef const Header* b = <const Header*> right
    cdef int difference = _compare_names(a, b)
    return difference if difference != 0 else (a.order > b.order) - (a.order < b.order)


cdef int _is_among(const Header* header, tuple names) except -1:
    """Whether the header's name is one of `names`, which are lower-case bytes."""
    cdef Header known
    cdef bytes name
    for name in names:
        known.name = PyBytes_AS_STRING(name)
        known.name_size = PyBytes_GET_SIZE(name)
        if known.name_size == header.name_size and _compare_names(&known, header) == 0:
            return True
    return False


cdef int _check(Header* header) except -1:
    """Refuses what would break out of the header's line, and sets `blanks`.

    The value may be a secret: it stays out of the messages.
    """
    cdef Py_ssize_t i
    cdef int odd = header.name_size == 0, blanks = 0
    for i in range(header.name_size):
        odd |= _lower[<unsigned char> header.name[i]] == 0
    for i in range(header.value_size):
        blanks |= <unsigned char> header.value[i] <= 0x20
    header.blanks = blanks
    if odd:
        name = header.name[:header.name_size].decode()
        raise ValueError(f"{name!a} can't be a header name: only letters, digits and !#$%&'*+-.^_`|~ can")
    if blanks and _has_line_break(header.value, header.value_size):
        name = header.name[:header.name_size].decode()
        raise ValueError(f"the value of header {name!r} has a line break or a NUL character in it")
    return 0


cdef int _add_name(Text* text, const Header* header) except -1:
    cdef Py_ssize_t i
    for i in range(header.name_size):
        text_char(text, <char> _lower[<unsigned char> header.name[i]])
    return 0


cdef int _add_value(Text* text, const Header* header) except -1:
    """The canonical value: no blanks around it, one for each run of blanks inside."""
    cdef Py_ssize_t i, start = text.size
    cdef bint pending = False
    if not header.blanks:
        return text_add(text, header.value, header.value_size)
    for i in range(header.value_size):
        if header.value[i] in (c' ', c'\t'):
            pending = text.size > start
            continue
        if pending:
            text_char(text, c' ')
            pending = False
        text_char(text, header.value[i])
    return 0


cdef int check_header(bytes name, bytes value) except -1:
    cdef Header header
    _point(&header, name, value)
    return _check(&header)


cdef void _point(Header* header, bytes name, bytes value) noexcept:
    header.name = PyBytes_AS_STRING(name)
    header.name_size = PyBytes_GET_SIZE(name)
    header.value = PyBytes_AS_STRING(value)
    header.value_size = PyBytes_GET_SIZE(value)


@cython.final
@cython.auto_pickle(False)
cdef class CanonicalRequest:
    """One request while it is being signed.

    Args:
        headers: Names and values, as they will be sent.
        replaced: Lower-case names of the headers that the signature brings itself; given ones are left out.

    Raises:
        TypeError: A header is not a tuple of two strs.
        ValueError: A name isn't one, or a value has a line break or NUL in it.
    """

    def __cinit__(self, headers, tuple replaced not None):
        cdef Header header
        self.given = tuple(headers)
        self.room = len(self.given) + OWN_HEADERS
        self.items = <Header*> PyMem_Malloc(self.room * sizeof(Header))
        if self.items == NULL:
            raise MemoryError
        for item in self.given:
            if type(item) is not tuple or len(<tuple> item) != 2:
                raise TypeError("headers must be tuples of a name and a value")
            header.name = utf8_of((<tuple> item)[0], "header name", &header.name_size)
            header.value = utf8_of((<tuple> item)[1], "header value", &header.value_size)
            _check(&header)
            if _is_among(&header, replaced):
                continue
            self.send(&header)
            if not _is_among(&header, _UNSIGNED):
                self.names_host |= _is_among(&header, _HOST)
                self.insert(&header)

    def __dealloc__(self):
        PyMem_Free(self.items)
        text_free(&self.lines)
        text_free(&self.work)

    cdef int insert(self, const Header* header) except -1:
        if self.count == self.room:
            raise AssertionError("the signature brings more headers than there is room for")
        self.items[self.count] = header[0]
        self.items[self.count].order = self.count
        self.count += 1
        return 0

    cdef int send(self, const Header* header) except -1:
        cdef Py_ssize_t i = 0
        text_add(&self.lines, header.name, header.name_size)
        while i < header.value_size and header.value[i] in (c' ', c'\t'):
            i += 1
        if i == header.value_size:
            # libcurl sends "name;" as a header without a value and drops "name:".
            return text_put(&self.lines, b";\n")
        text_put(&self.lines, b": ")
        text_add(&self.lines, header.value, header.value_size)
        return text_char(&self.lines, c'\n')

    cdef int add(self, bytes name, bytes value, bint sent) except -1:
        """A header of the signature's own; `name` and `value` must outlive this object."""
        cdef Header header
        _point(&header, name, value)
        _check(&header)
        if sent:
            self.send(&header)
        return self.insert(&header)

    cdef void sort(self) noexcept:
        qsort(self.items, self.count, sizeof(Header), _compare_headers)

    cdef int write_names(self, Text* text) except -1:
        """SignedHeaders: "host;range;x-amz-date"."""
        cdef Py_ssize_t i
        for i in range(self.count):
            if i == 0 or _compare_names(&self.items[i - 1], &self.items[i]) != 0:
                if i != 0:
                    text_char(text, c';')
                _add_name(text, &self.items[i])
        return 0

    cdef str names(self):
        self.work.size = 0
        self.write_names(&self.work)
        return self.work.data[:self.work.size].decode("ascii")

    cdef bytes digest(self, method, path, query, payload_hash):
        """The SHA-256 of the canonical request."""
        cdef Text* work = &self.work
        cdef Py_ssize_t i
        work.size = 0
        _add_plain(work, method, "method")
        text_char(work, c'\n')
        _add_plain(work, path, "encoded path")
        text_char(work, c'\n')
        _add_plain(work, query, "encoded query")
        for i in range(self.count):
            if i != 0 and _compare_names(&self.items[i - 1], &self.items[i]) == 0:
                text_char(work, c',')
            else:
                text_char(work, c'\n')
                _add_name(work, &self.items[i])
                text_char(work, c':')
            _add_value(work, &self.items[i])
        text_put(work, b"\n\n")
        self.write_names(work)
        text_char(work, c'\n')
        _add_plain(work, payload_hash, "payload hash")
        return digest_of(work.data, work.size)
