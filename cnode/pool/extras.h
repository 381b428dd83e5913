/* SPDX-License-Identifier: Apache-2.0
 *
 * What only some workers have: callers kept for later, timers, start arguments,
 * and messages that wait while it has no pid. Allocated with the first of them,
 * freed with the last.
 */
#ifndef CNODE_POOL_EXTRAS_H
#define CNODE_POOL_EXTRAS_H

#include "base/list.h"
#include "base/timer.h"
#include "node/gen.h"
#include "pool/worker.h"

struct extras {
    struct list froms;  /* struct cnode_from */
    struct list timers; /* struct worker_timer */
    uint32_t timer_count;
    uint64_t last_timer;
    struct cnode_kept *args, *context; /* of its start; NULL: [], undefined */
    struct waiting *waiting;           /* while it has no pid; waiting.h */
    struct record *record;             /* how it did; record.h */
    struct pending *pending;           /* what it has asked others; pending.h */
    struct saving *saving;             /* writes of its state; persist.h */
};

struct extras *extras_of(struct cnode_worker *w);
/* Frees them when there is nothing left in them. */
void extras_trim(struct cnode_worker *w);

/* Frees them with all that outlives a restart. */
void extras_free(struct cnode_worker *w);

/* What it was started with, TERM_NONE: nothing to keep. 0 or CNODE_NOMEM. */
MUST_USE int extras_keep_start(struct cnode_worker *w, struct cnode_term args,
                               struct cnode_term context);
void extras_drop_start(struct cnode_worker *w);
struct cnode_term extras_args(const struct cnode_worker *w);
struct cnode_term extras_context(const struct cnode_worker *w);

/* A caller to be answered later. */
struct cnode_from {
    struct list node;
    bool by_ref;  /* see SIGNAL_BY_REF */
    bool is_safe; /* he wants {error, {exit, Reason}} */
    struct gen_from from;
    uint8_t bytes[]; /* both terms */
};

/* NULL when there is not enough memory. */
MUST_USE struct cnode_from *extras_keep(struct cnode_worker *w,
                                        const struct gen_from *from,
                                        bool by_ref, bool is_safe);
void extras_drop_from(struct cnode_worker *w, struct cnode_from *from);

/* Sends the message to the worker once after `ms`. 0 and the timer's number;
 * CNODE_LIMIT, CNODE_NOMEM. */
MUST_USE int extras_timer_start(struct cnode_worker *w, uint64_t ms,
                                struct cnode_term message, uint64_t *number);
int extras_timer_stop(struct cnode_worker *w, uint64_t number);

/* The worker has something of its own to wait for: it is not idle. */
static inline bool extras_are_busy(const struct extras *extras)
{
    return extras != NULL &&
           (!list_is_empty(&extras->froms) || extras->timer_count > 0 ||
            extras->pending != NULL || extras->saving != NULL);
}

/* The worker ends: no timer fires any more; callers kept are told why when
 * nobody else does. The start arguments stay. */
void extras_worker_ends(struct cnode_worker *w, struct cnode_term reason);

#endif
