#include "harness.h"

#include <dirent.h>
#include <time.h>

oc_engine *engine;
oc_profile *profile;
static char upload[LARGEST_UPLOAD];

void engine_start(int loops, int max_active)
{
    engine = oc_engine_new(loops, max_active);
    CHECK(engine != NULL);
}

void engine_end(void)
{
    oc_engine_stop(engine);
    oc_engine_free(engine);
    engine = NULL;
}

oc_transfer *create(oc_mailbox *mailbox, ask what)
{
    char url[256];
    if (upload[1] == 0) {
        for (size_t i = 0; i < sizeof upload; i++) {
            upload[i] = http_pattern(i);
        }
    }
    const char *method = what.method ? what.method : "GET";
    const char *headers = what.headers ? what.headers : "";
    const char *origin = strstr(what.path, "://") ? "" : "http://127.0.0.1:";
    int size = origin[0] ? snprintf(url, sizeof url, "%s%d%s", origin, http_server_port(), what.path)
                         : snprintf(url, sizeof url, "%s", what.path);
    CHECK(what.upload <= LARGEST_UPLOAD && size > 0 && size < (int)sizeof url);
    oc_transfer *transfer =
        oc_transfer_new(what.profile ? what.profile : profile, mailbox, method, url, (size_t)size, headers,
                        strlen(headers), what.upload ? upload : NULL, what.upload);
    if (transfer != NULL) {
        transfer->delay_us = what.delay_us;
        transfer->hold_above = what.hold_above - 1;
        transfer->owner = calloc(1, sizeof(int));
        CHECK(transfer->owner != NULL);
    }
    return transfer;
}

oc_transfer *begin(oc_mailbox *mailbox, ask what)
{
    oc_transfer *transfer = create(mailbox, what);
    CHECK(transfer != NULL);
    oc_engine_submit(engine, transfer);
    return transfer;
}

int seen(oc_transfer *transfer) { return *(int *)transfer->owner; }

void seen_forget(oc_transfer *transfer, int events) { *(int *)transfer->owner &= ~events; }

int take_some(oc_mailbox *mailbox, int64_t wait_ms)
{
    int count = 0;
    oc_transfer *transfer = oc_mailbox_take(mailbox, wait_ms);
    while (transfer != NULL) {
        oc_transfer *next = transfer->taken_next;
        CHECK(!(seen(transfer) & OC_EVENT_DONE));
        *(int *)transfer->owner |= transfer->taken_events;
        transfer = next;
        count++;
    }
    return count;
}

void wait_for(oc_mailbox *mailbox, oc_transfer *transfer, int events)
{
    int64_t give_up = oc_now_us() + PATIENCE_MS * 1000LL;
    while (!(seen(transfer) & events)) {
        take_some(mailbox, 100);
        CHECK(oc_now_us() < give_up);
    }
}

oc_transfer *exchange(ask what)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    oc_transfer *transfer = begin(mailbox, what);
    wait_for(mailbox, transfer, OC_EVENT_DONE);
    oc_mailbox_unref(mailbox);
    return transfer;
}

void end(oc_transfer *transfer)
{
    free(transfer->owner);
    oc_transfer_free(transfer);
}

bool is_pattern(const char *data, size_t from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] != http_pattern(from + i)) {
            return false;
        }
    }
    return true;
}

void check_body(oc_transfer *transfer, size_t size)
{
    CHECK_EQUAL(transfer->curl_code, 0);
    CHECK_EQUAL(transfer->collected_size, size);
    CHECK_EQUAL(oc_transfer_received(transfer), size);
    CHECK(size == 0 || is_pattern(transfer->collected->data, 0, size));
}

void check_unreferenced(oc_mailbox *mailbox)
{
    for (int i = 0; mailbox->references > 1; i++) {
        CHECK(i < PATIENCE_MS);
        sleep_ms(1);
    }
}

unsigned random_below(unsigned *state, unsigned limit)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % limit;
}

int count_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) {
        return -1; /* not Linux */
    }
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

void sleep_ms(int milliseconds)
{
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}
