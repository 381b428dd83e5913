/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole node with sockets, several of them in one thread: the test runs a
 * turn of each loop in turn. What happens is written down.
 */
#ifndef CNODE_SUPPORT_LIVE_NODE_H
#define CNODE_SUPPORT_LIVE_NODE_H

#include "node/node.h"

struct live_node {
    struct node node;
    struct node_config config;
    bool is_open;
    unsigned ready, ups, downs, dial_failures, closed;
    int ready_rc, dial_reason;
    unsigned at_once, most_at_once; /* connections up */
    /* What the test wants done inside an event; may be NULL. */
    void (*on_nodeup)(struct live_node *live, struct peer *peer);
    void (*on_nodedown)(struct live_node *live, struct peer *peer);
    void (*on_dial_failed)(struct live_node *live, atom_t name);
    struct process sink; /* writes down the messages it gets, one a line */
    struct buf seen;
};

/* Fills in what tests need; change `config` before live_node_open(). */
void live_node_init(struct live_node *live, const char *name,
                    uint16_t epmd_port);
/* Opens and runs until it is ready. The sink is registered as `sink`. */
void live_node_open(struct live_node *live);
/* Closes and runs until nothing is left. */
void live_node_close(struct live_node *live);

void live_node_turn(struct live_node *live);
struct loop *live_node_loop(struct live_node *live);
/* The peer, or NULL when it is not up. */
struct peer *live_node_peer(struct live_node *live, const char *name);
const char *live_node_seen(struct live_node *live);

#endif
