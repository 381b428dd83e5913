/* SPDX-License-Identifier: Apache-2.0
 *
 * Who a signal is for. Nothing is sent except through here. All paths cross
 * this file; it stays short.
 */
#ifndef CNODE_NODE_ROUTE_H
#define CNODE_NODE_ROUTE_H

#include "dist/channel.h"
#include "node/dest.h"
#include "node/relations.h"

struct node;
struct peer;

/* A message to anywhere. Remote nodes are dialled when they are not connected
 * and the node's configuration allows it; meanwhile the message waits. Nobody
 * there is no error. CNODE_OVERLOADED when the peer's send queue is full,
 * CNODE_NOCONN when a node cannot be reached at all. */
int route_send(struct node *node, struct pid from, const struct dest *dest,
               struct payload message);

/* Other signals, local or remote; the peer must be connected, else they are
 * dropped (CNODE_NOCONN). signal->to.node says where it goes; for
 * SIGNAL_MONITOR and SIGNAL_DEMONITOR by name, `node` is where the name is. */
int route_signal(struct node *node, const struct signal *signal, atom_t where);

/* For receive.c: ends a control message on a channel. Signals are not lost
 * while the connection is there: without memory for one it is broken. */
int route_finish(struct peer *peer, struct channel *channel, struct pid from,
                 struct payload reason);

/* A signal that is not a message, for a local process (scheduler_events). */
void route_local(struct node *node, const struct signal *signal);

#endif
