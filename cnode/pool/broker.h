/* SPDX-License-Identifier: Apache-2.0
 *
 * Placement on this node: the process `cnode_pools`, which asks supervisors of
 * other nodes for workers, and one struct place for each pool, of ours or not.
 * On scheduler 0.
 *
 * A worker of ours that wants one of a pool which this node does not host calls
 * or casts {cnode_pool, Pool, Id, Message} to it: so all that one process sends
 * to one ref goes one way, in order. {whereis, Pool, Id}: Pid or undefined.
 */
#ifndef CNODE_POOL_BROKER_H
#define CNODE_POOL_BROKER_H

#include "base/list.h"
#include "base/map.h"
#include "base/timer.h"
#include "pool/passed.h"
#include "runtime/process.h"
#include "term/ident.h"

struct place;
struct placement_candidate;
struct pool_config;
struct pool;
struct pools;

struct broker {
    struct process process; /* cnode_pools */
    struct node *node;
    struct pools *pools;  /* the root */
    struct list places;   /* struct place.in_broker */
    struct map foreign;   /* struct foreign, by pool */
    struct map by_ref;    /* struct placing: calls under way */
    uint32_t placing;     /* at most limits.placements */
    struct passed passed; /* calls for workers of pools of other nodes */
    struct timer look;    /* some place is stale */
    struct placement_candidate *candidates; /* for one choice */
    bool is_started, is_over;
};

/* With syn, before pools start. CNODE_LIMIT, CNODE_EXISTS. */
MUST_USE int broker_start(struct broker *broker, struct pools *pools);
/* Nothing is placed any more. */
void broker_stop(struct broker *broker);
void broker_fini(struct broker *broker);

/* A message from a process of this node to one elsewhere, in our name. */
void broker_pass_on(struct broker *broker, struct pid pid,
                    const struct signal *signal);

#endif
