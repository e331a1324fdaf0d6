/* One libcurl multi handle, and the thread that drives it.
 *
 * Four steps, over and over: take new work, drive libcurl, hand over what finished, wait. Other threads reach
 * a loop through its inbox only (oc_loop_submit, oc_loop_command).
 *
 * Most loops have a native thread of their own. A loop without one serves a caller that blocks: the caller
 * drives it while it waits (oc_loop_drive), which spares two thread switches per request. One thread at a
 * time sits in the driver's seat.
 */
#ifndef OC_LOOP_H
#define OC_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "poller.h"
#include "thread.h"
#include "transfer.h"

enum oc_command { OC_COMMAND_SUBMIT = 1, OC_COMMAND_CANCEL = 2, OC_COMMAND_RESUME = 4 };

enum { OC_HOST_BUCKETS = 64, OC_EVENTS_PER_WAIT = 128 };

/* Transfers to one scheme, host and port: those running, and those that wait for a place. */
typedef struct oc_host {
    struct oc_host *next;
    struct oc_host *next_waiting, *before_waiting;
    oc_transfer *first, *last;
    uint64_t hash;
    int active;
    bool waiting; /* among the loop's waiting hosts: has a queue */
    size_t name_size;
    char name[];
} oc_host;

typedef struct oc_loop {
    int index;
    int loops; /* in the engine: a host's cap is shared among them */
    int max_active;
    oc_thread thread;
    oc_poller *poller;

    /* Guarded by lock. */
    oc_mutex lock;
    oc_transfer *inbox_first, *inbox_last;
    bool sleeping;
    bool stopping;
    _Atomic bool closed; /* the thread takes nothing any more; may be read without the lock */
    bool stopped;
    _Atomic bool threaded; /* has a thread, which keeps the seat */
    _Atomic bool reserved; /* the seat, for a thread that is about to start */
    bool driven;           /* somebody else has the seat */
    char cause[OC_CURL_ERROR_SIZE];
    _Atomic int load; /* transfers owned; read without the lock to spread work */

    /* The driver's only. */
    oc_multi *multi;
    int64_t timer_due_us; /* when libcurl wants to be called; -1: never */
    oc_host *hosts[OC_HOST_BUCKETS];
    oc_host *waiting_first, *waiting_last;
    oc_transfer **delayed; /* a heap by due_us */
    size_t delayed_count, delayed_capacity;
    oc_transfer *ready_first, *ready_last;
    oc_transfer *active_first;
    int active;
    oc_handle *handles; /* all */
    oc_handle *idle;
    oc_ready events[OC_EVENTS_PER_WAIT];
    int event_count;
    bool broken; /* `cause` says why */

    /* callers.c's list. */
    struct oc_loop *next_caller, *before_caller;
} oc_loop;

/* NULL: no memory or descriptor to be had. */
oc_loop *oc_loop_new(int index, int loops, int max_active);

/* Gives the loop a thread, which takes the seat when it is free. Returns 0, or -1: there is no thread to be
 * had. */
int oc_loop_start_thread(oc_loop *loop);

/* Drives a loop that has no thread until something is in `mailbox`, at most `wait_ms`. Does nothing and
 * returns false when another thread has the seat: it will hand over. */
bool oc_loop_drive(oc_loop *loop, oc_mailbox *mailbox, int64_t wait_ms);

/* Lets a loop that nobody drives obey its commands at once. With the interpreter's lock, or where nobody
 * forks. */
void oc_loop_poke(oc_loop *loop);

/* Fails everything pending, ends the thread or waits until nobody drives, and frees what the loop owns but
 * the structure itself: transfers still point to it. Idempotent. */
void oc_loop_stop(oc_loop *loop);

/* After stop, once no transfer of this loop is left. */
void oc_loop_free(oc_loop *loop);

/* Any thread. The transfer is the loop's from here on, whatever happens. */
void oc_loop_submit(oc_loop *loop, oc_transfer *transfer);

/* Any thread; ignored when the transfer is over. */
void oc_loop_command(oc_transfer *transfer, int command);

/* In the driver's seat: `event` of the transfer is to be handed over. */
void oc_loop_ready(oc_transfer *transfer, int event);

#endif
