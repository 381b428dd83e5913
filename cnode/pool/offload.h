/* SPDX-License-Identifier: Apache-2.0
 *
 * A pool with more workers than worker.offload_above, or whose workers use more
 * than worker.offload_memory, puts some aside until their next message, those
 * first that were unused for longest, until it is down to 95 %. A worker that
 * is not idle stays, and so does one that asks for it (cnode_wait()).
 *
 * Which were unused for longest is known roughly: a sample of them says from
 * which age on, and a walk through all ends those, some each time. Memory is
 * our own account of the pool's workers (record_bytes()), not what the system
 * says of the process: that would not fall when they end.
 */
#ifndef CNODE_POOL_OFFLOAD_H
#define CNODE_POOL_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/timer.h"

struct pool;

/* Of a part. */
struct offload {
    struct timer timer;
    bool is_on;
    uint32_t at;    /* number in the slab to look at next; 0: a new walk */
    uint32_t age;   /* of those to end, as in worker_clock() */
    uint32_t left;  /* to be ended by this walk */
    uint32_t ended; /* by it */
};

void offload_init(struct pool *part);
void offload_fini(struct pool *part);

/* A worker has come, or grown: are there too many now? */
void offload_look(struct pool *part);

/* --- pure */

struct offload_need {
    uint64_t workers, most_workers; /* UINT64_MAX: any number */
    uint64_t bytes, most_bytes;
};
bool offload_is_over(const struct offload_need *need);
/* Which share of the workers is to go until it is well below; 0: none. */
double offload_share(const struct offload_need *need);
/* The age that this share of them has at least. Sorts them. */
uint32_t offload_age(uint32_t *ages, uint32_t count, double share);

#endif
