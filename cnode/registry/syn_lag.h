/* SPDX-License-Identifier: Apache-2.0
 *
 * Was the loop stalled, so that calls which come now may have waited for long?
 * A caller gives up after 5 seconds; what a scope tells everybody but the
 * caller, since he has the answer, he then never learns. A clock that should be
 * set every second shows the stall. Belongs to its loop.
 */
#ifndef CNODE_REGISTRY_SYN_LAG_H
#define CNODE_REGISTRY_SYN_LAG_H

#include "base/loop.h"

enum {
    SYN_LAG_STEP_MS = 1000,
    SYN_LAG_LATE_MS = 1000, /* more than that beyond a step is a stall */
};

struct syn_lag {
    struct loop *loop;
    struct timer timer;
    uint64_t seen_ms;  /* when the timer fired last */
    uint64_t until_ms; /* what comes before may be late */
};

void syn_lag_start(struct syn_lag *lag, struct loop *loop);
void syn_lag_stop(struct syn_lag *lag);
bool syn_lag_is_late(struct syn_lag *lag);

#endif
