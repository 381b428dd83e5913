/* SPDX-License-Identifier: Apache-2.0
 *
 * All pools and services of a node, and what they share on a scheduler: one
 * struct pools on each. That of number 0 is the root, the supervisor of the
 * pool supervisors. Pools have their head there and are dealt out from there;
 * services are each on one scheduler, one after the other.
 */
#ifndef CNODE_POOL_POOLS_H
#define CNODE_POOL_POOLS_H

#include "node/spawn.h"
#include "pool/broker.h"
#include "pool/dead_letters.h"
#include "pool/ended.h"
#include "pool/pool.h"
#include "pool/pool_config.h"
#include "pool/received.h"
#include "pool/run.h"

struct stores;
struct syn;

struct pools {
    struct node *node;
    struct pools *root, *all; /* those of the other schedulers, by number */
    struct pool **pools;      /* their parts here, or NULL */
    size_t count;
    struct spawn_handler spawn_handler; /* spawned.h */
    struct run run;
    struct received received; /* the message being handled, taken apart */
    struct ended ended;
    struct dead_letters dead_letters;
    struct buf key_bytes;   /* canonical form of an id that came in another */
    struct syn *syn;        /* NULL: there is none */
    struct buf name_bytes;  /* canonical form of a name that is looked up */
    struct buf worker_name; /* known.h */
    struct stores *stores;  /* the root's; NULL: there are none */
    struct buf dumped;      /* persist.h */

    bool is_running; /* the schedulers run: parts are told, not called */
    bool is_stopping;
    bool is_over; /* on_stopped has run: nothing more is ended */

    /* the root */
    struct broker broker; /* with syn only */
    uint32_t next_spawn;  /* scheduler that has the next one, modulo */
    const struct pool_settings *settings; /* NULL until it starts */
    uint32_t stopping;     /* schedulers whose pools have not ended */
    struct timer deadline; /* of pools_stop() */
    void (*on_stopped)(void *owner);
    void *owner;
    void (*on_face)(
        void *owner); /* a worker supervisor is there; may be NULL */
    void *face_owner;
};

/* Takes the nodes' forward hooks. */
void pools_init(struct pools *pools, struct node *node);
/* Frees all; workers that still run end without terminate. Before node_fini(),
 * after the schedulers have ended. */
void pools_fini(struct pools *pools);

/* Workers may use it from here on; it outlives them. Before pools_start(). */
void pools_use_syn(struct pools *pools, struct syn *syn);

/* Workers' states are kept in these; they are open, and outlive the pools'
 * schedulers. Before pools_start(). */
void pools_use_stores(struct pools *pools, struct stores *stores);

/* Opens the pools and services of the settings, which must live as long as the
 * pools; before the other schedulers run. An error (a name is taken, a limit)
 * is logged; some pools may be up. */
MUST_USE int pools_start(struct pools *pools,
                         const struct pool_settings *settings);

/* One more pool, on this scheduler only, and opens it. Takes the configuration.
 */
MUST_USE int pools_add(struct pools *pools, struct pool_config *config,
                       struct pool **out);

/* Ends all workers, with terminate, some each turn. on_stopped runs once,
 * later: when that is done, or when timeout_ms are over. */
void pools_stop(struct pools *pools, uint64_t timeout_ms,
                void (*on_stopped)(void *owner), void *owner);

/* A pool whose head is here has ended for good. */
void pools_on_closed(struct pools *pools);

/* The head of the pool of that name, or NULL. Not while the schedulers run. */
struct pool *pools_find(const struct pools *pools, atom_t name);

#endif
