/* No memory: every allocation of the engine fails once, and nothing hangs, leaks or crashes.
 *
 * Linked with --wrap for malloc, calloc and realloc, which catches the calls of the engine and of these
 * tests, not those of libcurl and libc.
 */
#include "harness.h"

#include <stdatomic.h>

static atomic_long until_failure = -1; /* allocations that still work; negative: all do */

static bool fails(void) { return until_failure >= 0 && atomic_fetch_sub(&until_failure, 1) == 0; }

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size) { return fails() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *memory, size_t size) { return fails() ? NULL : __real_realloc(memory, size); }

/* Everything that allocates, with the allocation number `nth` failing. True: it went through without a
 * failure. */
static bool try_with_failure(long nth)
{
    static const ask asks[] = {
        {.path = "/chunked/100000/1000"},
        {.path = "/bytes/1000", .method = "PUT", .upload = 1000, .headers = "a: b"},
        {.path = "/bytes/10", .delay_us = 1000},
        {.path = "/bytes/100000", .hold_above = 1},
        {.path = "/status/404/1000"},
    };
    enum { ASKS = sizeof asks / sizeof *asks };
    oc_transfer *transfers[ASKS];
    int owners[ASKS] = {0};
    char memory[10];
    atomic_store(&until_failure, nth);
    oc_profile *own = oc_profile_new(1, 2);
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    engine = oc_engine_new(1, 4);
    if (own != NULL && oc_profile_set_data(own, 0, OC_OPT_USERAGENT, "x", 1) < 0) {
        oc_profile_unref(own);
        own = NULL;
    }
    for (int i = 0; engine != NULL && own != NULL && mailbox != NULL && i < ASKS; i++) {
        char url[100];
        int size = snprintf(url, sizeof url, "http://127.0.0.1:%d%s", http_server_port(), asks[i].path);
        const char *headers = asks[i].headers ? asks[i].headers : "";
        static char body[1000];
        transfers[i] =
            oc_transfer_new(own, mailbox, asks[i].method ? asks[i].method : "GET", url, (size_t)size, headers,
                            strlen(headers), asks[i].upload ? body : NULL, asks[i].upload);
        if (transfers[i] == NULL) {
            continue;
        }
        transfers[i]->owner = &owners[i];
        transfers[i]->delay_us = asks[i].delay_us;
        transfers[i]->hold_above = asks[i].hold_above - 1;
        oc_engine_submit(engine, transfers[i]);
        wait_for(mailbox, transfers[i], OC_EVENT_DONE | OC_EVENT_HELD);
        if (seen(transfers[i]) == OC_EVENT_HELD) {
            /* What does not fit is spilled, which allocates. */
            CHECK_EQUAL(oc_transfer_feed(transfers[i], memory, sizeof memory), 0);
            wait_for(mailbox, transfers[i], OC_EVENT_SEGMENT | OC_EVENT_DONE);
            oc_transfer_cancel(transfers[i]);
            wait_for(mailbox, transfers[i], OC_EVENT_DONE);
        }
        CHECK(transfers[i]->curl_code != 0 || transfers[i]->status != 0);
        oc_transfer_free(transfers[i]);
    }
    bool through = atomic_exchange(&until_failure, -1) > 0;
    if (engine != NULL) {
        engine_end();
    }
    if (mailbox != NULL) {
        oc_mailbox_unref(mailbox);
    }
    if (own != NULL) {
        CHECK_EQUAL(own->references, 1);
        oc_profile_unref(own);
    }
    return through;
}

static void every_allocation_may_fail(void)
{
    long nth = 0;
    while (!try_with_failure(nth)) {
        oc_pool_trim(INT64_MAX);
        nth++;
        CHECK(nth < 1000);
    }
    CHECK(nth > 15);
}

static void slabs_are_reused_and_given_back(void)
{
    size_t idle = 0, out = 0;
    static const size_t sizes[] = {1, 1024, 1025, 100000, 131072, 3 << 20, 5 << 20, 70 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        oc_slab *slab = oc_pool_get(sizes[i]);
        CHECK(slab != NULL && slab->capacity >= sizes[i]);
        CHECK(sizes[i] < 1024 || slab->capacity <= sizes[i] + sizes[i] / 4 + 4096);
        memset(slab->data, 1, slab->capacity);
        char *data = slab->data;
        oc_pool_put(slab);
        oc_slab *again = oc_pool_get(sizes[i]);
        CHECK(again == slab && again->data == data);
        oc_pool_put(again);
    }
    oc_pool_stats(&idle, &out);
    CHECK(idle > 0 && out == 0);
    oc_pool_trim(oc_now_us() - 1000000);
    oc_pool_stats(&idle, &out);
    CHECK(idle > 0);
    CHECK(oc_pool_get(SIZE_MAX / 2) == NULL);
    CHECK(oc_pool_get(SIZE_MAX - 10) == NULL);
    oc_pool_stats(&idle, &out);
    CHECK_EQUAL(out, 0);
}

const test_case memory_cases[] = {
    {"every_allocation_may_fail", every_allocation_may_fail},
    {"slabs_are_reused_and_given_back", slabs_are_reused_and_given_back},
    {NULL, NULL},
};
