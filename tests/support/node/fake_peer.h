/* SPDX-License-Identifier: Apache-2.0
 *
 * A node in memory and peers without sockets: what the node sends to a peer is
 * read back as lines of text, what a peer sends is written as terms.
 */
#ifndef CNODE_SUPPORT_FAKE_PEER_H
#define CNODE_SUPPORT_FAKE_PEER_H

#include "node/node.h"

/* n1@here, creation 7. Aborts when the machine has no loop to give. */
void fake_node_open(struct node *node);
/* With so many schedulers, which have no threads: they run when they are
 * settled, one after the other. */
void fake_node_open_with(struct node *node, uint32_t schedulers);
/* Also ends dials that are under way, if the test caused any. */
void fake_node_close(struct node *node);
/* Runs the node (all its schedulers) until it has nothing to do. */
void fake_node_settle(struct node *node);
extern unsigned fake_nodeups, fake_nodedowns;

struct fake_peer {
    struct node *node;
    struct peer *peer;      /* NULL after it went down */
    struct channel channel; /* the node's end */
    struct channel wire;    /* the peer's end */
    uint32_t creation;
    struct buf lines; /* what it got: one signal a line */
    int closed;       /* the reason, 0 while up */
};

/* Attached with the flags of OTP 27, creation 3. What the node sends is
 * checked: a BEAM drops the connection for an exit to its earlier life and for
 * what speaks in the name of another node. */
void fake_peer_open(struct fake_peer *fake, struct node *node,
                    const char *name);
void fake_peer_open_as(struct fake_peer *fake, struct node *node,
                       const char *name, uint32_t creation, uint64_t flags);
void fake_peer_close(struct fake_peer *fake);

/* The node receives a control tuple (Erlang text, with ~p and ~r directives as
 * in term/build.h) and, if not NULL, a payload. */
void fake_peer_send(struct fake_peer *fake, const char *payload,
                    const char *control, ...);

/* What the peer got since the last call, after settling: lines such as
 *     send from=<n1@here.1.0> to=<p1@there.5.0> payload=hello
 * separated by \n. Valid until the next call. */
const char *fake_peer_got(struct fake_peer *fake);

#endif
