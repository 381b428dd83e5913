/* SPDX-License-Identifier: Apache-2.0
 *
 * Refs whose worker is nowhere, and that may be started on another node: what
 * comes for them waits here, in order, until it is known where they are
 * (place.h), and then goes there. Each part of a pool has the refs of its own
 * segments; cnode_pools has those of pools that this node does not host.
 *
 *     a message ---> waits ---> placed here: to the new worker
 *                          \--> placed there: on to its pid
 *                           \-> nowhere: a call gets {error, Reason}
 *
 * Whoever is placed stays known for a moment, until the registry has it.
 */
#ifndef CNODE_POOL_ABSENT_H
#define CNODE_POOL_ABSENT_H

#include "base/map.h"
#include "pool/worker_key.h"
#include "runtime/mailbox.h"

struct node;
struct place;
struct pool;
struct process;

struct absents {
    struct node *node;
    struct process *process; /* in whose name messages go on */
    struct pool *part;       /* NULL: of a pool elsewhere */
    struct place *place;
    struct map by_key; /* struct absent */
};

void absents_init(struct absents *absents, struct node *node,
                  struct process *process, struct pool *part,
                  struct place *place);
/* The schedulers have ended: what waits vanishes. */
void absents_fini(struct absents *absents);

/* What its start needs when the ref is not being placed yet. */
struct absent_start {
    struct cnode_term args, context;
    bool is_sticky;
    double at_least;
    /* as in placing.h; wanted_by ATOM_NONE: by this node */
    atom_t wanted_by;
    bool is_fixed, is_arbited;
};

/* Something for a ref that is being placed, or was just now: waits, or goes on.
 * False: it is none of those. `id` as in part_message. */
bool absent_take(struct absents *absents, const struct worker_key *key,
                 const struct signal *signal, uint64_t id);
/* It is none, and is to be placed. */
void absent_place(struct absents *absents, const struct worker_key *key,
                  const struct absent_start *start, const struct signal *signal,
                  uint64_t id);

#endif
