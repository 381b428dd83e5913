/* SPDX-License-Identifier: Apache-2.0
 *
 * See rate.h.
 */
#include "pool/rate.h"

static void go_on(struct rate *rate, uint64_t now_ms)
{
    uint64_t slot = now_ms / RATE_SLOT_MS;

    if (slot > rate->slot + RATE_SLOTS) {
        rate->slot = slot - RATE_SLOTS; /* all of them are over */
    }
    while (rate->slot < slot) {
        rate->slot++;
        rate->counts[rate->slot % RATE_SLOTS] = 0;
    }
}

void rate_add(struct rate *rate, uint64_t now_ms, uint64_t events)
{
    uint32_t *count;

    go_on(rate, now_ms);
    count = &rate->counts[rate->slot % RATE_SLOTS];
    *count =
        events > UINT32_MAX - *count ? UINT32_MAX : *count + (uint32_t)events;
}

uint64_t rate_per_minute(const struct rate *rate, uint64_t now_ms)
{
    uint64_t sum = 0;
    uint64_t slot = now_ms / RATE_SLOT_MS;
    uint64_t oldest = slot < RATE_SLOTS ? 0 : slot - RATE_SLOTS + 1;

    for (uint64_t i = oldest; i <= rate->slot; i++) {
        sum += rate->counts[i % RATE_SLOTS];
    }
    return sum;
}
