#include "transfer.h"

#include <stdlib.h>
#include <string.h>

#include "loop.h"

enum { FIRST_SLAB = 16 * 1024, LARGEST_FIRST_SLAB = 16 * 1024 * 1024 };

/* ---- Creation ---- */

static size_t count_lines(const char *text, size_t size)
{
    size_t lines = size > 0;
    for (const char *at = text; (at = memchr(at, '\n', size - (size_t)(at - text))) != NULL; at++) {
        lines++;
    }
    return lines;
}

/* libcurl takes a line without a value for the wish to leave that header out; "name;" sends it empty. */
static void mark_empty(char *line)
{
    char *colon = strchr(line, ':');
    if (colon != NULL && colon[1 + strspn(colon + 1, " \t")] == '\0') {
        memcpy(colon, ";", 2);
    }
}

/* One allocation: [slist nodes][header strings][url][method]. libcurl reads the list until the transfer is
 * done. */
static bool build_block(oc_transfer *transfer, const char *method, const char *url, size_t url_size,
                        const char *headers, size_t headers_size, size_t fixed_lines,
                        const char *const *fixed)
{
    size_t lines = count_lines(headers, headers_size);
    size_t nodes_size = (lines + fixed_lines) * sizeof(struct oc_curl_slist);
    size_t method_size = strlen(method);
    char *block = malloc(nodes_size + headers_size + 1 + url_size + 1 + method_size + 1);
    if (block == NULL) {
        return false;
    }
    struct oc_curl_slist *nodes = (struct oc_curl_slist *)(void *)block;
    char *text = block + nodes_size;
    memcpy(text, headers, headers_size);
    text[headers_size] = '\0';
    for (size_t i = 0; i < lines; i++) {
        nodes[i].data = text;
        char *end = strchr(text, '\n');
        if (end != NULL) {
            *end = '\0';
            text = end + 1;
        }
        mark_empty(nodes[i].data);
    }
    for (size_t i = 0; i < fixed_lines; i++) {
        nodes[lines + i].data = (char *)fixed[i];
    }
    for (size_t i = 0; i + 1 < lines + fixed_lines; i++) {
        nodes[i].next = &nodes[i + 1];
    }
    if (lines + fixed_lines > 0) {
        nodes[lines + fixed_lines - 1].next = NULL;
        transfer->headers = nodes;
    }
    char *url_copy = block + nodes_size + headers_size + 1;
    memcpy(url_copy, url, url_size);
    url_copy[url_size] = '\0';
    char *method_copy = url_copy + url_size + 1;
    memcpy(method_copy, method, method_size + 1);
    transfer->block = block;
    transfer->url = url_copy;
    transfer->method = method_copy;
    return true;
}

static bool has_content_type(const char *headers, size_t size)
{
    static const char name[] = "content-type:";
    const size_t name_size = sizeof name - 1;
    const char *end = headers + size;
    for (const char *line = headers; line != NULL && (size_t)(end - line) >= name_size;) {
        size_t i = 0;
        while (i < name_size && (line[i] | 0x20) == (name[i] | 0x20)) {
            i++;
        }
        if (i == name_size) {
            return true;
        }
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        line = newline == NULL ? NULL : newline + 1;
    }
    return false;
}

oc_transfer *oc_transfer_new(oc_profile *profile, oc_mailbox *mailbox, const char *method, const char *url,
                             size_t url_size, const char *headers, size_t headers_size, const void *body,
                             size_t body_size)
{
    /* Headers that libcurl would add on its own to a request with a body; a bare name takes them away. */
    static const char *const unasked[] = {"Expect:", "Content-Type:"};
    oc_transfer *transfer = calloc(1, sizeof *transfer);
    if (transfer == NULL) {
        return NULL;
    }
    size_t fixed_lines = 0;
    if (strcmp(method, "GET") == 0 && body == NULL) {
        transfer->method_kind = OC_GET;
    } else if (strcmp(method, "HEAD") == 0) {
        transfer->method_kind = OC_HEAD;
    } else {
        transfer->method_kind = OC_WITH_BODY;
        fixed_lines = has_content_type(headers, headers_size) ? 1 : 2;
    }
    if (!build_block(transfer, method, url, url_size, headers, headers_size, fixed_lines, unasked)) {
        free(transfer);
        return NULL;
    }
    transfer->body = body_size > 0 ? body : NULL;
    transfer->body_size = body_size;
    transfer->hold_above = -1;
    transfer->content_length = -1;
    oc_mutex_init(&transfer->segment_lock);
    oc_profile_ref(profile);
    transfer->profile = profile;
    oc_mailbox_ref(mailbox);
    transfer->mailbox = mailbox;
    return transfer;
}

void oc_transfer_free(oc_transfer *transfer)
{
    if (transfer->collected != NULL) {
        oc_pool_put(transfer->collected);
    }
    oc_mutex_destroy(&transfer->segment_lock);
    oc_profile_unref(transfer->profile);
    oc_mailbox_unref(transfer->mailbox);
    free(transfer->head);
    free(transfer->message);
    free(transfer->spill);
    free(transfer->block);
    free(transfer);
}

oc_slab *oc_transfer_take_body(oc_transfer *transfer)
{
    oc_slab *slab = transfer->collected;
    transfer->collected = NULL;
    return slab;
}

/* ---- Head ---- */

static bool head_append(oc_transfer *transfer, const char *line, size_t size)
{
    if (transfer->head_size + size > transfer->head_capacity) {
        size_t capacity = transfer->head_capacity ? transfer->head_capacity : 512;
        while (capacity < transfer->head_size + size) {
            capacity *= 2;
        }
        char *grown = realloc(transfer->head, capacity);
        if (grown == NULL) {
            return false;
        }
        transfer->head = grown;
        transfer->head_capacity = capacity;
    }
    memcpy(transfer->head + transfer->head_size, line, size);
    transfer->head_size += size;
    return true;
}

static int parse_status(const char *line, size_t size)
{
    const char *blank = memchr(line, ' ', size);
    if (blank == NULL || size - (size_t)(blank - line) < 4) {
        return 0;
    }
    int status = 0;
    for (int i = 1; i <= 3; i++) {
        if (blank[i] < '0' || blank[i] > '9') {
            return 0;
        }
        status = status * 10 + (blank[i] - '0');
    }
    return status;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* RFC 9110 8.6. -1: another header, or no number that makes sense; libcurl decides whether the answer stands.
 */
static int64_t parse_content_length(const char *line, size_t size)
{
    static const char name[] = "content-length:";
    const size_t name_size = sizeof name - 1;
    if (size <= name_size) {
        return -1;
    }
    for (size_t i = 0; i < name_size; i++) {
        if ((line[i] | 0x20) != (name[i] | 0x20)) {
            return -1;
        }
    }
    size_t i = name_size;
    while (i < size && (line[i] == ' ' || line[i] == '\t')) {
        i++;
    }
    int64_t value = i < size && is_digit(line[i]) ? 0 : -1;
    for (; i < size && is_digit(line[i]); i++) {
        int digit = line[i] - '0';
        if (value > (INT64_MAX - digit) / 10) {
            return -1;
        }
        value = value * 10 + digit;
    }
    while (i < size && strchr(" \t\r\n", line[i]) != NULL) {
        i++;
    }
    return i == size ? value : -1;
}

size_t oc_transfer_on_header(char *line, size_t one, size_t size, void *argument)
{
    (void)one;
    oc_transfer *transfer = argument;
    if (transfer->sink != OC_SINK_UNDECIDED) {
        return size; /* a trailer; the head may already be read elsewhere */
    }
    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        /* An interim answer (1xx) or an earlier one may have come before: only the last counts. */
        transfer->head_size = 0;
        transfer->content_length = -1;
        transfer->status = parse_status(line, size);
    } else if (size > 0 && (line[0] | 0x20) == 'c') {
        int64_t length = parse_content_length(line, size);
        if (length >= 0) {
            transfer->content_length = length;
        }
    }
    if (!head_append(transfer, line, size)) {
        transfer->out_of_memory = true;
        return 0;
    }
    return size;
}

/* ---- Body: collected ---- */

static size_t collect(oc_transfer *transfer, const char *data, size_t size)
{
    size_t needed = transfer->collected_size + size;
    if (transfer->collected == NULL || needed > transfer->collected->capacity) {
        size_t capacity = transfer->collected ? transfer->collected->capacity * 2 : FIRST_SLAB;
        if (transfer->collected == NULL && transfer->content_length > 0) {
            capacity = transfer->content_length < LARGEST_FIRST_SLAB ? (size_t)transfer->content_length
                                                                     : LARGEST_FIRST_SLAB;
        }
        oc_slab *larger = oc_pool_get(capacity > needed ? capacity : needed);
        if (larger == NULL) {
            transfer->out_of_memory = true;
            return 0;
        }
        if (transfer->collected != NULL) {
            memcpy(larger->data, transfer->collected->data, transfer->collected_size);
            oc_pool_put(transfer->collected);
        }
        transfer->collected = larger;
    }
    memcpy(transfer->collected->data + transfer->collected_size, data, size);
    transfer->collected_size = needed;
    transfer->received += (int64_t)size;
    return size;
}

/* ---- Body: segments ---- */

/* Copies what fits into the open segments. Locks: segment_lock is held. */
static size_t fill_locked(oc_transfer *transfer, const char *data, size_t size)
{
    size_t copied = 0;
    while (copied < size && transfer->filled != transfer->fed) {
        oc_segment *segment = &transfer->segments[transfer->filled % OC_SEGMENTS];
        size_t room = segment->size - segment->used;
        size_t part = size - copied < room ? size - copied : room;
        memcpy(segment->data + segment->used, data + copied, part);
        segment->used += part;
        copied += part;
        if (segment->used == segment->size) {
            segment->closed = true;
            transfer->filled++;
        }
    }
    return copied;
}

static bool spill_locked(oc_transfer *transfer, const char *data, size_t size)
{
    if (transfer->spill == NULL || size > OC_SPILL_SIZE) {
        char *grown = realloc(transfer->spill, size > OC_SPILL_SIZE ? size : OC_SPILL_SIZE);
        if (grown == NULL) {
            return false;
        }
        transfer->spill = grown;
    }
    memcpy(transfer->spill, data, size);
    transfer->spill_start = 0;
    transfer->spill_size = size;
    return true;
}

/* libcurl takes a piece back whole or not at all. So a piece that no longer fits is kept as spill, and the
 * next one is refused (paused) until the spill is gone. */
static size_t deliver(oc_transfer *transfer, const char *data, size_t size)
{
    size_t result = size;
    oc_mutex_lock(&transfer->segment_lock);
    unsigned filled = transfer->filled;
    if (transfer->spill_size > 0 || transfer->filled == transfer->fed) {
        transfer->paused = true;
        result = OC_CURL_WRITEFUNC_PAUSE;
    } else {
        size_t copied = fill_locked(transfer, data, size);
        if (copied < size && !spill_locked(transfer, data + copied, size - copied)) {
            transfer->out_of_memory = true;
            result = 0;
        } else {
            transfer->received += (int64_t)size;
        }
    }
    bool progressed = transfer->filled != filled;
    oc_mutex_unlock(&transfer->segment_lock);
    if (progressed) {
        oc_loop_ready(transfer, OC_EVENT_SEGMENT);
    }
    return result;
}

static void unspill_locked(oc_transfer *transfer)
{
    if (transfer->spill_size == 0) {
        return;
    }
    size_t copied = fill_locked(transfer, transfer->spill + transfer->spill_start, transfer->spill_size);
    transfer->spill_start += copied;
    transfer->spill_size -= copied;
}

bool oc_transfer_unspill(oc_transfer *transfer)
{
    oc_mutex_lock(&transfer->segment_lock);
    unsigned filled = transfer->filled;
    unspill_locked(transfer);
    bool open = transfer->spill_size == 0 && transfer->filled != transfer->fed;
    bool progressed = transfer->filled != filled;
    oc_mutex_unlock(&transfer->segment_lock);
    if (progressed) {
        oc_loop_ready(transfer, OC_EVENT_SEGMENT);
    }
    return open;
}

static void close_open_segments_locked(oc_transfer *transfer)
{
    for (; transfer->filled != transfer->fed; transfer->filled++) {
        transfer->segments[transfer->filled % OC_SEGMENTS].closed = true;
    }
}

void oc_transfer_end_segments(oc_transfer *transfer)
{
    oc_mutex_lock(&transfer->segment_lock);
    transfer->segments_over = true;
    unspill_locked(transfer);
    if (transfer->spill_size == 0) {
        close_open_segments_locked(transfer);
    }
    oc_mutex_unlock(&transfer->segment_lock);
}

int oc_transfer_feed(oc_transfer *transfer, char *data, size_t size)
{
    int result = -1;
    bool resume = false;
    oc_mutex_lock(&transfer->segment_lock);
    if (transfer->fed - transfer->taken < OC_SEGMENTS) {
        transfer->segments[transfer->fed % OC_SEGMENTS] = (oc_segment){data, size, 0, false};
        transfer->fed++;
        result = 0;
        if (transfer->segments_over) {
            unspill_locked(transfer);
            if (transfer->spill_size == 0) {
                close_open_segments_locked(transfer);
            }
        } else {
            resume = true;
        }
    }
    oc_mutex_unlock(&transfer->segment_lock);
    if (resume) {
        oc_loop_command(transfer, OC_COMMAND_RESUME);
    }
    return result;
}

int64_t oc_transfer_take_segment(oc_transfer *transfer)
{
    int64_t used = -1;
    oc_mutex_lock(&transfer->segment_lock);
    if (transfer->taken != transfer->fed) {
        oc_segment *segment = &transfer->segments[transfer->taken % OC_SEGMENTS];
        if (segment->closed) {
            used = (int64_t)segment->used;
            transfer->taken++;
        }
    }
    oc_mutex_unlock(&transfer->segment_lock);
    return used;
}

bool oc_transfer_has_segment(oc_transfer *transfer)
{
    oc_mutex_lock(&transfer->segment_lock);
    bool has = transfer->taken != transfer->fed && transfer->segments[transfer->taken % OC_SEGMENTS].closed;
    oc_mutex_unlock(&transfer->segment_lock);
    return has;
}

int64_t oc_transfer_received(oc_transfer *transfer) { return transfer->received; }

/* ---- Body: where it goes ---- */

static bool is_fed(oc_transfer *transfer)
{
    oc_mutex_lock(&transfer->segment_lock);
    bool fed = transfer->fed > 0;
    oc_mutex_unlock(&transfer->segment_lock);
    return fed;
}

static void hold(oc_transfer *transfer)
{
    transfer->sink = OC_SINK_SEGMENTS;
    oc_loop_ready(transfer, OC_EVENT_HELD);
}

static void decide(oc_transfer *transfer)
{
    transfer->sink = OC_SINK_COLLECT;
    if (transfer->status < 200 || transfer->status > 299) {
        return;
    }
    bool long_body = transfer->hold_above >= 0 && transfer->content_length > transfer->hold_above;
    if (is_fed(transfer)) {
        transfer->sink = OC_SINK_SEGMENTS;
        if (long_body || (transfer->hold_above >= 0 && transfer->content_length < 0)) {
            oc_loop_ready(transfer, OC_EVENT_HELD);
        }
    } else if (long_body) {
        hold(transfer);
    }
}

size_t oc_transfer_on_body(char *data, size_t one, size_t size, void *argument)
{
    (void)one;
    oc_transfer *transfer = argument;
    if (size == 0) {
        return 0;
    }
    if (transfer->sink == OC_SINK_UNDECIDED) {
        decide(transfer);
    }
    if (transfer->sink == OC_SINK_COLLECT) {
        bool failed = transfer->status < 200 || transfer->status > 299;
        if (failed && transfer->collected_size + size > OC_ERROR_BODY_LIMIT) {
            transfer->sink = OC_SINK_DISCARD;
        } else if (!failed && transfer->hold_above >= 0 &&
                   transfer->collected_size + size > (size_t)transfer->hold_above) {
            hold(transfer);
        }
    }
    switch (transfer->sink) {
    case OC_SINK_COLLECT:
        return collect(transfer, data, size);
    case OC_SINK_SEGMENTS:
        return deliver(transfer, data, size);
    default:
        return size;
    }
}
