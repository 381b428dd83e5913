/* SPDX-License-Identifier: Apache-2.0
 *
 * Links and their unlink protocol (erts "Distribution Protocol", "New link
 * protocol"): per pair of processes absent, active or waiting for an
 * acknowledgement.
 *
 *   link():          absent, waiting -> active (LINK sent)
 *   unlink():        active -> waiting(id) (UNLINK_ID sent)
 *   LINK comes:      absent -> active; else no change
 *   UNLINK_ID comes: active -> absent; always acknowledged, first of all
 *   ACK(id) comes:   waiting(id) -> absent
 *   EXIT comes:      active -> exit signal; either way absent
 */
#ifndef CNODE_NODE_LINK_H
#define CNODE_NODE_LINK_H

#include "base/map.h"
#include "base/mem.h"
#include "node/relations.h"

struct remote;

struct link {
    struct pid local, other;
    uint64_t serial;       /* its own, for noconnection: see lose() */
    uint64_t waiting;      /* 0: active; else the id of our unlink */
    struct list in_local;  /* relations.links of the local process */
    struct list in_remote; /* remote.links, when the other one is */
};

/* A pair of two local processes has two entries, one for each side. */
struct links {
    struct map by_pair;
    struct slab slab;
    uint64_t next_id;
};

void links_init(struct links *links);
void links_fini(struct links *links);

/* A local process links itself to a pid. If that is not there, an exit signal
 * noproc comes back. CNODE_LIMIT. */
MUST_USE int link_start(struct node *node, struct process *local,
                        struct pid other);
void link_stop(struct node *node, struct process *local, struct pid other);

/* `local` asked to spawn `other` with a link, which knows of it; is_lost: its
 * node is gone by now. */
void link_spawned(struct node *node, struct process *local, struct pid other,
                  bool is_lost);

void link_on_link(struct node *node, struct process *local,
                  const struct signal *signal); /* NULL: dead */
void link_on_unlink(struct node *node, struct process *local,
                    const struct signal *signal);
void link_on_unlink_ack(struct node *node, struct process *local,
                        const struct signal *signal);
bool link_is_active(struct node *node, struct pid local, struct pid other);
/* True when an active link was there (and is gone now): the signal counts. */
bool link_on_exit(struct node *node, struct process *local,
                  const struct signal *signal);

void link_process_ends(struct node *node, struct process *process,
                       struct cnode_term reason);
void link_node_down(struct node *node, struct remote *remote);

#endif
