/* SPDX-License-Identifier: Apache-2.0
 *
 * What each scheduler counts, gathered by visiting them in turn.
 */
#ifndef CNODE_CLUSTER_TALLY_H
#define CNODE_CLUSTER_TALLY_H

#include "node/node.h"

enum { TALLY_ROWS_MOST = 1 << PID_SCHEDULER_BITS };

struct tally {
    uint32_t count; /* of schedulers */
    struct tally_row {
        uint64_t processes;
        uint64_t handled; /* messages, ever */
        uint64_t queued;  /* processes that have messages */
        uint64_t busy_ns; /* processor time of its thread */
    } rows[TALLY_ROWS_MOST];
};

/* On the scheduler of `here`. */
void tally_visit(struct tally *tally, const struct node *here);

/* All rows added up. */
struct tally_row tally_sum(const struct tally *tally);

#endif
