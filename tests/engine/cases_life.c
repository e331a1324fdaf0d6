/* From submit to the end: delays, cancellation, mailboxes that change or close, engines that stop or die. */
#include "harness.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "fork.h"

static void delayed_start_waits_and_can_be_cancelled(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    oc_transfer *late[5];
    engine_start(1, 8);
    int64_t started = oc_now_us();
    for (int i = 0; i < 5; i++) {
        late[i] = begin(mailbox, (ask){.path = "/bytes/10", .delay_us = (5 - i) * 40000});
    }
    oc_transfer *never = begin(mailbox, (ask){.path = "/bytes/10", .delay_us = 3600 * 1000000LL});
    for (int i = 4; i >= 0; i--) {
        wait_for(mailbox, late[i], OC_EVENT_DONE);
        CHECK(oc_now_us() - started >= (5 - i) * 40000);
        check_body(late[i], 10);
        CHECK(late[i]->timings.queue_us >= 0);
        CHECK(i == 0 || !(seen(late[0]) & OC_EVENT_DONE));
    }
    CHECK(!(seen(never) & OC_EVENT_DONE));
    oc_transfer_cancel(never);
    wait_for(mailbox, never, OC_EVENT_DONE);
    CHECK_EQUAL(never->curl_code, OC_CODE_CANCELLED);
    CHECK_EQUAL(http_server_counts().requests, 5);
    for (int i = 0; i < 5; i++) {
        end(late[i]);
    }
    end(never);
    engine_end();
    oc_mailbox_unref(mailbox);
}

static void cancelled_transfer_closes_its_connection(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    engine_start(1, 8);
    oc_transfer *transfer = begin(mailbox, (ask){.path = "/hang/1000"});
    while (http_server_counts().requests == 0) {
        sleep_ms(1);
    }
    CHECK_EQUAL(http_server_counts().open, 1);
    oc_transfer_cancel(transfer);
    oc_transfer_cancel(transfer);
    wait_for(mailbox, transfer, OC_EVENT_DONE);
    CHECK_EQUAL(transfer->curl_code, OC_CODE_CANCELLED);
    oc_transfer_cancel(transfer); /* over: ignored */
    while (http_server_counts().open > 0) {
        sleep_ms(1);
    }
    end(transfer);
    engine_end();
    oc_mailbox_unref(mailbox);
}

static void refused_connection_is_told(void)
{
    char url[64];
    engine_start(1, 8);
    snprintf(url, sizeof url, "http://127.0.0.1:1/");
    oc_transfer *transfer = exchange((ask){.path = url});
    CHECK_EQUAL(transfer->curl_code, OC_CURLE_COULDNT_CONNECT);
    CHECK(transfer->status == 0 && strlen(transfer->message) > 5);
    end(transfer);
    transfer = exchange((ask){.path = "gopher://127.0.0.1/"});
    CHECK_EQUAL(transfer->curl_code, 1);
    end(transfer);
    transfer = exchange((ask){.path = "http://"});
    CHECK(transfer->curl_code > 0);
    end(transfer);
    engine_end();
}

static void refused_option_is_named(void)
{
    oc_profile *odd = oc_profile_new(2, 8);
    oc_profile_set_integer(odd, 0, OC_OPT_VERBOSE, 0);
    oc_profile_set_integer(odd, 1, 9999, 1);
    engine_start(1, 8);
    for (int i = 0; i < 3; i++) {
        oc_transfer *transfer = exchange((ask){.path = "/bytes/1", .profile = odd});
        CHECK_EQUAL(transfer->curl_code, 48);
        CHECK(strstr(transfer->message, "9999") != NULL);
        end(transfer);
    }
    engine_end();
    CHECK_EQUAL(odd->references, 1);
    oc_profile_unref(odd);
}

static void header_lines_arrive_as_given(void)
{
    /* Also with an empty value, which libcurl takes for the wish to leave the header out. */
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    oc_transfer *transfer = create(
        mailbox, (ask){.path = "/", .method = "PUT", .headers = "x-a: 1\nx-empty:\nx-blank: \t\nx-b:2"});
    static const char *const wanted[] = {"x-a: 1", "x-empty;", "x-blank;",
                                         "x-b:2",  "Expect:",  "Content-Type:"};
    struct oc_curl_slist *line = transfer->headers;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++, line = line->next) {
        CHECK(line != NULL && strcmp(line->data, wanted[i]) == 0);
    }
    CHECK(line == NULL);
    end(transfer);
    oc_mailbox_unref(mailbox);
}

/* ---- Mailboxes ---- */

static void events_move_to_another_mailbox(void)
{
    oc_mailbox *one = oc_mailbox_new(-1), *two = oc_mailbox_new(-1);
    engine_start(1, 8);
    /* Before anything came. */
    oc_transfer *transfer = begin(one, (ask){.path = "/after/30/10"});
    oc_transfer_attach(transfer, two);
    wait_for(two, transfer, OC_EVENT_DONE);
    check_body(transfer, 10);
    end(transfer);
    /* With an event posted and not taken. */
    transfer = begin(one, (ask){.path = "/bytes/100000", .hold_above = 1});
    while (!oc_mailbox_wait(one, 100)) {
    }
    oc_transfer_attach(transfer, two);
    CHECK_EQUAL(take_some(one, 0), 0);
    wait_for(two, transfer, OC_EVENT_HELD);
    oc_transfer_cancel(transfer);
    wait_for(two, transfer, OC_EVENT_DONE);
    /* After the end. */
    oc_transfer_attach(transfer, one);
    end(transfer);
    check_unreferenced(one);
    check_unreferenced(two);
    engine_end();
    oc_mailbox_unref(one);
    oc_mailbox_unref(two);
}

static void closed_mailbox_leaves_to_its_heir(void)
{
    oc_mailbox *heir = oc_mailbox_new(-1), *late = oc_mailbox_new(-1);
    engine_start(1, 8);
    oc_mailbox *closed = oc_mailbox_new(-1);
    oc_transfer *first = begin(closed, (ask){.path = "/bytes/10"});
    oc_transfer *second = begin(closed, (ask){.path = "/after/50/10"});
    oc_transfer *third = begin(closed, (ask){.path = "/after/50/10"});
    while (!oc_mailbox_wait(closed, 100)) {
    }
    oc_transfer *taken = oc_mailbox_close(closed, heir);
    CHECK(taken == first && taken->taken_events == OC_EVENT_DONE && taken->taken_next == NULL);
    end(first);
    oc_mailbox_unref(closed);
    wait_for(heir, second, OC_EVENT_DONE);
    check_body(second, 10);
    end(second);
    /* What lies with the heir can still be had by somebody else. */
    sleep_ms(20);
    oc_transfer_attach(third, late);
    wait_for(late, third, OC_EVENT_DONE);
    CHECK_EQUAL(take_some(heir, 0), 0);
    end(third);
    engine_end();
    check_unreferenced(heir);
    oc_mailbox_unref(heir);
    oc_mailbox_unref(late);
}

static void descriptor_is_written_once_per_batch(void)
{
    int ends[2];
    char got[256];
    CHECK_EQUAL(pipe(ends), 0);
    oc_mailbox *mailbox = oc_mailbox_new(ends[1]);
    oc_transfer *transfers[20];
    engine_start(1, 8);
    for (int i = 0; i < 20; i++) {
        transfers[i] = begin(mailbox, (ask){.path = "/bytes/10"});
    }
    while (engine->loops[0]->load > 0) {
        sleep_ms(1);
    }
    sleep_ms(20);
    CHECK_EQUAL(read(ends[0], got, sizeof got), 8);
    CHECK_EQUAL(take_some(mailbox, 0), 20);
    for (int i = 0; i < 20; i++) {
        check_body(transfers[i], 10);
        end(transfers[i]);
    }
    engine_end();
    oc_mailbox_unref(mailbox);
    close(ends[0]);
    close(ends[1]);
}

/* ---- The engine's end ---- */

enum { KINDS = 6, OF_EACH = 20 };

static void stop_fails_everything_pending(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    oc_profile *capped = oc_profile_new(0, 4);
    oc_transfer *transfers[KINDS * OF_EACH];
    char memory[OF_EACH][10];
    engine_start(2, 64);
    for (int i = 0; i < OF_EACH; i++) {
        oc_transfer **six = transfers + (ptrdiff_t)i * KINDS;
        six[0] = begin(mailbox, (ask){.path = "/hang/1000"});                             /* active */
        six[1] = begin(mailbox, (ask){.path = "/bytes/100000000", .hold_above = 1});      /* held */
        six[2] = begin(mailbox, (ask){.path = "/bytes/1", .delay_us = 60 * 1000000LL});   /* delayed */
        six[3] = begin(mailbox, (ask){.path = "http://127.0.0.1:1/", .profile = capped}); /* over */
        six[4] = begin(mailbox, (ask){.path = "/hang/100000", .hold_above = 1});          /* fed */
        CHECK_EQUAL(oc_transfer_feed(six[4], memory[i], sizeof memory[i]), 0);
        six[5] = begin(mailbox, (ask){.path = "/hang/0", .profile = capped}); /* queued */
    }
    sleep_ms(100);
    for (int i = 0; i < 10; i++) {
        oc_transfer_cancel(transfers[(ptrdiff_t)i * KINDS + i % KINDS]);
    }
    oc_engine_stop(engine);
    oc_engine_stop(engine);
    while (take_some(mailbox, 0) > 0) {
    }
    for (int i = 0; i < KINDS * OF_EACH; i++) {
        CHECK(seen(transfers[i]) & OC_EVENT_DONE);
        int code = transfers[i]->curl_code;
        CHECK(code == OC_CODE_ENGINE_STOPPED || code == OC_CODE_CANCELLED || i % KINDS == 3);
        CHECK(transfers[i]->message != NULL);
        oc_transfer_cancel(transfers[i]);
    }
    for (int i = 0; i < OF_EACH; i++) {
        CHECK(oc_transfer_take_segment(transfers[i * KINDS + 4]) >= 0);
    }
    oc_transfer *rejected = begin(mailbox, (ask){.path = "/bytes/1"});
    wait_for(mailbox, rejected, OC_EVENT_DONE);
    CHECK_EQUAL(rejected->curl_code, OC_CODE_ENGINE_STOPPED);
    end(rejected);
    for (int i = 0; i < KINDS * OF_EACH; i++) {
        end(transfers[i]);
    }
    engine_end();
    oc_profile_unref(capped);
    oc_mailbox_unref(mailbox);
}

static void engine_starts_again_with_the_same_profiles(void)
{
    for (int i = 0; i < 20; i++) {
        engine_start(1 + i % 3, 8);
        oc_transfer *transfer = exchange((ask){.path = "/bytes/1000"});
        check_body(transfer, 1000);
        end(transfer);
        engine_end();
    }
    CHECK_EQUAL(profile->references, 1);
}

static void handles_of_a_retired_profile_are_freed(void)
{
    oc_profile *gone = oc_profile_new(0, 8);
    engine_start(1, 8);
    end(exchange((ask){.path = "/bytes/10", .profile = gone}));
    CHECK_EQUAL(gone->references, 2); /* the idle handle's */
    gone->retired = true;
    for (int i = 0; gone->references > 1; i++) {
        CHECK(i < 1000);
        sleep_ms(10);
    }
    oc_profile_unref(gone);
    engine_end();
}

/* Puts something else in the place of every epoll descriptor. Returns how many there were. */
static int break_pollers(void)
{
    char path[300], target[64];
    int broken = 0;
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        ssize_t size = readlink(path, target, sizeof target - 1);
        if (size > 0 && (target[size] = '\0', strstr(target, "eventpoll") != NULL)) {
            int replacement = dup(STDERR_FILENO);
            CHECK(dup2(replacement, atoi(entry->d_name)) >= 0);
            close(replacement);
            broken++;
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return broken;
}

static void dead_loop_fails_everything_with_its_cause(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    oc_transfer *transfers[30];
    engine_start(1, 8);
    for (int i = 0; i < 30; i++) {
        transfers[i] = begin(mailbox, (ask){.path = "/hang/10"});
    }
    while (http_server_counts().requests < 8) {
        sleep_ms(1);
    }
    CHECK(!oc_engine_dead(engine));
    bool dies = break_pollers() > 0; /* with another kind of poller there is nothing to break */
    for (int i = 0; i < (dies ? 1 : 30); i++) {
        oc_transfer_cancel(transfers[i]);
    }
    for (int i = 0; i < 30; i++) {
        wait_for(mailbox, transfers[i], OC_EVENT_DONE);
        if (i > 0 && dies) {
            CHECK_EQUAL(transfers[i]->curl_code, OC_CODE_ENGINE_DEAD);
            CHECK(strstr(transfers[i]->message, "engine") != NULL);
        }
        end(transfers[i]);
    }
    CHECK(oc_engine_dead(engine) == dies);
    oc_transfer *rejected = begin(mailbox, (ask){.path = "/bytes/1"});
    wait_for(mailbox, rejected, OC_EVENT_DONE);
    CHECK(!dies || rejected->curl_code == OC_CODE_ENGINE_DEAD);
    end(rejected);
    engine_end();
    engine_start(1, 8);
    oc_transfer *transfer = exchange((ask){.path = "/bytes/10"});
    check_body(transfer, 10);
    end(transfer);
    engine_end();
    oc_mailbox_unref(mailbox);
}

/* ---- Forks ---- */

static atomic_bool worked;

static void *work(void *milliseconds)
{
    oc_work_begin();
    sleep_ms((int)(intptr_t)milliseconds);
    worked = true;
    oc_work_end();
    return NULL;
}

static void fork_waits_for_work_and_work_for_forks(void)
{
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, work, (void *)(intptr_t)50), 0);
    sleep_ms(20);
    CHECK(!worked);
    oc_fork_prepare();
    CHECK(worked);
    pthread_join(thread, NULL);

    worked = false;
    CHECK_EQUAL(pthread_create(&thread, NULL, work, (void *)0), 0);
    sleep_ms(30);
    CHECK(!worked);
    oc_fork_prepare(); /* of another thread */
    oc_fork_done_in_parent();
    sleep_ms(5);
    CHECK(!worked);
    oc_fork_done_in_parent();
    pthread_join(thread, NULL);
    CHECK(worked);

    /* Neither waits for ever. */
    int64_t started = oc_now_us();
    oc_work_begin();
    oc_fork_prepare();
    oc_work_end();
    oc_work_begin();
    oc_work_end();
    CHECK(oc_now_us() - started < 10000000);
    oc_fork_done_in_child();
    oc_fork_prepare();
    oc_fork_done_in_parent();
}

static void engine_pauses_for_a_fork(void)
{
    oc_mailbox *mailbox = oc_mailbox_new(-1);
    engine_start(2, 8);
    for (int i = 0; i < 50; i++) {
        oc_transfer *transfer = begin(mailbox, (ask){.path = "/bytes/1000"});
        oc_fork_prepare();
        oc_fork_done_in_parent();
        wait_for(mailbox, transfer, OC_EVENT_DONE);
        check_body(transfer, 1000);
        end(transfer);
    }
    engine_end();
    oc_mailbox_unref(mailbox);
}

const test_case life_cases[] = {
    {"delayed_start_waits_and_can_be_cancelled", delayed_start_waits_and_can_be_cancelled},
    {"cancelled_transfer_closes_its_connection", cancelled_transfer_closes_its_connection},
    {"refused_connection_is_told", refused_connection_is_told},
    {"refused_option_is_named", refused_option_is_named},
    {"header_lines_arrive_as_given", header_lines_arrive_as_given},
    {"events_move_to_another_mailbox", events_move_to_another_mailbox},
    {"closed_mailbox_leaves_to_its_heir", closed_mailbox_leaves_to_its_heir},
    {"descriptor_is_written_once_per_batch", descriptor_is_written_once_per_batch},
    {"stop_fails_everything_pending", stop_fails_everything_pending},
    {"engine_starts_again_with_the_same_profiles", engine_starts_again_with_the_same_profiles},
    {"handles_of_a_retired_profile_are_freed", handles_of_a_retired_profile_are_freed},
    {"fork_waits_for_work_and_work_for_forks", fork_waits_for_work_and_work_for_forks},
    {"engine_pauses_for_a_fork", engine_pauses_for_a_fork},
    {"dead_loop_fails_everything_with_its_cause", dead_loop_fails_everything_with_its_cause},
    {NULL, NULL},
};
