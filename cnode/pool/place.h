/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the absent workers of one pool are to be started: which nodes there
 * are, and which of them is chosen. On scheduler 0, but for what is marked
 * `any`. How one of them is started is in placing.h.
 *
 * C nodes that host a pool have its pool supervisors in the group {cnode_pools,
 * Pool} of AdvancedPool's ClusterManager, with {Priority, Weight}. For each ref
 * one of them is its arbiter, the same for all who know the same members
 * (rendezvous): whoever wants an absent worker asks that one, so that of many
 * who want it at once all get one.
 */
#ifndef CNODE_POOL_PLACE_H
#define CNODE_POOL_PLACE_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/map.h"
#include "placement/placement.h"
#include "pool/hosts.h"
#include "pool/worker_key.h"
#include "term/view.h"

struct broker;
struct pool;
struct pool_config;

struct place {
    struct broker *broker;
    struct list in_broker;
    atom_t pool, module; /* of its refs */
    atom_t registry;     /* the scope of its workers' names */
    const struct pool_config *config;
    struct pool *head; /* NULL: this node does not host it */
    struct hosts hosts;
    struct placement_state state;
    struct map by_key; /* struct placing */
    uint64_t since_ms; /* of a pool elsewhere: it is asked about */
    bool is_stale;     /* place_changed() is due */
    /* any: other nodes host it, so an absent worker may belong there; C nodes
     * are among them */
    _Atomic bool is_shared, has_arbiters;
};

struct place *place_new(struct broker *broker, const struct pool_config *config,
                        struct pool *head);
void place_free(struct place *place);

/* The head has a pid: other C nodes are told. */
void place_opened(struct place *place);

/* Who hosts it may have changed; and is looked at again. */
void place_changed(struct place *place);

/* Has somebody the name of a worker? */
bool place_lookup(struct place *place, const struct worker_key *key,
                  struct pid *pid);

/* Who decides about a ref: a pool supervisor of another C node. False: we do.
 */
bool place_arbiter(struct place *place, const struct worker_key *key,
                   struct pid *pid);

/* One choice. */
struct place_wish {
    uint64_t seed;
    atom_t wanted_by; /* the node that it is for, if sticky */
    bool is_sticky;
    double at_least; /* below 0: as the pool's configuration says */
    const atom_t *tried;
    unsigned tries;
};
enum place_choice { PLACE_NOBODY, PLACE_SELF, PLACE_HOST };
enum place_choice place_choose(struct place *place,
                               const struct place_wish *wish,
                               struct host **host);

/* any: is it to be placed at all? And do others have a say? */
static inline bool place_is_shared(const struct place *place)
{
    return place != NULL &&
           atomic_load_explicit(&place->is_shared, memory_order_relaxed);
}
static inline bool place_has_arbiters(const struct place *place)
{
    return place != NULL &&
           atomic_load_explicit(&place->has_arbiters, memory_order_relaxed);
}

#endif
