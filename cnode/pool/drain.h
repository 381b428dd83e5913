/* SPDX-License-Identifier: Apache-2.0
 *
 * A pool is emptied and stays there: its workers end with {shutdown, Why}, some
 * each turn, with terminate, whatever their restart rule; whoever waits for one
 * gets {error, unavailable}. The standing must be offline before: that is what
 * keeps new ones out. Supervisors and segments live on, so that it answers.
 *
 *     head      drain ------>          each part ends its workers
 *                     <------ drained  none is left there
 */
#ifndef CNODE_POOL_DRAIN_H
#define CNODE_POOL_DRAIN_H

#include <stdbool.h>

#include "base/timer.h"
#include "term/atom.h"

struct pool;

typedef void (*pool_drained_fn)(void *owner);

struct drain {
    struct timer timer;
    atom_t why;     /* ATOM_NONE: it is not drained */
    uint32_t round; /* of the head, when it told this part */
    uint64_t since_ms;

    /* the head */
    uint32_t rounds;     /* drained or undrained so often */
    uint32_t open_parts; /* that still have workers */
    pool_drained_fn on_drained;
    void *owner;
};

/* Of the head, on its scheduler. `on_drained` runs once, later, unless the pool
 * is undrained or drained again before. NULL: nobody needs to know. */
void pool_drain(struct pool *head, atom_t why, pool_drained_fn on_drained,
                void *owner);
/* Workers that are still there live on. */
void pool_undrain(struct pool *head);

/* Each part's. */
void drain_init(struct pool *part);
void drain_fini(struct pool *part);

#endif
