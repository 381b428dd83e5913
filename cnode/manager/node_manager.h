/* SPDX-License-Identifier: Apache-2.0
 *
 * The manager of this node as AdvancedPool has one on each: NodeManager.Server,
 * which is asked for the node's configuration and its health, and
 * NodeManager.Supervisor, the parent of the pools. Belongs to scheduler 0.
 *
 *     configuration           #{Pool => node_service}
 *     {health_report, nil}    {ok, Report}, with the numbers of this moment
 *     {health_report, Pid}    the same, and Pid gets
 *                             {node_health_report, {Node, Report}}
 *     with rebuild            {ok, Report} at once; Pid gets one for which all
 *                             schedulers were asked
 *
 * What is for the manager of another node gets {error, {foreign_node, Node}};
 * what it does not know {uncaught, Message, Ref}, as AdvancedPool says.
 */
#ifndef CNODE_MANAGER_NODE_MANAGER_H
#define CNODE_MANAGER_NODE_MANAGER_H

#include "manager/agent.h"
#include "manager/report.h"
#include "manager/request.h"
#include "placement/status.h"

struct node_manager {
    struct agent server, supervisor, task;
    bool is_started;
    int64_t started_on; /* Unix seconds */
    bool is_rebuilding;
    struct pid *subscribers; /* of that */
    uint32_t subscriber_count;
};

MUST_USE int node_manager_start(struct manager *manager);
void node_manager_announce(struct manager *manager);
void node_manager_stop(struct manager *manager);
void node_manager_fini(struct manager *manager);

/* --- for the cluster's manager */

/* The configuration of a pool here. */
void node_manager_config(const struct pool *pool, struct service_config *out);

#endif
