/* Where a body goes: collected, held and fed to segments, spilled, broken off. */
#include "harness.h"

static void collects_bodies_of_every_kind(void)
{
    static const struct {
        const char *path;
        size_t size;
    } kinds[] = {
        {"/bytes/0", 0},
        {"/bytes/1", 1},
        {"/bytes/16384", 16384},
        {"/bytes/5000000", 5000000},
        {"/chunked/0/1", 0},
        {"/chunked/3000/1", 3000},
        {"/chunked/3000000/30011", 3000000},
        {"/close/0", 0},
        {"/close/2000000", 2000000},
        {"/long/5000/3000", 3000},
    };
    engine_start(1, 8);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        oc_transfer *transfer = exchange((ask){.path = kinds[i].path});
        check_body(transfer, kinds[i].size);
        CHECK_EQUAL(transfer->status, 200);
        end(transfer);
    }
    engine_end();
}

static void sends_bodies(void)
{
    static const size_t sizes[] = {0, 1, 1000, 100000, LARGEST_UPLOAD};
    static const char *const methods[] = {"PUT", "POST", "DELETE", "GET"};
    engine_start(1, 8);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t j = 0; j < 4; j++) {
            oc_transfer *transfer =
                exchange((ask){.path = "/bytes/3", .method = methods[j], .upload = sizes[i]});
            check_body(transfer, 3);
            CHECK_EQUAL(transfer->status, 200);
            end(transfer);
        }
    }
    engine_end();
}

static void head_has_a_length_and_no_body(void)
{
    engine_start(1, 8);
    oc_transfer *transfer = exchange((ask){.path = "/bytes/123456", .method = "HEAD"});
    CHECK_EQUAL(transfer->content_length, 123456);
    check_body(transfer, 0);
    end(transfer);
    engine_end();
}

static void short_body_keeps_what_arrived(void)
{
    engine_start(1, 8);
    oc_transfer *transfer = exchange((ask){.path = "/short/3000/5000"});
    CHECK_EQUAL(transfer->curl_code, 18);
    CHECK_EQUAL(transfer->collected_size, 3000);
    CHECK(is_pattern(transfer->collected->data, 0, 3000));
    end(transfer);
    transfer = exchange((ask){.path = "/reset"});
    CHECK(transfer->curl_code > 0 && transfer->status == 0 && transfer->message != NULL);
    end(transfer);
    engine_end();
}

static void error_body_is_limited(void)
{
    engine_start(1, 8);
    oc_transfer *transfer = exchange((ask){.path = "/status/404/1000", .hold_above = 1});
    CHECK_EQUAL(transfer->status, 404);
    check_body(transfer, 1000); /* errors are collected, whatever hold_above says */
    end(transfer);
    transfer = exchange((ask){.path = "/status/500/4000000"});
    CHECK_EQUAL(transfer->status, 500);
    CHECK_EQUAL(transfer->curl_code, 0);
    CHECK(transfer->collected_size > 0 && transfer->collected_size <= OC_ERROR_BODY_LIMIT);
    CHECK(is_pattern(transfer->collected->data, 0, transfer->collected_size));
    end(transfer);
    engine_end();
}

/* ---- Held bodies ---- */

/* Reads a held body in segments of `segment` bytes, `ahead` of them queued, and checks every byte from `from`
 * on. */
static size_t read_segments(oc_mailbox *mailbox, oc_transfer *transfer, size_t from, size_t segment,
                            unsigned ahead)
{
    char *memory = malloc(segment * ahead);
    CHECK(memory != NULL);
    size_t total = 0;
    for (unsigned i = 0; i < ahead; i++) {
        CHECK_EQUAL(oc_transfer_feed(transfer, memory + i * segment, segment), 0);
    }
    for (unsigned i = 0;; i = (i + 1) % ahead) {
        int64_t used;
        while ((used = oc_transfer_take_segment(transfer)) < 0) {
            seen_forget(transfer, OC_EVENT_SEGMENT);
            if ((used = oc_transfer_take_segment(transfer)) >= 0) {
                break;
            }
            wait_for(mailbox, transfer, OC_EVENT_SEGMENT | OC_EVENT_DONE);
        }
        CHECK(is_pattern(memory + i * segment, from + total, (size_t)used));
        total += (size_t)used;
        if ((size_t)used < segment) {
            break;
        }
        CHECK_EQUAL(oc_transfer_feed(transfer, memory + i * segment, segment), 0);
    }
    wait_for(mailbox, transfer, OC_EVENT_DONE);
    free(memory);
    return total;
}

static void read_held(const char *path, size_t size, size_t segment, unsigned ahead)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    oc_transfer *transfer = begin(mailbox, (ask){.path = path, .hold_above = 1});
    wait_for(mailbox, transfer, OC_EVENT_HELD);
    CHECK_EQUAL(transfer->status, 200);
    CHECK_EQUAL(transfer->collected_size, 0);
    CHECK_EQUAL(read_segments(mailbox, transfer, 0, segment, ahead), size);
    CHECK_EQUAL(transfer->curl_code, 0);
    CHECK_EQUAL(oc_transfer_received(transfer), size);
    end(transfer);
    oc_mailbox_unref(mailbox);
}

static void held_body_fills_segments_of_odd_sizes(void)
{
    static const size_t segments[] = {17, 1000, 4096, 16384, 65537, 1 << 20, 5000000};
    engine_start(1, 8);
    for (unsigned ahead = 1; ahead <= OC_SEGMENTS; ahead++) {
        read_held("/bytes/3001", 3001, 1, ahead);
        read_held("/chunked/2999/7", 2999, 3, ahead);
        for (size_t i = 0; i < sizeof segments / sizeof *segments; i++) {
            read_held("/bytes/200003", 200003, segments[i], ahead);
        }
    }
    read_held("/bytes/4194304", 4194304, 1 << 20, 2);
    read_held("/chunked/4194311/100003", 4194311, 1 << 20, 2);
    read_held("/close/4194311", 4194311, 1 << 20, 2);
    engine_end();
}

static void body_of_unknown_length_is_held_once_it_is_long(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    engine_start(1, 8);
    oc_transfer *transfer = begin(mailbox, (ask){.path = "/chunked/10000/1000", .hold_above = 10001});
    wait_for(mailbox, transfer, OC_EVENT_HELD | OC_EVENT_DONE);
    CHECK_EQUAL(seen(transfer), OC_EVENT_DONE);
    check_body(transfer, 10000);
    end(transfer);

    transfer = begin(mailbox, (ask){.path = "/chunked/1000000/1000", .hold_above = 10001});
    wait_for(mailbox, transfer, OC_EVENT_HELD);
    oc_slab *slab = oc_transfer_take_body(transfer);
    size_t collected = transfer->collected_size;
    CHECK(slab != NULL && collected > 0 && collected <= 10000 && is_pattern(slab->data, 0, collected));
    oc_pool_put(slab);
    CHECK_EQUAL(read_segments(mailbox, transfer, collected, 5003, 2), 1000000 - collected);
    CHECK_EQUAL(oc_transfer_received(transfer), 1000000);
    end(transfer);
    engine_end();
    oc_mailbox_unref(mailbox);
}

static void reader_that_waits_holds_the_sender_back(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    char first[1000];
    engine_start(1, 8);
    oc_transfer *transfer = begin(mailbox, (ask){.path = "/bytes/100000000", .hold_above = 1});
    wait_for(mailbox, transfer, OC_EVENT_HELD);
    CHECK_EQUAL(oc_transfer_feed(transfer, first, sizeof first), 0);
    wait_for(mailbox, transfer, OC_EVENT_SEGMENT);
    CHECK_EQUAL(oc_transfer_take_segment(transfer), sizeof first);
    sleep_ms(50);
    /* The segment and at most one piece of libcurl's. */
    CHECK(oc_transfer_received(transfer) <= (int64_t)sizeof first + 512 * 1024);
    oc_transfer_cancel(transfer);
    wait_for(mailbox, transfer, OC_EVENT_DONE);
    CHECK_EQUAL(transfer->curl_code, OC_CODE_CANCELLED);
    end(transfer);
    engine_end();
    oc_mailbox_unref(mailbox);
}

static void spill_is_delivered_after_the_end(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    char memory[7];
    size_t total = 0;
    engine_start(1, 8);
    oc_transfer *transfer = begin(mailbox, (ask){.path = "/bytes/5000", .hold_above = 1});
    wait_for(mailbox, transfer, OC_EVENT_HELD);
    CHECK_EQUAL(oc_transfer_feed(transfer, memory, sizeof memory), 0);
    wait_for(mailbox, transfer, OC_EVENT_DONE); /* all the rest fits the spill */
    for (int64_t used = sizeof memory; used == sizeof memory; total += (size_t)used) {
        if (total > 0) {
            CHECK_EQUAL(oc_transfer_feed(transfer, memory, sizeof memory), 0);
        }
        used = oc_transfer_take_segment(transfer);
        CHECK(used >= 0 && is_pattern(memory, total, (size_t)used));
    }
    CHECK_EQUAL(total, 5000);
    CHECK_EQUAL(oc_transfer_feed(transfer, memory, sizeof memory), 0);
    CHECK_EQUAL(oc_transfer_take_segment(transfer), 0);
    CHECK_EQUAL(oc_transfer_take_segment(transfer), -1);
    end(transfer);
    engine_end();
    oc_mailbox_unref(mailbox);
}

static void body_that_breaks_closes_segments(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    engine_start(1, 8);
    oc_transfer *transfer = begin(mailbox, (ask){.path = "/short/300000/500000", .hold_above = 1});
    wait_for(mailbox, transfer, OC_EVENT_HELD);
    CHECK_EQUAL(read_segments(mailbox, transfer, 0, 1000, 3), 300000);
    CHECK_EQUAL(transfer->curl_code, 18);
    end(transfer);
    engine_end();
    oc_mailbox_unref(mailbox);
}

static void segments_fed_before_the_start_take_the_body(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    static char memory[3000];
    engine_start(1, 8);
    oc_transfer *transfer = create(mailbox, (ask){.path = "/bytes/5000"});
    CHECK_EQUAL(oc_transfer_feed(transfer, memory, 2000), 0);
    CHECK_EQUAL(oc_transfer_feed(transfer, memory + 2000, 1000), 0);
    oc_engine_submit(engine, transfer);
    /* Not held: nobody has to be told that the head is there. */
    wait_for(mailbox, transfer, OC_EVENT_SEGMENT | OC_EVENT_HELD);
    CHECK(!(seen(transfer) & OC_EVENT_HELD));
    CHECK_EQUAL(oc_transfer_take_segment(transfer), 2000);
    CHECK_EQUAL(oc_transfer_take_segment(transfer), 1000);
    CHECK(is_pattern(memory, 0, 3000));
    CHECK_EQUAL(read_segments(mailbox, transfer, 3000, 1500, 1), 2000);
    end(transfer);
    engine_end();
    oc_mailbox_unref(mailbox);
}

static void no_more_segments_than_fit(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    char memory[8];
    engine_start(1, 8);
    oc_transfer *transfer = create(mailbox, (ask){.path = "/bytes/8"});
    for (int i = 0; i < OC_SEGMENTS; i++) {
        CHECK_EQUAL(oc_transfer_feed(transfer, memory, 1), 0);
    }
    CHECK_EQUAL(oc_transfer_feed(transfer, memory, 1), -1);
    end(transfer);
    engine_end();
    oc_mailbox_unref(mailbox);
}

/* ---- What servers say about length ---- */

static int64_t content_length_of(const char *line)
{
    char text[128];
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    oc_transfer *transfer = create(mailbox, (ask){.path = "/"});
    static char status[] = "HTTP/1.1 200 OK\r\n";
    CHECK_EQUAL(oc_transfer_on_header(status, 1, sizeof status - 1, transfer), sizeof status - 1);
    size_t size = (size_t)snprintf(text, sizeof text, "%s\r\n", line);
    CHECK_EQUAL(oc_transfer_on_header(text, 1, size, transfer), size);
    int64_t length = transfer->content_length;
    end(transfer);
    oc_mailbox_unref(mailbox);
    return length;
}

static void content_length_is_read_with_care(void)
{
    CHECK_EQUAL(content_length_of("Content-Length: 5"), 5);
    CHECK_EQUAL(content_length_of("content-length:5"), 5);
    CHECK_EQUAL(content_length_of("CONTENT-LENGTH: \t 0 "), 0);
    CHECK_EQUAL(content_length_of("Content-Length: 9223372036854775807"), INT64_MAX);
    CHECK_EQUAL(content_length_of("Content-Length: 9223372036854775808"), -1);
    CHECK_EQUAL(content_length_of("Content-Length: 99999999999999999999999999999"), -1);
    CHECK_EQUAL(content_length_of("Content-Length: 5, 5"), -1);
    CHECK_EQUAL(content_length_of("Content-Length:"), -1);
    CHECK_EQUAL(content_length_of("Content-Length: -5"), -1);
    CHECK_EQUAL(content_length_of("Content-Lengthy: 5"), -1);
    CHECK_EQUAL(content_length_of("Content-Language: 5"), -1);
}

const test_case body_cases[] = {
    {"collects_bodies_of_every_kind", collects_bodies_of_every_kind},
    {"sends_bodies", sends_bodies},
    {"head_has_a_length_and_no_body", head_has_a_length_and_no_body},
    {"short_body_keeps_what_arrived", short_body_keeps_what_arrived},
    {"error_body_is_limited", error_body_is_limited},
    {"held_body_fills_segments_of_odd_sizes", held_body_fills_segments_of_odd_sizes},
    {"body_of_unknown_length_is_held_once_it_is_long", body_of_unknown_length_is_held_once_it_is_long},
    {"reader_that_waits_holds_the_sender_back", reader_that_waits_holds_the_sender_back},
    {"spill_is_delivered_after_the_end", spill_is_delivered_after_the_end},
    {"body_that_breaks_closes_segments", body_that_breaks_closes_segments},
    {"segments_fed_before_the_start_take_the_body", segments_fed_before_the_start_take_the_body},
    {"no_more_segments_than_fit", no_more_segments_than_fit},
    {"content_length_is_read_with_care", content_length_is_read_with_care},
    {NULL, NULL},
};
