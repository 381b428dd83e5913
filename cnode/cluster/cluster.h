/* SPDX-License-Identifier: Apache-2.0
 *
 * What every BEAM peer expects of a visible node: a net_kernel that answers
 * pings, a part in global, the scopes of pg, rpc for a list of functions, what
 * observer and etop ask for; connections to all of the cluster.
 * Also tunes the peer's end of each. Belongs to scheduler 0.
 */
#ifndef CNODE_CLUSTER_CLUSTER_H
#define CNODE_CLUSTER_CLUSTER_H

#include "cluster/appmon.h"
#include "cluster/erpc.h"
#include "cluster/functions.h"
#include "cluster/global_service.h"
#include "cluster/mesh_service.h"
#include "cluster/net_kernel.h"
#include "cluster/observer.h"
#include "cluster/pg_scopes.h"
#include "cluster/rex.h"
#include "cluster/rpc.h"
#include "cluster/trace_relay.h"
#include "node/node.h"

/* The strings live as long as the node. */
struct cluster_config {
    const char *const *pg_scopes; /* to be started */
    size_t pg_scope_count;
    bool mesh; /* connect to all nodes of the cluster */
    enum global_mode global;
};

struct cluster {
    struct node *node;
    struct net_kernel net_kernel;
    struct erpc erpc; /* calls of ours */
    struct functions functions;
    struct rex rex;
    struct rpc rpc; /* calls of others */
    struct observer observer;
    struct appmon appmon;
    struct global_service global;
    struct trace_relays trace_relays;
    struct pg_scopes pg;
    struct mesh_service mesh;
    bool has_mesh;
};

/* After the node is ready. CNODE_LIMIT, CNODE_EXISTS. */
MUST_USE int cluster_start(struct cluster *cluster, struct node *node,
                           const struct cluster_config *config);
void cluster_stop(struct cluster *cluster);

/* From the node's events, between start and stop. */
void cluster_nodeup(struct cluster *cluster, struct peer *peer);
void cluster_nodedown(struct cluster *cluster, struct peer *peer);
void cluster_dial_failed(struct cluster *cluster, atom_t name);

#endif
