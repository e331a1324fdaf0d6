/* Many transfers from many threads: caps, queues, random cancellation, streams that wander between threads.
 */
#include "harness.h"

#include <pthread.h>

/* ---- Caps ---- */

static void run_capped(int loops, int cap, int max_active, int count)
{
    oc_profile *capped = oc_profile_new(0, cap);
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    oc_transfer **transfers = calloc((size_t)count, sizeof *transfers);
    CHECK(capped != NULL && mailbox != NULL && transfers != NULL);
    engine_start(loops, max_active);
    http_server_reset_counts();
    for (int i = 0; i < count; i++) {
        transfers[i] = begin(mailbox, (ask){.path = "/after/10/10", .profile = capped});
    }
    for (int i = 0; i < count; i++) {
        wait_for(mailbox, transfers[i], OC_EVENT_DONE);
        check_body(transfers[i], 10);
        end(transfers[i]);
    }
    int limit = cap < max_active ? cap : max_active;
    CHECK(http_server_counts().most_in_flight <= limit);
    /* Nor is a place left empty. */
    CHECK(http_server_counts().most_in_flight >= limit - limit / 4);
    engine_end();
    free(transfers);
    oc_mailbox_unref(mailbox);
    oc_profile_unref(capped);
}

static void cap_per_host_is_kept(void)
{
    run_capped(1, 1, 100, 20);
    run_capped(1, 8, 100, 200);
    run_capped(4, 1, 100, 20);
    run_capped(4, 3, 100, 60);
    run_capped(4, 10, 100, 200);
    run_capped(3, 64, 100, 300);
    run_capped(1, 64, 12, 100);
}

static void ten_thousand_wait_in_the_queue(void)
{
    enum { COUNT = 10000 };
    static oc_transfer *transfers[COUNT];
    oc_profile *capped = oc_profile_new(0, 32);
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    engine_start(2, 64);
    for (int i = 0; i < COUNT; i++) {
        transfers[i] = begin(mailbox, (ask){.path = "/bytes/100", .profile = capped});
    }
    for (int i = 0; i < COUNT; i++) {
        wait_for(mailbox, transfers[i], OC_EVENT_DONE);
        check_body(transfers[i], 100);
        end(transfers[i]);
    }
    CHECK(http_server_counts().most_open <= 64);
    engine_end();
    oc_mailbox_unref(mailbox);
    oc_profile_unref(capped);
}

/* ---- Mixed operations with random cancellation ---- */

enum { THREADS = 4, SLOTS = 48, PER_THREAD = 5000 };

typedef struct slot {
    pthread_mutex_t lock; /* between the owner's `end` and others' cancellations */
    oc_transfer *transfer;
    int kind;
    bool cancelled;
} slot;

static slot slots[THREADS][SLOTS];
static oc_profile *capped_profile;

static const struct kind {
    ask what;
    int status;
    size_t size;
} kinds[] = {
    {{.path = "/bytes/10"}, 200, 10},
    {{.path = "/bytes/4096"}, 200, 4096},
    {{.path = "/bytes/200000"}, 200, 200000},
    {{.path = "/chunked/30000/1000"}, 200, 30000},
    {{.path = "/status/404/300"}, 404, 300},
    {{.path = "/bytes/5000", .method = "HEAD"}, 200, 0},
    {{.path = "/bytes/0", .method = "PUT", .upload = 4096}, 200, 0},
    {{.path = "/bytes/50", .method = "POST", .upload = 100000}, 200, 50},
    {{.path = "/after/2/100"}, 200, 100},
    {{.path = "/bytes/100", .delay_us = 1500}, 200, 100},
    {{.path = "/bytes/100000", .hold_above = 1}, 200, 0}, /* held and cancelled */
    {{.path = "/close/1000"}, 200, 1000},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void check_outcome(const slot *one)
{
    oc_transfer *transfer = one->transfer;
    if (transfer->curl_code == OC_CODE_CANCELLED) {
        CHECK(one->cancelled);
        return;
    }
    CHECK(kinds[one->kind].what.hold_above == 0 || one->cancelled);
    CHECK_EQUAL(transfer->status, kinds[one->kind].status);
    check_body(transfer, kinds[one->kind].size);
}

static void cancel_slot(slot *one)
{
    pthread_mutex_lock(&one->lock);
    if (one->transfer != NULL) {
        one->cancelled = true;
        oc_transfer_cancel(one->transfer);
    }
    pthread_mutex_unlock(&one->lock);
}

static void end_slot(slot *one)
{
    pthread_mutex_lock(&one->lock);
    oc_transfer *transfer = one->transfer;
    check_outcome(one);
    one->transfer = NULL;
    pthread_mutex_unlock(&one->lock);
    end(transfer);
}

static void fill_slot(slot *one, oc_mailbox *mailbox, unsigned *seed)
{
    pthread_mutex_lock(&one->lock);
    one->kind = (int)random_below(seed, KINDS);
    one->cancelled = false;
    ask what = kinds[one->kind].what;
    what.profile = random_below(seed, 4) ? NULL : capped_profile;
    one->transfer = begin(mailbox, what);
    pthread_mutex_unlock(&one->lock);
}

static void *mix(void *argument)
{
    slot *mine = argument;
    unsigned seed = (unsigned)((mine - &slots[0][0]) / SLOTS + 12345);
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    int started = 0, running = 0;
    while (started < PER_THREAD || running > 0) {
        for (int i = 0; i < SLOTS && started < PER_THREAD; i++) {
            if (mine[i].transfer == NULL) {
                fill_slot(&mine[i], mailbox, &seed);
                started++;
                running++;
            }
        }
        for (unsigned i = random_below(&seed, 6); i > 0; i--) {
            cancel_slot(&slots[random_below(&seed, THREADS)][random_below(&seed, SLOTS)]);
        }
        take_some(mailbox, 10);
        for (int i = 0; i < SLOTS; i++) {
            if (mine[i].transfer == NULL) {
                continue;
            }
            if (seen(mine[i].transfer) == OC_EVENT_HELD) {
                cancel_slot(&mine[i]);
            } else if (seen(mine[i].transfer) & OC_EVENT_DONE) {
                end_slot(&mine[i]);
                running--;
            }
        }
    }
    check_unreferenced(mailbox);
    oc_mailbox_unref(mailbox);
    return NULL;
}

static void mixed_operations_with_random_cancellation(void)
{
    pthread_t threads[THREADS];
    capped_profile = oc_profile_new(0, 16);
    engine_start(2, 100);
    for (int i = 0; i < THREADS; i++) {
        for (int j = 0; j < SLOTS; j++) {
            pthread_mutex_init(&slots[i][j].lock, NULL);
        }
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, mix, slots[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    engine_end();
    CHECK_EQUAL(capped_profile->references, 1);
    oc_profile_unref(capped_profile);
}

/* ---- Streams that wander ---- */

enum { READERS = 3, STREAMS = 4, STREAM_SIZE = 3000000, SEGMENT = 30011 };

typedef struct stream {
    pthread_mutex_t lock; /* one reader at a time */
    oc_transfer *transfer;
    size_t total;
    bool over;
} stream;

static stream streams[STREAMS];

/* Reads one segment of a stream that another thread may have read before and will read next. */
static void read_one(stream *one, oc_mailbox *mailbox)
{
    static _Thread_local char memory[SEGMENT];
    oc_transfer *transfer = one->transfer;
    int64_t used;
    oc_transfer_attach(transfer, mailbox);
    CHECK_EQUAL(oc_transfer_feed(transfer, memory, SEGMENT), 0);
    while ((used = oc_transfer_take_segment(transfer)) < 0) {
        take_some(mailbox, 20);
    }
    CHECK(is_pattern(memory, one->total, (size_t)used));
    one->total += (size_t)used;
    one->over = used < SEGMENT;
}

static void *read_streams(void *argument)
{
    unsigned seed = *(unsigned *)argument;
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    for (int left = STREAMS; left > 0;) {
        left = 0;
        for (int i = 0; i < STREAMS; i++) {
            stream *one = &streams[(i + random_below(&seed, STREAMS)) % STREAMS];
            pthread_mutex_lock(&one->lock);
            if (!one->over) {
                read_one(one, mailbox);
                left++;
            }
            pthread_mutex_unlock(&one->lock);
        }
        for (int i = 0; i < STREAMS; i++) {
            pthread_mutex_lock(&streams[i].lock);
            left += !streams[i].over;
            pthread_mutex_unlock(&streams[i].lock);
        }
    }
    oc_mailbox_unref(mailbox);
    return NULL;
}

static void streams_wander_between_threads(void)
{
    pthread_t threads[READERS];
    unsigned seeds[READERS] = {1, 2, 3};
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    engine_start(2, 16);
    for (int i = 0; i < STREAMS; i++) {
        pthread_mutex_init(&streams[i].lock, NULL);
        streams[i].transfer = begin(mailbox, (ask){.path = "/bytes/3000000", .hold_above = 1});
    }
    for (int i = 0; i < READERS; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, read_streams, &seeds[i]), 0);
    }
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < STREAMS; i++) {
        oc_transfer_attach(streams[i].transfer, mailbox);
        wait_for(mailbox, streams[i].transfer, OC_EVENT_DONE);
        CHECK_EQUAL(streams[i].total, STREAM_SIZE);
        end(streams[i].transfer);
    }
    engine_end();
    oc_mailbox_unref(mailbox);
}

/* ---- Stopping in the middle ---- */

static void *submit_all_the_time(void *argument)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    int stopped = 0;
    (void)argument;
    while (stopped < 20) {
        oc_transfer *transfer = begin(mailbox, (ask){.path = "/bytes/100"});
        wait_for(mailbox, transfer, OC_EVENT_DONE);
        stopped += transfer->curl_code == OC_CODE_ENGINE_STOPPED;
        end(transfer);
    }
    oc_mailbox_unref(mailbox);
    return NULL;
}

static void engine_stops_while_threads_submit(void)
{
    pthread_t threads[THREADS];
    for (int round = 0; round < 10; round++) {
        engine_start(2, 16);
        for (int i = 0; i < THREADS; i++) {
            CHECK_EQUAL(pthread_create(&threads[i], NULL, submit_all_the_time, NULL), 0);
        }
        sleep_ms(5);
        oc_engine_stop(engine);
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
        }
        engine_end();
    }
}

const test_case load_cases[] = {
    {"cap_per_host_is_kept", cap_per_host_is_kept},
    {"ten_thousand_wait_in_the_queue", ten_thousand_wait_in_the_queue},
    {"mixed_operations_with_random_cancellation", mixed_operations_with_random_cancellation},
    {"streams_wander_between_threads", streams_wander_between_threads},
    {"engine_stops_while_threads_submit", engine_stops_while_threads_submit},
    {NULL, NULL},
};
