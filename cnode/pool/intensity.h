/* SPDX-License-Identifier: Apache-2.0
 *
 * How often a supervisor may restart its children: more than `most` restarts
 * within `period_ms` are too many (OTP: intensity and period). Pure; remembers
 * only the restarts within the period, in memory that grows with them.
 */
#ifndef CNODE_POOL_INTENSITY_H
#define CNODE_POOL_INTENSITY_H

#include <stdbool.h>
#include <stdint.h>

struct intensity {
    uint32_t most;
    uint64_t period_ms;
    uint64_t *times; /* ring of the restarts within the period */
    uint32_t cap, first, count;
};

void intensity_init(struct intensity *intensity, uint32_t most,
                    uint64_t period_ms);
void intensity_fini(struct intensity *intensity);

/* One more restart at `now_ms`. True: that was one too many. */
bool intensity_add(struct intensity *intensity, uint64_t now_ms);

/* The supervisor starts afresh: nothing has happened yet. */
void intensity_clear(struct intensity *intensity);

#endif
