/* Where finished transfers wait for the one who asked: an asyncio event loop or a thread that blocks.
 *
 * The engine's threads post; one consumer takes everything that is there. Only the post into an empty mailbox
 * wakes the consumer, so a busy consumer is woken once per batch.
 */
#ifndef OC_MAILBOX_H
#define OC_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "thread.h"

struct oc_transfer;

typedef struct oc_mailbox {
    oc_mutex lock;
    oc_cond posted;
    /* Guarded by lock. */
    struct oc_transfer *first;
    struct oc_transfer *last;
    int fd; /* written to wake an event loop; -1 when the consumer waits on `posted` */
    bool closed;
    struct oc_mailbox *heir; /* of a closed mailbox: gets what is still posted */
    /* Consumers, transfers and pending signals that point here. */
    _Atomic int references;
} oc_mailbox;

/* `fd` (an eventfd or a non-blocking socket) stays the caller's. One reference is the caller's. NULL: no
 * memory. */
oc_mailbox *oc_mailbox_new(int fd);
void oc_mailbox_ref(oc_mailbox *mailbox);
void oc_mailbox_unref(oc_mailbox *mailbox);

/* Links `transfer` with `events` to read. True: the mailbox was empty, so oc_mailbox_signal is due once all
 * locks are released. Locks: the transfer's loop lock is held. */
bool oc_mailbox_post_locked(oc_mailbox *mailbox, struct oc_transfer *transfer, int events);
void oc_mailbox_signal(oc_mailbox *mailbox);

/* Everything posted so far, oldest first, linked by taken_next; what happened to each is in taken_events. A
 * blocked consumer waits up to `wait_ms` for the first post. */
struct oc_transfer *oc_mailbox_take(oc_mailbox *mailbox, int64_t wait_ms);

/* Waits up to `wait_ms` until something is there, and leaves it there. */
bool oc_mailbox_wait(oc_mailbox *mailbox, int64_t wait_ms);

/* Removes `transfer` if it is linked, here or with the heir, and returns the events it carried. Locks: as
 * oc_mailbox_post_locked. */
int oc_mailbox_unlink_locked(oc_mailbox *mailbox, struct oc_transfer *transfer);

/* The consumer is gone and its fd with it: what is still posted goes to `heir`, which must outlive all
 * mailboxes, and is not signalled. Returns what was posted before, as oc_mailbox_take. */
struct oc_transfer *oc_mailbox_close(oc_mailbox *mailbox, oc_mailbox *heir);

#endif
