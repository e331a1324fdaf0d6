#include "loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delays.h"
#include "fork.h"
#include "handles.h"
#include "hosts.h"

/* A loop with nothing to do looks this often for memory and handles to give back, and keeps what was used
 * since. */
enum { HOUSEKEEPING_MS = 2000, KEEP_SLABS_US = 4000000, SIGNALS_AT_ONCE = 32 };

/* ---- A transfer's end ---- */

void oc_loop_ready(oc_transfer *transfer, int event)
{
    oc_loop *loop = transfer->loop;
    transfer->pending_events |= event;
    if (transfer->in_ready_list) {
        return;
    }
    transfer->in_ready_list = true;
    transfer->ready_next = NULL;
    if (loop->ready_last != NULL) {
        loop->ready_last->ready_next = transfer;
    } else {
        loop->ready_first = transfer;
    }
    loop->ready_last = transfer;
}

static const char *code_message(const oc_loop *loop, const oc_transfer *transfer, int code)
{
    switch (code) {
    case OC_CODE_CANCELLED:
        return "the request was cancelled";
    case OC_CODE_ENGINE_STOPPED:
        return "the transfer engine was shut down";
    case OC_CODE_ENGINE_DEAD:
        return loop->cause;
    case OC_CURLE_OUT_OF_MEMORY:
        return "out of memory";
    default:
        break;
    }
    if (transfer->out_of_memory) {
        return "out of memory for the response";
    }
    if (transfer->handle != NULL && transfer->handle->error[0] != '\0') {
        return transfer->handle->error;
    }
    return oc_curl.easy_strerror(code);
}

static void set_outcome(const oc_loop *loop, oc_transfer *transfer, int code)
{
    transfer->curl_code = transfer->out_of_memory ? OC_CURLE_OUT_OF_MEMORY : code;
    if (code != OC_CURLE_OK && transfer->message == NULL) {
        const char *message = code_message(loop, transfer, code);
        size_t size = strlen(message) + 1;
        transfer->message = malloc(size);
        if (transfer->message != NULL) {
            memcpy(transfer->message, message, size);
        }
    }
}

static int64_t info_us(oc_easy *easy, int info)
{
    int64_t value = 0;
    oc_curl.easy_getinfo(easy, info, &value);
    return value;
}

static void read_infos(oc_transfer *transfer)
{
    oc_easy *easy = transfer->handle->easy;
    long version = 0;
    oc_curl.easy_getinfo(easy, OC_INFO_HTTP_VERSION, &version);
    transfer->http_version = (int)version;
    transfer->timings.dns_us = info_us(easy, OC_INFO_NAMELOOKUP_TIME_T);
    transfer->timings.connect_us = info_us(easy, OC_INFO_CONNECT_TIME_T);
    transfer->timings.tls_us = info_us(easy, OC_INFO_APPCONNECT_TIME_T);
    transfer->timings.first_byte_us = info_us(easy, OC_INFO_STARTTRANSFER_TIME_T);
    transfer->timings.total_us = info_us(easy, OC_INFO_TOTAL_TIME_T);
}

static void active_unlink(oc_loop *loop, oc_transfer *transfer)
{
    if (transfer->before != NULL) {
        transfer->before->next = transfer->next;
    } else {
        loop->active_first = transfer->next;
    }
    if (transfer->next != NULL) {
        transfer->next->before = transfer->before;
    }
}

/* Takes the transfer out of wherever it is and announces its end. Not from within a libcurl callback. */
static void finish(oc_loop *loop, oc_transfer *transfer, int code)
{
    set_outcome(loop, transfer, code);
    switch (transfer->state) {
    case OC_STATE_QUEUED:
        oc_host_dequeue(loop, transfer);
        break;
    case OC_STATE_DELAYED:
        oc_delay_remove(loop, transfer);
        break;
    case OC_STATE_ACTIVE:
        active_unlink(loop, transfer);
        read_infos(transfer);
        oc_curl.multi_remove_handle(loop->multi, transfer->handle->easy);
        oc_handle_put(loop, transfer->handle);
        transfer->handle = NULL;
        oc_host_release(loop, transfer);
        break;
    default:
        break;
    }
    transfer->state = OC_STATE_OVER;
    oc_transfer_end_segments(transfer);
    oc_loop_ready(transfer, OC_EVENT_DONE);
}

/* ---- Step 1: take new work ---- */

static void set_method(oc_easy *easy, const oc_transfer *transfer)
{
    switch (transfer->method_kind) {
    case OC_GET:
        oc_curl.easy_setopt(easy, OC_OPT_HTTPGET, 1L);
        oc_curl.easy_setopt(easy, OC_OPT_CUSTOMREQUEST, (char *)NULL);
        break;
    case OC_HEAD:
        oc_curl.easy_setopt(easy, OC_OPT_NOBODY, 1L);
        oc_curl.easy_setopt(easy, OC_OPT_CUSTOMREQUEST, (char *)NULL);
        break;
    case OC_WITH_BODY:
        /* POSTFIELDS is sent from the caller's memory as it is, and rewound by libcurl itself. */
        oc_curl.easy_setopt(easy, OC_OPT_POST, 1L);
        oc_curl.easy_setopt(easy, OC_OPT_POSTFIELDS, transfer->body ? transfer->body : "");
        oc_curl.easy_setopt(easy, OC_OPT_POSTFIELDSIZE_LARGE, (int64_t)transfer->body_size);
        oc_curl.easy_setopt(easy, OC_OPT_CUSTOMREQUEST, transfer->method);
        break;
    }
}

static int start_on(oc_loop *loop, oc_transfer *transfer, oc_handle *handle)
{
    oc_easy *easy = handle->easy;
    handle->error[0] = '\0';
    int code = oc_curl.easy_setopt(easy, OC_OPT_URL, transfer->url);
    if (code != OC_CURLE_OK) {
        return code;
    }
    oc_curl.easy_setopt(easy, OC_OPT_HTTPHEADER, transfer->headers);
    oc_curl.easy_setopt(easy, OC_OPT_PRIVATE, transfer);
    oc_curl.easy_setopt(easy, OC_OPT_WRITEDATA, transfer);
    oc_curl.easy_setopt(easy, OC_OPT_HEADERDATA, transfer);
    set_method(easy, transfer);
    return oc_curl.multi_add_handle(loop->multi, easy) == 0 ? OC_CURLE_OK : OC_CURLE_OUT_OF_MEMORY;
}

/* The transfer has its place among its host's active ones. */
static void start(oc_loop *loop, oc_transfer *transfer)
{
    int failed_option = 0;
    int code = OC_CURLE_OK;
    transfer->timings.queue_us = oc_now_us() - transfer->submitted_us - transfer->delay_us;
    oc_handle *handle = oc_handle_get(loop, transfer->profile, &code, &failed_option);
    if (handle != NULL) {
        code = start_on(loop, transfer, handle);
    } else if (failed_option != 0) {
        char message[OC_CURL_ERROR_SIZE];
        int size = snprintf(message, sizeof message, "libcurl refuses option %d of client_options: %s",
                            failed_option, oc_curl.easy_strerror(code));
        transfer->message = size > 0 ? calloc(1, sizeof message) : NULL;
        if (transfer->message != NULL) {
            memcpy(transfer->message, message, sizeof message);
        }
    }
    if (code != OC_CURLE_OK) {
        if (handle != NULL) {
            oc_handle_put(loop, handle);
        }
        oc_host_release(loop, transfer);
        transfer->state = OC_STATE_NEW;
        finish(loop, transfer, code);
        return;
    }
    transfer->handle = handle;
    transfer->state = OC_STATE_ACTIVE;
    transfer->before = NULL;
    transfer->next = loop->active_first;
    if (loop->active_first != NULL) {
        loop->active_first->before = transfer;
    }
    loop->active_first = transfer;
}

static void enqueue(oc_loop *loop, oc_transfer *transfer)
{
    if (oc_host_enqueue(loop, transfer) < 0) {
        transfer->state = OC_STATE_NEW;
        finish(loop, transfer, OC_CURLE_OUT_OF_MEMORY);
    }
}

static void accept(oc_loop *loop, oc_transfer *transfer)
{
    if (transfer->delay_us <= 0) {
        enqueue(loop, transfer);
        return;
    }
    transfer->due_us = transfer->submitted_us + transfer->delay_us;
    if (oc_delay_add(loop, transfer) < 0) {
        finish(loop, transfer, OC_CURLE_OUT_OF_MEMORY);
    }
}

static void resume(oc_loop *loop, oc_transfer *transfer)
{
    if (oc_transfer_unspill(transfer) && transfer->paused) {
        transfer->paused = false;
        int code = oc_curl.easy_pause(transfer->handle->easy, OC_CURLPAUSE_CONT);
        if (code != OC_CURLE_OK) {
            finish(loop, transfer, code);
        }
    }
}

static void obey(oc_loop *loop, oc_transfer *transfer, int commands)
{
    if (commands & OC_COMMAND_SUBMIT) {
        accept(loop, transfer);
    }
    if (transfer->state == OC_STATE_OVER) {
        return;
    }
    if (commands & OC_COMMAND_CANCEL) {
        finish(loop, transfer, OC_CODE_CANCELLED);
    } else if ((commands & OC_COMMAND_RESUME) && transfer->state == OC_STATE_ACTIVE) {
        resume(loop, transfer);
    }
}

static oc_transfer *inbox_pop_locked(oc_loop *loop, int *commands)
{
    oc_transfer *transfer = loop->inbox_first;
    if (transfer != NULL) {
        loop->inbox_first = transfer->inbox_next;
        if (loop->inbox_first != NULL) {
            loop->inbox_first->inbox_before = NULL;
        } else {
            loop->inbox_last = NULL;
        }
        transfer->in_inbox = false;
        *commands = transfer->commands;
        transfer->commands = 0;
    }
    return transfer;
}

static void start_what_may(oc_loop *loop)
{
    oc_transfer *transfer;
    while ((transfer = oc_host_next(loop)) != NULL) {
        start(loop, transfer);
    }
}

static void take_new_work(oc_loop *loop)
{
    oc_transfer *transfer;
    int commands = 0;
    for (;;) {
        oc_mutex_lock(&loop->lock);
        loop->sleeping = false;
        transfer = inbox_pop_locked(loop, &commands);
        oc_mutex_unlock(&loop->lock);
        if (transfer == NULL) {
            break;
        }
        obey(loop, transfer, commands);
    }
    if (loop->delayed_count > 0) {
        int64_t now = oc_now_us();
        while ((transfer = oc_delay_due(loop, now)) != NULL) {
            enqueue(loop, transfer);
        }
    }
    start_what_may(loop);
}

/* ---- Step 2: drive libcurl ---- */

static int on_socket(oc_easy *easy, oc_curl_socket fd, int what, void *argument, void *socket_data)
{
    (void)easy;
    (void)socket_data;
    oc_loop *loop = argument;
    int events = what == OC_CURL_POLL_REMOVE ? 0 : what & (OC_CURL_POLL_IN | OC_CURL_POLL_OUT);
    if (oc_poller_watch(loop->poller, fd, events) < 0) {
        loop->broken = true;
        snprintf(loop->cause, sizeof loop->cause, "the engine cannot watch another socket");
    }
    return 0;
}

static int on_timer(oc_multi *multi, long timeout_ms, void *argument)
{
    (void)multi;
    oc_loop *loop = argument;
    loop->timer_due_us = timeout_ms < 0 ? -1 : timeout_ms == 0 ? 0 : oc_now_us() + (int64_t)timeout_ms * 1000;
    return 0;
}

static void act(oc_loop *loop, oc_curl_socket fd, int events)
{
    int running;
    int code = oc_curl.multi_socket_action(loop->multi, fd, events, &running);
    if (code != 0 && !loop->broken) {
        loop->broken = true;
        snprintf(loop->cause, sizeof loop->cause, "libcurl's multi handle failed: %s",
                 oc_curl.multi_strerror(code));
    }
}

static void drive(oc_loop *loop)
{
    for (int i = 0; i < loop->event_count; i++) {
        act(loop, loop->events[i].fd, loop->events[i].events);
    }
    loop->event_count = 0;
    if (loop->timer_due_us == 0 || (loop->timer_due_us > 0 && oc_now_us() >= loop->timer_due_us)) {
        loop->timer_due_us = -1;
        act(loop, OC_CURL_SOCKET_TIMEOUT, 0);
    }
    struct oc_curl_msg *message;
    int left;
    while ((message = oc_curl.multi_info_read(loop->multi, &left)) != NULL) {
        if (message->msg == OC_CURLMSG_DONE) {
            int result = message->data.result;
            oc_transfer *transfer = NULL;
            oc_curl.easy_getinfo(message->easy, OC_INFO_PRIVATE, &transfer);
            finish(loop, transfer, result);
        }
    }
    start_what_may(loop); /* in the places that became free */
}

/* ---- Step 3: hand over what finished ---- */

static void inbox_unlink_locked(oc_loop *loop, oc_transfer *transfer)
{
    if (!transfer->in_inbox) {
        return;
    }
    if (transfer->inbox_before != NULL) {
        transfer->inbox_before->inbox_next = transfer->inbox_next;
    } else {
        loop->inbox_first = transfer->inbox_next;
    }
    if (transfer->inbox_next != NULL) {
        transfer->inbox_next->inbox_before = transfer->inbox_before;
    } else {
        loop->inbox_last = transfer->inbox_before;
    }
    transfer->in_inbox = false;
}

/* Posts one ready transfer; its creator may free it right after. Returns the mailbox to signal (with a
 * reference), or NULL. */
static oc_mailbox *post_locked(oc_loop *loop, oc_transfer *transfer)
{
    int events = transfer->pending_events;
    oc_mailbox *mailbox = transfer->mailbox;
    transfer->pending_events = 0;
    transfer->in_ready_list = false;
    if (events & OC_EVENT_DONE) {
        inbox_unlink_locked(loop, transfer);
        transfer->owned = false;
        loop->load--;
    }
    oc_mailbox_ref(mailbox);
    if (oc_mailbox_post_locked(mailbox, transfer, events)) {
        return mailbox;
    }
    oc_mailbox_unref(mailbox);
    return NULL;
}

static void hand_over(oc_loop *loop)
{
    while (loop->ready_first != NULL) {
        oc_mailbox *to_signal[SIGNALS_AT_ONCE];
        int count = 0;
        oc_mutex_lock(&loop->lock);
        while (loop->ready_first != NULL && count < SIGNALS_AT_ONCE) {
            oc_transfer *transfer = loop->ready_first;
            loop->ready_first = transfer->ready_next;
            if (loop->ready_first == NULL) {
                loop->ready_last = NULL;
            }
            oc_mailbox *mailbox = post_locked(loop, transfer);
            if (mailbox != NULL) {
                to_signal[count++] = mailbox;
            }
        }
        oc_mutex_unlock(&loop->lock);
        for (int i = 0; i < count; i++) {
            oc_mailbox_signal(to_signal[i]);
            oc_mailbox_unref(to_signal[i]);
        }
    }
}

/* ---- Step 4: wait ---- */

static int wait_ms(const oc_loop *loop, bool keeps_things)
{
    int64_t due = loop->timer_due_us;
    if (loop->delayed_count > 0 && (due < 0 || loop->delayed[0]->due_us < due)) {
        due = loop->delayed[0]->due_us;
    }
    if (due == 0) {
        return 0;
    }
    int64_t limit = keeps_things ? HOUSEKEEPING_MS : 60000;
    if (due < 0) {
        return keeps_things ? (int)limit : -1;
    }
    int64_t left = (due - oc_now_us() + 999) / 1000;
    return left < 0 ? 0 : left > limit ? (int)limit : (int)left;
}

static void keep_house(oc_loop *loop)
{
    oc_work_begin();
    oc_pool_trim(oc_now_us() - KEEP_SLABS_US);
    oc_handles_drop_retired(loop);
    oc_work_end();
}

/* `limit_ms` bounds the wait; -1: nothing does. */
static void wait_for_events(oc_loop *loop, int64_t limit_ms)
{
    size_t idle_bytes = 0, slabs_out = 0;
    bool idle = loop->active == 0;
    if (idle) {
        oc_pool_stats(&idle_bytes, &slabs_out);
    }
    int timeout = wait_ms(loop, idle && (idle_bytes > 0 || slabs_out > 0 || loop->handles != NULL));
    if (limit_ms >= 0 && (timeout < 0 || timeout > limit_ms)) {
        timeout = (int)limit_ms;
    }
    oc_mutex_lock(&loop->lock);
    if (loop->inbox_first != NULL || loop->stopping) {
        timeout = 0;
    }
    loop->sleeping = timeout != 0;
    oc_mutex_unlock(&loop->lock);
    loop->event_count = oc_poller_wait(loop->poller, timeout, loop->events, OC_EVENTS_PER_WAIT);
    if (loop->event_count < 0) {
        loop->event_count = 0;
        loop->broken = true;
        snprintf(loop->cause, sizeof loop->cause, "the engine cannot wait for its sockets");
    }
    if (idle && timeout == HOUSEKEEPING_MS && loop->event_count == 0) {
        keep_house(loop);
    }
}

/* ---- The thread ---- */

/* Ends everything the loop owns; what arrives meanwhile is ended too, until the inbox is seen empty and
 * closed. */
static void fail_everything(oc_loop *loop, int code)
{
    for (;;) {
        int commands = 0;
        oc_mutex_lock(&loop->lock);
        oc_transfer *transfer = inbox_pop_locked(loop, &commands);
        loop->closed = transfer == NULL;
        oc_mutex_unlock(&loop->lock);
        if (transfer == NULL) {
            break;
        }
        if (commands & OC_COMMAND_SUBMIT) {
            finish(loop, transfer, code);
        }
    }
    while (loop->active_first != NULL) {
        finish(loop, loop->active_first, code);
    }
    while (loop->delayed_count > 0) {
        finish(loop, loop->delayed[0], code);
    }
    while (loop->waiting_first != NULL) {
        finish(loop, loop->waiting_first->first, code);
    }
    hand_over(loop);
}

static void release(oc_loop *loop)
{
    oc_handles_free_all(loop);
    oc_curl.multi_cleanup(loop->multi);
    loop->multi = NULL;
    free(loop->delayed);
    loop->delayed = NULL;
}

static bool is_stopping(oc_loop *loop)
{
    oc_mutex_lock(&loop->lock);
    bool stopping = loop->stopping;
    oc_mutex_unlock(&loop->lock);
    return stopping;
}

static void end(oc_loop *loop)
{
    oc_work_begin();
    fail_everything(loop, loop->broken ? OC_CODE_ENGINE_DEAD : OC_CODE_ENGINE_STOPPED);
    release(loop);
    oc_work_end();
}

/* The first three steps. */
static void turn(oc_loop *loop)
{
    oc_work_begin();
    take_new_work(loop);
    drive(loop);
    hand_over(loop);
    oc_work_end();
}

static oc_thread_result OC_THREAD_CALL run(void *argument)
{
    oc_loop *loop = argument;
    while (!is_stopping(loop) && !loop->broken) {
        turn(loop);
        wait_for_events(loop, -1);
    }
    end(loop);
    return 0;
}

/* ---- The seat of a loop without a thread ---- */

static bool seat_take(oc_loop *loop)
{
    oc_mutex_lock(&loop->lock);
    bool taken = !loop->threaded && !loop->reserved && !loop->driven && !loop->closed;
    if (taken) {
        loop->driven = true;
    }
    oc_mutex_unlock(&loop->lock);
    return taken;
}

static void seat_leave(oc_loop *loop)
{
    if (loop->broken || is_stopping(loop)) {
        end(loop);
    }
    oc_mutex_lock(&loop->lock);
    loop->driven = false;
    oc_mutex_unlock(&loop->lock);
}

bool oc_loop_drive(oc_loop *loop, oc_mailbox *mailbox, int64_t wait_ms)
{
    if (!seat_take(loop)) {
        return false;
    }
    int64_t end_us = oc_now_us() + wait_ms * 1000;
    for (;;) {
        turn(loop);
        int64_t left_us = end_us - oc_now_us();
        if (oc_mailbox_wait(mailbox, 0) || left_us <= 0 || loop->broken || loop->reserved ||
            is_stopping(loop)) {
            break;
        }
        wait_for_events(loop, (left_us + 999) / 1000);
    }
    seat_leave(loop);
    return true;
}

void oc_loop_poke(oc_loop *loop)
{
    if (seat_take(loop)) {
        take_new_work(loop);
        hand_over(loop);
        seat_leave(loop);
    }
}

/* Until the driver is out: it was told to go. */
static void seat_wait_locked(oc_loop *loop)
{
    while (loop->driven) {
        if (loop->sleeping) {
            oc_poller_wake(loop->poller);
        }
        oc_mutex_unlock(&loop->lock);
        oc_thread_yield();
        oc_mutex_lock(&loop->lock);
    }
}

int oc_loop_start_thread(oc_loop *loop)
{
    oc_mutex_lock(&loop->lock);
    loop->reserved = true;
    seat_wait_locked(loop);
    /* From here to the unlock nobody can stop the loop, or start a thread as well. */
    if (!loop->threaded && !loop->stopping && !loop->closed) {
        loop->threaded = oc_thread_start(&loop->thread, run, loop) == 0;
    }
    loop->reserved = false;
    bool threaded = loop->threaded;
    oc_mutex_unlock(&loop->lock);
    return threaded ? 0 : -1;
}

/* ---- Life ---- */

static bool open_multi(oc_loop *loop)
{
    loop->multi = oc_curl.multi_init();
    if (loop->multi == NULL) {
        return false;
    }
    oc_curl.multi_setopt(loop->multi, OC_MOPT_SOCKETFUNCTION, on_socket);
    oc_curl.multi_setopt(loop->multi, OC_MOPT_SOCKETDATA, loop);
    oc_curl.multi_setopt(loop->multi, OC_MOPT_TIMERFUNCTION, on_timer);
    oc_curl.multi_setopt(loop->multi, OC_MOPT_TIMERDATA, loop);
    oc_curl.multi_setopt(loop->multi, OC_MOPT_PIPELINING, (long)OC_CURLPIPE_MULTIPLEX);
    oc_curl.multi_setopt(loop->multi, OC_MOPT_MAXCONNECTS, (long)loop->max_active);
    return true;
}

oc_loop *oc_loop_new(int index, int loops, int max_active)
{
    oc_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        return NULL;
    }
    oc_mutex_init(&loop->lock);
    loop->index = index;
    loop->loops = loops;
    loop->max_active = max_active;
    loop->timer_due_us = -1;
    loop->poller = oc_poller_new();
    if (loop->poller != NULL && open_multi(loop)) {
        return loop;
    }
    if (loop->poller != NULL) {
        oc_poller_free(loop->poller);
    }
    oc_loop_free(loop);
    return NULL;
}

void oc_loop_stop(oc_loop *loop)
{
    oc_mutex_lock(&loop->lock);
    bool first = !loop->stopped;
    loop->stopped = true;
    loop->stopping = true;
    if (first && loop->sleeping) {
        oc_poller_wake(loop->poller);
    }
    seat_wait_locked(loop);
    bool closed = loop->closed;
    bool threaded = loop->threaded;
    oc_mutex_unlock(&loop->lock);
    if (!first) {
        return;
    }
    if (threaded) {
        oc_thread_join(loop->thread);
    } else if (!closed) {
        end(loop);
    }
    oc_poller_free(loop->poller);
    loop->poller = NULL;
}

void oc_loop_free(oc_loop *loop)
{
    oc_mutex_destroy(&loop->lock);
    free(loop);
}

/* ---- From other threads ---- */

static void inbox_push_locked(oc_loop *loop, oc_transfer *transfer, int command)
{
    transfer->commands |= command;
    if (!transfer->in_inbox) {
        transfer->in_inbox = true;
        transfer->inbox_next = NULL;
        transfer->inbox_before = loop->inbox_last;
        if (loop->inbox_last != NULL) {
            loop->inbox_last->inbox_next = transfer;
        } else {
            loop->inbox_first = transfer;
        }
        loop->inbox_last = transfer;
    }
    if (loop->sleeping) {
        loop->sleeping = false;
        oc_poller_wake(loop->poller);
    }
}

/* The loop takes nothing any more: the transfer ends here, in the caller's thread. */
static void reject(oc_loop *loop, oc_transfer *transfer)
{
    set_outcome(loop, transfer, loop->broken ? OC_CODE_ENGINE_DEAD : OC_CODE_ENGINE_STOPPED);
    oc_transfer_end_segments(transfer);
    oc_mailbox *mailbox = transfer->mailbox;
    oc_mutex_lock(&loop->lock);
    oc_mailbox_ref(mailbox);
    bool signal = oc_mailbox_post_locked(mailbox, transfer, OC_EVENT_DONE);
    oc_mutex_unlock(&loop->lock);
    if (signal) {
        oc_mailbox_signal(mailbox);
    }
    oc_mailbox_unref(mailbox);
}

void oc_loop_submit(oc_loop *loop, oc_transfer *transfer)
{
    transfer->loop = loop;
    transfer->submitted_us = oc_now_us();
    oc_mutex_lock(&loop->lock);
    bool closed = loop->closed;
    if (!closed) {
        transfer->owned = true;
        loop->load++;
        inbox_push_locked(loop, transfer, OC_COMMAND_SUBMIT);
    }
    oc_mutex_unlock(&loop->lock);
    if (closed) {
        reject(loop, transfer);
    }
}

void oc_loop_command(oc_transfer *transfer, int command)
{
    oc_loop *loop = transfer->loop;
    if (loop == NULL) {
        return;
    }
    oc_mutex_lock(&loop->lock);
    if (transfer->owned) {
        inbox_push_locked(loop, transfer, command);
    }
    oc_mutex_unlock(&loop->lock);
}
