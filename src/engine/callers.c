#include "callers.h"

#include "engine.h"

/* Transfers at a time, and connections kept: a caller starts one, the further ones of its operation go to the
 * engine. */
enum { CALLER_MAX_ACTIVE = 4 };

/* Callers beyond so many are served by the engine's threads. */
enum { CALLER_LOOPS = 64, DESCRIPTORS_EACH = 5, SPARE_DESCRIPTORS = 128, SHARE = 4 };

static oc_mutex lock = OC_MUTEX_INITIALIZER;
/* Guarded by lock. */
static oc_loop *first;
static int count;

/* They may have a quarter of the descriptors that the process can spare. */
static int loops_at_most(void)
{
    int loops = (oc_socket_limit() - SPARE_DESCRIPTORS) / DESCRIPTORS_EACH / SHARE;
    return loops < 1 ? 1 : loops > CALLER_LOOPS ? CALLER_LOOPS : loops;
}

int oc_caller_descriptors(void) { return loops_at_most() * DESCRIPTORS_EACH; }

oc_loop *oc_caller_loop_new(void)
{
    int at_most = loops_at_most();
    oc_mutex_lock(&lock);
    bool room = count < at_most;
    count += room;
    oc_mutex_unlock(&lock);
    oc_loop *loop = room ? oc_loop_new(0, 1, CALLER_MAX_ACTIVE) : NULL;
    oc_mutex_lock(&lock);
    if (loop == NULL) {
        count -= room;
        oc_mutex_unlock(&lock);
        return NULL;
    }
    loop->next_caller = first;
    if (first != NULL) {
        first->before_caller = loop;
    }
    first = loop;
    oc_mutex_unlock(&lock);
    return loop;
}

void oc_caller_loop_free(oc_loop *loop)
{
    oc_mutex_lock(&lock);
    if (loop->before_caller != NULL) {
        loop->before_caller->next_caller = loop->next_caller;
    } else {
        first = loop->next_caller;
    }
    if (loop->next_caller != NULL) {
        loop->next_caller->before_caller = loop->before_caller;
    }
    count--;
    oc_mutex_unlock(&lock);
    oc_loop_stop(loop);
    oc_loop_free(loop);
}

void oc_caller_loops_stop(void)
{
    oc_mutex_lock(&lock);
    for (oc_loop *loop = first; loop != NULL; loop = loop->next_caller) {
        oc_loop_stop(loop);
    }
    oc_mutex_unlock(&lock);
}

void oc_caller_loops_after_fork(void)
{
    oc_mutex_init(&lock);
    first = NULL;
    count = 0;
}
