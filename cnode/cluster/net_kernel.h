/* SPDX-License-Identifier: Apache-2.0
 *
 * The registered process net_kernel. net_adm:ping/1 calls it with {is_auth,
 * Node} and disconnects a node that does not answer `yes` (erts net_adm.erl).
 */
#ifndef CNODE_CLUSTER_NET_KERNEL_H
#define CNODE_CLUSTER_NET_KERNEL_H

#include "node/node.h"

struct net_kernel {
    struct process process;
    struct node *node;
};

/* CNODE_LIMIT, CNODE_EXISTS. */
MUST_USE int net_kernel_start(struct net_kernel *kernel, struct node *node);
void net_kernel_stop(struct net_kernel *kernel);

#endif
