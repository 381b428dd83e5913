/* SPDX-License-Identifier: Apache-2.0
 *
 * One pool: the pool supervisor, registered under the pool's atom, above its
 * worker supervisors (faces) and segments, which it starts again when they end.
 *
 *     DOWN ---> UP ---> STOPPING ---> EMPTY ---> DOWN
 *
 * EMPTY: the other parts still end. From DOWN it comes UP again, unless that
 * happened too often.
 *
 * A struct pool is the pool as ONE of its schedulers sees it: a part, with its
 * share of the segments and workers. What they do to each other is in parts.h.
 *
 * A service is a pool of one permanent worker which has the name itself; what
 * is sent to the name goes through the gate, where it waits while the worker
 * restarts.
 */
#ifndef CNODE_POOL_POOL_H
#define CNODE_POOL_POOL_H

#include "base/list.h"
#include "base/timer.h"
#include "pool/absent.h"
#include "pool/drain.h"
#include "pool/face.h"
#include "pool/grade.h"
#include "pool/offload.h"
#include "pool/passed.h"
#include "pool/pool_config.h"
#include "pool/recount.h"
#include "pool/roll.h"
#include "pool/segment.h"
#include "pool/standing.h"
#include "pool/worker_slab.h"

struct known;
struct persist;
struct pools;

enum pool_state { POOL_DOWN, POOL_UP, POOL_STOPPING, POOL_EMPTY };

struct pool {
    struct process process; /* first */
    struct pools *pools;
    struct node *node;
    const struct pool_config *config;
    struct pool_config *own_config; /* the same, if it is freed with the pool */
    const struct cnode_behaviour *behaviour;
    struct process_class worker_class; /* "behaviour in pool" */

    uint32_t part, part_count; /* its number; 0: the head */
    struct pool **parts;       /* of the head */
    struct pid *part_pids;     /* of the head; of the processes of the others */
    struct roll *roll;         /* of the head */
    struct known *known;       /* of the head; NULL: in no registry */
    struct persist *persist;   /* of this part; NULL: its state is not kept */
    struct place *place;       /* of the head; NULL as well */
    struct passed passed;      /* of the head: calls for workers elsewhere */
    struct absents absents;    /* refs of this part that are being placed */
    struct standing *standing; /* of the head */

    enum pool_state state;
    bool has_fallen;          /* a face or segment is not up: look at all */
    struct segment *segments; /* number i of all: i mod part_count == part */
    uint32_t segment_count;
    struct worker_slab slab;

    /* the head */
    bool comes_back;          /* STOPPING: to be opened again */
    uint32_t open_parts;      /* that have not closed */
    struct pid *segment_pids; /* of all segments; PID_NONE: it is not up */
    struct face **faces;
    uint32_t face_count, face_cap;
    struct process gate;       /* services only */
    struct intensity children; /* restarts of its faces and segments */
    struct intensity self;     /* of itself */
    struct grade grade;        /* health */

    struct list due;     /* struct waiting.node: to be started now */
    struct list waiting; /* struct waiting.all: every worker without a pid */
    struct timer work;   /* at the next turn: due, fallen and stopping ones */
    struct timer sweep;  /* idle workers */
    uint32_t sweep_segment;
    struct recount recount; /* of a removed face's workers */
    struct offload offload; /* too many workers */
    struct drain drain;     /* all workers are being ended */
    uint64_t spawned;       /* workers ever spawned here; spawned.h */
};

/* One part. The head is first; it is not changed by the others. */
struct pool *pool_new(struct pools *pools, const struct pool_config *config,
                      struct pool *head, uint32_t part, uint32_t part_count);
/* One part, the head last. */
void pool_free(struct pool *pool);

/* Starts it. 0; CNODE_EXISTS when the name is taken; CNODE_LIMIT. */
MUST_USE int pool_open(struct pool *pool);

/* One that is down for good, since it fell too often, is opened again. 0;
 * CNODE_EXISTS: it is not down; or as pool_open(). */
MUST_USE int pool_revive(struct pool *pool);

/* Ends it with this reason; its workers are ended some each turn. */
void pool_stop(struct pool *pool, struct cnode_term reason, bool comes_back);

/* The number of the segment that owns a key. */
static inline uint32_t pool_segment_index(const struct pool *pool,
                                          const struct worker_key *key)
{
    return (uint32_t)(key->hash % pool->config->supervisors.segments);
}

/* The segment itself, or NULL when another part has it. */
static inline struct segment *pool_segment(struct pool *pool, uint32_t index)
{
    if (pool->part_count == 1) {
        return &pool->segments[index];
    }
    return index % pool->part_count == pool->part
               ? &pool->segments[index / pool->part_count]
               : NULL;
}

/* The pid of the pool supervisor, or none. */
struct pid pool_pid(const struct pool *pool);

/* --- for its segments and faces */

/* Those who are told of starts and ends of workers do not keep up: they are to
 * be made a little later. */
enum { POOL_WAIT_MS = 10 };
bool pool_must_wait(const struct pool *pool);

void pool_has_work(struct pool *pool); /* something fell */
void pool_is_due(struct pool *pool, struct list *waiting_node);
/* Some of those that are due. At the top level. */
void pool_start_due(struct pool *pool);

/* The worker counts for that face from now on; FACE_NONE: for none. */
void pool_count_worker(struct pool *pool, struct cnode_worker *w,
                       uint16_t face);

/* Adds a face. 0; CNODE_LIMIT. */
MUST_USE int pool_add_face(struct pool *pool, struct face **face);
/* It ends for good; its workers live on and count for others. */
void pool_remove_face(struct pool *pool, struct face *face);
/* Sends a message by ref to the pool once more, ahead of what is on its way: it
 * was there before. */
void pool_send_again(struct pool *pool, const struct signal *signal);

/* --- for parts.c */

MUST_USE int pool_open_part(struct pool *part);
void pool_restart_segment(struct pool *part, uint32_t index);
void pool_segment_fell(struct pool *head, uint32_t index);
void pool_part_closed(struct pool *head);

#endif
