/* SPDX-License-Identifier: Apache-2.0
 *
 * The other nodes as one scheduler sees them: which are connected, and what
 * crosses between their processes and those of this scheduler, so that the loss
 * of a connection walks nothing else.
 *
 * Scheduler 0, which has the connections, tells the others. They see a node up
 * before anything that came from it, and down after all of it, since all comes
 * through the same door. In the other direction something may be on its way to
 * scheduler 0 while the news of a loss is on its way back: scheduler 0 knows
 * who has confirmed that news, and drops what crosses it (peer.news); the loss
 * answers it.
 */
#ifndef CNODE_NODE_REMOTE_H
#define CNODE_NODE_REMOTE_H

#include "base/list.h"
#include "base/map.h"
#include "term/ident.h"

struct node;
struct peer;

struct remote {
    atom_t name;
    uint64_t connection; /* its number; 0: not connected */
    bool is_hidden;
    struct list watchers; /* struct monitor.in_watcher: who there watches us */
    struct list watched;  /* struct monitor.in_target: whom we watch there */
    struct list links;    /* struct link.in_remote */
    struct list spawns;   /* struct spawn_entry.in_remote */
};

struct remotes {
    struct map by_name; /* struct remote */
};

void remotes_init(struct remotes *remotes);
void remotes_fini(struct remotes *remotes);

/* The entry of a node, or NULL. */
struct remote *remote_find(const struct node *node, atom_t name);
struct remote *remote_find_or_add(struct node *node, atom_t name);
/* Something left one of its lists: an entry that nobody needs is freed. */
void remote_trim(struct node *node, atom_t name);

static inline bool remote_is_up(const struct remote *remote)
{
    return remote != NULL && remote->connection != 0;
}

/* --- scheduler 0, for node/peers.c */

void remotes_nodeup(struct node *node, struct peer *peer);
/* Whoever watches, is linked or waits for a spawn gets noconnection. */
void remotes_nodedown(struct node *node, struct peer *peer);
/* The news of a loss is on its way to that scheduler. */
bool remotes_has_news(const struct peer *peer, uint32_t scheduler);
bool remotes_has_any_news(const struct peer *peer);

#endif
