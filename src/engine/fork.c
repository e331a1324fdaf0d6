#include "fork.h"

#include <stdbool.h>

#include "thread.h"

/* Work is done within milliseconds; a fork takes longer only in a process with very much memory. */
enum { LONGEST_WAIT_US = 200000, PAUSE_US = 100 };

static _Atomic int working;
static _Atomic int forking;

void oc_work_begin(void)
{
    int64_t give_up = 0;
    working++; /* first, then look: a fork does it the other way round, so that one of the two sees the other
                */
    while (forking > 0) {
        int64_t now = oc_now_us();
        give_up = give_up ? give_up : now + LONGEST_WAIT_US;
        if (now >= give_up) {
            return;
        }
        working--;
        oc_thread_pause_us(PAUSE_US);
        working++;
    }
}

void oc_work_end(void) { working--; }

void oc_fork_prepare(void)
{
    int64_t give_up = oc_now_us() + LONGEST_WAIT_US;
    forking++;
    while (working > 0 && oc_now_us() < give_up) {
        oc_thread_pause_us(PAUSE_US);
    }
}

void oc_fork_done_in_parent(void) { forking--; }

void oc_fork_done_in_child(void)
{
    forking = 0;
    working = 0;
}
