#include "engine.h"

#include <stdlib.h>

#include "callers.h"
#include "hosts.h"

#ifndef _WIN32
#include <sys/resource.h>
#endif

/* Below this many transfers a loop keeps getting work: they share its connections, and another thread would
 * only compete for the processor. */
enum { SPREAD_ABOVE = 16 };

/* The engine to stop before libcurl's and OpenSSL's own exit handlers run; see stop_at_exit. */
static oc_engine *running;

/* Registered after libcurl and OpenSSL were initialised, so it runs before their exit handlers: a thread that
 * still drives connections then would use what they freed. */
static void stop_at_exit(void)
{
    if (running != NULL) {
        oc_engine_stop(running);
    }
    oc_caller_loops_stop();
}

void oc_engine_register_at_exit(void)
{
    static bool registered;
    if (!registered) {
        registered = true;
        atexit(stop_at_exit);
    }
}

oc_engine *oc_engine_new(int loops, int max_active)
{
    oc_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) {
        return NULL;
    }
    loops = loops < 1 ? 1 : loops > OC_MAX_LOOPS ? OC_MAX_LOOPS : loops;
    int share = max_active / loops > 1 ? max_active / loops : 1;
    for (int i = 0; i < loops; i++) {
        engine->loops[i] = oc_loop_new(i, loops, share);
        if (engine->loops[i] != NULL) {
            engine->loop_count++;
        }
        if (engine->loops[i] == NULL || oc_loop_start_thread(engine->loops[i]) < 0) {
            oc_engine_stop(engine);
            oc_engine_free(engine);
            return NULL;
        }
    }
    running = engine;
    return engine;
}

void oc_engine_after_fork(void)
{
    running = NULL;
    oc_caller_loops_after_fork();
    oc_pool_after_fork();
}

void oc_engine_stop(oc_engine *engine)
{
    if (running == engine) {
        running = NULL;
    }
    for (int i = 0; i < engine->loop_count; i++) {
        oc_loop_stop(engine->loops[i]);
    }
}

void oc_engine_free(oc_engine *engine)
{
    for (int i = 0; i < engine->loop_count; i++) {
        oc_loop_free(engine->loops[i]);
    }
    free(engine);
}

static oc_loop *pick(oc_engine *engine, const oc_transfer *transfer)
{
    oc_loop *best = engine->loops[0];
    for (int i = 0; i < engine->loop_count; i++) {
        oc_loop *loop = engine->loops[i];
        int share = oc_host_share(loop, transfer);
        if (share == 0) {
            break;
        }
        if (loop->closed) {
            continue;
        }
        if (loop->load < (share < SPREAD_ABOVE ? share : SPREAD_ABOVE)) {
            return loop;
        }
        if (best->closed || loop->load < best->load) {
            best = loop;
        }
    }
    return best;
}

void oc_engine_submit(oc_engine *engine, oc_transfer *transfer)
{
    oc_loop_submit(pick(engine, transfer), transfer);
}

bool oc_engine_dead(const oc_engine *engine)
{
    for (int i = 0; i < engine->loop_count; i++) {
        if (engine->loops[i]->closed) {
            return true;
        }
    }
    return false;
}

void oc_transfer_cancel(oc_transfer *transfer)
{
    oc_loop_command(transfer, OC_COMMAND_CANCEL);
    if (transfer->loop != NULL && !transfer->loop->threaded) {
        oc_loop_poke(transfer->loop);
    }
}

void oc_transfer_wait(oc_transfer *transfer, oc_mailbox *mailbox, int64_t wait_ms)
{
    oc_loop *loop = transfer->loop;
    if (loop->threaded || !oc_loop_drive(loop, mailbox, wait_ms)) {
        oc_mailbox_wait(mailbox, wait_ms);
    }
}

void oc_transfer_attach(oc_transfer *transfer, oc_mailbox *mailbox)
{
    oc_loop *loop = transfer->loop;
    bool signal = false;
    oc_mailbox_ref(mailbox);
    if (loop != NULL) {
        oc_mutex_lock(&loop->lock);
    }
    oc_mailbox *before = transfer->mailbox;
    int events = oc_mailbox_unlink_locked(before, transfer);
    transfer->mailbox = mailbox;
    if (events) {
        signal = oc_mailbox_post_locked(mailbox, transfer, events);
    }
    if (loop != NULL) {
        oc_mutex_unlock(&loop->lock);
    }
    if (signal) {
        oc_mailbox_signal(mailbox);
    }
    oc_mailbox_unref(before);
}

int oc_socket_limit(void)
{
#ifdef _WIN32
    return 4096;
#else
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > 1 << 20) {
        return 1 << 20;
    }
    return (int)limit.rlim_cur;
#endif
}
