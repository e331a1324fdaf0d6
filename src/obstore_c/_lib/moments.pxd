# cython: cdivision=True
# Points in time as microseconds since 1970, which is what Arrow stores. INT64_MIN stands for none.
#
# Days are counted as in https://howardhinnant.github.io/date_algorithms.html: years start in March, so that the leap
# day is the last of its year, and 400 years are 146,097 days.

from libc.stdint cimport INT64_MIN, int64_t

cdef enum:
    DAYS_PER_ERA = 146097  # 400 years
    DAYS_TO_1970 = 719468  # from 0000-03-01

cdef struct Date:
    int year
    int month
    int day


cdef inline int64_t days_since_1970(int year, int month, int day) noexcept nogil:
    """Days from 1970-01-01 to a day of the years 1 to 9999."""
    cdef int shifted = year - (month <= 2)
    cdef int era = shifted // 400
    cdef int year_of_era = shifted - era * 400
    cdef int day_of_year = (153 * (month + (9 if month <= 2 else -3)) + 2) // 5 + day - 1
    cdef int day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return <int64_t>era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970


cdef inline Date date_of(int64_t days) noexcept nogil:
    """The inverse of `days_since_1970`."""
    cdef Date date
    cdef int shifted = <int>days + DAYS_TO_1970
    cdef int era = shifted // DAYS_PER_ERA
    cdef int day_of_era = shifted - era * DAYS_PER_ERA
    cdef int year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    cdef int day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    cdef int month = (5 * day_of_year + 2) // 153  # since March
    date.day = day_of_year - (153 * month + 2) // 5 + 1
    date.month = month + 3 if month < 10 else month - 9
    date.year = year_of_era + era * 400 + (date.month <= 2)
    return date


cdef inline int days_in(int year, int month) noexcept nogil:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


cdef inline int number_at(const char* text, int start, int count) noexcept nogil:
    """The `count` digits from `start` on as a number, negative if they are none."""
    cdef int value = 0, i, digit
    for i in range(start, start + count):
        digit = text[i] - c"0"
        if not 0 <= digit <= 9:
            return -1
        value = value * 10 + digit
    return value


cdef inline int64_t moment_of(const char* text, Py_ssize_t size) noexcept nogil:
    """`2024-03-01T12:34:56Z` or `2024-03-01T12:34:56.123456789Z`, with 1 to 9 digits; INT64_MIN for all else.

    What is less than a microsecond is dropped.
    """
    cdef int year, month, day, hour, minute, second, micro
    if not 20 <= size <= 30 or text[size - 1] != c"Z":
        return INT64_MIN
    if text[4] != c"-" or text[7] != c"-" or text[10] != c"T" or text[13] != c":" or text[16] != c":":
        return INT64_MIN
    year, month, day = number_at(text, 0, 4), number_at(text, 5, 2), number_at(text, 8, 2)
    hour, minute, second = number_at(text, 11, 2), number_at(text, 14, 2), number_at(text, 17, 2)
    micro = fraction_of(text + 19, size - 20)
    if year < 1 or not 1 <= month <= 12 or not 1 <= day <= days_in(year, month):
        return INT64_MIN
    if not 0 <= hour <= 23 or not 0 <= minute <= 59 or not 0 <= second <= 59 or micro < 0:
        return INT64_MIN
    return (days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * 1000000 + micro


cdef inline int fraction_of(const char* text, Py_ssize_t size) noexcept nogil:
    """Microseconds from `` or `.5` or `.123456789`; negative for all else."""
    cdef int micro = 0, digits = <int>size - 1
    if size == 0:
        return 0
    if text[0] != c"." or digits == 0 or number_at(text, 1, digits) < 0:
        return -1
    micro = number_at(text, 1, min(digits, 6))
    while digits < 6:
        micro *= 10
        digits += 1
    return micro
