/* The loops of callers that block: made without a thread, driven by whoever waits, known here so that they
 * end before the process does. Any thread. */
#ifndef OC_CALLERS_H
#define OC_CALLERS_H

#include "loop.h"

/* NULL: there are enough, or no memory or descriptor is to be had. */
oc_loop *oc_caller_loop_new(void);

/* How many descriptors all of them together may need. */
int oc_caller_descriptors(void);

/* Stops the loop and frees it. Nobody drives it any more, and no transfer of it is left but orphans. */
void oc_caller_loop_free(oc_loop *loop);

/* Fails everything pending in all of them, and waits until nobody drives. They refuse what is submitted
 * afterwards. */
void oc_caller_loops_stop(void);

/* In a forked child: forget the parent's. */
void oc_caller_loops_after_fork(void);

#endif
