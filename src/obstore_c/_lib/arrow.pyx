# cython: autotestdict=False
"""`Batch`: rows of a listing as any Arrow library can take them, without a copy.

https://arrow.apache.org/docs/format/CDataInterface.html and its PyCapsule interface. What is handed out is plain
memory: the one who takes it releases it in any thread, with or without the GIL, and may keep single columns longer
than the batch. An `Export` therefore counts its arrays and keeps the block until the last of them is released.
"""
cimport cython
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from obstore_c._lib.block cimport Block, Strings, block_hold, block_release, oc_count_down

cdef extern from *:
    """
    #ifndef ARROW_C_DATA_INTERFACE
    #define ARROW_C_DATA_INTERFACE
    #define ARROW_FLAG_NULLABLE 2

    struct ArrowSchema {
        const char *format, *name, *metadata;
        int64_t flags, n_children;
        struct ArrowSchema **children, *dictionary;
        void (*release)(struct ArrowSchema *schema);
        void *private_data;
    };

    struct ArrowArray {
        int64_t length, null_count, offset, n_buffers, n_children;
        const void **buffers;
        struct ArrowArray **children, *dictionary;
        void (*release)(struct ArrowArray *array);
        void *private_data;
    };
    #endif
    """
    const int64_t ARROW_FLAG_NULLABLE

    cdef struct ArrowSchema:
        const char* format
        const char* name
        int64_t flags
        int64_t n_children
        ArrowSchema** children
        void (*release)(ArrowSchema*) noexcept nogil
        void* private_data

    cdef struct ArrowArray:
        int64_t length
        int64_t null_count
        int64_t offset
        int64_t n_buffers
        int64_t n_children
        const void** buffers
        ArrowArray** children
        void (*release)(ArrowArray*) noexcept nogil
        void* private_data

cdef enum:
    COLUMNS = 5

cdef struct SchemaExport:
    ArrowSchema columns[COLUMNS]
    ArrowSchema* children[COLUMNS]

cdef struct Export:
    long references  # arrays that were not released
    Block* block
    const void* no_validity
    ArrowArray columns[COLUMNS]
    ArrowArray* children[COLUMNS]
    const void* buffers[COLUMNS][3]


@cython.final
@cython.auto_pickle(False)
cdef class Batch:
    """Rows of a listing in Arrow's format, with the columns of `ObjectMeta`. Made by `Columns.take`."""

    def __dealloc__(self):
        block_release(self.block)

    def __len__(self):
        return self.length

    def __arrow_c_schema__(self):
        """Export the schema: a struct with a field for each column."""
        return _schema_capsule()

    def __arrow_c_array__(self, requested_schema=None):
        """Export schema and data. Another schema than ours is not offered."""
        cdef ArrowArray* array
        if self.block == NULL:
            raise ValueError("a batch comes from a listing")
        array = <ArrowArray*>calloc(1, sizeof(ArrowArray))
        if array == NULL:
            raise MemoryError
        capsule = PyCapsule_New(array, b"arrow_array", _free_array)
        _export(array, self.block, self.start, self.length)
        return _schema_capsule(), capsule


cdef Batch batch_of(Block* block, int64_t start, int64_t length):
    cdef Batch batch = Batch.__new__(Batch)
    batch.block = block
    batch.start = start
    batch.length = length
    return batch


# ---- The schema ----

cdef object _schema_capsule():
    cdef ArrowSchema* schema = <ArrowSchema*>calloc(1, sizeof(ArrowSchema))
    cdef SchemaExport* parts
    if schema == NULL:
        raise MemoryError
    capsule = PyCapsule_New(schema, b"arrow_schema", _free_schema)
    parts = <SchemaExport*>calloc(1, sizeof(SchemaExport))
    if parts == NULL:
        raise MemoryError
    _field(parts, 0, "path", "u", 0)
    _field(parts, 1, "last_modified", "tsu:UTC", 0)
    _field(parts, 2, "size", "L", 0)
    _field(parts, 3, "e_tag", "u", ARROW_FLAG_NULLABLE)
    _field(parts, 4, "version", "u", ARROW_FLAG_NULLABLE)
    schema.format = "+s"
    schema.name = ""
    schema.n_children = COLUMNS
    schema.children = parts.children
    schema.private_data = parts
    schema.release = _release_schema
    return capsule


cdef void _field(SchemaExport* parts, int column, const char* name, const char* format, int64_t flags) noexcept:
    cdef ArrowSchema* field = &parts.columns[column]
    field.name = name
    field.format = format
    field.flags = flags
    field.release = _release_field
    parts.children[column] = field


# All that a field points to are constants.
cdef void _release_field(ArrowSchema* field) noexcept nogil:
    field.release = NULL


cdef void _release_schema(ArrowSchema* schema) noexcept nogil:
    cdef int column
    for column in range(COLUMNS):
        if schema.children[column].release != NULL:
            schema.children[column].release(schema.children[column])
    free(schema.private_data)
    schema.release = NULL


cdef void _free_schema(object capsule) noexcept:
    cdef ArrowSchema* schema = <ArrowSchema*>PyCapsule_GetPointer(capsule, b"arrow_schema")
    if schema.release != NULL:
        schema.release(schema)
    free(schema)


# ---- The data ----

cdef int _export(ArrowArray* array, Block* block, int64_t start, int64_t length) except -1:
    cdef Export* export = <Export*>calloc(1, sizeof(Export))
    if export == NULL:
        raise MemoryError
    export.references = COLUMNS + 1
    export.block = block_hold(block)
    _text(export, 0, &block.path, start, length)
    _numbers(export, 1, block.modified, start, length)
    _numbers(export, 2, block.size, start, length)
    _text(export, 3, &block.e_tag, start, length)
    _text(export, 4, &block.version, start, length)
    array.length = length
    array.n_buffers = 1
    array.buffers = &export.no_validity
    array.n_children = COLUMNS
    array.children = export.children
    array.private_data = export
    array.release = _release_batch
    return 0


cdef ArrowArray* _column(Export* export, int number, int64_t start, int64_t length, int64_t n_buffers) noexcept:
    cdef ArrowArray* column = &export.columns[number]
    column.length = length
    column.offset = start
    column.n_buffers = n_buffers
    column.buffers = export.buffers[number]
    column.private_data = export
    column.release = _release_column
    export.children[number] = column
    return column


cdef void _numbers(Export* export, int number, const void* data, int64_t start, int64_t length) noexcept:
    _column(export, number, start, length, 2)
    export.buffers[number][1] = data


cdef void _text(Export* export, int number, const Strings* strings, int64_t start, int64_t length) noexcept:
    cdef ArrowArray* column = _column(export, number, start, length, 3)
    # How many are missing in a part of them was not counted: -1.
    column.null_count = -1 if strings.missing else 0
    export.buffers[number][0] = strings.valid
    export.buffers[number][1] = strings.ends
    export.buffers[number][2] = strings.text


cdef void _release_column(ArrowArray* column) noexcept nogil:
    cdef Export* export = <Export*>column.private_data
    column.release = NULL
    if oc_count_down(&export.references) == 0:
        block_release(export.block)
        free(export)


cdef void _release_batch(ArrowArray* array) noexcept nogil:
    cdef int column
    # Those that were moved out are marked as released here, and release themselves later.
    for column in range(COLUMNS):
        if array.children[column].release != NULL:
            array.children[column].release(array.children[column])
    _release_column(array)


cdef void _free_array(object capsule) noexcept:
    cdef ArrowArray* array = <ArrowArray*>PyCapsule_GetPointer(capsule, b"arrow_array")
    if array.release != NULL:
        array.release(array)
    free(array)
