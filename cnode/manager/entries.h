/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node of an AdvancedPool cluster has in syn: which process stands in
 * which scope under which name. Pure.
 */
#ifndef CNODE_MANAGER_ENTRIES_H
#define CNODE_MANAGER_ENTRIES_H

#include "base/buf.h"
#include "registry/syn_table.h"

/* In the order in which AdvancedPool writes those that belong together. */
enum entry {
    /* the pool supervisor; pool_status */
    ENTRY_POOL_NODES,
    ENTRY_POOL_NODE,
    ENTRY_SERVICES,
    ENTRY_NODE_POOL,
    ENTRY_SERVICE, /* this one drives the placement of BEAMs */
    /* a worker supervisor; worker_sup_status */
    ENTRY_FACE, /* and this one their choice of a supervisor */
    ENTRY_NODE_FACE,
    /* NodeManager.Server; node_status */
    ENTRY_NODE_MANAGER,
    ENTRY_NODE_MANAGERS,
    ENTRY_NODE_MANAGER_REF,
    /* NodeManager.Supervisor; [{node, Node}] */
    ENTRY_NODE_SUPERVISOR,
    ENTRY_NODE_SUPERVISORS,
    /* ClusterManager.Server; cluster_status */
    ENTRY_CLUSTER_MANAGER,
    ENTRY_CLUSTER_MANAGER_REF,
    /* ClusterManager.Supervisor; [{node, Node}] */
    ENTRY_CLUSTER_SUPERVISOR,
    ENTRY_COUNT,
    /* the first of each process; the next one ends it */
    ENTRIES_POOL = ENTRY_POOL_NODES,
    ENTRIES_FACE = ENTRY_FACE,
    ENTRIES_NODE_MANAGER = ENTRY_NODE_MANAGER,
    ENTRIES_NODE_SUPERVISOR = ENTRY_NODE_SUPERVISOR,
    ENTRIES_CLUSTER_MANAGER = ENTRY_CLUSTER_MANAGER,
    ENTRIES_CLUSTER_SUPERVISOR = ENTRY_CLUSTER_SUPERVISOR,
};

enum syn_kind entry_kind(enum entry entry);
/* `pool`: of those of pools and worker supervisors. */
atom_t entry_scope(enum entry entry, atom_t pool);
void entry_put_name(struct buf *buf, enum entry entry, atom_t node,
                    atom_t pool);

#endif
