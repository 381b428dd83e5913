/* SPDX-License-Identifier: Apache-2.0
 *
 * What AdvancedPool calls on a node that it brings online, by rpc:
 * NodeManager.bring_online(Node, Context), and the inner function that it
 * really asks other nodes for. Every pool of this node is brought online.
 */
#ifndef CNODE_MANAGER_BRING_ONLINE_H
#define CNODE_MANAGER_BRING_ONLINE_H

#include "cluster/functions.h"

struct manager;

void bring_online_offer(struct manager *manager, struct functions *functions);

#endif
