/* SPDX-License-Identifier: Apache-2.0
 *
 * The other nodes: one entry each while it is connected, dialled or to be kept,
 * and at most one connection up. Dials with
 * back-off (join nodes for ever, others on demand), answers the acceptor's
 * question of the handshake, and tells the node about up and down.
 *
 *   IDLE -> LOOKUP -> DIALLING -> UP -> IDLE
 *     ^________\__________/
 *
 * Simultaneous connects: the dial of the greater name wins (protocol 2).
 */
#ifndef CNODE_NODE_PEERS_H
#define CNODE_NODE_PEERS_H

#include "base/map.h"
#include "dist/conn.h"
#include "dist/epmd.h"
#include "dist/listener.h"
#include "node/dest.h"
#include "runtime/signal.h"

struct node;
struct attempt;

/* What a connected peer is written to: a channel, somebody who flushes it at the
 * end of the turn, and a way to end it. A socket in production, bytes in tests.
 */
struct peer_link {
    struct channel *channel;
    void (*flush)(void *owner);
    void (*close)(void *owner, int reason);
    void *owner;
    uint64_t flags; /* the peer's own */
    uint32_t creation;
};

enum peer_state { PEER_IDLE, PEER_LOOKUP, PEER_DIALLING, PEER_UP };

struct peer {
    struct peers *peers;
    atom_t name;
    enum peer_state state;
    bool keep; /* a join node: dialled for ever */
    bool is_hidden;
    uint32_t creation;
    uint32_t failures; /* dials in a row that failed */
    struct timer redial;
    struct epmd_lookup *lookup; /* PEER_LOOKUP */
    struct attempt *dial;       /* PEER_DIALLING */
    struct peer_link link;      /* PEER_UP */
    struct list waiting;        /* struct outgoing: sent while dialling */
    size_t waiting_bytes;
};

enum { REPORTS = 64 }; /* refused connections remembered, to log each once */

struct report {
    uint64_t who; /* hash of the peer's address or name */
    uint64_t until_ms;
};

struct peers {
    struct node *node;
    struct map by_name;   /* struct peer */
    struct list attempts; /* struct attempt: every connection there is */
    uint32_t attempt_count, greeting_count, up_count, lookup_count;
    struct listener *listener;
    bool is_closing;
    struct conn_config conn_config;
    struct report reports[REPORTS];
};

void peers_init(struct peers *peers, struct node *node);
void peers_fini(struct peers *peers);

/* The entry of a node, or NULL. */
struct peer *peers_find(const struct peers *peers, atom_t name);
static inline bool peer_is_up(const struct peer *peer)
{
    return peer != NULL && peer->state == PEER_UP;
}

/* Starts listening (connections are refused until the node has its creation);
 * 0 or an error of libuv. */
MUST_USE int peers_listen(struct peers *peers, const char *host, uint16_t port);
/* Keeps a connection to a node for ever (join). CNODE_BAD_NAME, CNODE_LIMIT. */
MUST_USE int peers_join(struct peers *peers, const char *name);
/* Dials unless connected or under way; on demand, so it gives up after one try.
 * NULL: not a node name, or a limit. */
struct peer *peers_connect(struct peers *peers, atom_t name);
void peers_disconnect(struct peers *peers, atom_t name, int reason);

/* A connection to `name` is up (nodeup follows). NULL: a limit, or there is one
 * already; the caller closes its connection. */
struct peer *peers_attach(struct peers *peers, const char *name,
                          const struct peer_link *link);
/* It is down: monitors, links and the node are told at once, and the link is
 * asked to close. */
void peers_detach(struct peer *peer, int reason);

/* Closes everything; node_peers_closed() follows. */
void peers_close(struct peers *peers);
bool peers_are_closed(const struct peers *peers);

/* Kept until the dial under way has succeeded; dropped and counted when it
 * fails (monitors and links then get noconnection). CNODE_OVERLOADED,
 * CNODE_NOMEM. */
int peer_send_later(struct peer *peer, struct pid from,
                    const struct dest *dest, struct payload message);
int peer_signal_later(struct peer *peer, const struct signal *signal);

/* More is queued for it than limits.send_queue_bytes: drop and count. */
bool peer_is_congested(const struct peer *peer);

/* The channel of a connected peer to put a frame on; flushed at the end of the
 * turn. */
struct channel *peer_channel(struct peer *peer);

#endif
