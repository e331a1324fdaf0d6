/* The engine: a few loops, and which of them takes a transfer. See loop.h and transfer.h for the rules. */
#ifndef OC_ENGINE_H
#define OC_ENGINE_H

#include "loop.h"
#include "mailbox.h"
#include "pool.h"
#include "profile.h"
#include "transfer.h"

enum { OC_MAX_LOOPS = 16 };

typedef struct oc_engine {
    int loop_count;
    oc_loop *loops[OC_MAX_LOOPS];
} oc_engine;

/* One engine runs at a time. Not thread-safe: under the interpreter's lock. `max_active` bounds the transfers
 * (and so the sockets) of the whole engine. NULL: threads or descriptors ran out. */
oc_engine *oc_engine_new(int loops, int max_active);

/* Joins the threads after failing everything pending. Transfers submitted afterwards fail at once. */
void oc_engine_stop(oc_engine *engine);

/* In a forked child: the parent's engine and its threads do not exist here; they are forgotten, not freed. */
void oc_engine_after_fork(void);

/* Once, after libcurl was loaded: what still runs when the process exits is stopped in time. */
void oc_engine_register_at_exit(void);

/* After stop, once no transfer of this engine is left. */
void oc_engine_free(oc_engine *engine);

void oc_engine_submit(oc_engine *engine, oc_transfer *transfer);

/* A loop has ended, because it broke or was stopped: what else is submitted may fail, so start a new engine.
 */
bool oc_engine_dead(const oc_engine *engine);

/* For a caller that blocks: waits up to `wait_ms` until something is in `mailbox`, and drives the transfer's
 * loop meanwhile if nobody else does. */
void oc_transfer_wait(oc_transfer *transfer, oc_mailbox *mailbox, int64_t wait_ms);

/* Any thread. The transfer still ends with OC_EVENT_DONE. */
void oc_transfer_cancel(oc_transfer *transfer);

/* Later events go to `mailbox`; events already posted move along. Any thread, the engine may own the
 * transfer. */
void oc_transfer_attach(oc_transfer *transfer, oc_mailbox *mailbox);

/* How many sockets the process may open, or a default where the system does not say. */
int oc_socket_limit(void);

#endif
