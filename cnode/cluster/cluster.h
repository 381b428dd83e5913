/* SPDX-License-Identifier: Apache-2.0
 *
 * What every BEAM peer expects of a visible node: a net_kernel that answers
 * pings, and global's sync released at nodeup. Also tunes the peer's end of the
 * connection. Belongs to scheduler 0.
 */
#ifndef CNODE_CLUSTER_CLUSTER_H
#define CNODE_CLUSTER_CLUSTER_H

#include "cluster/erpc.h"
#include "cluster/net_kernel.h"
#include "node/node.h"

struct cluster {
    struct node *node;
    struct net_kernel net_kernel;
    struct erpc erpc;
};

/* After the node is ready. CNODE_LIMIT, CNODE_EXISTS. */
MUST_USE int cluster_start(struct cluster *cluster, struct node *node);
void cluster_stop(struct cluster *cluster);

/* From the node's events. */
void cluster_nodeup(struct cluster *cluster, struct peer *peer);

#endif
