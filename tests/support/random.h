/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers for tests, the same ones from the same seed.
 */
#ifndef CNODE_TEST_SUPPORT_RANDOM_H
#define CNODE_TEST_SUPPORT_RANDOM_H

#include <stdint.h>

/* A new seed, printed; TEST_SEED=<number> repeats an old one. */
uint64_t random_seed(void);

/* splitmix64 */
static inline uint64_t random_u64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(random_u64(state) % limit);
}

#endif
