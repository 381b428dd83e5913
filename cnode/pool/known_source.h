/* SPDX-License-Identifier: Apache-2.0
 *
 * The workers of a pool as a source of names for syn (registry/syn_source.h),
 * for known.c only: its owner is a struct known.
 */
#ifndef CNODE_POOL_KNOWN_SOURCE_H
#define CNODE_POOL_KNOWN_SOURCE_H

#include "pool/known.h"
#include "pool/pool.h"
#include "registry/syn_source.h"

extern const struct syn_source known_source;

/* Since when it has its name, in the time of syn; 0: it has none by us. */
static inline int64_t *known_time(const struct pool *pool,
                                  struct cnode_worker *w)
{
    return (int64_t *)(void *)((char *)w + pool->slab.stride - KNOWN_BYTES);
}

/* The worker keeps its name no longer by us. False: it had none. */
bool known_give_up(struct cnode_worker *w);

void known_put_name(struct buf *buf, const struct pool *pool,
                    struct cnode_term id);
void known_put_worker(struct buf *buf, const struct cnode_worker *w);

#endif
