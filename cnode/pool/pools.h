/* SPDX-License-Identifier: Apache-2.0
 *
 * All pools and services of a node, and what they share on a scheduler. It is
 * the supervisor of the pool supervisors: the root.
 */
#ifndef CNODE_POOL_POOLS_H
#define CNODE_POOL_POOLS_H

#include "pool/ended.h"
#include "pool/pool.h"
#include "pool/pool_config.h"
#include "pool/received.h"
#include "pool/run.h"

struct pools {
    struct node *node;
    struct pool **pools;
    size_t count;
    struct run run;
    struct received received; /* the message being handled, taken apart */
    struct ended ended;
    struct buf key_bytes; /* canonical form of an id that came in another */

    bool is_stopping;
    bool is_over;          /* on_stopped has run: nothing more is ended */
    struct timer deadline; /* of pools_stop() */
    void (*on_stopped)(void *owner);
    void *owner;
};

/* Takes the node's forward hook. */
void pools_init(struct pools *pools, struct node *node);
/* Frees all; workers that still run end without terminate. Before node_fini().
 */
void pools_fini(struct pools *pools);

/* Opens the pools and services of the settings, which must live as long as the
 * pools. An error (a name is taken, a limit) is logged; some pools may be up.
 */
MUST_USE int pools_start(struct pools *pools,
                         const struct pool_settings *settings);

/* Ends all workers, with terminate, some each turn. on_stopped runs once,
 * later: when that is done, or when timeout_ms are over. */
void pools_stop(struct pools *pools, uint64_t timeout_ms,
                void (*on_stopped)(void *owner), void *owner);

/* A pool has ended for good. */
void pools_on_closed(struct pools *pools);

/* The pool of that name, or NULL. */
struct pool *pools_find(const struct pools *pools, atom_t name);

#endif
