/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows of the configuration as the cluster is told them.
 */
#ifndef CNODE_MANAGER_WINDOW_H
#define CNODE_MANAGER_WINDOW_H

#include "placement/status.h"
#include "pool/pool_config.h"

static inline struct target_window window_of(const struct pool_window *window)
{
    return (struct target_window){.low = (double)window->low,
                                  .target = (double)window->target,
                                  .high = (double)window->high};
}

static inline struct target_window
window_of_range(const struct pool_range *range)
{
    return (struct target_window){
        .low = range->low, .target = range->target, .high = range->high};
}

#endif
