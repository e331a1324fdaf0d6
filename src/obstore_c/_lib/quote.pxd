# Percent-encoding for other compiled modules: the same functions, without going through Python.

# The UTF-8 of a str, owned by that str and valid as long as it lives. Anything else raises TypeError, a lone
# surrogate ValueError; both sentences call the text `what`.
cdef const char* utf8_of(object text, str what, Py_ssize_t* size) except NULL

cpdef str quote_path(object key)
cpdef str quote(object value)
