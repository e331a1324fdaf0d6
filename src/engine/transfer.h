/* One HTTP exchange: the request, where its body goes, and what came back.
 *
 * Ownership: whoever created a transfer owns it until oc_engine_submit, then the engine owns it until it
 * posts OC_EVENT_DONE, then the creator owns it again and frees it. While the engine owns it, other threads
 * only call the oc_transfer_* functions marked "any thread".
 *
 * Where the body goes (the sink) is decided at its first byte:
 *   - error answers (not 2xx) are collected, up to OC_ERROR_BODY_LIMIT;
 *   - with segments fed before submit, it fills them; if it is longer than hold_above, or of unknown length,
 * so that they may not be enough, OC_EVENT_HELD is posted as well;
 *   - longer than hold_above, it is held: OC_EVENT_HELD is posted, reading pauses until segments are fed;
 *   - otherwise it is collected into one slab, and only OC_EVENT_DONE is posted.
 */
#ifndef OC_TRANSFER_H
#define OC_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "curl_api.h"
#include "mailbox.h"
#include "pool.h"
#include "profile.h"

enum { OC_SEGMENTS = 4, OC_SPILL_SIZE = 16 * 1024, OC_ERROR_BODY_LIMIT = 1024 * 1024 };

enum oc_event {
    OC_EVENT_HELD = 1,    /* the head has arrived and the body waits for segments */
    OC_EVENT_SEGMENT = 2, /* a segment is full */
    OC_EVENT_DONE = 4,    /* over: the transfer is its creator's again; posted exactly once */
};

enum oc_method { OC_GET, OC_HEAD, OC_WITH_BODY };

enum oc_sink { OC_SINK_UNDECIDED, OC_SINK_COLLECT, OC_SINK_SEGMENTS, OC_SINK_DISCARD };

enum oc_state { OC_STATE_NEW, OC_STATE_DELAYED, OC_STATE_QUEUED, OC_STATE_ACTIVE, OC_STATE_OVER };

/* What a transfer ended with besides libcurl's own codes (which are positive). */
enum { OC_CODE_CANCELLED = -1, OC_CODE_ENGINE_STOPPED = -2, OC_CODE_ENGINE_DEAD = -3 };

typedef struct oc_segment {
    char *data;
    size_t size;
    size_t used;
    bool closed; /* full, or the body is over */
} oc_segment;

typedef struct oc_timings {
    int64_t queue_us; /* from submit to handing over to libcurl, without the asked-for delay */
    int64_t dns_us;
    int64_t connect_us;
    int64_t tls_us;
    int64_t first_byte_us;
    int64_t total_us;
} oc_timings;

struct oc_loop;
struct oc_host;
struct oc_handle;

typedef struct oc_transfer {
    /* The request: written by the creator before submit, then read-only. */
    oc_profile *profile;
    enum oc_method method_kind;
    char *block; /* one allocation for method, url, header list and its strings */
    const char *method;
    const char *url;
    struct oc_curl_slist *headers;
    const void *body;
    size_t body_size;
    int64_t delay_us;
    int64_t hold_above; /* -1: never hold */
    void *owner;        /* the creator's two, untouched here */
    void *pins;

    /* The answer: written by the engine; readable by the creator after HELD (all but the last three) or DONE.
     */
    int status;
    int http_version;
    int64_t content_length; /* -1: not told */
    char *head;             /* status line and header lines of the final answer, CRLF each */
    size_t head_size;
    size_t head_capacity;
    oc_slab *collected;
    size_t collected_size;
    int curl_code; /* 0, a CURLcode, or one of OC_CODE_* */
    char *message; /* owned; NULL when nothing went wrong */
    oc_timings timings;

    /* Guarded by segment_lock: `fed` and `taken` move in the creator's thread, `filled` in the engine's. */
    oc_mutex segment_lock;
    oc_segment segments[OC_SEGMENTS]; /* a ring, indexed modulo OC_SEGMENTS */
    unsigned fed;
    unsigned filled;
    unsigned taken;
    char *spill; /* what did not fit the last segment */
    size_t spill_start;
    size_t spill_size;
    bool segments_over; /* no more bytes will come */

    _Atomic int64_t received; /* bytes of the body; written by the engine's thread */

    /* The engine thread's only. */
    struct oc_handle *handle;
    struct oc_host *host;
    enum oc_sink sink;
    bool paused;
    bool out_of_memory;
    int pending_events;
    bool in_ready_list;
    struct oc_transfer *ready_next;
    struct oc_transfer *next, *before; /* in its host's queue, or among the loop's active ones */
    enum oc_state state;
    int64_t submitted_us;
    int64_t due_us;
    size_t heap_index;

    /* Guarded by the loop's lock. */
    struct oc_loop *loop;
    bool owned; /* by the engine */
    int commands;
    bool in_inbox;
    struct oc_transfer *inbox_next, *inbox_before;
    oc_mailbox *mailbox;

    /* Guarded by the lock of `mailbox`, or of its heir once that is closed. */
    bool mail_linked;
    int mail_events;
    struct oc_transfer *mail_next;

    /* The consumer's only, filled by oc_mailbox_take. */
    struct oc_transfer *taken_next;
    int taken_events;
} oc_transfer;

/* `headers`: lines joined by '\n', without a final one. Copies method, url and headers; `body` is borrowed
 * until DONE. NULL: no memory. */
oc_transfer *oc_transfer_new(oc_profile *profile, oc_mailbox *mailbox, const char *method, const char *url,
                             size_t url_size, const char *headers, size_t headers_size, const void *body,
                             size_t body_size);

/* Only while the caller owns the transfer. */
void oc_transfer_free(oc_transfer *transfer);

/* The slab with the collected body, now the caller's; NULL when the body is empty. After HELD or DONE. */
oc_slab *oc_transfer_take_body(oc_transfer *transfer);

/* Queues memory for the next bytes of the body (size > 0). `data` is borrowed until the segment was taken or
 * DONE. Returns 0, or -1 when OC_SEGMENTS are queued already. Any thread, but one at a time. */
int oc_transfer_feed(oc_transfer *transfer, char *data, size_t size);

/* Takes the oldest segment if it is closed: returns the bytes in it, or -1 when there is none yet. */
int64_t oc_transfer_take_segment(oc_transfer *transfer);

/* Whether oc_transfer_take_segment would give a number. */
bool oc_transfer_has_segment(oc_transfer *transfer);

int64_t oc_transfer_received(oc_transfer *transfer);

/* --- For the engine --- */

size_t oc_transfer_on_header(char *line, size_t one, size_t size, void *transfer);
size_t oc_transfer_on_body(char *data, size_t one, size_t size, void *transfer);

/* Spilled bytes go to newly fed segments. True: reading can go on. */
bool oc_transfer_unspill(oc_transfer *transfer);

/* No more bytes will come: closes what is open. */
void oc_transfer_end_segments(oc_transfer *transfer);

#endif
