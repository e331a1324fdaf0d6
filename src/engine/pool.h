/* Page-aligned memory for bodies, kept for reuse: a fresh page costs a fault, a reused one costs nothing.
 *
 * Any thread may get and put. A slab belongs to whoever got it until it is put back, once.
 */
#ifndef OC_POOL_H
#define OC_POOL_H

#include <stddef.h>
#include <stdint.h>

typedef struct oc_slab {
    char *data;
    size_t capacity;
    /* Private to the pool. */
    struct oc_slab *next;
    int64_t idle_since_us;
    int size_class;
    int generation;
} oc_slab;

/* A slab of at least `size` bytes, contents undefined; NULL when there is no memory. */
oc_slab *oc_pool_get(size_t size);
void oc_pool_put(oc_slab *slab);

/* Gives back to the system what has been idle since before `idle_before_us` (oc_now_us's clock). */
void oc_pool_trim(int64_t idle_before_us);

/* Bytes kept idle, and slabs that are out. */
void oc_pool_stats(size_t *idle_bytes, size_t *slabs_out);

/* In a forked child: forget the parent's pool, whose lock another thread may have held. Slabs that the child
 * inherited are freed, not pooled, when they are put. */
void oc_pool_after_fork(void);

#endif
