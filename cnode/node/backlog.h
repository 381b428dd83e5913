/* SPDX-License-Identifier: Apache-2.0
 *
 * What was sent to a node while it is being connected, in order. Bounded by
 * limits.send_queue_bytes, and limits.large_queue_bytes for items above 64 KiB.
 * Belongs to a peer.
 */
#ifndef CNODE_NODE_BACKLOG_H
#define CNODE_NODE_BACKLOG_H

#include "node/parcel.h"

struct node;

struct backlog {
    struct list items;         /* struct parcel */
    size_t bytes, large_bytes; /* of small items; of those above 64 KiB */
};

void backlog_init(struct backlog *backlog);
static inline bool backlog_is_empty(const struct backlog *backlog)
{
    return list_is_empty(&backlog->items);
}

/* Both copy. CNODE_OVERLOADED when it is full (counted), CNODE_NOMEM. */
MUST_USE int backlog_add_message(struct backlog *backlog, struct pid from,
                                 const struct dest *dest,
                                 struct payload message);
MUST_USE int backlog_add_signal(struct backlog *backlog,
                                const struct signal *signal);

/* The node `name` is connected: all of it goes out. */
void backlog_send(struct backlog *backlog, struct node *node, atom_t name);
/* Moves all of it; `to` is uninitialised. */
void backlog_take(struct backlog *to, struct backlog *from);
/* Nothing came of it: messages are dead letters, and whoever waits for
 * something gets noconnection. */
void backlog_fail(struct backlog *backlog, struct node *node, atom_t name);
/* Nobody is told. */
void backlog_clear(struct backlog *backlog);

#endif
