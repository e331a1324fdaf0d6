# cython: auto_pickle=False, autotestdict=False
"""The native transfer engine, as Python sees it.

`Transfer` is an HTTP exchange, request and response in one object. It is started through an `IO` object, which says who
waits for it: `BlockingIO` (the calling thread, without the GIL) or `LoopIO` (an asyncio event loop). `await transfer`
works with both, because a transfer follows asyncio's future protocol and a blocking driver understands it as well.

Ownership. A `Transfer` owns its C transfer; while the engine works on it, the C transfer points back with a borrowed
pointer that is only used under the GIL. A `Transfer` that dies early cancels the C transfer and leaves it behind as an
orphan; whoever drains its mailbox frees it, and with it the caller's buffers that libcurl was reading or filling.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.memoryview cimport PyMemoryView_FromObject
from cpython.unicode cimport PyUnicode_DecodeLatin1
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memchr

from obstore_c._lib.buffer cimport Bytes, bytes_from_bytes, bytes_from_owner
from obstore_c._lib.oc_engine cimport *

import atexit
import os

cdef extern from "Python.h":
    ctypedef struct PyObject
    object PyWeakref_NewRef(object ob, object callback)
    void* PyWeakref_GetObject(object reference)

cdef extern from *:
    """
    #ifdef _WIN32
    #include <winsock2.h>
    static void oc_wake_read(int fd) { char b[256]; while (recv((SOCKET)fd, b, sizeof b, 0) == sizeof b) {} }
    static void oc_wake_close(int fd) { closesocket((SOCKET)fd); }
    #else
    #include <unistd.h>
    static void oc_wake_read(int fd) { char b[256]; while (read(fd, b, sizeof b) == (ssize_t)sizeof b) {} }
    static void oc_wake_close(int fd) { close(fd); }
    #endif
    """
    void oc_wake_read(int fd) noexcept nogil
    void oc_wake_close(int fd) noexcept nogil

DEFAULT_MAX_IN_FLIGHT = 256

cdef enum:
    SIGNAL_CHECK_MS = 50
    ORPHAN_WAIT_MS = 100
    LONGEST_DELAY = 1000000000  # seconds
    SPARE_DESCRIPTORS = 128
    IDLE_IOS = 32
    LEFT_TO_THREADS = 33554432  # bytes that stay in the pool though no engine thread trims it


# ---- The engine itself ----

cdef oc_engine* _engine = NULL
cdef oc_mailbox* _orphans = NULL  # what closed mailboxes leave; lives for ever
cdef int _generation = 0  # counts forks: transfers of another generation belong to a parent process
cdef int _loops = 0  # asked for; 0: chosen from the machine
cdef bint _stopping = False


def load(str path):
    """Bind to the libcurl that the shared library at `path` is or links to.

    Raises:
        ImportError: there is none, it is too old, or it is not thread-safe.
    """
    global _orphans
    cdef char error[512]
    cdef bytes encoded = os.fsencode(path)
    if oc_curl_load(encoded, error, sizeof(error)) < 0:
        raise ImportError((<bytes>error).decode("utf-8", "replace"))
    oc_engine_register_at_exit()
    if _orphans == NULL:
        _orphans = oc_mailbox_new(-1)
        if _orphans == NULL:
            raise MemoryError


def configure(*, int loops):
    """Set the number of engine threads (1 to 16), before the first request of the process.

    Raises:
        ValueError: out of range.
        RuntimeError: the engine runs already.
    """
    global _loops
    if not 1 <= loops <= 16:
        raise ValueError(f"loops must be between 1 and 16, not {loops}")
    if _engine != NULL:
        raise RuntimeError("the engine runs already: set the number of loops before the first request")
    _loops = loops


cdef uint64_t _requests = 0
cdef uint64_t _retries = 0


def count_retry():
    """Note that a request is sent again."""
    global _retries
    _retries += 1


def stats():
    """Numbers for tests and diagnosis.

    `requests` and `retries` of this process (a retry is a request too), `idle_bytes` kept for reuse, `slabs` in use,
    and the `loops` that run.
    """
    cdef size_t idle = 0, out = 0
    _free_orphans()
    oc_pool_stats(&idle, &out)
    return {"requests": _requests, "retries": _retries, "idle_bytes": idle, "slabs": out,
            "loops": _engine.loop_count if _engine != NULL else 0}


def capacity():
    """How many transfers, and so sockets, the engine has at a time: as many as the process may open, at most 2048."""
    return max(8, min(oc_socket_limit() - SPARE_DESCRIPTORS - oc_caller_descriptors(), 2048))


def option_number(str name):
    """The number of libcurl's option `name` (without CURLOPT_), or -1 if the engine does not know it."""
    return oc_curl_option_number(name.encode("ascii"))


cdef int _default_loops():
    setting = os.environ.get("OBSTORE_C_LOOPS")
    if _loops:
        return _loops
    if setting is not None and setting.isdigit():
        return max(1, min(16, int(setting)))
    return max(1, min(4, (os.cpu_count() or 1) // 4))


cdef oc_engine* _running_engine() except NULL:
    global _engine
    cdef int loops
    if _engine != NULL and not _stopping and oc_engine_dead(_engine):
        shutdown()
    if _engine == NULL:
        loops = _default_loops()
        _engine = oc_engine_new(loops, capacity())
        if _engine == NULL:
            raise OSError("the transfer engine cannot start: no thread, descriptor or memory to be had")
    return _engine


def shutdown():
    """Stop the engine's threads after failing everything in flight. The next request starts it anew."""
    global _engine, _stopping
    if _stopping:
        return
    # Until its threads are gone it stays the engine, and refuses what is submitted: two must not run at once.
    _stopping = True
    with nogil:
        if _engine != NULL:
            oc_engine_stop(_engine)
        oc_caller_loops_stop()
    _engine = NULL  # its memory stays: transfers still point to it
    _stopping = False


# Before the first request, so that exit handlers that were registered since the import still find the engine running.
atexit.register(shutdown)


def _after_fork():
    global _engine, _stopping, _orphans, _generation, _callers, _loop_ios, _latest, _get_running_loop
    _engine = NULL
    _stopping = False
    _generation += 1
    oc_fork_done_in_child()
    oc_engine_after_fork()
    _orphans = oc_mailbox_new(-1)  # the parent's may be locked by a thread that does not exist here
    _idle_ios.clear()
    _callers = 0
    _latest = NULL
    _loop_ios = _get_running_loop = None


def _before_fork():
    oc_fork_prepare()


def _after_fork_in_parent():
    oc_fork_done_in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)


# ---- Options shared by a store's transfers ----

@cython.final
cdef class Profile:
    """libcurl options that all transfers of a store share.

    Args:
        options: option name without CURLOPT_ (those of curl_api.h) or number, to int, str or bytes.
        max_in_flight: transfers at a time to one host; further ones wait in the engine's queue.

    Raises:
        ValueError: an unknown name, or a value that does not fit the option's type.
    """

    cdef oc_profile* profile
    cdef readonly dict options
    cdef readonly int max_in_flight

    def __init__(self, options, max_in_flight=None):
        cdef size_t index = 0
        if self.profile != NULL:
            raise RuntimeError("a profile does not change")
        self.options = dict(options)
        self.max_in_flight = DEFAULT_MAX_IN_FLIGHT if max_in_flight is None else max_in_flight
        if self.max_in_flight < 1:
            raise ValueError("max_in_flight must be at least 1")
        self.profile = oc_profile_new(len(self.options), self.max_in_flight)
        if self.profile == NULL:
            raise MemoryError
        for name, value in self.options.items():
            _set_option(self.profile, index, name, value)
            index += 1

    def __dealloc__(self):
        if self.profile != NULL:
            self.profile.retired = True
            oc_profile_unref(self.profile)

    def __eq__(self, other):
        return (isinstance(other, Profile) and self.options == (<Profile>other).options
                and self.max_in_flight == (<Profile>other).max_in_flight)

    def __hash__(self):
        return hash((frozenset(self.options.items()), self.max_in_flight))


cdef int _set_option(oc_profile* profile, size_t index, object name, object value) except -1:
    cdef int number = name if isinstance(name, int) else oc_curl_option_number(name.encode("ascii", "replace"))
    cdef bytes data
    if number < 0:
        raise ValueError(f"libcurl option {name!r} is not known here: give its number (pycurl.{name})")
    if 20000 <= number < 30000:
        raise ValueError(f"libcurl option {name!r} takes a function, which the engine cannot call")
    if number < 10000 or 30000 <= number < 40000:
        if not isinstance(value, int):
            raise ValueError(f"libcurl option {name!r} takes an int, not {type(value).__name__}")
        oc_profile_set_integer(profile, index, number, value)
        return 0
    if not isinstance(value, (str, bytes)):
        raise ValueError(f"libcurl option {name!r} takes str or bytes, not {type(value).__name__}")
    data = value.encode() if isinstance(value, str) else value
    if number < 40000 and b"\0" in data:
        raise ValueError(f"the value of libcurl option {name!r} has a NUL")
    if oc_profile_set_data(profile, index, number, data, len(data)) < 0:
        raise MemoryError
    return 0


# ---- Transfers ----

cdef object _NO_MESSAGE = object()
cdef bint _starting = False

# The caller's buffers that the engine uses: released when the transfer is over or the segment was taken.
cdef struct Pins:
    bint has_body
    Py_buffer body
    Py_buffer segments[OC_SEGMENTS]
    unsigned int fed
    unsigned int taken


cdef void _release_pins(oc_transfer* transfer) noexcept:
    cdef Pins* pins = <Pins*>transfer.pins
    if pins == NULL:
        return
    transfer.pins = NULL
    if pins.has_body:
        PyBuffer_Release(&pins.body)
    while pins.taken != pins.fed:
        PyBuffer_Release(&pins.segments[pins.taken % OC_SEGMENTS])
        pins.taken += 1
    PyMem_Free(pins)


@cython.final
@cython.freelist(64)
cdef class Slab:
    """A block of pooled memory: writable until its content is handed out as `Bytes`. The pool gets it back in the end.

    Args:
        size: bytes, more than 0. The memory is not cleared.
    """

    cdef oc_slab* slab
    cdef Py_ssize_t size

    def __init__(self, Py_ssize_t size):
        if size <= 0 or self.slab != NULL:
            raise ValueError("a slab has a size, and gets it once")
        with nogil:
            self.slab = oc_pool_get(size)
        if self.slab == NULL:
            raise MemoryError(f"no memory for {size} bytes")
        self.size = size

    def __dealloc__(self):
        if self.slab != NULL:
            oc_pool_put(self.slab)

    def __getbuffer__(self, Py_buffer* view, int flags):
        if self.slab == NULL:
            raise BufferError("the slab has no memory")
        PyBuffer_FillInfo(view, self, self.slab.data, self.size, False, flags)

    def __buffer__(self, int flags, /):
        # PEP 688's method, which Python itself provides from 3.12 on.
        return PyMemoryView_FromObject(self)

    def to_bytes(self, Py_ssize_t length):
        """The first `length` bytes, without a copy."""
        if self.slab == NULL or not 0 <= length <= self.size:
            raise ValueError(f"length must be between 0 and {self.size}")
        return bytes_from_owner(self, self.slab.data, length)


@cython.final
cdef class Chunk:
    """A `bytes` object in the making: filled through the buffer protocol, then taken out once.

    Args:
        size: bytes, more than 0. The memory is not cleared.
    """

    cdef bytes content  # kept when it was taken: views of it may exist
    cdef bint taken

    def __init__(self, Py_ssize_t size):
        if size <= 0 or self.content is not None:
            raise ValueError("a chunk has a size, and gets it once")
        self.content = PyBytes_FromStringAndSize(NULL, size)

    # Writing into a bytes object is allowed as long as nobody else has seen it.
    def __getbuffer__(self, Py_buffer* view, int flags):
        if self.content is None or self.taken:
            raise BufferError("the chunk was taken")
        PyBuffer_FillInfo(view, self, PyBytes_AS_STRING(self.content), len(self.content), False, flags)

    def __buffer__(self, int flags, /):
        return PyMemoryView_FromObject(self)

    def to_bytes(self, Py_ssize_t length):
        """The first `length` bytes, without a copy if that is all of them. Nothing can be written afterwards."""
        if self.content is None or self.taken or not 0 <= length <= len(self.content):
            raise ValueError("the chunk was taken, or has not that many bytes")
        self.taken = True
        return self.content if length == len(self.content) else self.content[:length]


@cython.final
cdef class CallerMemory:
    """A writable, contiguous buffer of the caller's, of whatever item type and shape, seen as bytes.

    Args:
        buffer: it is pinned as long as this object lives.

    Raises:
        TypeError, BufferError, ValueError: as the buffer's type has it, when it cannot be written or has gaps.
    """

    cdef Py_buffer view
    cdef bint pinned

    # Asking for no format, because not every item type has one (NumPy's dates).
    def __init__(self, buffer):
        if self.pinned:
            raise RuntimeError("the memory does not change")
        PyObject_GetBuffer(buffer, &self.view, PyBUF_WRITABLE)
        self.pinned = True

    def __dealloc__(self):
        if self.pinned:
            PyBuffer_Release(&self.view)

    def __getbuffer__(self, Py_buffer* view, int flags):
        if not self.pinned:
            raise BufferError("there is no memory")
        PyBuffer_FillInfo(view, self, self.view.buf, self.view.len, False, flags)


@cython.final
@cython.freelist(256)
@cython.no_gc_clear  # its end needs the loop that `_home` keeps alive
cdef class Transfer:
    """One HTTP exchange: started by `IO.start`, awaited for its response, which is this same object."""

    cdef oc_transfer* transfer
    cdef IO io
    cdef IO _home  # whose loop works on it, if it is not one of the engine's; keeps that loop alive
    cdef Profile profile
    cdef Bytes _body
    cdef object _callback
    cdef object _context
    cdef list _more_callbacks
    cdef object _cancel_message
    cdef int _fork_generation
    cdef bint _done
    cdef bint _held
    cdef bint _woken
    cdef bint _cancelled  # the engine was told
    cdef bint _task_cancelled  # by asyncio, which wants a CancelledError
    cdef bint _lost  # in a forked child: the engine that works on it lives in the parent
    cdef public bint _asyncio_future_blocking
    cdef object __weakref__

    def __cinit__(self):
        if not _starting:
            raise TypeError("transfers come from IO.start")

    def __dealloc__(self):
        if self.transfer == NULL:
            return
        if self._lost or (not self._done and self._fork_generation != _generation):
            _release_pins(self.transfer)  # the rest may be locked by a thread that does not exist here
            return
        if self._done:
            _release_pins(self.transfer)
            oc_transfer_free(self.transfer)
        else:
            if self.io is not None and not self._cancelled:
                self.io._leaving += 1
            self.transfer.owner = NULL
            self._cancel_now()

    # In a caller's loop that nobody drives the end is there at once, but nobody may ever look into that mailbox again.
    cdef int _cancel_now(self) except -1:
        oc_transfer_cancel(self.transfer)
        if self._home is not None and isinstance(self.io, BlockingIO):
            (<BlockingIO>self.io)._collect_here()
        return 0

    def __repr__(self):
        state = "in flight" if not self.done() else f"status {self.status}, {self.received} bytes"
        return f"<Transfer {state}>"

    # -- Waiting: the iterator that `await` drives, and asyncio's future protocol --

    def __await__(self):
        return self

    def __iter__(self):
        return self

    # A transfer that was cancelled has no answer to give early, only its end: then nothing is written any more.
    def __next__(self):
        if self._done or (self._held and not self._cancelled):
            raise StopIteration(self)
        return self._wait()

    # The coroutine that awaits is interrupted or dropped: nobody wants the answer any more.
    def throw(self, kind, value=None, traceback=None):
        self._stop()
        _raise(kind, value, traceback)

    def close(self):
        self._stop()

    cdef Transfer _wait(self):
        self._belongs_here()
        self._woken = self._done
        self._asyncio_future_blocking = True
        return self

    # False in a forked child, where the transfer is over: no lock of it may be touched.
    cdef bint _belongs_here(self) noexcept:
        if self._fork_generation == _generation:
            return True
        if not self._done:
            self._done = self._lost = self._woken = True
            self.transfer.curl_code = OC_CODE_ENGINE_STOPPED
        return False

    cdef bint _stop(self) except -1:
        if self._done or self._cancelled or not self._belongs_here():
            return False
        self._cancelled = True
        self.io._leaving += 1
        self._cancel_now()
        return True

    def get_loop(self):
        return self.io.get_loop()

    def add_done_callback(self, callback, *, context=None):
        if self._callback is None:
            self._callback = callback
            self._context = context
        else:  # rare: several tasks wait for the same transfer
            if self._more_callbacks is None:
                self._more_callbacks = []
            self._more_callbacks.append((callback, context))
        if self._woken:
            self._schedule()

    def remove_done_callback(self, callback):
        cdef list kept = [pair for pair in self._callbacks() if pair[0] != callback]
        cdef int removed = len(self._callbacks()) - len(kept)
        self._callback, self._context = kept.pop(0) if kept else (None, None)
        self._more_callbacks = kept or None
        return removed

    cdef list _callbacks(self):
        cdef list callbacks = [] if self._callback is None else [(self._callback, self._context)]
        return callbacks if self._more_callbacks is None else callbacks + self._more_callbacks

    def done(self):
        return self._done

    def cancelled(self):
        return self._done and self._task_cancelled

    def cancel(self, msg=_NO_MESSAGE):
        """Stop the transfer at once. Returns False when it was over or cancelled already.

        Whoever waits goes on as soon as the engine has let go of the caller's buffers. With a message, as asyncio
        calls it, that is with a CancelledError, without one with the response.
        """
        if not self._stop():
            return False
        if msg is not _NO_MESSAGE:
            self._task_cancelled = True
            self._cancel_message = msg
        return True

    def result(self):
        if self._task_cancelled:
            from asyncio import CancelledError

            raise CancelledError() if self._cancel_message is None else CancelledError(self._cancel_message)
        return None

    def exception(self):
        return None

    # In the event loop's thread: wake everyone who waits, in the loop's next turn.
    cdef int _schedule(self) except -1:
        cdef list callbacks = self._callbacks()
        self._callback = self._context = self._more_callbacks = None
        loop = self.io.get_loop()
        for callback, context in callbacks:
            loop.call_soon(callback, self, context=context)
        return 0

    # -- The response --

    @property
    def response(self):
        return self

    @property
    def status(self):
        """HTTP status of the final answer; 0 if none came."""
        return self.transfer.status

    @property
    def curl_code(self):
        """0, libcurl's error code, or a negative number if the engine ended the transfer."""
        return self.transfer.curl_code

    @property
    def curl_message(self):
        cdef char* message = self.transfer.message
        if self._lost:
            return "the request was made before this process was forked"
        return "" if message == NULL else (<bytes>message).decode("utf-8", "replace")

    @property
    def cancelled_by_engine(self):
        return self.transfer.curl_code < 0

    @property
    def complete(self):
        """False while the body is on hold or the transfer goes on."""
        return self._done

    @property
    def content_length(self):
        return self.transfer.content_length

    @property
    def received(self):
        """Bytes of the body that arrived."""
        return self.transfer.received

    @property
    def http_version(self):
        """libcurl's number: 2 for HTTP/1.1, 3 for HTTP/2, 30 for HTTP/3."""
        return self.transfer.http_version

    @property
    def retry_safe(self):
        """True when the request cannot have reached the server: no name, no connection."""
        return self.transfer.curl_code in (5, 6, 7, 35, 60) and self.transfer.status == 0

    @property
    def timings(self):
        """Seconds since the start: queue (before the start), dns, connect, tls, first_byte, total."""
        cdef oc_timings* t = &self.transfer.timings
        return {"queue": t.queue_us / 1e6, "dns": t.dns_us / 1e6, "connect": t.connect_us / 1e6,
                "tls": t.tls_us / 1e6, "first_byte": t.first_byte_us / 1e6, "total": t.total_us / 1e6}

    @property
    def body(self):
        """The collected body. Of a held response: what arrived before it was put on hold."""
        cdef Slab owner
        if self._body is None:
            owner = Slab.__new__(Slab)
            owner.slab = oc_transfer_take_body(self.transfer)
            owner.size = self.transfer.collected_size
            if owner.slab == NULL:
                self._body = bytes_from_bytes(b"")
            else:
                self._body = bytes_from_owner(owner, owner.slab.data, self.transfer.collected_size)
        return self._body

    def take_body(self):
        """The collected body, which this transfer then forgets: it goes when its taker drops it. Once."""
        cdef Bytes body = self.body
        self._body = None
        self.transfer.collected_size = 0
        return body

    def header(self, str name):
        """The last header called `name`, whatever its case, or None."""
        cdef bytes wanted = name.lower().encode("latin-1")
        cdef const char* value = NULL
        cdef size_t size = _find_header(self.transfer.head, self.transfer.head_size, wanted, len(wanted), &value)
        return None if value == NULL else PyUnicode_DecodeLatin1(value, size, NULL)

    def headers(self):
        """All header lines as (name, value), in order."""
        cdef bytes head = self.transfer.head[: self.transfer.head_size] if self.transfer.head != NULL else b""
        pairs = []
        for line in head.decode("latin-1").split("\r\n")[1:]:
            name, colon, value = line.partition(":")
            if colon:
                pairs.append((name, value.strip(" \t")))
        return pairs

    # -- A body on hold --

    def feed(self, buffer):
        """Queue a writable buffer for the next bytes of the body; at most 4 at a time.

        It is filled from its start; `filled()` tells how far. It is held until then.
        """
        cdef Pins* pins
        cdef Py_buffer view
        if not self._belongs_here():
            return
        pins = _pins(self.transfer)
        PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
        if view.len == 0 or pins.fed - pins.taken >= OC_SEGMENTS:
            empty = view.len == 0
            PyBuffer_Release(&view)
            raise ValueError("the buffer is empty" if empty else "too many buffers are queued")
        pins.segments[pins.fed % OC_SEGMENTS] = view
        pins.fed += 1
        oc_transfer_feed(self.transfer, <char*>view.buf, view.len)

    def release(self):
        """Give back the buffers that were fed, if the transfer is over; whoever keeps it does not keep them."""
        if self._done:
            _release_pins(self.transfer)

    def filled(self):
        """Awaitable: waits until the oldest fed buffer is full or the body is over, and gives the bytes in it."""
        cdef Filled waiter = Filled.__new__(Filled)
        waiter.transfer = self
        return waiter

    def attach(self, IO io):
        """Let `io` wait for what happens from now on: another thread or event loop goes on with the body."""
        if io is self.io:
            return
        if self._belongs_here():
            io._ready()
            oc_transfer_attach(self.transfer, io.mailbox)
            if not self._done:
                if not io.blocking:
                    self.keep_going()
                self.io._unfinished -= 1
                io._unfinished += 1
                if self._cancelled:
                    self.io._leaving -= 1
                    io._leaving += 1
        self.io = io

    def keep_going(self):
        """Make progress also while nobody waits: a blocking caller's loop gets a thread."""
        cdef oc_loop* loop
        cdef int failed = 0
        if self._home is None or self._done or not self._belongs_here():
            return
        loop = self.transfer.loop
        if not loop.threaded and not loop.closed:
            with nogil:
                failed = oc_loop_start_thread(loop)
            if failed and not loop.closed:
                raise OSError("no thread to be had for this transfer")

    cdef int64_t _take_segment(self) except -2:
        cdef Pins* pins = <Pins*>self.transfer.pins
        cdef int64_t used
        if not self._belongs_here():
            return 0
        if pins == NULL or pins.taken == pins.fed:
            raise RuntimeError("no buffer was fed")
        used = oc_transfer_take_segment(self.transfer)
        if used >= 0:
            PyBuffer_Release(&pins.segments[pins.taken % OC_SEGMENTS])
            pins.taken += 1
        return used


@cython.final
cdef class Filled:
    cdef Transfer transfer

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        cdef int64_t used = self.transfer._take_segment()
        if used >= 0:
            raise StopIteration(used)
        if self.transfer._done:
            raise RuntimeError("the transfer ended without closing its buffers")
        return self.transfer._wait()

    # The engine may be writing into the buffers: whoever was to read them is gone.
    def throw(self, kind, value=None, traceback=None):
        self.transfer._stop()
        _raise(kind, value, traceback)

    def close(self):
        self.transfer._stop()


# The end of an awaitable's `throw`, which may be called the old way with a class, its arguments and a traceback.
cdef object _raise(kind, value, traceback):
    if value is None:
        value = kind() if isinstance(kind, type) else kind
    elif not isinstance(value, BaseException):
        value = kind(value)
    raise value if traceback is None else value.with_traceback(traceback)


# Without its C transfer it is good for nothing, so Python code cannot make one.
cdef Transfer _new_transfer():
    global _starting
    _starting = True
    try:
        return Transfer.__new__(Transfer)
    finally:
        _starting = False


cdef Pins* _pins(oc_transfer* transfer) except NULL:
    if transfer.pins == NULL:
        transfer.pins = PyMem_Calloc(1, sizeof(Pins))
        if transfer.pins == NULL:
            raise MemoryError
    return <Pins*>transfer.pins


# RFC 9112 5: lines of "name: value" with blanks around the value.
cdef size_t _find_header(const char* head, size_t head_size, const char* name, size_t name_size,
                         const char** value) noexcept nogil:
    cdef const char* line = head
    cdef const char* end = head + head_size
    cdef const char* newline
    cdef const char* stop
    cdef size_t i, found = 0
    while line != NULL and line < end:
        newline = <const char*>memchr(line, c"\n", end - line)
        stop = newline if newline != NULL else end
        if <size_t>(stop - line) > name_size and line[name_size] == c":":
            i = 0
            while i < name_size and _lower(line[i]) == name[i]:
                i += 1
            if i == name_size:
                value[0] = line + name_size + 1
                while value[0] < stop and (value[0][0] == c" " or value[0][0] == c"\t"):
                    value[0] += 1
                while stop > value[0] and stop[-1] in (c" ", c"\t", c"\r"):
                    stop -= 1
                found = stop - value[0]
        line = newline + 1 if newline != NULL else NULL
    return found


cdef inline char _lower(char c) noexcept nogil:
    return c + 32 if c"A" <= c <= c"Z" else c


# Marks what happened to every transfer taken from the mailbox of `io` (None: from the orphans'), frees orphans, and
# returns those with callbacks to call.
cdef list _deliver(IO io, oc_transfer* first):
    cdef oc_transfer* current
    cdef Transfer transfer
    cdef list waiting = []
    while first != NULL:
        current = first
        first = first.taken_next
        if current.taken_events & OC_EVENT_DONE:
            if io is not None:
                io._unfinished -= 1
            if current.owner == NULL:
                if io is not None:
                    io._leaving -= io._leaving > 0
                _release_pins(current)
                oc_transfer_free(current)
                continue
        elif current.owner == NULL:
            continue
        transfer = <Transfer>current.owner
        if current.taken_events & OC_EVENT_HELD:
            transfer._held = True
        if current.taken_events & OC_EVENT_DONE:
            transfer._done = True
            _release_body(current)
            if transfer._cancelled and io is not None:
                io._leaving -= io._leaving > 0
        elif transfer._cancelled:
            continue  # only its end is of interest
        transfer._woken = True
        if transfer._callback is not None:
            waiting.append(transfer)
    return waiting


# Nobody waits for them, so they are freed whenever somebody comes along.
cdef int _free_orphans() except -1:
    if _orphans != NULL and oc_mailbox_wait(_orphans, 0):
        _deliver(None, oc_mailbox_take(_orphans, 0))
    return 0


# The request body goes back at once; segments when they are taken.
cdef void _release_body(oc_transfer* transfer) noexcept:
    cdef Pins* pins = <Pins*>transfer.pins
    if pins != NULL and pins.has_body:
        pins.has_body = False
        PyBuffer_Release(&pins.body)


# ---- Who waits ----

cdef class IO:
    """Starts transfers and waits for them. Base of `BlockingIO` and `LoopIO`."""

    cdef oc_mailbox* mailbox
    cdef int generation
    cdef Py_ssize_t _unfinished  # transfers that will still post to the mailbox
    cdef Py_ssize_t _leaving  # those of them that were cancelled
    cdef object __weakref__

    def __dealloc__(self):
        self._close()

    # Afterwards nothing is written to the descriptor any more. A forked child leaves the parent's mailbox alone: its
    # lock may have been held by a thread that does not exist here.
    cdef void _close(self):
        cdef oc_mailbox* mailbox = self.mailbox
        self.mailbox = NULL
        if mailbox != NULL and self.generation == _generation:
            _deliver(self, oc_mailbox_close(mailbox, _orphans))
            oc_mailbox_unref(mailbox)

    cdef int _open(self, int fd) except -1:
        if _orphans == NULL:
            raise RuntimeError("libcurl is not loaded")
        self.generation = _generation
        self.mailbox = oc_mailbox_new(fd)
        if self.mailbox == NULL:
            raise MemoryError
        self._unfinished = self._leaving = 0
        return _free_orphans()

    # There is a mailbox, and it is this process's.
    cdef int _ready(self) except -1:
        if self.mailbox == NULL or self.generation != _generation:
            self._reopen()
        return 0

    # A loop that this object's owner drives itself, free for a transfer; NULL: the engine's threads take it.
    cdef oc_loop* _own_loop(self) except? NULL:
        return NULL

    cdef int _reopen(self) except -1:
        raise RuntimeError("nobody waits here: use BlockingIO.acquire() or loop_io()")

    # What is there, taken and delivered with the GIL held: between the two nobody may attach a transfer elsewhere.
    cdef list _collect(self):
        cdef list waiting = _deliver(self, oc_mailbox_take(self.mailbox, 0))
        _free_orphans()
        return waiting

    def get_loop(self):
        return None

    def start(self, Profile profile not None, str method not None, bytes url not None, bytes headers not None,
              body=None, *, double delay=0.0, int64_t hold_above=-1, into=None,
              bint background=False):
        """Start a transfer, or queue it behind its host's cap.

        Args:
            profile: the store's libcurl options.
            method: HTTP method.
            url: absolute and percent-encoded; sent as it is.
            headers: lines "name: value" joined by a newline. Host and Content-Length are libcurl's.
            body: None or a contiguous buffer, sent from the caller's memory, which is held until the end.
            delay: seconds to wait before the start.
            hold_above: a 2xx body longer than this is not collected but fed to buffers; -1: always collect.
            into: a writable buffer for a 2xx body, as if it had been fed (`Transfer.feed`). A body longer than
                hold_above, or of unknown length, is reported early nevertheless, so that more can be fed.
            background: the caller does other things before it waits; else a blocking caller may have to wait for the
                transfer to make progress.

        Raises:
            ValueError: CR or NUL in the URL or the headers, a line feed in the URL, or a delay that is none.
        """
        global _requests
        cdef Transfer transfer = _new_transfer()
        cdef oc_loop* own_loop
        cdef oc_engine* engine
        cdef oc_transfer* raw
        cdef Pins* pins = NULL
        cdef Py_buffer view
        cdef const void* data = NULL
        cdef size_t size = 0
        cdef bytes verb = method.encode("ascii")
        _check_text(url)
        _check_text(headers)
        if memchr(<const char*>url, c"\n", len(url)) != NULL:
            raise ValueError("a URL has a line feed")
        if profile.profile == NULL or not 0 <= delay <= LONGEST_DELAY:
            raise ValueError(f"not a profile, or not a delay: {delay}")
        self._ready()
        own_loop = NULL if background else self._own_loop()
        engine = NULL if own_loop != NULL else _running_engine()
        if body is not None:
            PyObject_GetBuffer(body, &view, PyBUF_SIMPLE)
            data, size = view.buf, view.len
            if data == NULL:
                data = b""
            pins = <Pins*>PyMem_Calloc(1, sizeof(Pins))
        raw = NULL
        if body is None or pins != NULL:
            raw = oc_transfer_new(profile.profile, self.mailbox, verb, url, len(url), headers, len(headers), data, size)
        if raw == NULL:
            if body is not None:
                PyBuffer_Release(&view)
            PyMem_Free(pins)
            raise MemoryError
        if pins != NULL:
            pins.body = view
            pins.has_body = True
            raw.pins = pins
        raw.delay_us = <int64_t>(delay * 1e6)
        raw.hold_above = hold_above
        raw.owner = <void*>transfer
        transfer.transfer = raw
        transfer.io = self
        transfer.profile = profile
        transfer._fork_generation = _generation
        if into is not None:
            transfer._done = True  # if the buffer is refused, nobody else has the transfer yet
            transfer.feed(into)
            transfer._done = False
        self._unfinished += 1
        _requests += 1
        if own_loop != NULL:
            transfer._home = self
            oc_loop_submit(own_loop, raw)
        else:
            oc_engine_submit(engine, raw)
        return transfer


cdef inline int _check_text(bytes text) except -1:
    cdef const char* data = text
    cdef size_t size = len(text)
    if memchr(data, 0, size) != NULL or memchr(data, c"\r", size) != NULL:
        raise ValueError("a URL or header has a carriage return or NUL")
    return 0


cdef list _idle_ios = []
cdef int _callers = 0  # blocking calls in progress
cdef int _processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cython.final
cdef class BlockingIO(IO):
    """The calling thread waits, without the GIL. Use `BlockingIO.acquire()` and `close()` in pairs.

    Its first transfer is worked on by the waiting thread itself: no other thread has to be woken, and threads that
    block do not share a loop. What is started beside it goes to the engine's threads.
    """

    blocking = True

    cdef oc_loop* loop

    @staticmethod
    def acquire():
        global _callers
        cdef BlockingIO self
        _callers += 1
        if _idle_ios:
            return _idle_ios.pop()
        self = BlockingIO.__new__(BlockingIO)
        self._open(-1)
        return self

    def __dealloc__(self):
        cdef oc_loop* loop = self.loop
        self.loop = NULL
        if loop == NULL or self.generation != _generation:
            return
        oc_caller_loop_free(loop)  # orphans are posted before the mailbox closes

    def close(self):
        """Keep this object, with its connections, for another call, unless the engine may still post to it.

        A transfer on hold in its own loop is no obstacle: it goes on when somebody waits for it.
        """
        global _callers
        cdef Py_ssize_t on_hold = self.loop.load if self.loop != NULL else 0
        cdef size_t idle = 0, out = 0
        _callers -= 1
        oc_pool_stats(&idle, &out)
        if idle > LEFT_TO_THREADS and _engine == NULL and not _stopping:
            try:
                _running_engine()  # somebody has to give the memory back when this thread is gone
            except OSError:
                pass  # the next call that needs a thread will tell
        if self.loop != NULL and self.loop.threaded:
            return
        if self._unfinished == on_hold and self.generation == _generation and len(_idle_ios) < IDLE_IOS:
            _idle_ios.append(self)

    # More callers than processors only get in each other's way: then the engine serves them all.
    cdef oc_loop* _own_loop(self) except? NULL:
        if _callers > _processors:
            return NULL
        if self.loop != NULL and self.loop.closed and self.loop.load == 0:
            oc_caller_loop_free(self.loop)
            self.loop = NULL
        if self.loop == NULL:
            self.loop = oc_caller_loop_new()
        if self.loop == NULL or self.loop.load > 0 or self.loop.threaded or self.loop.closed:
            return NULL
        return self.loop

    cdef int _reopen(self) except -1:
        self.loop = NULL  # a parent process's
        return self._open(-1)

    def wait(self, Transfer transfer not None):
        """Wait until something happens to `transfer`. Signal handlers run meanwhile."""
        if transfer.io is not self:
            raise RuntimeError("a blocking operation waits for another operation's transfer")
        while not transfer._woken:
            if not transfer._belongs_here():
                return  # a signal handler forked: this is the child
            self._wait_some(transfer.transfer)
            self._collect_here()
            if not transfer._woken:
                PyErr_CheckSignals()

    def settle(self):
        """After an exception: wait briefly until cancelled transfers have let go of the caller's buffers."""
        cdef int waited = 0
        while self._leaving > 0 and self.generation == _generation and waited < ORPHAN_WAIT_MS:
            self._settle_some()
            self._collect_here()
            waited += 5

    cdef void _wait_some(self, oc_transfer* transfer):
        cdef oc_mailbox* mailbox = self.mailbox
        with nogil:
            oc_transfer_wait(transfer, mailbox, SIGNAL_CHECK_MS)

    cdef void _settle_some(self):
        cdef oc_mailbox* mailbox = self.mailbox
        with nogil:
            oc_mailbox_wait(mailbox, 5)

    cdef int _collect_here(self) except -1:
        for transfer in self._collect():
            _wake_elsewhere(<Transfer>transfer)
        return 0

    cdef void _wait_for_mail(self):
        cdef oc_mailbox* mailbox = self.mailbox
        with nogil:
            oc_mailbox_wait(mailbox, SIGNAL_CHECK_MS)

    async def first(self, list transfers not None):
        """Wait until one of several transfers is over or has filled a buffer, and return it.

        All were started in the background.
        """
        while True:
            self._collect_here()
            for transfer in transfers:
                if _is_over(<Transfer?>transfer):
                    return transfer
            PyErr_CheckSignals()
            self._wait_for_mail()

    async def sleep(self, double seconds):
        import time

        time.sleep(seconds)

    async def call(self, function, *args):
        return function(*args)


cdef bint _is_over(Transfer transfer) noexcept:
    if not transfer._belongs_here() or transfer._done:  # in a forked child it is over
        return True
    return oc_transfer_has_segment(transfer.transfer)


# It waits in an event loop by now, though its news came here.
cdef int _wake_elsewhere(Transfer transfer) except -1:
    cdef list callbacks = transfer._callbacks()
    transfer._callback = transfer._context = transfer._more_callbacks = None
    loop = transfer.io.get_loop()
    for callback, context in callbacks:
        try:
            loop.call_soon_threadsafe(callback, transfer, context=context)
        except RuntimeError:
            pass  # that loop is closed: it wakes nobody any more, which is no concern of the one who waits here
    return 0


cdef object _loop_ios = None  # WeakKeyDictionary: event loop -> LoopIO
cdef PyObject* _latest = NULL  # the LoopIO used last; borrowed, it lives as long as its loop
cdef object _get_running_loop = None


def loop_io():
    """The `LoopIO` of the running event loop.

    Raises:
        RuntimeError: no event loop runs in this thread.
    """
    global _latest, _loop_ios, _get_running_loop
    if _get_running_loop is None:
        import asyncio
        import weakref

        _get_running_loop = asyncio.get_running_loop
        _loop_ios = weakref.WeakKeyDictionary()
    loop = _get_running_loop()
    if _latest != NULL and (<LoopIO>_latest)._is_for(loop):
        return <LoopIO>_latest
    io = _loop_ios.get(loop)
    if io is None or (<LoopIO>io).generation != _generation:
        io = LoopIO(loop)
        _loop_ios[loop] = io
    _latest = <PyObject*>io
    return io


@cython.final
cdef class LoopIO(IO):
    """An asyncio event loop waits: the engine writes to a descriptor that the loop watches."""

    blocking = False

    cdef object _loop  # weak: the loop holds this object through its reader
    cdef int _fd
    cdef int _write_fd  # the same for an eventfd
    cdef object _watcher

    def __cinit__(self):
        self._fd = self._write_fd = -1

    def __init__(self, loop):
        if self._loop is not None:
            raise RuntimeError("an event loop does not change")
        self._loop = PyWeakref_NewRef(loop, None)
        self._open_descriptors()
        try:
            loop.add_reader(self._fd, _drain, PyWeakref_NewRef(self, None))
        except NotImplementedError:
            self._close_descriptors()
            self._open(-1)
            self._watcher = _start_watcher(self, loop)
            return
        self._open(self._write_fd)

    def __dealloc__(self):
        global _latest
        if _latest == <PyObject*>self:
            _latest = NULL
        self._close()
        self._close_descriptors()

    cdef bint _is_for(self, loop) noexcept:
        return (self.generation == _generation and self._loop is not None
                and PyWeakref_GetObject(self._loop) == <void*>loop)

    cdef int _open_descriptors(self) except -1:
        if hasattr(os, "eventfd"):
            self._fd = self._write_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            return 0
        import socket

        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self._fd, self._write_fd = reader.detach(), writer.detach()
        return 0

    cdef void _close_descriptors(self) noexcept:
        if self._fd >= 0:
            oc_wake_close(self._fd)
        if self._write_fd >= 0 and self._write_fd != self._fd:
            oc_wake_close(self._write_fd)
        self._fd = self._write_fd = -1

    cdef int _reopen(self) except -1:
        raise RuntimeError("this event loop belongs to the process that was forked: run another one in the child")

    def get_loop(self):
        return None if self._loop is None else <object>PyWeakref_GetObject(self._loop)

    def drain(self):
        """Wake everyone whose transfer has news. Runs in the event loop."""
        cdef list waiting
        cdef Transfer transfer
        cdef Py_ssize_t i = 0
        if self.mailbox == NULL or self.generation != _generation:
            return
        if self._fd >= 0:
            oc_wake_read(self._fd)
        waiting = self._collect()
        try:
            while i < len(waiting):
                transfer = <Transfer>waiting[i]
                i += 1
                callback, context = transfer._callback, transfer._context
                transfer._callback = transfer._context = None
                if transfer._more_callbacks is not None:
                    transfer._schedule()
                # A task's wake-up, run right here: the event loop runs no other task now, and another turn of the
                # loop for every batch would cost more than the transfer.
                if callback is None:
                    continue
                elif context is None:
                    callback(transfer)
                else:
                    context.run(callback, transfer)
        finally:
            while i < len(waiting):
                (<Transfer>waiting[i])._schedule()
                i += 1

    async def first(self, list transfers not None):
        """Wait until one of several transfers is over or has filled a buffer, and return it."""
        for transfer in transfers:
            if _is_over(<Transfer?>transfer):
                return transfer
        from functools import partial

        first = self.get_loop().create_future()
        over = partial(_set_first, first)  # a function of our own would be a cycle that keeps the transfers
        for transfer in transfers:
            transfer.add_done_callback(over)
        try:
            return await first
        finally:
            for transfer in transfers:
                transfer.remove_done_callback(over)

    async def sleep(self, double seconds):
        import asyncio

        await asyncio.sleep(seconds)

    async def call(self, function, *args):
        import contextvars

        return await self.get_loop().run_in_executor(None, contextvars.copy_context().run, function, *args)


def _set_first(future, transfer):
    if not future.done():
        future.set_result(transfer)


def _drain(reference):
    io = reference()
    if io is not None:
        io.drain()


# For event loops that cannot watch a descriptor (Windows' proactor): a thread waits for the mailbox instead.
cdef object _start_watcher(LoopIO io, object loop):
    import threading

    drained = threading.Event()
    thread = threading.Thread(target=_watch, args=(PyWeakref_NewRef(io, None), PyWeakref_NewRef(loop, None), drained),
                              name="obstore_c-watcher", daemon=True)
    thread.start()
    return thread


def _watch(io_reference, loop_reference, drained):
    def drain():
        io = io_reference()
        if io is not None:
            io.drain()
        drained.set()

    while True:
        io = io_reference()
        if io is None or not _mail_came(io):
            if io is None or loop_reference() is None or loop_reference().is_closed():
                return
            continue
        del io
        drained.clear()
        try:
            loop_reference().call_soon_threadsafe(drain)
        except (RuntimeError, AttributeError):
            return
        while not drained.wait(1):  # a loop that was stopped may never run again
            if loop_reference() is None or loop_reference().is_closed():
                return


cdef bint _mail_came(LoopIO io):
    cdef bint came
    cdef oc_mailbox* mailbox = io.mailbox
    with nogil:
        came = oc_mailbox_wait(mailbox, 200)
    return came


def _bind():
    from obstore_c._libcurl import find

    path = find()
    try:
        load(path)
    except ImportError as error:
        raise ImportError(f"obstore_c cannot use pycurl's libcurl: {error}") from None


_bind()
