/* SPDX-License-Identifier: Apache-2.0
 *
 * The manager of the whole cluster as AdvancedPool has one: whoever has the
 * name `manager`. A node that may be it (cluster.manager) takes the name when,
 * a while after its start, nobody has it; while another one has, it waits, and
 * takes over when that is gone. It asks the managers of all nodes every
 * cluster.heartbeat, and answers
 *
 *     configuration          #{Pool => #{cluster => .., nodes => #{Node =>
 * ..}}} {health_report, Pid}   {ok, the last report | initializing}, and Pid
 * gets {health_report, Report} of a new one
 *
 * A node that does not answer in time is {error, unavailable} in the report:
 * nobody waits for it any longer. Belongs to scheduler 0.
 */
#ifndef CNODE_MANAGER_CLUSTER_MANAGER_H
#define CNODE_MANAGER_CLUSTER_MANAGER_H

#include "base/timer.h"
#include "manager/agent.h"
#include "manager/report.h"
#include "manager/request.h"
#include "manager/round.h"

struct cluster_subscriber {
    struct pid pid;
    bool wants_rebuild;
};

struct cluster_manager {
    struct agent server, supervisor, task;
    bool is_started;
    bool is_holder; /* it has the name */
    int64_t started_on;
    uint64_t started_ms;
    struct round round;
    struct cnode_kept *last; /* report; NULL: there was none yet */
    struct cluster_subscriber *subscribers;
    uint32_t subscriber_count;
    struct timer beat;     /* the next round */
    struct timer deadline; /* of this one */
};

MUST_USE int cluster_manager_start(struct manager *manager);
/* Takes the name, or looks whether it still has it. */
void cluster_manager_announce(struct manager *manager);
void cluster_manager_stop(struct manager *manager);
void cluster_manager_fini(struct manager *manager);

/* cluster_config.c: appends the configuration of the cluster as far as this
 * node's says it. */
void cluster_config_put(const struct manager *manager, struct buf *buf);

#endif
