/* SPDX-License-Identifier: Apache-2.0
 *
 * How well a pool is on this node, as numbers. Pure.
 *
 * Health is AdvancedPool's: 8.0 is perfect, 1.3 at capacity, 0.4 at twice of
 * it, negative when overloaded:
 *
 *     w = (workers - target) / (high - low), at least 0; s likewise for
 *         worker supervisors
 *     badness = the largest of  0.05 w^3,  0.025 s^3,
 *               errors per second and worker,  a tenth of the warnings
 *               per second and worker,  10^-8
 *     health = -log10(badness)
 *
 * Its condition depends on how many workers failed within a minute.
 */
#ifndef CNODE_POOL_HEALTH_H
#define CNODE_POOL_HEALTH_H

#include "pool/pool_config.h"
#include "pool/standing.h"

#define HEALTH_BEST 8.0

struct health_facts {
    uint64_t workers, supervisors;
    struct pool_window worker_target, supervisor_target;
    double errors, warnings; /* a second and worker */
};

double health_number(const struct health_facts *facts);
/* How far above its target a count is, in widths of the window; 0: it is not.
 */
double health_excess(uint64_t count, const struct pool_window *window);

/* Events within a minute -> a second and worker. A pool without workers counts
 * as one of one worker. */
double health_per_second(uint64_t per_minute, uint64_t workers);

/* Failures a minute from which on it is no longer well. */
struct health_thresholds {
    uint64_t degraded, critical;
};
enum standing_condition health_condition(uint64_t failures_per_minute,
                                         const struct health_thresholds *at);
/* A segment is as its pool would be if all its segments failed as often; fewer
 * failures than would matter for one worker do not count. */
enum standing_condition health_of_segment(const struct pool_config *config,
                                          uint64_t failures_per_minute);
/* online, degraded, critical */
const char *health_condition_name(enum standing_condition condition);

/* The number that others see: at most 3.0 when degraded, 0.0 when critical. */
double health_published(double number, enum standing_condition condition);

#endif
