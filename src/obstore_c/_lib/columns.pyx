# cython: autotestdict=False, cdivision=True
"""`Columns`: what a listing found, column by column, until it is taken as Arrow data or as dicts.

Providers fill it from their answers without making Python objects. The rows go to a block of memory with Arrow's
layout. Those taken as Arrow stay where they are for as long as somebody has them; what comes afterwards goes to a new
block, and the rows that were left over are copied there.
"""
cimport cython
from cpython.datetime cimport (
    datetime_day,
    datetime_hour,
    datetime_microsecond,
    datetime_minute,
    datetime_month,
    datetime_new,
    datetime_second,
    datetime_tzinfo,
    datetime_year,
    get_utc,
    import_datetime,
    PyDateTime_Check,
)
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.limits cimport INT_MAX
from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, realloc
from libc.string cimport memcmp, memcpy, memset

from obstore_c._lib.arrow cimport batch_of
from obstore_c._lib.block cimport Block, Strings, block_hold, block_is_shared, block_release, is_there
from obstore_c._lib.moments cimport Date, date_of, days_since_1970

import_datetime()

cdef enum:
    FIRST_ROOM = 1024  # rows: most providers' pages have 1000
    FIRST_TEXT = 16384


@cython.final
@cython.auto_pickle(False)
cdef class Columns:
    """The rows of a listing that were not taken yet.

    Args:
        after: paths up to this one are left out.
    """

    def __cinit__(self, str after=None):
        cdef int i
        self.after = None if after is None else after.encode()
        self.datetimes = [None] * MOMENTS
        for i in range(MOMENTS):
            self.moments[i] = INT64_MIN
        self.block = _new_block()

    def __dealloc__(self):
        block_release(self.block)

    def __len__(self):
        return self.count()

    cdef Py_ssize_t count(self) noexcept:
        return self.block.rows - self.taken

    # -- In --

    def extend(self, list objects not None):
        """Add the metadata of objects: all of them or, with an exception, none."""
        cdef Py_ssize_t before = self.count()
        cdef Row row
        try:
            for meta in objects:
                path, e_tag, version = meta["path"], meta["e_tag"], meta["version"]
                row.path = PyUnicode_AsUTF8AndSize(path, &row.path_size)
                row.e_tag = _utf8_or_none(e_tag, &row.e_tag_size)
                row.version = _utf8_or_none(version, &row.version_size)
                row.modified = moment_of_datetime(meta["last_modified"])
                row.size = meta["size"]
                self.add(&row)
        except BaseException:
            self.cut_back(before)
            raise

    cdef int add(self, const Row* row) except -1:
        cdef Row repaired
        cdef Py_ssize_t common
        cdef int order
        if not _is_ascii(row.path, row.path_size):
            path = PyUnicode_DecodeUTF8(row.path, row.path_size, b"replace")
            repaired = row[0]
            repaired.path = PyUnicode_AsUTF8AndSize(path, &repaired.path_size)
            row = &repaired
        if self.after is not None:
            common = min(row.path_size, len(self.after))
            order = memcmp(row.path, <const char*>self.after, common)
            if order < 0 or (order == 0 and row.path_size <= len(self.after)):
                return 0
        if self.taken or block_is_shared(self.block):
            self.renew()
        return _append(self.block, row)

    cdef void cut_back(self, Py_ssize_t count) noexcept:
        cdef Block* block = self.block
        while self.count() > count:
            block.rows -= 1
            block.e_tag.missing -= not is_there(&block.e_tag, block.rows)
            block.version.missing -= not is_there(&block.version, block.rows)

    # A block of our own with the rows that are left.
    cdef int renew(self) except -1:
        cdef Block* old = self.block
        cdef Block* block
        cdef Row row
        cdef int64_t i
        if self.taken == old.rows and not block_is_shared(old):
            old.rows = old.e_tag.missing = old.version.missing = self.taken = 0
            return 0
        block = _new_block()
        try:
            for i in range(self.taken, old.rows):
                row.path = _get(&old.path, i, &row.path_size)
                row.e_tag = _get(&old.e_tag, i, &row.e_tag_size)
                row.version = _get(&old.version, i, &row.version_size)
                row.modified, row.size = old.modified[i], old.size[i]
                _append(block, &row)
        except BaseException:
            block_release(block)
            raise
        self.block = block
        self.taken = 0
        block_release(old)
        return 0

    # -- Out --

    def take(self, count=None):
        """Give the first `count` rows away, all of them by default, as an Arrow `Batch`. Nothing is copied."""
        cdef int64_t left = self.count(), wanted = left if count is None else count
        if not 0 <= wanted <= left:
            raise ValueError(f"there are {left} rows")
        batch = batch_of(block_hold(self.block), self.taken, wanted)
        self.taken += wanted
        return batch

    def take_dicts(self):
        """Give all rows away, as a list of `ObjectMeta`."""
        cdef Block* block = self.block
        cdef list dicts = []
        cdef int64_t i
        for i in range(self.taken, block.rows):
            dicts.append({
                "path": _string(&block.path, i),
                "last_modified": self.datetime_of(block.modified[i]),
                "size": block.size[i],
                "e_tag": _string(&block.e_tag, i),
                "version": _string(&block.version, i),
            })
        self.taken = block.rows
        self.renew()
        return dicts

    # Objects that were stored together have the same second, and share the datetime.
    cdef object datetime_of(self, int64_t moment):
        cdef int64_t seconds = moment // 1000000, days
        cdef int microsecond = <int>(moment - seconds * 1000000)
        cdef int slot, second_of_day
        cdef Date date
        if microsecond < 0:  # before 1970, where division rounds up
            seconds -= 1
            microsecond += 1000000
        slot = <int>(seconds & (MOMENTS - 1))
        if self.moments[slot] == moment:
            return self.datetimes[slot]
        days = seconds // 86400 - (seconds % 86400 < 0)
        second_of_day = <int>(seconds - days * 86400)
        date = date_of(days)
        found = datetime_new(date.year, date.month, date.day, second_of_day // 3600, second_of_day // 60 % 60,
                             second_of_day % 60, microsecond, get_utc())
        self.datetimes[slot] = found
        self.moments[slot] = moment
        return found


cdef const char* _utf8_or_none(object text, Py_ssize_t* size) except? NULL:
    if text is None:
        size[0] = -1
        return NULL
    return PyUnicode_AsUTF8AndSize(text, size)


cdef int64_t moment_of_datetime(object moment) except? -1:
    cdef int64_t seconds
    if not PyDateTime_Check(moment):
        raise TypeError(f"last_modified is a datetime, not {type(moment).__name__}")
    if datetime_tzinfo(moment) is not get_utc():
        moment = moment.astimezone(get_utc())
    seconds = days_since_1970(datetime_year(moment), datetime_month(moment), datetime_day(moment)) * 86400
    seconds += datetime_hour(moment) * 3600 + datetime_minute(moment) * 60 + datetime_second(moment)
    return seconds * 1000000 + datetime_microsecond(moment)


cdef bint _is_ascii(const char* text, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint8_t bits = 0
    for i in range(size):
        bits |= <uint8_t>text[i]
    return bits < 0x80


# ---- Blocks ----

cdef Block* _new_block() except NULL:
    cdef Block* block = <Block*>calloc(1, sizeof(Block))
    if block == NULL:
        raise MemoryError
    block.references = 1
    try:
        _grow(block)
    except BaseException:
        block_release(block)
        raise
    return block


cdef int _append(Block* block, const Row* row) except -1:
    if block.rows == block.room:
        _grow(block)
    _put(block, &block.path, row.path, row.path_size)
    _put(block, &block.e_tag, row.e_tag, row.e_tag_size)
    _put(block, &block.version, row.version, row.version_size)
    block.modified[block.rows] = row.modified
    block.size[block.rows] = row.size
    # Only now: a row that an exception left unfinished is written over.
    block.rows += 1
    block.e_tag.missing += row.e_tag_size < 0
    block.version.missing += row.version_size < 0
    return 0


cdef inline int _put(Block* block, Strings* strings, const char* text, Py_ssize_t size) except -1:
    cdef int64_t row = block.rows
    cdef int64_t start = strings.ends[row]
    cdef Py_ssize_t length = max(size, 0)
    if length > strings.text_room - start:
        _grow_text(strings, start + length)
    if length:
        memcpy(strings.text + start, text, length)
    strings.ends[row + 1] = <int32_t>(start + length)
    if size < 0 and strings.valid == NULL:
        strings.valid = <uint8_t*>_resized(NULL, block.room // 8 + 1, 1)
        memset(strings.valid, 0xff, block.room // 8 + 1)
    if strings.valid != NULL:
        strings.valid[row >> 3] &= ~(1 << (row & 7))
        strings.valid[row >> 3] |= (size >= 0) << (row & 7)
    return 0


cdef inline const char* _get(const Strings* strings, int64_t row, Py_ssize_t* size) noexcept:
    size[0] = strings.ends[row + 1] - strings.ends[row] if is_there(strings, row) else -1
    return strings.text + strings.ends[row]


cdef inline object _string(const Strings* strings, int64_t row):
    cdef Py_ssize_t size = -1
    cdef const char* text = _get(strings, row, &size)
    return None if size < 0 else PyUnicode_DecodeUTF8(text, size, NULL)


cdef int _grow(Block* block) except -1:
    cdef int64_t room = max(2 * block.room, FIRST_ROOM)
    block.modified = <int64_t*>_resized(block.modified, room, sizeof(block.modified[0]))
    block.size = <uint64_t*>_resized(block.size, room, sizeof(block.size[0]))
    _grow_strings(&block.path, room)
    _grow_strings(&block.e_tag, room)
    _grow_strings(&block.version, room)
    block.room = room
    return 0


cdef int _grow_strings(Strings* strings, int64_t room) except -1:
    cdef bint new = strings.ends == NULL
    strings.ends = <int32_t*>_resized(strings.ends, room + 1, sizeof(strings.ends[0]))
    if new:
        strings.ends[0] = 0
        _grow_text(strings, 1)
    if strings.valid != NULL:
        strings.valid = <uint8_t*>_resized(strings.valid, room // 8 + 1, 1)
    return 0


cdef int _grow_text(Strings* strings, int64_t needed) except -1:
    cdef int64_t room = max(needed, 2 * strings.text_room, FIRST_TEXT)
    if needed > INT_MAX:
        raise OverflowError("more than 2 GiB of text in one Arrow batch: take the listing in chunks")
    strings.text = <char*>_resized(strings.text, room, 1)
    strings.text_room = room
    return 0


cdef void* _resized(void* memory, int64_t count, size_t item_size) except NULL:
    memory = realloc(memory, count * item_size)
    if memory == NULL:
        raise MemoryError
    return memory
