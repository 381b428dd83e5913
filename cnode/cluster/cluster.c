/* SPDX-License-Identifier: Apache-2.0
 *
 * See cluster.h. Each service is a file of its own; this one starts them and
 * tells them of new peers.
 */
#include "cluster/cluster.h"

#include "cluster/global.h"
#include "cluster/link_profile.h"

int cluster_start(struct cluster *cluster, struct node *node)
{
    int rc;

    cluster->node = node;
    rc = net_kernel_start(&cluster->net_kernel, node);
    if (rc == 0) {
        rc = erpc_start(&cluster->erpc, node);
        if (rc != 0) {
            net_kernel_stop(&cluster->net_kernel);
        }
    }
    return rc;
}

void cluster_stop(struct cluster *cluster)
{
    erpc_stop(&cluster->erpc);
    net_kernel_stop(&cluster->net_kernel);
}

void cluster_nodeup(struct cluster *cluster, struct peer *peer)
{
    struct node *node = cluster->node;
    struct pid self = node_pid(node, &cluster->net_kernel.process);

    if (!node->config.hidden && !peer->is_hidden) {
        global_nodeup(node, self, peer);
    }
    link_profile_nodeup(node, self, peer);
}
