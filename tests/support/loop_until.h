/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs turns of a loop until something is true. Never count on a number of
 * turns; the time is only there so that a broken test ends.
 */
#ifndef CNODE_SUPPORT_LOOP_UNTIL_H
#define CNODE_SUPPORT_LOOP_UNTIL_H

#include "base/loop.h"

enum { LOOP_UNTIL_MS = 20000 };

/* `cond` is evaluated before each turn and never again once it was true. */
#define LOOP_UNTIL(loop, cond)                                                 \
    do {                                                                       \
        uint64_t until_end_ns_ =                                               \
            uv_hrtime() + (uint64_t)LOOP_UNTIL_MS * 1000000;                   \
        bool until_met_;                                                       \
        while (!(until_met_ = (cond)) && uv_hrtime() < until_end_ns_) {        \
            loop_turn((loop), 5);                                              \
        }                                                                      \
        if (!until_met_) {                                                     \
            fail_msg("never came true: %s", #cond);                            \
        }                                                                      \
    } while (0)

/* Runs turns for that long. */
static inline void loop_run_ms(struct loop *loop, uint64_t ms)
{
    uint64_t end_ns = uv_hrtime() + ms * 1000000;

    while (uv_hrtime() < end_ns) {
        loop_turn(loop, 1);
    }
}

#endif
