/* The queue in front of libcurl: per host, so that one busy host neither opens sockets without end nor starves others.
 * Loop's thread only. */
#ifndef OC_HOSTS_H
#define OC_HOSTS_H

#include "loop.h"

/* Puts the transfer at the end of its host's queue. Returns 0, or -1: no memory. */
int oc_host_enqueue(oc_loop *loop, oc_transfer *transfer);

/* Takes a queued transfer out again. */
void oc_host_dequeue(oc_loop *loop, oc_transfer *transfer);

/* The next transfer that its host's cap and the loop's cap allow to start, counted as active; NULL: none. */
oc_transfer *oc_host_next(oc_loop *loop);

/* An active transfer is over: its place is free. */
void oc_host_release(oc_loop *loop, oc_transfer *transfer);

#endif
