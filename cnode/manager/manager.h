/* SPDX-License-Identifier: Apache-2.0
 *
 * What this node is in an AdvancedPool cluster besides its pools: their entries
 * in syn (membership.h), the node's manager, perhaps that of the cluster, and
 * what operators do (control.h). Belongs to scheduler 0.
 */
#ifndef CNODE_MANAGER_MANAGER_H
#define CNODE_MANAGER_MANAGER_H

#include "manager/cluster_manager.h"
#include "manager/manager_config.h"
#include "manager/membership.h"
#include "manager/node_manager.h"

struct manager {
    struct node *node;
    struct pools *pools;
    struct syn *syn;
    const struct manager_config *config;
    bool is_locked; /* the node: every pool of it */
    bool is_over;
    struct membership membership;
    struct node_manager node_manager;
    struct cluster_manager cluster_manager;
    struct timer tick; /* what they say in syn is looked after */
};

/* After pools_start(); the configuration must live as long. CNODE_LIMIT,
 * CNODE_EXISTS: a name is taken. */
MUST_USE int manager_start(struct manager *manager, struct pools *pools,
                           struct syn *syn,
                           const struct manager_config *config);
/* The node is about to leave: nobody is to place workers here any more. */
void manager_leave(struct manager *manager);
void manager_stop(struct manager *manager); /* before syn_stop() */
void manager_fini(struct manager *manager);

/* The head of a pool, or NULL: no services. */
struct pool *manager_pool(const struct manager *manager, atom_t name);

#endif
