/* Transfers that start later (backoff before a retry): a binary heap by due time. Loop's thread only. */
#ifndef OC_DELAYS_H
#define OC_DELAYS_H

#include "loop.h"

/* Returns 0, or -1: no memory. */
int oc_delay_add(oc_loop *loop, oc_transfer *transfer);
void oc_delay_remove(oc_loop *loop, oc_transfer *transfer);

/* The earliest one if it is due at `now_us`, removed; NULL: none. */
oc_transfer *oc_delay_due(oc_loop *loop, int64_t now_us);

#endif
