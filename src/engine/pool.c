#include "pool.h"

#include <stdbool.h>
#include <stdlib.h>

#include "thread.h"

#ifndef _WIN32
#include <sys/mman.h>
#endif

/* Size classes: from 1 KiB four steps per doubling, so that a slab wastes at most a quarter of what was
 * asked. Small ones come from malloc, the others are pages of their own. */
enum { SMALLEST = 1024, CLASSES_PER_DOUBLING = 4, CLASSES = 4 * 30 };
enum { PAGE = 4096, PAGES_FROM = 128 * 1024, HUGE_PAGE = 2 * 1024 * 1024 };
#define HUGE_FROM ((size_t)4 * 1024 * 1024)
#define IDLE_LIMIT ((size_t)1024 * 1024 * 1024)

static struct {
    oc_mutex lock;
    oc_slab *idle[CLASSES];
    size_t idle_bytes;
    size_t slabs_out;
    int generation;
} pool = {.lock = OC_MUTEX_INITIALIZER};

static size_t class_capacity(int size_class)
{
    size_t base = (size_t)SMALLEST << (size_class / CLASSES_PER_DOUBLING);
    return base + base / CLASSES_PER_DOUBLING * (size_t)(size_class % CLASSES_PER_DOUBLING);
}

static int class_of(size_t size)
{
    int doubling = 0;
    while (((size_t)SMALLEST << (doubling + 1)) < size && doubling < CLASSES / CLASSES_PER_DOUBLING - 2) {
        doubling++;
    }
    int size_class = doubling * CLASSES_PER_DOUBLING;
    while (size_class < CLASSES && class_capacity(size_class) < size) {
        size_class++;
    }
    return size_class;
}

#ifdef _WIN32

static char *pages_get(size_t size)
{
    return VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

static void pages_free(char *data, size_t size)
{
    (void)size;
    VirtualFree(data, 0, MEM_RELEASE);
}

#else

/* Large slabs start on a huge-page boundary; the pages before and after it go back at once. */
static char *pages_get_huge(size_t size)
{
    char *raw = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) {
        return NULL;
    }
    size_t before = (HUGE_PAGE - (uintptr_t)raw % HUGE_PAGE) % HUGE_PAGE;
    if (before > 0) {
        munmap(raw, before);
    }
    munmap(raw + before + size, HUGE_PAGE - before);
#ifdef MADV_HUGEPAGE
    madvise(raw + before, size, MADV_HUGEPAGE);
#endif
    return raw + before;
}

static char *pages_get(size_t size)
{
    if (size >= HUGE_FROM) {
        return pages_get_huge(size);
    }
    char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return data == MAP_FAILED ? NULL : data;
}

static void pages_free(char *data, size_t size) { munmap(data, size); }

#endif

static char *memory_get(size_t size) { return size < PAGES_FROM ? malloc(size) : pages_get(size); }

static void memory_free(char *data, size_t size)
{
    if (size < PAGES_FROM) {
        free(data);
    } else {
        pages_free(data, size);
    }
}

static oc_slab *slab_new(int size_class, size_t size)
{
    oc_slab *slab = calloc(1, sizeof *slab);
    if (slab == NULL) {
        return NULL;
    }
    bool pooled = size_class < CLASSES;
    slab->size_class = pooled ? size_class : -1;
    slab->capacity = pooled ? class_capacity(size_class) : (size + PAGE - 1) / PAGE * PAGE;
    slab->data = slab->capacity < size ? NULL : memory_get(slab->capacity);
    if (slab->data == NULL) {
        free(slab);
        return NULL;
    }
    return slab;
}

static void slab_free(oc_slab *slab)
{
    memory_free(slab->data, slab->capacity);
    free(slab);
}

oc_slab *oc_pool_get(size_t size)
{
    int size_class = class_of(size);
    oc_slab *slab = NULL;
    oc_mutex_lock(&pool.lock);
    if (size_class < CLASSES && pool.idle[size_class] != NULL) {
        slab = pool.idle[size_class];
        pool.idle[size_class] = slab->next;
        pool.idle_bytes -= slab->capacity;
    }
    int generation = pool.generation;
    pool.slabs_out++;
    oc_mutex_unlock(&pool.lock);
    if (slab != NULL) {
        return slab;
    }
    slab = slab_new(size_class, size);
    if (slab == NULL) {
        oc_mutex_lock(&pool.lock);
        pool.slabs_out--;
        oc_mutex_unlock(&pool.lock);
        return NULL;
    }
    slab->generation = generation;
    return slab;
}

/* Takes idle slabs out, the largest ones first, until `size` more bytes may stay; returns them as a list.
 * Locks: pool.lock is held. */
static oc_slab *make_room_locked(size_t size)
{
    oc_slab *evicted = NULL;
    for (int i = CLASSES - 1; i >= 0; i--) {
        while (pool.idle[i] != NULL && pool.idle_bytes + size > IDLE_LIMIT) {
            oc_slab *slab = pool.idle[i];
            pool.idle[i] = slab->next;
            pool.idle_bytes -= slab->capacity;
            slab->next = evicted;
            evicted = slab;
        }
    }
    return evicted;
}

static void free_all(oc_slab *slab)
{
    while (slab != NULL) {
        oc_slab *next = slab->next;
        slab_free(slab);
        slab = next;
    }
}

void oc_pool_put(oc_slab *slab)
{
    oc_slab *to_free = NULL;
    int64_t now = oc_now_us();
    bool keep = slab->size_class >= 0 && slab->capacity <= IDLE_LIMIT;
    oc_mutex_lock(&pool.lock);
    if (slab->generation == pool.generation) {
        pool.slabs_out--;
    } else {
        keep = false;
    }
    if (keep) {
        to_free = make_room_locked(slab->capacity);
        slab->idle_since_us = now;
        slab->next = pool.idle[slab->size_class];
        pool.idle[slab->size_class] = slab;
        pool.idle_bytes += slab->capacity;
    }
    oc_mutex_unlock(&pool.lock);
    free_all(to_free);
    if (!keep) {
        slab_free(slab);
    }
}

void oc_pool_trim(int64_t idle_before_us)
{
    oc_slab *old = NULL;
    oc_mutex_lock(&pool.lock);
    for (int i = 0; i < CLASSES && pool.idle_bytes > 0; i++) {
        /* Each list is newest first: everything after the first old one is old. */
        oc_slab **link = &pool.idle[i];
        while (*link != NULL && (*link)->idle_since_us >= idle_before_us) {
            link = &(*link)->next;
        }
        oc_slab *tail = *link;
        *link = NULL;
        while (tail != NULL) {
            oc_slab *next = tail->next;
            pool.idle_bytes -= tail->capacity;
            tail->next = old;
            old = tail;
            tail = next;
        }
    }
    oc_mutex_unlock(&pool.lock);
    free_all(old);
}

void oc_pool_stats(size_t *idle_bytes, size_t *slabs_out)
{
    oc_mutex_lock(&pool.lock);
    *idle_bytes = pool.idle_bytes;
    *slabs_out = pool.slabs_out;
    oc_mutex_unlock(&pool.lock);
}

void oc_pool_after_fork(void)
{
    oc_mutex_init(&pool.lock);
    for (int i = 0; i < CLASSES; i++) {
        pool.idle[i] = NULL;
    }
    pool.idle_bytes = 0;
    pool.slabs_out = 0;
    pool.generation++;
}
