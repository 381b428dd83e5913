/* SPDX-License-Identifier: Apache-2.0
 *
 * A node that hosts a pool, as whoever places a worker sees it: what it has
 * published, what the configuration says of it, and what was sent there since
 * it published. Plain data.
 */
#ifndef CNODE_PLACEMENT_CANDIDATE_H
#define CNODE_PLACEMENT_CANDIDATE_H

#include <stdbool.h>
#include <stdint.h>

/* How many of something are wanted: fewer than `low` is too few, `target` is
 * aimed at, `high` is full. */
struct placement_window {
    uint64_t low, target, high;
};

struct placement_candidate {
    uint32_t node;      /* its name's atom: who it is */
    uint64_t name_hash; /* the same on every node that places */
    bool is_self;
    bool is_online; /* takes new workers: not locked, offline or tried before */
    bool has_health; /* false: it has not reported any yet (initializing) */
    double health;   /* -infinity .. 8.0, which is perfect */
    uint64_t workers;
    uint64_t under_way; /* started there by us since it told `workers` */
    struct placement_window window; /* of workers on that node */
    uint64_t priority;              /* the higher is preferred */
    uint64_t weight;                /* 0: not chosen by weight */
};

/* Those that are there, and those about to be. */
static inline uint64_t candidate_load(const struct placement_candidate *c)
{
    return c->workers + c->under_way;
}

static inline bool candidate_has_room(const struct placement_candidate *c)
{
    return candidate_load(c) < c->window.high;
}

#endif
