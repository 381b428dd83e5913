/* SPDX-License-Identifier: Apache-2.0
 *
 * global's server, for the other files of it: see global.h.
 */
#ifndef CNODE_CLUSTER_GLOBAL_SERVER_H
#define CNODE_CLUSTER_GLOBAL_SERVER_H

#include "cluster/global_parts.h"

/* A request that changes names or locks, on behalf of the process `by`: true,
 * false, yes or ok; ATOM_NONE: it is none of these. */
atom_t server_change(struct global *g, struct pid by,
                     struct cnode_term request);

/* A session with a node that came up, or a new one with it. */
void session_begin(struct global *g, struct global_peer *peer);
/* With `tells`: the other side is told, when it is in the middle of it. */
void session_end(struct global *g, struct global_peer *peer, bool tells);

/* A node is lost, or dropped (`is_dropped`: it is still connected). */
void server_lose(struct global *g, struct global_peer *peer, bool is_dropped);

/* --- whom we know (global_known.c) */

/* Appends [{Node, Version}], or without versions. */
void known_put(struct global *g, struct buf *buf, bool with_version);
void known_add(struct global_peer *peer, int64_t version);
/* A list of Node or {Node, Version}: they are known from here on, without
 * sessions of their own. */
void known_adopt(struct global *g, struct cnode_term his_known);
/* {in_sync, Node, IsKnown}: it knows us, by way of a third. */
void known_in_sync(struct global *g, struct global_peer *peer);
/* The elements of a new_nodes. */
int known_new_nodes(struct global *g, const struct global_peer *from,
                    struct cnode_term parts[6]);
/* It knows us, and we do not know it: both start over. */
void known_reconnect(struct global *g, const struct global_peer *peer);
void known_nodeup(struct global *g, struct global_peer *peer);
void known_dial_failed(struct global *g, struct global_peer *peer);
uint64_t known_deadline(const struct global *g);
void known_tick(struct global *g);

/* --- what servers tell each other, by the files that understand it */

/* casts of a session: init_connect, exchange, resolved, lock_set, in_sync,
 * new_nodes. 0, CNODE_UNHANDLED, CNODE_EINVALID. */
int session_cast(struct global *g, struct pid from, struct cnode_term cast);
/* Plain messages: init_connect_ack, cancel_connect. */
int session_info(struct global *g, struct pid from, struct cnode_term message);
/* Plain messages: lost_connection, remove_connection. */
int partition_info(struct global *g, struct pid from,
                   struct cnode_term message);
void partition_fini(struct global *g);
void partition_tick(struct global *g);

#endif
