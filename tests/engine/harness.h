/* What the engine's C tests share: checks, and the shortest way to make an exchange. */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "http_server.h"

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

#define CHECK_EQUAL(left, right)                                                                      \
    do {                                                                                              \
        long long left_value = (long long)(left), right_value = (long long)(right);                   \
        if (left_value != right_value) {                                                              \
            fprintf(stderr, "%s:%d: %s is %lld, %s is %lld\n", __FILE__, __LINE__, #left, left_value, \
                    #right, right_value);                                                             \
            abort();                                                                                  \
        }                                                                                             \
    } while (0)

enum { MIB = 1 << 20, LARGEST_UPLOAD = MIB, PATIENCE_MS = 30000 };

/* A request, with defaults for what is left out. */
typedef struct ask {
    const char *path;    /* or a whole URL */
    const char *method;  /* GET */
    const char *headers; /* none */
    size_t upload;       /* bytes of the pattern */
    int64_t delay_us;
    int64_t hold_above;  /* plus one: 0 never holds */
    oc_profile *profile; /* the one of the harness */
} ask;

/* One of them runs at a time, and so does one engine. */
extern oc_engine *engine;
extern oc_profile *profile;

void engine_start(int loops, int max_active);
void engine_end(void);

/* Creates and submits. The transfer's owner is a counter of the events that `wait_for` saw. */
oc_transfer *begin(oc_mailbox *mailbox, ask what);
oc_transfer *create(oc_mailbox *mailbox, ask what);

/* Takes what is posted to `mailbox` until one of `events` was seen of `transfer`. */
void wait_for(oc_mailbox *mailbox, oc_transfer *transfer, int events);

/* One round of that: notes what is there or comes within `wait_ms`; how many transfers. */
int take_some(oc_mailbox *mailbox, int64_t wait_ms);

/* Events seen of it so far. */
int seen(oc_transfer *transfer);
void seen_forget(oc_transfer *transfer, int events);

/* From begin to OC_EVENT_DONE; the caller ends it with `end`. */
oc_transfer *exchange(ask what);
void end(oc_transfer *transfer);

bool is_pattern(const char *data, size_t from, size_t size);
void check_body(oc_transfer *transfer, size_t size);

/* Nothing but the caller points to it; the engine may still be about to let go of it. */
void check_unreferenced(oc_mailbox *mailbox);

unsigned random_below(unsigned *state, unsigned limit);
int count_descriptors(void);
void sleep_ms(int milliseconds);

typedef struct test_case {
    const char *name;
    void (*run)(void);
} test_case;

/* Each file of cases has one, ended by {NULL, NULL}. */
extern const test_case body_cases[];
extern const test_case life_cases[];
extern const test_case load_cases[];
extern const test_case caller_cases[];
extern const test_case memory_cases[];

#endif
