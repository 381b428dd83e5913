/* SPDX-License-Identifier: Apache-2.0
 *
 * The server side of rpc and erpc: takes what others spawn here that is a
 * function of functions.def, by itself or through erpc and erlang:apply, runs
 * it for a process of its own, and ends that with the result. Belongs to
 * scheduler 0.
 */
#ifndef CNODE_CLUSTER_RPC_H
#define CNODE_CLUSTER_RPC_H

#include "cluster/functions.h"
#include "node/node.h"

struct rpc {
    struct node *node;
    struct functions *functions;
    struct spawn_handler handler;
    struct list processes; /* struct rpc_process.in_rpc: under way */
};

void rpc_start(struct rpc *rpc, struct node *node, struct functions *functions);
/* Those under way end. */
void rpc_stop(struct rpc *rpc);

#endif
