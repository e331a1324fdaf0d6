/* The queue in front of libcurl: per host, so that one busy host neither opens sockets without end nor
 * starves others. Loop's thread only, unless stated otherwise. */
#ifndef OC_HOSTS_H
#define OC_HOSTS_H

#include "loop.h"

/* How many transfers to its host this loop may run at a time: the loops keep the cap together, and of a small
 * one the last loops get nothing. Any thread. */
int oc_host_share(const oc_loop *loop, const oc_transfer *transfer);

/* Puts the transfer at the end of its host's queue. Returns 0, or -1: no memory. */
int oc_host_enqueue(oc_loop *loop, oc_transfer *transfer);

/* Takes a queued transfer out again. */
void oc_host_dequeue(oc_loop *loop, oc_transfer *transfer);

/* The next transfer that its host's cap and the loop's cap allow to start, counted as active; NULL: none. */
oc_transfer *oc_host_next(oc_loop *loop);

/* An active transfer is over: its place is free. */
void oc_host_release(oc_loop *loop, oc_transfer *transfer);

#endif
