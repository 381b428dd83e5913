/* SPDX-License-Identifier: Apache-2.0
 *
 * What is remembered of a worker that failed, warned, or told how much memory
 * it uses: few have one. It outlives restarts, and goes with the worker.
 */
#ifndef CNODE_POOL_RECORD_H
#define CNODE_POOL_RECORD_H

#include "pool/rate.h"
#include "pool/standing.h"
#include "pool/worker.h"

struct record {
    struct rate failures;
    uint64_t errors, warnings; /* raised by its behaviour */
    uint64_t memory;           /* bytes that its state has elsewhere */
};

/* Makes one if need be. */
struct record *record_of(struct cnode_worker *w);
/* NULL: there is nothing to remember. */
struct record *record_find(const struct cnode_worker *w);

/* It will be started again after a failure. */
void record_failure(struct cnode_worker *w);

struct record_report {
    enum standing_condition condition;
    uint64_t failures; /* within a minute */
    uint64_t errors, warnings, memory;
};
void record_report(const struct cnode_worker *w, struct record_report *report);

/* Bytes of a worker by our own account: itself, its state, its id, what it was
 * started with, and what it told. */
uint64_t record_bytes(const struct cnode_worker *w);

#endif
