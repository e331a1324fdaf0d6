/* libcurl's easy handles, prepared once per profile and used again. Loop's thread only. */
#ifndef OC_HANDLES_H
#define OC_HANDLES_H

#include "loop.h"

/* NULL: libcurl's code is in `code`, and the number of the option that it refused in `failed_option` (else
 * 0). */
oc_handle *oc_handle_get(oc_loop *loop, oc_profile *profile, int *code, int *failed_option);
void oc_handle_put(oc_loop *loop, oc_handle *handle);

/* Frees the idle handles of profiles that no store uses any more. */
void oc_handles_drop_retired(oc_loop *loop);

/* At the loop's end: every handle, none of which is in use. */
void oc_handles_free_all(oc_loop *loop);

#endif
