/* SPDX-License-Identifier: Apache-2.0
 *
 * How many events there were within the last minute: counts in slots of five
 * seconds, the oldest of which is let go as time goes on. So an event counts
 * for 55 to 60 seconds. Pure; time is handed in.
 */
#ifndef CNODE_POOL_RATE_H
#define CNODE_POOL_RATE_H

#include <stdint.h>

enum { RATE_SLOTS = 12, RATE_SLOT_MS = 5000 };

/* Zero filled: nothing has happened. */
struct rate {
    uint64_t slot; /* number of the newest one since time 0 */
    uint32_t counts[RATE_SLOTS];
};

void rate_add(struct rate *rate, uint64_t now_ms, uint64_t events);
uint64_t rate_per_minute(const struct rate *rate, uint64_t now_ms);

#endif
