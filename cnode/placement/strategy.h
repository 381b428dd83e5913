/* SPDX-License-Identifier: Apache-2.0
 *
 * How one of the nodes that are left over is chosen; for placement.c. Pure.
 */
#ifndef CNODE_PLACEMENT_STRATEGY_H
#define CNODE_PLACEMENT_STRATEGY_H

#include "placement/placement.h"

/* The candidates that are left over, by their index in all. */
struct placement_view {
    const struct placement_candidate *all;
    const struct placement_request *request;
    size_t count;
    uint16_t index[PLACEMENT_CANDIDATES_MAX];
};

static inline const struct placement_candidate *
view_at(const struct placement_view *view, size_t i)
{
    return &view->all[view->index[i]];
}

/* This node, when the request or the strategy is sticky and it is healthy
 * enough and has room; else -1. */
int strategy_sticky(const struct placement_view *view,
                    enum placement_strategy strategy);

/* The index, in all, of one of those in the view, of which there are some. */
int strategy_choose(const struct placement_view *view,
                    enum placement_strategy strategy,
                    struct placement_state *state);

#endif
