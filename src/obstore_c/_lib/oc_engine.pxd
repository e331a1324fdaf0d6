# The engine's C interface, as far as engine.pyx uses it. Order and meaning: src/engine/*.h.
from libc.stdint cimport int64_t


cdef extern from "curl_api.h" nogil:
    int oc_curl_load(const char* path, char* error, size_t error_size)
    int oc_curl_option_number(const char* name)


cdef extern from "pool.h" nogil:
    ctypedef struct oc_slab:
        char* data
        size_t capacity

    oc_slab* oc_pool_get(size_t size)
    void oc_pool_put(oc_slab* slab)
    void oc_pool_stats(size_t* idle_bytes, size_t* slabs_out)


cdef extern from "profile.h" nogil:
    ctypedef struct oc_profile:
        bint retired

    oc_profile* oc_profile_new(size_t option_count, int max_in_flight)
    void oc_profile_set_integer(oc_profile* profile, size_t index, int number, long value)
    int oc_profile_set_data(oc_profile* profile, size_t index, int number, const char* data, size_t size)
    void oc_profile_unref(oc_profile* profile)


cdef extern from "mailbox.h" nogil:
    ctypedef struct oc_mailbox:
        pass

    oc_mailbox* oc_mailbox_new(int fd)
    void oc_mailbox_unref(oc_mailbox* mailbox)
    oc_transfer* oc_mailbox_take(oc_mailbox* mailbox, int64_t wait_ms)
    bint oc_mailbox_wait(oc_mailbox* mailbox, int64_t wait_ms)
    oc_transfer* oc_mailbox_close(oc_mailbox* mailbox, oc_mailbox* heir)


cdef extern from "transfer.h" nogil:
    enum:
        OC_SEGMENTS
        OC_EVENT_HELD
        OC_EVENT_SEGMENT
        OC_EVENT_DONE
        OC_CODE_CANCELLED
        OC_CODE_ENGINE_STOPPED

    ctypedef struct oc_timings:
        int64_t queue_us
        int64_t dns_us
        int64_t connect_us
        int64_t tls_us
        int64_t first_byte_us
        int64_t total_us

    ctypedef struct oc_transfer:
        oc_loop* loop
        int64_t delay_us
        int64_t hold_above
        void* owner
        void* pins
        int status
        int http_version
        int64_t content_length
        char* head
        size_t head_size
        size_t collected_size
        int curl_code
        char* message
        oc_timings timings
        int64_t received
        oc_transfer* taken_next
        int taken_events

    oc_transfer* oc_transfer_new(
        oc_profile* profile, oc_mailbox* mailbox, const char* method, const char* url, size_t url_size,
        const char* headers, size_t headers_size, const void* body, size_t body_size)
    void oc_transfer_free(oc_transfer* transfer)
    oc_slab* oc_transfer_take_body(oc_transfer* transfer)
    int oc_transfer_feed(oc_transfer* transfer, char* data, size_t size)
    int64_t oc_transfer_take_segment(oc_transfer* transfer)
    bint oc_transfer_has_segment(oc_transfer* transfer)


cdef extern from "loop.h" nogil:
    ctypedef struct oc_loop:
        bint threaded
        bint closed
        int load

    int oc_loop_start_thread(oc_loop* loop)
    void oc_loop_submit(oc_loop* loop, oc_transfer* transfer)


cdef extern from "fork.h" nogil:
    void oc_fork_prepare()
    void oc_fork_done_in_parent()
    void oc_fork_done_in_child()


cdef extern from "callers.h" nogil:
    oc_loop* oc_caller_loop_new()
    void oc_caller_loop_free(oc_loop* loop)
    int oc_caller_descriptors()
    void oc_caller_loops_stop()


cdef extern from "engine.h" nogil:
    ctypedef struct oc_engine:
        int loop_count

    oc_engine* oc_engine_new(int loops, int max_active)
    void oc_engine_stop(oc_engine* engine)
    void oc_engine_after_fork()
    bint oc_engine_dead(const oc_engine* engine)
    void oc_engine_submit(oc_engine* engine, oc_transfer* transfer)
    void oc_transfer_cancel(oc_transfer* transfer)
    void oc_engine_register_at_exit()
    void oc_transfer_wait(oc_transfer* transfer, oc_mailbox* mailbox, int64_t wait_ms)
    void oc_transfer_attach(oc_transfer* transfer, oc_mailbox* mailbox)
    int oc_socket_limit()
