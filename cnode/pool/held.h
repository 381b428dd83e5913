/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of a worker that leave when what they tell of is in the store, in the
 * order in which they were given. One scheduler.
 */
#ifndef CNODE_POOL_HELD_H
#define CNODE_POOL_HELD_H

#include <stdbool.h>

#include "node/gen.h"

struct held_reply;
struct pool;

struct held {
    struct held_reply *first, *last;
    uint32_t count;
};

static inline bool held_is_empty(const struct held *held)
{
    return held->first == NULL;
}

/* The answer to a caller: one term. `by_ref`: he watches the pool, not the
 * worker (SIGNAL_BY_REF). CNODE_NOMEM. */
MUST_USE int held_add(struct held *held, const struct gen_from *from,
                      bool by_ref, struct cnode_term reply);
/* All of `from` go behind those of `to`. */
void held_move(struct held *to, struct held *from);

/* All leave, in the name of `self` (NULL: of nobody who still lives). */
void held_send(struct held *held, struct node *node, struct process *self);
/* Each caller gets {error, Atom} instead. */
void held_refuse(struct held *held, struct node *node, struct process *self,
                 const char *atom);
/* The worker died with what they tell of: callers who do not watch it are told
 * why. */
void held_lose(struct held *held, struct pool *pool, struct cnode_term reason);
void held_drop(struct held *held);

#endif
