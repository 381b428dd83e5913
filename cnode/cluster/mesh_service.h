/* SPDX-License-Identifier: Apache-2.0
 *
 * Connects a visible node to all others of its cluster, which global does
 * between BEAM nodes (cluster/mesh.h): by erpc to erlang:nodes/0 and dials.
 * Belongs to scheduler 0.
 */
#ifndef CNODE_CLUSTER_MESH_SERVICE_H
#define CNODE_CLUSTER_MESH_SERVICE_H

#include "cluster/erpc.h"
#include "cluster/mesh.h"
#include "node/node.h"

struct mesh_service {
    struct node *node;
    struct erpc *erpc;
    struct mesh mesh;
    struct timer timer;
    struct list questions; /* under way */
};

/* `asks`: else it only dials again when nobody is left, as global does the
 * rest.
 */
void mesh_service_start(struct mesh_service *service, struct node *node,
                        struct erpc *erpc, bool asks);
void mesh_service_stop(struct mesh_service *service);

void mesh_service_nodeup(struct mesh_service *service, const struct peer *peer);
/* `is_left`: because this node wanted it. */
void mesh_service_nodedown(struct mesh_service *service,
                           const struct peer *peer, bool is_left);
void mesh_service_dial_failed(struct mesh_service *service, atom_t name);

#endif
