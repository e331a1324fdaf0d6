# cython: autotestdict=False
"""`Bytes`: what a store gives back, a read-only view of memory that something else owns.

Ownership: a `Bytes` holds one reference to its owner (a slab of the engine, a `bytes`, a `memoryview`) and
never frees memory itself. The owner's memory neither moves nor goes while that reference exists; for foreign
buffers the owner is a private `memoryview`, which holds the exporter's `Py_buffer` until the `Bytes` dies.

A slice is a view of the same memory, except that a slice of at most `COPY_LIMIT` bytes which is less than a
quarter of the memory its owner pins gets its own copy: a header cut out of a large object must not keep the
object alive. Longer slices are never copied.
"""

cimport cython
from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_FillInfo,
    PyBuffer_IsContiguous,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromObject, PyMemoryView_GET_BUFFER
from cpython.number cimport PyIndex_Check, PyNumber_AsSsize_t
from cpython.slice cimport PySlice_AdjustIndices, PySlice_Check, PySlice_Unpack
from libc.string cimport memchr, memcmp, memcpy

cdef extern from "Python.h":
    const Py_ssize_t PY_SSIZE_T_MAX

cdef enum:
    COPY_LIMIT = 65536  # bytes; copying this much costs a few microseconds and needs no fresh pages
    REPR_LIMIT = 4096  # bytes shown by repr() before it abbreviates

cdef bytes _EMPTY = b""


@cython.freelist(256)
@cython.no_gc  # like numpy's arrays: a cycle would need a buffer exporter that refers back to its own view
@cython.auto_pickle(False)
cdef class Bytes:
    """A read-only buffer of bytes.

    It supports the buffer protocol, so `memoryview(b)`, `numpy.frombuffer(b)` or `file.write(b)` read the
    memory without a copy, and most methods of the builtin `bytes`. It is not hashable, because the memory may
    belong to an object that changes.

    Slicing gives a view of the same memory, unless the slice is small (at most 64 KiB) compared with the
    memory it would keep alive (under a quarter): then it is a copy.

    Args:
        buf: any object with a C-contiguous buffer. Its memory is not copied and stays exported (a `bytearray`
            cannot be resized) as long as this object lives.

    Raises:
        TypeError: `buf` has no buffer.
        ValueError: the buffer is not contiguous.

    Example:
        >>> data = Bytes(b"hello")
        >>> data[1:3]
        Bytes(b"el")
        >>> bytes(data) == data
        True
    """

    def __cinit__(self, buf=_EMPTY):
        # Not __init__: calling that a second time would pull the memory from under exported views.
        if PyBytes_CheckExact(buf):
            _set(self, buf, PyBytes_AS_STRING(buf), PyBytes_GET_SIZE(buf))
        elif type(buf) is Bytes:
            self._owner = (<Bytes>buf)._owner
            self._data = (<Bytes>buf)._data
            self._length = (<Bytes>buf)._length
            self._pinned = (<Bytes>buf)._pinned
        else:
            _set_foreign(self, buf)

    # Buffer protocol

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, <void*>self._data, self._length, 1, flags)

    def __buffer__(self, int flags, /):
        # PEP 688's method, for Python 3.11. Later ones ask it for the buffer of a subclass, hence not of
        # self.
        if flags & PyBUF_WRITABLE:
            raise BufferError("Bytes is read-only")
        return PyMemoryView_FromObject(bytes_from_owner(self._owner, self._data, self._length))

    def __len__(self):
        return self._length

    def to_bytes(self):
        """Copy the content into a builtin `bytes`."""
        return PyBytes_FromStringAndSize(self._data, self._length)

    # Sequence

    def __getitem__(self, key):
        cdef Py_ssize_t index, start = 0, stop = 0, step = 0, count
        if PySlice_Check(key):
            PySlice_Unpack(key, &start, &stop, &step)
            count = PySlice_AdjustIndices(self._length, &start, &stop, step)
            if step == 1:
                return _view(self, start, count)
            return _gather(self, start, step, count)
        if not PyIndex_Check(key):
            raise TypeError(f"Bytes indices must be integers or slices, not {type(key).__name__}")
        index = PyNumber_AsSsize_t(key, IndexError)
        if index < 0:
            index += self._length
        if index < 0 or index >= self._length:
            raise IndexError("Bytes index out of range")
        return <unsigned char>self._data[index]

    def __contains__(self, other):
        cdef Py_buffer view
        PyObject_GetBuffer(other, &view, PyBUF_SIMPLE)
        try:
            return _find(self._data, self._length, <const char*>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    def __eq__(self, other):
        cdef Py_buffer view
        if type(other) is Bytes:
            return _same(self, (<Bytes>other)._data, (<Bytes>other)._length)
        if not _get_bytes_buffer(other, &view):
            return NotImplemented
        try:
            return _same(self, <const char*>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    def __add__(self, other):
        cdef Py_buffer view
        cdef bytes joined
        if not _get_bytes_buffer(other, &view):
            return NotImplemented
        try:
            if view.len > PY_SSIZE_T_MAX - self._length:
                raise OverflowError("the concatenated Bytes would be too long")
            joined = PyBytes_FromStringAndSize(NULL, self._length + view.len)
            memcpy(PyBytes_AS_STRING(joined), self._data, self._length)
            memcpy(PyBytes_AS_STRING(joined) + self._length, view.buf, view.len)
            return bytes_from_bytes(joined)
        finally:
            PyBuffer_Release(&view)

    def __mul__(self, other):
        cdef Py_ssize_t count, done
        cdef bytes repeated
        if not PyIndex_Check(other):
            return NotImplemented
        count = PyNumber_AsSsize_t(other, OverflowError)
        if count < 0:
            return NotImplemented
        if count and self._length > PY_SSIZE_T_MAX // count:
            raise OverflowError("the repeated Bytes would be too long")
        repeated = PyBytes_FromStringAndSize(NULL, self._length * count)
        if self._length:
            for done in range(count):
                memcpy(PyBytes_AS_STRING(repeated) + done * self._length, self._data, self._length)
        return bytes_from_bytes(repeated)

    # Methods of bytes

    def removeprefix(self, prefix, /):
        """Return the content without `prefix` if it starts with it, otherwise the whole content."""
        cdef Py_buffer view
        cdef Py_ssize_t skip = 0
        PyObject_GetBuffer(prefix, &view, PyBUF_SIMPLE)
        try:
            if view.len <= self._length and memcmp(self._data, view.buf, view.len) == 0:
                skip = view.len
        finally:
            PyBuffer_Release(&view)
        return _view(self, skip, self._length - skip)

    def removesuffix(self, suffix, /):
        """Return the content without `suffix` if it ends with it, otherwise the whole content."""
        cdef Py_buffer view
        cdef Py_ssize_t keep = self._length
        PyObject_GetBuffer(suffix, &view, PyBUF_SIMPLE)
        try:
            if view.len <= keep and memcmp(self._data + keep - view.len, view.buf, view.len) == 0:
                keep -= view.len
        finally:
            PyBuffer_Release(&view)
        return _view(self, 0, keep)

    def isalnum(self):
        """Return whether there is content and all of it is ASCII letters and digits."""
        return self._length > 0 and _all(self, _is_alnum)

    def isalpha(self):
        """Return whether there is content and all of it is ASCII letters."""
        return self._length > 0 and _all(self, _is_alpha)

    def isascii(self):
        """Return whether all of the content is below 0x80; true for no content."""
        return _all(self, _is_ascii)

    def isdigit(self):
        """Return whether there is content and all of it is ASCII digits."""
        return self._length > 0 and _all(self, _is_digit)

    def islower(self):
        """Return whether there is an ASCII lower case letter and no upper case one."""
        return _all(self, _is_not_upper) and not _all(self, _is_not_lower)

    def isspace(self):
        """Return whether there is content and all of it is ASCII whitespace."""
        return self._length > 0 and _all(self, _is_space)

    def isupper(self):
        """Return whether there is an ASCII upper case letter and no lower case one."""
        return _all(self, _is_not_lower) and not _all(self, _is_not_upper)

    def lower(self):
        """Return a copy with ASCII letters in lower case."""
        return _flip_case(self, b"A", b"Z")

    def upper(self):
        """Return a copy with ASCII letters in upper case."""
        return _flip_case(self, b"a", b"z")

    # Object protocol

    def __repr__(self):
        cdef Py_ssize_t shown = self._length if self._length <= REPR_LIMIT else 64
        cdef str escaped, body
        escaped = repr(b"'" + PyBytes_FromStringAndSize(self._data, shown))
        # The leading quote decides how repr() quotes; bring the result to one form, in double quotes.
        body = escaped[3:-1] if escaped[1] == '"' else escaped[4:-1].replace("\\'", "'").replace('"', '\\"')
        if shown < self._length:
            return f'Bytes(b"{body}"... {self._length} bytes)'
        return f'Bytes(b"{body}")'

    def __reduce_ex__(self, protocol):
        # With protocol 5 the memory can leave the pickle out of band, without a copy.
        if protocol >= 5:
            from pickle import PickleBuffer

            return type(self), (PickleBuffer(self),)
        return type(self), (self.to_bytes(),)


cdef Bytes bytes_from_owner(object owner, const char* data, Py_ssize_t length):
    cdef Bytes self = Bytes.__new__(Bytes)
    _set(self, owner, data, length)
    return self


cdef Bytes bytes_from_bytes(bytes owner):
    return bytes_from_owner(owner, PyBytes_AS_STRING(owner), PyBytes_GET_SIZE(owner))


cdef inline void _set(Bytes self, object owner, const char* data, Py_ssize_t length) noexcept:
    self._owner = owner
    self._data = data
    self._length = length
    self._pinned = length


cdef int _set_foreign(Bytes self, object buf) except -1:
    if not PyObject_CheckBuffer(buf):
        raise TypeError(f"a bytes-like object is required, not '{type(buf).__name__}'")
    cdef object owner = PyMemoryView_FromObject(buf)
    cdef Py_buffer* view = PyMemoryView_GET_BUFFER(owner)
    if not PyBuffer_IsContiguous(view, b"C"):
        raise ValueError("Bytes needs a C-contiguous buffer")
    _set(self, owner, <const char*>view.buf if view.len else PyBytes_AS_STRING(_EMPTY), view.len)
    return 0


cdef Bytes _view(Bytes self, Py_ssize_t start, Py_ssize_t count):
    """`count` bytes from `start`, which must lie inside; see the policy at the top."""
    cdef Bytes part
    if count <= COPY_LIMIT and count < self._pinned // 4:
        return bytes_from_bytes(PyBytes_FromStringAndSize(self._data + start, count))
    part = bytes_from_owner(self._owner, self._data + start, count)
    part._pinned = self._pinned
    return part


cdef Bytes _gather(Bytes self, Py_ssize_t start, Py_ssize_t step, Py_ssize_t count):
    cdef bytes gathered = PyBytes_FromStringAndSize(NULL, count)
    cdef char* target = PyBytes_AS_STRING(gathered)
    cdef Py_ssize_t i
    for i in range(count):
        target[i] = self._data[start + i * step]
    return bytes_from_bytes(gathered)


cdef bint _get_bytes_buffer(object other, Py_buffer* view):
    """Open the buffer of `other` if it has a contiguous one of single bytes; the caller releases it."""
    if not PyObject_CheckBuffer(other):
        return False
    try:
        PyObject_GetBuffer(other, view, PyBUF_SIMPLE)
    except (BufferError, ValueError):
        return False
    if view.itemsize != 1:
        PyBuffer_Release(view)
        return False
    return True


cdef inline bint _same(Bytes self, const char* data, Py_ssize_t length) noexcept:
    return length == self._length and memcmp(self._data, data, length) == 0


cdef bint _find(const char* text, Py_ssize_t length, const char* part, Py_ssize_t part_length) noexcept nogil:
    cdef const char* last = text + length - part_length  # where the last possible match begins
    if part_length == 0:
        return True
    while text <= last:
        text = <const char*>memchr(text, <unsigned char>part[0], last - text + 1)
        if text == NULL:
            return False
        if memcmp(text, part, part_length) == 0:
            return True
        text += 1
    return False


ctypedef bint (*_Predicate)(unsigned char) noexcept nogil


cdef bint _all(Bytes self, _Predicate holds) noexcept:
    cdef Py_ssize_t i
    for i in range(self._length):
        if not holds(<unsigned char>self._data[i]):
            return False
    return True


cdef bint _is_not_lower(unsigned char c) noexcept nogil:
    return not (c"a" <= c <= c"z")


cdef bint _is_not_upper(unsigned char c) noexcept nogil:
    return not (c"A" <= c <= c"Z")


cdef bint _is_digit(unsigned char c) noexcept nogil:
    return c"0" <= c <= c"9"


cdef bint _is_alpha(unsigned char c) noexcept nogil:
    return c"a" <= c | 0x20 <= c"z"


cdef bint _is_alnum(unsigned char c) noexcept nogil:
    return _is_alpha(c) or _is_digit(c)


cdef bint _is_ascii(unsigned char c) noexcept nogil:
    return c < 0x80


cdef bint _is_space(unsigned char c) noexcept nogil:
    return c == c" " or 0x09 <= c <= 0x0D


cdef Bytes _flip_case(Bytes self, unsigned char first, unsigned char last):
    """A copy in which the letters from `first` to `last` have the other case, which in ASCII is one bit."""
    cdef bytes flipped = PyBytes_FromStringAndSize(NULL, self._length)
    cdef char* target = PyBytes_AS_STRING(flipped)
    cdef Py_ssize_t i
    cdef unsigned char c
    for i in range(self._length):
        c = <unsigned char>self._data[i]
        target[i] = <char>(c ^ 0x20 if first <= c <= last else c)
    return bytes_from_bytes(flipped)
