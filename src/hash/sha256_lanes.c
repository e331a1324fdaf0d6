/* FIPS 180-4 with the SHA instructions of x86 (Intel's "SHA Extensions"), interleaved by the compiler. */
#include "sha256_lanes.h"

#include <string.h>

#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>
#ifdef _MSC_VER
#include <intrin.h>
#define OC_TARGET
#define OC_INLINE static __forceinline
#define OC_UNROLL
#else
#include <cpuid.h>
#define OC_TARGET __attribute__((target("sha,sse4.1,ssse3")))
#define OC_INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define OC_UNROLL _Pragma("clang loop unroll(full)")
#else
#define OC_UNROLL _Pragma("GCC unroll 16")
#endif
#endif

enum { BLOCK = 64, WORDS = 8, LENGTH_FIELD = 8 };

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static const uint32_t initial_state[WORDS] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

typedef struct {
    uint32_t words[WORDS]; /* a to h */
} oc_state;

bool oc_sha256_lanes_supported(void)
{
    enum { SSSE3 = 1 << 9, SSE41 = 1 << 19, SHA = 1 << 29 };
#ifdef _MSC_VER
    int basic[4], extended[4];
    __cpuid(basic, 0);
    if (basic[0] < 7) {
        return false;
    }
    __cpuid(basic, 1);
    __cpuidex(extended, 7, 0);
    unsigned ecx1 = (unsigned)basic[2], ebx7 = (unsigned)extended[1];
#else
    unsigned eax, ebx7, ecx, edx, ebx, ecx1;
    if (!__get_cpuid(1, &eax, &ebx, &ecx1, &edx) || !__get_cpuid_count(7, 0, &eax, &ebx7, &ecx, &edx)) {
        return false;
    }
#endif
    return (ecx1 & SSSE3) && (ecx1 & SSE41) && (ebx7 & SHA);
}

/* The instructions want the state as (a, b, e, f) and (c, d, g, h), highest word first. */
OC_TARGET OC_INLINE void load_state(const oc_state *state, __m128i *abef, __m128i *cdgh)
{
    __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)&state->words[0]), 0xB1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)&state->words[4]), 0x1B);
    *abef = _mm_alignr_epi8(badc, hgfe, 8);
    *cdgh = _mm_blend_epi16(hgfe, badc, 0xF0);
}

OC_TARGET OC_INLINE void store_state(oc_state *state, __m128i abef, __m128i cdgh)
{
    __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)&state->words[0], _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)&state->words[4], _mm_alignr_epi8(dchg, feba, 8));
}

/* Four message words: of the block for the first sixteen rounds, of the schedule afterwards. `window` holds
 * the sixteen words before them. */
OC_TARGET OC_INLINE __m128i next_words(const uint8_t *block, const __m128i *window, int quad)
{
    if (quad < 4) {
        const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
        return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * quad)), swap);
    }
    __m128i oldest = window[quad & 3], newest = window[(quad + 3) & 3];
    __m128i words = _mm_sha256msg1_epu32(oldest, window[(quad + 1) & 3]);
    words = _mm_add_epi32(words, _mm_alignr_epi8(newest, window[(quad + 2) & 3], 4));
    return _mm_sha256msg2_epu32(words, newest);
}

/* Take `blocks` blocks of each of `lanes` buffers, which is a constant wherever this is inlined. */
OC_TARGET OC_INLINE void compress(oc_state *states, const uint8_t **data, size_t blocks, const int lanes)
{
    __m128i abef[OC_SHA256_LANES], cdgh[OC_SHA256_LANES];
    for (int lane = 0; lane < lanes; lane++) {
        load_state(&states[lane], &abef[lane], &cdgh[lane]);
    }
    while (blocks-- > 0) {
        __m128i abef_before[OC_SHA256_LANES], cdgh_before[OC_SHA256_LANES], window[OC_SHA256_LANES][4];
        for (int lane = 0; lane < lanes; lane++) {
            abef_before[lane] = abef[lane];
            cdgh_before[lane] = cdgh[lane];
        }
        OC_UNROLL
        for (int quad = 0; quad < 16; quad++) {
            const __m128i constants = _mm_loadu_si128((const __m128i *)&round_constants[4 * quad]);
            OC_UNROLL
            for (int lane = 0; lane < lanes; lane++) {
                __m128i words = next_words(data[lane], window[lane], quad);
                window[lane][quad & 3] = words;
                words = _mm_add_epi32(words, constants);
                cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], words);
                abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], _mm_shuffle_epi32(words, 0x0E));
            }
        }
        for (int lane = 0; lane < lanes; lane++) {
            abef[lane] = _mm_add_epi32(abef[lane], abef_before[lane]);
            cdgh[lane] = _mm_add_epi32(cdgh[lane], cdgh_before[lane]);
            data[lane] += BLOCK;
        }
    }
    for (int lane = 0; lane < lanes; lane++) {
        store_state(&states[lane], abef[lane], cdgh[lane]);
    }
}

OC_TARGET static void compress_1(oc_state *states, const uint8_t **data, size_t blocks)
{
    compress(states, data, blocks, 1);
}

OC_TARGET static void compress_2(oc_state *states, const uint8_t **data, size_t blocks)
{
    compress(states, data, blocks, 2);
}

OC_TARGET static void compress_4(oc_state *states, const uint8_t **data, size_t blocks)
{
    compress(states, data, blocks, 4);
}

/* What is left of a buffer, less than a block, and the padding: a one bit, zeros, the length in bits. */
static void finish(oc_state *state, const uint8_t *rest, size_t size, uint8_t digest[OC_SHA256_SIZE])
{
    uint8_t padded[2 * BLOCK] = {0};
    size_t left = size % BLOCK;
    size_t blocks = left + 1 + LENGTH_FIELD > BLOCK ? 2 : 1;
    if (left > 0) {
        memcpy(padded, rest, left);
    }
    padded[left] = 0x80;
    uint64_t bits = (uint64_t)size * 8;
    for (int i = 0; i < LENGTH_FIELD; i++) {
        padded[blocks * BLOCK - 1 - i] = (uint8_t)(bits >> (8 * i));
    }
    const uint8_t *data = padded;
    compress_1(state, &data, blocks);
    for (int word = 0; word < WORDS; word++) {
        for (int byte = 0; byte < 4; byte++) {
            digest[4 * word + byte] = (uint8_t)(state->words[word] >> (24 - 8 * byte));
        }
    }
}

/* As many blocks as all of `lanes` neighbours have, from `first` on. */
static void take_common(oc_state *states, const uint8_t **rest, size_t *blocks, int lanes)
{
    size_t common = blocks[0];
    for (int lane = 1; lane < lanes; lane++) {
        common = blocks[lane] < common ? blocks[lane] : common;
    }
    if (common == 0) {
        return;
    }
    (lanes == 4 ? compress_4 : lanes == 2 ? compress_2 : compress_1)(states, rest, common);
    for (int lane = 0; lane < lanes; lane++) {
        blocks[lane] -= common;
    }
}

void oc_sha256_lanes(const uint8_t *const *data, const size_t *sizes, int count,
                     uint8_t (*digests)[OC_SHA256_SIZE])
{
    oc_state states[OC_SHA256_LANES];
    const uint8_t *rest[OC_SHA256_LANES];
    size_t blocks[OC_SHA256_LANES] = {0};
    for (int lane = 0; lane < count; lane++) {
        memcpy(states[lane].words, initial_state, sizeof initial_state);
        rest[lane] = data[lane];
        blocks[lane] = sizes[lane] / BLOCK;
    }
    if (count == 4) {
        take_common(states, rest, blocks, 4);
    }
    for (int lane = 0; lane + 1 < count; lane += 2) {
        take_common(&states[lane], &rest[lane], &blocks[lane], 2);
    }
    for (int lane = 0; lane < count; lane++) {
        take_common(&states[lane], &rest[lane], &blocks[lane], 1);
        finish(&states[lane], rest[lane], sizes[lane], digests[lane]);
    }
}

#else

bool oc_sha256_lanes_supported(void) { return false; }

void oc_sha256_lanes(const uint8_t *const *data, const size_t *sizes, int count,
                     uint8_t (*digests)[OC_SHA256_SIZE])
{
    (void)data, (void)sizes, (void)count, (void)digests;
}

#endif
