/* SPDX-License-Identifier: Apache-2.0
 *
 * The process `cnode_admin`: what operators and programs ask of this node, as
 * calls with plain terms (docs/administration.md). The commands of `cnode` and
 * the bridge use nothing else. It belongs to scheduler 0; what it has to ask of
 * others it is answered later, and it never waits.
 *
 * Whoever has the cookie may ask, as with a BEAM's rpc.
 */
#ifndef CNODE_MANAGER_ASK_H
#define CNODE_MANAGER_ASK_H

#include "node/node.h"

struct manager;
struct pool;
struct pools;

struct ask {
    struct process process; /* first */
    struct node *node;
    struct pools *pools;
    struct manager *manager; /* NULL: nothing can be changed */
    struct pool **heads; /* of all pools and services of the configuration */
    size_t head_count;
    uint32_t under_way; /* questions that are not answered yet */
    uint64_t start_ms;
};

/* After pools_start(), before other schedulers run. 0; CNODE_EXISTS,
 * CNODE_LIMIT. */
MUST_USE int ask_start(struct ask *ask, struct node *node, struct pools *pools,
                       struct manager *manager);
/* Nobody is answered any more. */
void ask_stop(struct ask *ask);
/* After node_fini(). */
void ask_fini(struct ask *ask);

#endif
