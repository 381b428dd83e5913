/* SPDX-License-Identifier: Apache-2.0
 *
 * One pool: the pool supervisor, registered under the pool's atom, above its
 * worker supervisors (faces) and segments, which it starts again when they end.
 *
 *     DOWN ---> UP ---> STOPPING ---> DOWN      (and UP again, unless that
 *                                                happened too often)
 *
 * A service is a pool of one permanent worker which has the name itself; what
 * is sent to the name goes through the gate, where it waits while the worker
 * restarts. One scheduler: each segment with its workers could move to another.
 */
#ifndef CNODE_POOL_POOL_H
#define CNODE_POOL_POOL_H

#include "base/list.h"
#include "base/timer.h"
#include "pool/face.h"
#include "pool/pool_config.h"
#include "pool/segment.h"
#include "pool/worker_slab.h"

struct pools;

enum pool_state { POOL_DOWN, POOL_UP, POOL_STOPPING };

struct pool {
    struct process process; /* first */
    struct pools *pools;
    struct node *node;
    const struct pool_config *config;
    const struct cnode_behaviour *behaviour;
    struct process_class worker_class; /* "behaviour in pool" */

    enum pool_state state;
    bool comes_back; /* STOPPING: to be opened again */
    bool has_fallen; /* a face or segment is not up: look at all */
    struct face **faces;
    uint32_t face_count, face_cap;
    struct segment *segments;
    uint32_t segment_count;
    struct process gate; /* services only */
    struct worker_slab slab;

    struct intensity children; /* restarts of its faces and segments */
    struct intensity self;     /* of itself */

    struct list due;     /* struct waiting.node: to be started now */
    struct list waiting; /* struct waiting.all: every worker without a pid */
    struct timer work;   /* at the next turn: due, fallen and stopping ones */
    struct timer sweep;  /* idle workers */
    uint32_t sweep_segment;
};

struct pool *pool_new(struct pools *pools, const struct pool_config *config);
void pool_free(struct pool *pool);

/* Starts it. 0; CNODE_EXISTS when the name is taken; CNODE_LIMIT. */
MUST_USE int pool_open(struct pool *pool);

/* Ends it with this reason; its workers are ended some each turn. */
void pool_stop(struct pool *pool, struct cnode_term reason, bool comes_back);

/* The segment that owns a key. */
static inline struct segment *pool_segment(struct pool *pool,
                                           const struct worker_key *key)
{
    return &pool->segments[key->hash % pool->segment_count];
}

/* --- for its segments and faces */

void pool_has_work(struct pool *pool); /* something fell */
void pool_is_due(struct pool *pool, struct list *waiting_node);

/* The worker counts for that face from now on; FACE_NONE: for none. */
void pool_count_worker(struct pool *pool, struct cnode_worker *w,
                       uint16_t face);
/* The face with the fewest workers. */
uint16_t pool_choose_face(const struct pool *pool);

/* Adds a face. 0; CNODE_LIMIT. */
MUST_USE int pool_add_face(struct pool *pool, struct face **face);
/* Sends a message by ref to the pool once more, behind what is on its way. */
void pool_send_again(struct pool *pool, const struct signal *signal);

#endif
