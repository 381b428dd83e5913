/* SPDX-License-Identifier: Apache-2.0
 *
 * See health.h.
 */
#include "pool/health.h"

#include <math.h>

#define LEAST_BADNESS    1e-8
#define MOST_DEGRADED    3.0
#define MOST_CRITICAL    0.0
#define SECONDS_A_MINUTE 60.0

double health_excess(uint64_t count, const struct pool_window *window)
{
    double width =
        window->high > window->low ? (double)(window->high - window->low) : 1.0;

    return count > window->target ? (double)(count - window->target) / width
                                  : 0.0;
}

static double cube(double x)
{
    return x * x * x;
}

double health_number(const struct health_facts *facts)
{
    double badness = LEAST_BADNESS;

    badness =
        fmax(badness,
             0.05 * cube(health_excess(facts->workers, &facts->worker_target)));
    badness =
        fmax(badness, 0.025 * cube(health_excess(facts->supervisors,
                                                 &facts->supervisor_target)));
    badness = fmax(badness, facts->errors);
    badness = fmax(badness, 0.1 * facts->warnings);
    return -log10(badness);
}

double health_per_second(uint64_t per_minute, uint64_t workers)
{
    return (double)per_minute / SECONDS_A_MINUTE /
           (double)(workers > 0 ? workers : 1);
}

enum standing_condition health_condition(uint64_t failures_per_minute,
                                         const struct health_thresholds *at)
{
    if (failures_per_minute >= at->critical) {
        return STANDING_CRITICAL;
    }
    return failures_per_minute >= at->degraded ? STANDING_DEGRADED
                                               : STANDING_WELL;
}

static uint64_t share(uint64_t of_pool, uint64_t segments, uint64_t least)
{
    return of_pool / segments > least ? of_pool / segments : least;
}

enum standing_condition health_of_segment(const struct pool_config *config,
                                          uint64_t failures_per_minute)
{
    uint64_t segments = config->supervisors.segments;
    const struct health_thresholds at = {
        share(pool_config_now(&config->health.degraded), segments,
              config->health.worker_degraded),
        share(pool_config_now(&config->health.critical), segments,
              config->health.worker_critical)};

    return health_condition(failures_per_minute, &at);
}

const char *health_condition_name(enum standing_condition condition)
{
    static const char *const names[] = {[STANDING_WELL] = "online",
                                        [STANDING_DEGRADED] = "degraded",
                                        [STANDING_CRITICAL] = "critical"};

    return names[condition];
}

double health_published(double number, enum standing_condition condition)
{
    switch (condition) {
    case STANDING_CRITICAL:
        return fmin(number, MOST_CRITICAL);
    case STANDING_DEGRADED:
        return fmin(number, MOST_DEGRADED);
    default:
        return number;
    }
}
