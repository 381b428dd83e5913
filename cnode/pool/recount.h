/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker supervisor was removed: its workers live on and count for the one
 * that has the fewest then, as if that had started them. Each part walks its
 * workers, some each time.
 */
#ifndef CNODE_POOL_RECOUNT_H
#define CNODE_POOL_RECOUNT_H

#include <stdint.h>

#include "base/timer.h"

struct pool;

/* Of a part. */
struct recount {
    struct timer timer;
    uint32_t at; /* number in the slab to look at next */
};

void recount_init(struct pool *part);
void recount_fini(struct pool *part);

/* Of the head: some worker supervisor is gone in the roll. */
void recount_begin(struct pool *head);

#endif
