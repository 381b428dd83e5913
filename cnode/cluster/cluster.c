/* SPDX-License-Identifier: Apache-2.0
 *
 * See cluster.h. Each service is a file of its own; this one starts them and
 * tells them of new peers.
 */
#include "cluster/cluster.h"

#include "cluster/link_profile.h"

int cluster_start(struct cluster *cluster, struct node *node,
                  const struct cluster_config *config)
{
    struct functions *functions = &cluster->functions;
    int rc;

    cluster->node = node;
    functions_init(functions, node);
    rc = net_kernel_start(&cluster->net_kernel, node);
    if (rc != 0) {
        return rc;
    }
    rc = erpc_start(&cluster->erpc, node);
    if (rc != 0) {
        goto fail_erpc;
    }
    rc = rex_start(&cluster->rex, node, functions);
    if (rc != 0) {
        goto fail_rex;
    }
    rc = global_service_start(&cluster->global, node, &cluster->erpc,
                              config->global);
    if (rc != 0) {
        goto fail_global;
    }
    rc = pg_scopes_start(&cluster->pg, node, config->pg_scopes,
                         config->pg_scope_count);
    if (rc != 0) {
        goto fail_pg;
    }
    observer_start(&cluster->observer, node, functions);
    rpc_start(&cluster->rpc, node, functions); /* what observer leaves */
    appmon_init(&cluster->appmon, node);
    trace_relays_start(&cluster->trace_relays, node);
    functions->appmon = &cluster->appmon;
    functions->trace_relays = &cluster->trace_relays;
    cluster->has_mesh = config->mesh && !node->config.hidden;
    if (cluster->has_mesh) { /* global connects its full members */
        mesh_service_start(&cluster->mesh, node, &cluster->erpc,
                           !cluster->global.is_full);
    }
    return 0;

fail_pg:
    global_service_stop(&cluster->global);
fail_global:
    rex_stop(&cluster->rex);
fail_rex:
    erpc_stop(&cluster->erpc);
fail_erpc:
    net_kernel_stop(&cluster->net_kernel);
    return rc;
}

void cluster_stop(struct cluster *cluster)
{
    if (cluster->has_mesh) {
        mesh_service_stop(&cluster->mesh);
        cluster->has_mesh = false;
    }
    trace_relays_stop(&cluster->trace_relays);
    appmon_stop(&cluster->appmon);
    observer_stop(&cluster->observer);
    rpc_stop(&cluster->rpc);
    pg_scopes_stop(&cluster->pg);
    global_service_stop(&cluster->global);
    rex_stop(&cluster->rex);
    erpc_stop(&cluster->erpc);
    net_kernel_stop(&cluster->net_kernel);
}

void cluster_nodeup(struct cluster *cluster, struct peer *peer)
{
    struct node *node = cluster->node;
    struct pid self = node_pid(node, &cluster->net_kernel.process);

    if (!node->config.hidden && !peer->is_hidden) {
        global_service_nodeup(&cluster->global, peer);
        pg_scopes_nodeup(&cluster->pg, peer);
    }
    if (!peer->is_hidden) {
        global_service_restore(&cluster->global, peer);
    }
    link_profile_nodeup(node, self, peer);
    net_kernel_connected(&cluster->net_kernel, peer->name, true);
    if (cluster->has_mesh && !peer->is_hidden) {
        mesh_service_nodeup(&cluster->mesh, peer);
    }
}

void cluster_nodedown(struct cluster *cluster, struct peer *peer)
{
    global_service_nodedown(&cluster->global, peer);
    pg_scopes_nodedown(&cluster->pg, peer);
    if (cluster->has_mesh) {
        mesh_service_nodedown(&cluster->mesh, peer,
                              peer->name == cluster->net_kernel.leaving);
    }
}

void cluster_dial_failed(struct cluster *cluster, atom_t name)
{
    net_kernel_connected(&cluster->net_kernel, name, false);
    global_service_dial_failed(&cluster->global, name);
    if (cluster->has_mesh) {
        mesh_service_dial_failed(&cluster->mesh, name);
    }
}
