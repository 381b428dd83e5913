/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of the workers of one pool: objects of one size, each with a number of
 * 24 bits, so that the tables of a million workers can hold numbers instead of
 * pointers. Objects never move, so that who walks them by their numbers meets
 * each that lives on once, whatever else comes and goes. One scheduler.
 */
#ifndef CNODE_POOL_WORKER_SLAB_H
#define CNODE_POOL_WORKER_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum { WORKER_SLAB_MOST = (1 << 24) - 1 };

struct worker_slab {
    char **chunks;
    uint64_t *taken; /* one bit for each number: it is in use */
    uint32_t chunk_count, chunk_cap;
    uint32_t shift; /* 2^shift objects in a chunk */
    size_t stride;  /* bytes of an object */
    size_t tail;    /* the last of them may be read while it is free: 0 */
    uint32_t fresh; /* numbers below were handed out at least once */
    uint32_t free;  /* number + 1 of the first free one; 0: none */
    uint32_t used;
};

/* `bytes` is made a multiple of 8, to which objects are aligned. Behind those
 * are `tail` more (a multiple of 8), which the caller sets to 0 before he frees
 * an object, so that one can walk the numbers below `fresh`. */
void worker_slab_init(struct worker_slab *slab, size_t bytes, size_t tail);
void worker_slab_fini(struct worker_slab *slab);

/* Gives the number of an object, not zeroed. 0; CNODE_LIMIT above
 * WORKER_SLAB_MOST; CNODE_NOMEM. */
MUST_USE int worker_slab_alloc(struct worker_slab *slab, uint32_t *number);
void worker_slab_free(struct worker_slab *slab, uint32_t number);

/* The number is in use; it is below `fresh`. */
static inline bool worker_slab_has(const struct worker_slab *slab,
                                   uint32_t number)
{
    return (slab->taken[number / 64] >> (number % 64) & 1) != 0;
}

static inline void *worker_slab_at(const struct worker_slab *slab,
                                   uint32_t number)
{
    return slab->chunks[number >> slab->shift] +
           (number & ((UINT32_C(1) << slab->shift) - 1)) * slab->stride;
}

#endif
