#include "delays.h"

#include <stdlib.h>

static void place(oc_loop *loop, oc_transfer *transfer, size_t index)
{
    loop->delayed[index] = transfer;
    transfer->heap_index = index;
}

static void sift_up(oc_loop *loop, oc_transfer *transfer, size_t index)
{
    while (index > 0 && loop->delayed[(index - 1) / 2]->due_us > transfer->due_us) {
        place(loop, loop->delayed[(index - 1) / 2], index);
        index = (index - 1) / 2;
    }
    place(loop, transfer, index);
}

static void sift_down(oc_loop *loop, oc_transfer *transfer, size_t index)
{
    for (;;) {
        size_t child = index * 2 + 1;
        if (child + 1 < loop->delayed_count &&
            loop->delayed[child + 1]->due_us < loop->delayed[child]->due_us) {
            child++;
        }
        if (child >= loop->delayed_count || loop->delayed[child]->due_us >= transfer->due_us) {
            break;
        }
        place(loop, loop->delayed[child], index);
        index = child;
    }
    place(loop, transfer, index);
}

int oc_delay_add(oc_loop *loop, oc_transfer *transfer)
{
    if (loop->delayed_count == loop->delayed_capacity) {
        size_t capacity = loop->delayed_capacity ? loop->delayed_capacity * 2 : 16;
        oc_transfer **grown = realloc(loop->delayed, capacity * sizeof *grown);
        if (grown == NULL) {
            return -1;
        }
        loop->delayed = grown;
        loop->delayed_capacity = capacity;
    }
    transfer->state = OC_STATE_DELAYED;
    sift_up(loop, transfer, loop->delayed_count++);
    return 0;
}

void oc_delay_remove(oc_loop *loop, oc_transfer *transfer)
{
    size_t index = transfer->heap_index;
    oc_transfer *last = loop->delayed[--loop->delayed_count];
    if (last != transfer) {
        sift_up(loop, last, index);
        sift_down(loop, last, last->heap_index);
    }
}

oc_transfer *oc_delay_due(oc_loop *loop, int64_t now_us)
{
    if (loop->delayed_count == 0 || loop->delayed[0]->due_us > now_us) {
        return NULL;
    }
    oc_transfer *transfer = loop->delayed[0];
    oc_delay_remove(loop, transfer);
    return transfer;
}
