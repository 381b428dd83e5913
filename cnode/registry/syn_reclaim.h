/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that readers on other schedulers may still see, to be freed when all
 * of them have returned from the callback they are in. With one scheduler that
 * is at once. Belongs to scheduler 0.
 */
#ifndef CNODE_REGISTRY_SYN_RECLAIM_H
#define CNODE_REGISTRY_SYN_RECLAIM_H

#include "base/shared_map.h"
#include "node/node.h"

struct retired;

struct syn_reclaim {
    struct node *node;
    struct retired *items; /* since the round that is under way began */
    uint32_t count, capacity;
    bool is_under_way;
};

void syn_reclaim_init(struct syn_reclaim *reclaim, struct node *node);
/* No reader is left. */
void syn_reclaim_fini(struct syn_reclaim *reclaim);
/* Nobody finds it any more. */
void syn_reclaim_retire(struct syn_reclaim *reclaim, void *memory,
                        retired_free_fn free_it);

#endif
