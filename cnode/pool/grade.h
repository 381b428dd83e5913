/* SPDX-License-Identifier: Apache-2.0
 *
 * How a pool does: once a second its head looks at what was counted in the
 * standing and makes health and condition of it (health.h), of what happened
 * within the last minute. A change of the condition is logged once.
 *
 * A worker that fails is an error of the pool, beside those that behaviours
 * raise.
 */
#ifndef CNODE_POOL_GRADE_H
#define CNODE_POOL_GRADE_H

#include "base/timer.h"
#include "pool/health.h"
#include "pool/rate.h"

struct pool;
struct pools;

struct grade {
    struct timer timer;
    struct rate failures, errors, warnings;
    uint64_t seen[STANDING_EVENT_COUNT]; /* counted in the rates */
};

/* The numbers of a report. */
struct grade_report {
    struct health_facts facts;
    uint64_t failures, errors, warnings; /* within a minute */
    enum standing_condition condition;
    double health; /* as published */
};

/* The head's part only, on its scheduler. */
void grade_init(struct pool *head);
void grade_start(struct pool *head);
void grade_stop(struct pool *head);

/* Computes it now, and tells the standing. */
void grade_now(struct pool *head, struct grade_report *report);

/* The worst of the pools whose heads are here, and failures of all of them
 * within a minute. */
enum standing_condition grade_of_all(const struct pools *pools,
                                     uint64_t *failures);

#endif
