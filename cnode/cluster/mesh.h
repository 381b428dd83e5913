/* SPDX-License-Identifier: Apache-2.0
 *
 * Which nodes of the cluster are still to be connected: nodes that are up are
 * asked whom they see, and who is not here yet is dialled. Pure: names and
 * times in, questions and dials out.
 *
 * A node that comes up is asked at once; one of them soon after, as clusters
 * tend to form at that time, and later every MESH_ASK_MS, in turn. A dial that
 * failed, or a connection that was lost, is tried again while somebody still
 * lists that node, with back-off; a node that nobody lists any more is
 * forgotten. When there is nobody left to ask, those who were lost last are
 * dialled until they are forgotten. A node that this one left on purpose is not
 * dialled before it has come back by itself.
 */
#ifndef CNODE_CLUSTER_MESH_H
#define CNODE_CLUSTER_MESH_H

#include "base/map.h"
#include "term/view.h"

enum {
    MESH_SOON_MS = 1000,
    MESH_ASK_MS = 5000,
    MESH_AGAIN_FIRST_MS = 5000,
    MESH_AGAIN_MOST_MS = 60000,
    MESH_FORGET_MS = 600000,
};

struct mesh_events {
    /* erlang:nodes() is to be called there; mesh_answer() follows, once. Not 0:
     * it will not. */
    int (*ask)(void *owner, const char *name);
    /* mesh_nodeup() or mesh_dial_failed() follows. Not 0: neither need. */
    int (*dial)(void *owner, const char *name);
};

struct mesh {
    const char *self;
    const struct mesh_events *events;
    void *owner;
    struct map nodes; /* struct mesh_node by name */
    bool asks;        /* else it only dials, when nobody is left */
    uint32_t up_count;
    uint64_t next_ask_ms;
};

void mesh_init(struct mesh *mesh, const char *self, bool asks,
               const struct mesh_events *events, void *owner);
void mesh_fini(struct mesh *mesh);

/* Visible nodes only. */
void mesh_nodeup(struct mesh *mesh, const char *name, uint64_t now_ms);
/* `is_left`: because this node wanted it. */
void mesh_nodedown(struct mesh *mesh, const char *name, bool is_left,
                   uint64_t now_ms);
void mesh_dial_failed(struct mesh *mesh, const char *name, uint64_t now_ms);
/* A list of node names, or whatever came instead (also TERM_NONE). */
void mesh_answer(struct mesh *mesh, const char *name, struct cnode_term nodes,
                 uint64_t now_ms);

/* When mesh_tick() is due; UINT64_MAX: not before something else happens. */
uint64_t mesh_deadline(const struct mesh *mesh);
void mesh_tick(struct mesh *mesh, uint64_t now_ms);

#endif
