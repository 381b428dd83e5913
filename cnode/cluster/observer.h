/* SPDX-License-Identifier: Apache-2.0
 *
 * What observer and etop spawn here, as OTP's module observer_backend does it:
 *
 *     procs_info(Pid)        {procs_info, self(), [Row]} some thousand rows a
 *                            message, then exit normal
 *     etop_collect(Pid)      {self(), #etop_info{}} with all rows, exit normal
 *     fetch_stats(Pid, Ms)   {stats, 1, WallTime, IO, Memory} again and again,
 *                            until it gets any message
 *
 * Rows are gathered in slices, so that a million processes hold up nobody, and
 * wait while the peer reads too slowly. Belongs to scheduler 0.
 */
#ifndef CNODE_CLUSTER_OBSERVER_H
#define CNODE_CLUSTER_OBSERVER_H

#include "cluster/functions.h"
#include "node/node.h"

struct observer {
    struct node *node;
    struct functions *functions;
    struct spawn_handler handler;
    struct list backends; /* struct backend.in_observer */
};

void observer_start(struct observer *observer, struct node *node,
                    struct functions *functions);
void observer_stop(struct observer *observer); /* they end */

#endif
