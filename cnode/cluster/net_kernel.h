/* SPDX-License-Identifier: Apache-2.0
 *
 * The registered process net_kernel. net_adm:ping/1 calls it with {is_auth,
 * Node} and disconnects a node that does not answer `yes` (erts net_adm.erl).
 *
 * Processes of this node call it, from whatever scheduler, as on a BEAM:
 *
 *     {connect, Type, Node}   true | false, as soon as it is known
 *     {disconnect, Node}      true | false: it was not connected
 *
 * It belongs to scheduler 0.
 */
#ifndef CNODE_CLUSTER_NET_KERNEL_H
#define CNODE_CLUSTER_NET_KERNEL_H

#include "base/list.h"
#include "node/node.h"

struct net_kernel {
    struct process process;
    struct node *node;
    struct list waiting; /* for connections: struct waiting_call */
    atom_t leaving;      /* a node that is disconnected because it was asked */
};

/* CNODE_LIMIT, CNODE_EXISTS. */
MUST_USE int net_kernel_start(struct net_kernel *kernel, struct node *node);
void net_kernel_stop(struct net_kernel *kernel);

/* The node is connected, or the dial came to nothing. */
void net_kernel_connected(struct net_kernel *kernel, atom_t name, bool is_up);

#endif
