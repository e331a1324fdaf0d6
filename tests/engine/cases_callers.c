/* Loops without a thread: whoever waits drives them. */
#include "harness.h"

#include <pthread.h>
#include <stdatomic.h>

#include "callers.h"

static oc_transfer *begin_on(oc_loop *loop, oc_mailbox *mailbox, ask what)
{
    oc_transfer *transfer = create(mailbox, what);
    CHECK(transfer != NULL);
    oc_loop_submit(loop, transfer);
    return transfer;
}

static void drive_until(oc_mailbox *mailbox, oc_transfer *transfer, int events)
{
    int64_t give_up = oc_now_us() + PATIENCE_MS * 1000LL;
    while (!(seen(transfer) & events)) {
        oc_transfer_wait(transfer, mailbox, 50);
        take_some(mailbox, 0);
        CHECK(oc_now_us() < give_up);
    }
}

static void caller_drives_what_it_waits_for(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    oc_loop *loop = oc_caller_loop_new();
    for (int i = 0; i < 50; i++) {
        oc_transfer *transfer =
            begin_on(loop, mailbox, (ask){.path = "/bytes/100000", .delay_us = i % 5 * 1000});
        sleep_ms(i % 3);
        CHECK_EQUAL(http_server_counts().requests, i); /* nobody works on it meanwhile */
        drive_until(mailbox, transfer, OC_EVENT_DONE);
        check_body(transfer, 100000);
        end(transfer);
    }
    CHECK_EQUAL(http_server_counts().connections, 1);
    oc_caller_loop_free(loop);
    check_unreferenced(mailbox);
    oc_mailbox_unref(mailbox);
}

static void wait_is_bounded(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    oc_loop *loop = oc_caller_loop_new();
    oc_transfer *transfer = begin_on(loop, mailbox, (ask){.path = "/hang/10"});
    for (int i = 0; i < 3; i++) {
        int64_t started = oc_now_us();
        oc_transfer_wait(transfer, mailbox, 20);
        int64_t took = oc_now_us() - started;
        CHECK(took >= 15000 && took < 2000000);
        CHECK_EQUAL(take_some(mailbox, 0), 0);
    }
    oc_transfer_cancel(transfer); /* ends it at once: nobody drives, so the canceller does */
    CHECK_EQUAL(take_some(mailbox, 0), 1);
    CHECK_EQUAL(transfer->curl_code, OC_CODE_CANCELLED);
    end(transfer);
    /* Likewise before it was driven at all. */
    transfer = begin_on(loop, mailbox, (ask){.path = "/bytes/1"});
    oc_transfer_cancel(transfer);
    CHECK_EQUAL(take_some(mailbox, 0), 1);
    end(transfer);
    oc_caller_loop_free(loop);
    oc_mailbox_unref(mailbox);
}

static void *cancel_soon(void *transfer)
{
    sleep_ms(20);
    oc_transfer_cancel(transfer);
    return NULL;
}

static void another_thread_cancels(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    oc_loop *loop = oc_caller_loop_new();
    for (int i = 0; i < 5; i++) {
        pthread_t thread;
        oc_transfer *transfer = begin_on(loop, mailbox, (ask){.path = "/hang/10"});
        CHECK_EQUAL(pthread_create(&thread, NULL, cancel_soon, transfer), 0);
        int64_t started = oc_now_us();
        oc_transfer_wait(transfer, mailbox, PATIENCE_MS);
        CHECK(oc_now_us() - started < 5000000);
        CHECK_EQUAL(take_some(mailbox, 0), 1);
        CHECK_EQUAL(transfer->curl_code, OC_CODE_CANCELLED);
        pthread_join(thread, NULL);
        end(transfer);
    }
    oc_caller_loop_free(loop);
    oc_mailbox_unref(mailbox);
}

static void *start_thread_soon(void *loop)
{
    sleep_ms(20);
    CHECK_EQUAL(oc_loop_start_thread(loop), 0);
    CHECK_EQUAL(oc_loop_start_thread(loop), 0);
    return NULL;
}

static void loop_can_get_a_thread_while_it_is_driven(void)
{
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        oc_mailbox *mailbox = oc_mailbox_new(-1);
        oc_loop *loop = oc_caller_loop_new();
        oc_transfer *transfer = begin_on(loop, mailbox, (ask){.path = "/after/60/1000"});
        CHECK_EQUAL(pthread_create(&thread, NULL, start_thread_soon, loop), 0);
        drive_until(mailbox, transfer, OC_EVENT_DONE);
        check_body(transfer, 1000);
        end(transfer);
        pthread_join(thread, NULL);
        transfer = begin_on(loop, mailbox, (ask){.path = "/bytes/1000"});
        wait_for(mailbox, transfer, OC_EVENT_DONE); /* without driving it */
        end(transfer);
        oc_caller_loop_free(loop);
        check_unreferenced(mailbox);
        oc_mailbox_unref(mailbox);
    }
}

static void stopped_loops_fail_what_they_have(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    oc_loop *loop = oc_caller_loop_new();
    oc_transfer *active = begin_on(loop, mailbox, (ask){.path = "/hang/10"});
    oc_transfer_wait(active, mailbox, 20);
    oc_transfer *new = begin_on(loop, mailbox, (ask){.path = "/bytes/1"});
    oc_transfer *delayed = begin_on(loop, mailbox, (ask){.path = "/bytes/1", .delay_us = 1000000000});
    oc_caller_loops_stop();
    oc_caller_loops_stop();
    CHECK_EQUAL(take_some(mailbox, 0), 3);
    CHECK_EQUAL(active->curl_code, OC_CODE_ENGINE_STOPPED);
    CHECK_EQUAL(new->curl_code, OC_CODE_ENGINE_STOPPED);
    CHECK_EQUAL(delayed->curl_code, OC_CODE_ENGINE_STOPPED);
    oc_transfer *late = begin_on(loop, mailbox, (ask){.path = "/bytes/1"});
    drive_until(mailbox, late, OC_EVENT_DONE);
    CHECK_EQUAL(late->curl_code, OC_CODE_ENGINE_STOPPED);
    CHECK(oc_loop_start_thread(loop) < 0);
    end(active);
    end(new);
    end(delayed);
    end(late);
    oc_caller_loop_free(loop);
    oc_mailbox_unref(mailbox);
}

static void number_of_loops_is_bounded(void)
{
    enum { MORE = 1000 };
    static oc_loop *loops[MORE];
    int made = 0;
    while (made < MORE && (loops[made] = oc_caller_loop_new()) != NULL) {
        made++;
    }
    CHECK(made >= 16 && made < 200);
    oc_caller_loop_free(loops[--made]);
    CHECK((loops[made++] = oc_caller_loop_new()) != NULL);
    while (made > 0) {
        oc_caller_loop_free(loops[--made]);
    }
}

/* ---- All of it at once ---- */

enum { CALLERS = 6, PER_CALLER = 400 };
static atomic_int callers_left;

/* The transfer that others may cancel or give a thread to; the lock keeps it alive meanwhile. */
static struct {
    pthread_mutex_t lock;
    oc_transfer *transfer;
} shared[CALLERS];

static void share(int index, oc_transfer *transfer)
{
    pthread_mutex_lock(&shared[index].lock);
    shared[index].transfer = transfer;
    pthread_mutex_unlock(&shared[index].lock);
}

static void *call(void *argument)
{
    static const char *const paths[] = {"/bytes/10", "/bytes/100000", "/chunked/5000/100", "/after/3/10"};
    int index = (int)(intptr_t)argument;
    unsigned seed = (unsigned)index;
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    oc_loop *loop = oc_caller_loop_new();
    for (int i = 0; i < PER_CALLER; i++) {
        if (loop->closed || loop->threaded) {
            oc_caller_loop_free(loop);
            loop = oc_caller_loop_new();
        }
        oc_transfer *transfer = begin_on(loop, mailbox, (ask){.path = paths[random_below(&seed, 4)]});
        share(index, transfer);
        drive_until(mailbox, transfer, OC_EVENT_DONE);
        share(index, NULL);
        int code = transfer->curl_code;
        CHECK(code == 0 || code == OC_CODE_CANCELLED || code == OC_CODE_ENGINE_STOPPED);
        CHECK(code != 0 || transfer->status == 200);
        end(transfer);
    }
    oc_caller_loop_free(loop);
    check_unreferenced(mailbox);
    oc_mailbox_unref(mailbox);
    callers_left--;
    return NULL;
}

static void *disturb(void *unused)
{
    unsigned seed = 1;
    (void)unused;
    while (callers_left > 0) {
        int index = (int)random_below(&seed, CALLERS);
        pthread_mutex_lock(&shared[index].lock);
        oc_transfer *transfer = shared[index].transfer;
        if (transfer != NULL) {
            switch (random_below(&seed, 8)) {
            case 0:
                oc_transfer_cancel(transfer);
                break;
            case 1:
                oc_loop_start_thread(transfer->loop);
                break;
            case 2:
                oc_loop_poke(transfer->loop);
                break;
            default:
                break;
            }
        }
        pthread_mutex_unlock(&shared[index].lock);
        if (random_below(&seed, 400) == 0) {
            oc_caller_loops_stop();
        }
        sleep_ms((int)random_below(&seed, 2));
    }
    return NULL;
}

static void callers_are_disturbed(void)
{
    pthread_t threads[CALLERS + 2];
    callers_left = CALLERS;
    for (int i = 0; i < CALLERS; i++) {
        pthread_mutex_init(&shared[i].lock, NULL);
    }
    for (int i = 0; i < CALLERS + 2; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, i < CALLERS ? call : disturb, (void *)(intptr_t)i), 0);
    }
    for (int i = 0; i < CALLERS + 2; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void handles_of_many_profiles_do_not_pile_up(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    oc_loop *loop = oc_caller_loop_new();
    oc_profile *profiles[100];
    for (int i = 0; i < 100; i++) {
        profiles[i] = oc_profile_new(0, 8);
        oc_transfer *transfer = begin_on(loop, mailbox, (ask){.path = "/bytes/10", .profile = profiles[i]});
        drive_until(mailbox, transfer, OC_EVENT_DONE);
        end(transfer);
        profiles[i]->retired = true;
    }
    int kept = 0;
    for (int i = 0; i < 100; i++) {
        kept += profiles[i]->references - 1;
        oc_profile_unref(profiles[i]);
    }
    CHECK(kept <= 1);
    CHECK_EQUAL(http_server_counts().connections, 1); /* they share it */
    oc_caller_loop_free(loop);
    oc_mailbox_unref(mailbox);
}

const test_case caller_cases[] = {
    {"caller_drives_what_it_waits_for", caller_drives_what_it_waits_for},
    {"wait_is_bounded", wait_is_bounded},
    {"another_thread_cancels", another_thread_cancels},
    {"loop_can_get_a_thread_while_it_is_driven", loop_can_get_a_thread_while_it_is_driven},
    {"stopped_loops_fail_what_they_have", stopped_loops_fail_what_they_have},
    {"number_of_loops_is_bounded", number_of_loops_is_bounded},
    {"callers_are_disturbed", callers_are_disturbed},
    {"handles_of_many_profiles_do_not_pile_up", handles_of_many_profiles_do_not_pile_up},
    {NULL, NULL},
};
