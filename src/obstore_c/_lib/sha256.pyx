# cython: autotestdict=False
"""SHA-256 and HMAC for signatures, by OpenSSL through `hashlib`.

A signature hashes a few hundred bytes three times, so what counts is the cost per call: copying a prepared
hash object takes half the time of `hmac.digest`, which pads and hashes the key anew.
"""

cimport cython
from cpython.buffer cimport PyBUF_READ, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory

cdef enum:
    BLOCK = 64  # bytes; SHA-256's
    PIECE = 2047  # bytes; hashlib releases the GIL for more at once
    IN_PIECES = 65536  # bytes; a longer buffer takes long enough for others to have the GIL meanwhile

cdef object _constructor = None


cdef object _sha256(data):
    """`hashlib.sha256`, imported late: loading libcrypto takes milliseconds."""
    global _constructor
    if _constructor is None:
        from hashlib import sha256

        _constructor = sha256
    return _constructor(data)


cdef bytes digest_of(const char* data, Py_ssize_t size):
    # In pieces too small for hashlib to release the GIL: a long session token makes the signed text some KiB,
    # and beside a computing thread one signature in ten would then wait 5 ms for the GIL.
    cdef Py_ssize_t done = min(size, PIECE), piece
    state = _sha256(PyBytes_FromStringAndSize(data, done))
    while done < size:
        piece = min(size - done, PIECE)
        state.update(PyBytes_FromStringAndSize(data + done, piece))
        done += piece
    return state.digest()


def sha256_hex(buffer):
    """Hash the bytes of a buffer.

    Args:
        buffer: Any object with a contiguous buffer, of any shape and format. The GIL is released while a
            large one is hashed.

    Returns:
        64 lower-case hexadecimal digits.

    Example:
        >>> sha256_hex(b"")[:8]
        'e3b0c442'
    """
    cdef Py_buffer view
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        # Beside a computing thread, whoever releases the GIL waits 5 ms for it: 194 bodies of 64 KiB a second
        # were hashed that way, and 10,000 in pieces.
        if view.len <= IN_PIECES:
            return digest_of(<char*> view.buf, view.len).hex()
        # A flat view of bytes: hashlib refuses more than one dimension.
        return _sha256(PyMemoryView_FromMemory(<char*> view.buf, view.len, PyBUF_READ)).hexdigest()
    finally:
        PyBuffer_Release(&view)


@cython.final
@cython.auto_pickle(False)
cdef class Hmac:
    """HMAC-SHA256 (RFC 2104) with one key, for many messages. Threads may share it.

    Args:
        key: The secret.

    Example:
        >>> Hmac(b"key").digest(b"message").hex()[:8]
        '6e9ef29b'
    """

    def __cinit__(self, bytes key not None):
        # The padded key is a block of its own: the states behind it are prepared here and only copied later.
        if len(key) > BLOCK:
            key = _sha256(key).digest()
        padded = key.ljust(BLOCK, b"\0")
        self.inner = _sha256(bytes([byte ^ 0x36 for byte in padded]))
        self.outer = _sha256(bytes([byte ^ 0x5C for byte in padded]))

    cpdef bytes digest(self, bytes message):
        """The 32 bytes that authenticate `message`."""
        inner = self.inner.copy()
        inner.update(message)
        outer = self.outer.copy()
        outer.update(inner.digest())
        return outer.digest()
