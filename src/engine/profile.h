/* libcurl options that every transfer of a store shares, and the easy handles prepared with them.
 *
 * Immutable after creation.
 */
#ifndef OC_PROFILE_H
#define OC_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "curl_api.h"

typedef struct oc_option {
    int number;
    long integer;
    char *data; /* strings and blobs: owned, NUL-terminated */
    size_t size;
} oc_option;

struct oc_profile;

/* An easy handle with its profile's options set. */
typedef struct oc_handle {
    oc_easy *easy;
    struct oc_profile *profile;
    struct oc_handle *next_idle;     /* last used first */
    struct oc_handle *next, *before; /* all handles of the loop */
    char error[OC_CURL_ERROR_SIZE];
} oc_handle;

typedef struct oc_profile {
    oc_option *options;
    size_t option_count;
    int max_in_flight; /* transfers per host, over all loops */
    _Atomic int references;
    _Atomic bool retired; /* no new transfers: idle handles may go */
} oc_profile;

/* Room for `option_count` options, to be filled with oc_profile_set_*. One reference is the caller's. */
oc_profile *oc_profile_new(size_t option_count, int max_in_flight);
void oc_profile_set_integer(oc_profile *profile, size_t index, int number, long value);
/* Copies `size` bytes. Returns 0, or -1: no memory. */
int oc_profile_set_data(oc_profile *profile, size_t index, int number, const char *data, size_t size);
void oc_profile_ref(oc_profile *profile);
void oc_profile_unref(oc_profile *profile);

/* Sets every option on `easy`. Returns 0 or libcurl's code, with the option's number in `failed`. */
int oc_profile_apply(const oc_profile *profile, oc_easy *easy, int *failed);

#endif
