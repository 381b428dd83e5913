/* SPDX-License-Identifier: Apache-2.0
 *
 * See said.h.
 */
#include "manager/said.h"

#include <math.h>

enum { COUNT_OF_NOTE = 100 /* one in that many */ };
static const double health_of_note = 0.1;

static bool is_turned(const struct service_status *old,
                      const struct service_status *truth)
{
    struct service_status same = *truth;

    same.count = old->count;
    same.health = old->health;
    return !status_is_same(old, &same);
}

static bool is_of_note(const struct service_status *old,
                       const struct service_status *truth)
{
    uint64_t more = old->count > truth->count ? old->count : truth->count;
    uint64_t less = old->count > truth->count ? truth->count : old->count;

    return more - less > more / COUNT_OF_NOTE ||
           (truth->has_health &&
            fabs(truth->health - old->health) >= health_of_note);
}

bool said_is_due(const struct said *said, struct pid pid,
                 const struct service_status *truth, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - said->at_ms;

    if (!pid_equal(said->pid, pid)) {
        return true;
    }
    if (said->is_doubted) {
        return now_ms - said->doubted_ms >= SAID_PAUSE_MS;
    }
    if (status_is_same(&said->status, truth)) {
        return false;
    }
    return is_turned(&said->status, truth) || age_ms >= SAID_LAZY_MS ||
           (age_ms >= SAID_PAUSE_MS && is_of_note(&said->status, truth));
}

void said_set(struct said *said, struct pid pid,
              const struct service_status *status, uint64_t now_ms)
{
    *said = (struct said){.pid = pid, .status = *status, .at_ms = now_ms};
}

void said_doubt(struct said *said, uint64_t now_ms)
{
    said->is_doubted = true;
    said->doubted_ms = now_ms;
}
