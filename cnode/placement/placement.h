/* SPDX-License-Identifier: Apache-2.0
 *
 * Which node gets a new worker. From all that host the pool those are left
 * over, step by step, that
 *
 *     1. are online;
 *     2. keep the pool on few nodes: see node_target below; of these this node,
 *        if it is sticky and well;
 *     3. have the highest priority among those with room (fewer workers than
 *        window.high); when nobody has room, all go on;
 *     4. are in the best class: below window.low, else below window.target,
 *        else the rest (not for `hash`, which is to move few refs);
 *
 * and of these the strategy takes one. Pure: the same request, state and
 * candidates give the same choice, on every node.
 */
#ifndef CNODE_PLACEMENT_PLACEMENT_H
#define CNODE_PLACEMENT_PLACEMENT_H

#include <stddef.h>

#include "placement/candidate.h"

enum placement_strategy {
    PLACEMENT_LEAST_LOADED, /* the less loaded one of two drawn at random */
    PLACEMENT_ROUND_ROBIN,  /* one after the other */
    PLACEMENT_WEIGHTED,     /* at random, as often as its weight says */
    PLACEMENT_RANDOM,
    PLACEMENT_HEALTH, /* the better grade of two drawn at random */
    PLACEMENT_STICKY, /* here, while healthy; else least loaded */
    PLACEMENT_HASH,   /* rendezvous: the same ref goes to the same node */
};

struct placement_rules {
    enum placement_strategy strategy;
    /* How many nodes should have workers of the pool. Below `low` nodes that
     * have none come first; from `target` on they come only when those that
     * have some are full, from `high` on never. Which ones come says `pool`,
     * not who was first: counts are late, and all who place at once are to
     * choose the same few. */
    struct placement_window node_target;
    uint64_t pool; /* a hash of its name */
};

struct placement_request {
    uint64_t seed;   /* of the ref: chance, and the rendezvous */
    bool is_sticky;  /* whoever asks wants it here */
    double at_least; /* the health from which it stays here */
};

/* What a strategy remembers between two choices; zero at first. */
struct placement_state {
    uint32_t last_node; /* round robin */
};

enum { PLACEMENT_CANDIDATES_MAX = 1024 };

/* The index of the chosen one, or -1: nobody takes it. `count` at most
 * PLACEMENT_CANDIDATES_MAX, those behind are not looked at. */
int placement_choose(const struct placement_rules *rules,
                     const struct placement_request *request,
                     const struct placement_candidate *candidates, size_t count,
                     struct placement_state *state);

/* The grade that AdvancedPool gives a node: 100 * (0.75 * (H + bonus) + 0.25 *
 * H * capacity), bonus and capacity by where its workers are in its window. */
double placement_grade(const struct placement_candidate *c);

/* One of the worker supervisors of a node, by how many workers count for each:
 * a random one of those at most at window->low, else target, else high. -1: all
 * are above that, or there are none: a new one is wanted. */
int placement_supervisor(const struct placement_window *window,
                         const uint64_t *workers, size_t count, uint64_t seed);

/* Well mixed bits of a number. */
uint64_t placement_mix(uint64_t value);

#endif
