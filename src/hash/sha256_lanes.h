/* SHA-256 of several buffers at once, on one core.
 *
 * One round of SHA-256 needs the result of the one before, so a single buffer leaves the processor's SHA unit
 * idle half of the time. Rounds of different buffers are independent: two take 0.69 of the time of one after
 * the other, four 0.58.
 */
#ifndef OC_SHA256_LANES_H
#define OC_SHA256_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OC_SHA256_LANES = 4, OC_SHA256_SIZE = 32 };

/* Whether this processor has the instructions. Without them the function below must not be called. */
bool oc_sha256_lanes_supported(void);

/* Hash `count` buffers (1 to OC_SHA256_LANES) into `count` digests. The longer they are alike, the faster. */
void oc_sha256_lanes(const uint8_t *const *data, const size_t *sizes, int count,
                     uint8_t (*digests)[OC_SHA256_SIZE]);

#endif
