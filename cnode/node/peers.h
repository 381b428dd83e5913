/* SPDX-License-Identifier: Apache-2.0
 *
 * The other nodes: one entry each while it is connected, dialled or to be kept,
 * and at most one connection up. Dials with
 * back-off (join nodes for ever, others on demand), answers the acceptor's
 * question of the handshake, and tells the node about up and down.
 *
 *   IDLE -> LOOKUP -> DIALLING -> UP -> IDLE
 *     ^________\_________/ ^ \     ^
 *               \________/   EXPECTED
 *
 * Simultaneous connects: the dial of the greater name wins (protocol 2). When
 * the other end dials before ours has said a word, or wins, its connection is
 * EXPECTED, and ours is not dialled meanwhile: both sides would drop the
 * other's.
 */
#ifndef CNODE_NODE_PEERS_H
#define CNODE_NODE_PEERS_H

#include "base/map.h"
#include "dist/conn.h"
#include "dist/epmd.h"
#include "dist/listener.h"
#include "node/backlog.h"
#include "node/leader.h"
#include "node/refusals.h"

struct node;
struct attempt;

/* What a connected peer is written to: a channel, somebody who flushes it at
 * the end of the turn, and a way to end it. A socket in production, bytes in
 * tests.
 */
struct peer_link {
    struct channel *channel;
    void (*flush)(void *owner);
    void (*close)(void *owner, int reason);
    /* The address of this end, as conn_local_host(); NULL: there is none. */
    bool (*local_host)(void *owner, char text[ADDRESS_TEXT_MAX]);
    /* Bytes read and written so far; NULL: nobody counts them. */
    void (*traffic)(void *owner, uint64_t *in, uint64_t *out);
    void *owner;
    uint64_t flags; /* the peer's own */
    uint32_t creation;
};

enum peer_state {
    PEER_IDLE,
    PEER_LOOKUP,
    PEER_DIALLING,
    PEER_EXPECTED, /* it dials us */
    PEER_UP,
};

enum { PEER_YIELDS_MOST = 2 }; /* after that our own dial counts again */

struct peer {
    struct peers *peers;
    atom_t name;
    enum peer_state state;
    bool keep; /* a join node: dialled for ever */
    bool is_hidden;
    bool is_barred; /* AUTO_CONNECT_ONCE: it was lost, see there */
    uint32_t creation;
    uint32_t failures;  /* dials in a row that failed */
    uint32_t yields;    /* how often its dial was preferred to ours, in a row */
    struct timer timer; /* IDLE: dials again; EXPECTED: gives up; UP: breaks */
    struct epmd_lookup *lookup; /* PEER_LOOKUP, or one that was cancelled */
    struct attempt *dial;       /* PEER_DIALLING */
    struct peer_link link;      /* PEER_UP */
    uint64_t connection;        /* PEER_UP: its number, never used again */
    uint64_t up_ms;             /* PEER_UP: loop_now_ms() of its nodeup */
    int broken;                 /* PEER_UP: why it ends soon, or 0 */
    struct backlog backlog;     /* sent while it is being connected */
    struct leader leader;       /* PEER_UP */
    uint32_t news[]; /* of losses, on their way to each scheduler: remote.h */
};

struct peers {
    struct node *node;
    struct map by_name;   /* struct peer */
    struct list attempts; /* struct attempt: every connection there is */
    uint32_t attempt_count, greeting_count, up_count, lookup_count;
    uint64_t connections; /* there ever were */
    struct listener *listener;
    bool is_closing;
    struct conn_config conn_config;
    struct refusals refusals;
};

void peers_init(struct peers *peers, struct node *node);
void peers_fini(struct peers *peers);

/* The entry of a node, or NULL. */
struct peer *peers_find(const struct peers *peers, atom_t name);
static inline bool peer_is_up(const struct peer *peer)
{
    return peer != NULL && peer->state == PEER_UP;
}

/* It is being connected. */
static inline bool peer_is_coming(const struct peer *peer)
{
    return peer != NULL && peer->state != PEER_IDLE && peer->state != PEER_UP;
}

/* Starts listening (connections are refused until the node has its creation);
 * 0 or an error of libuv. */
MUST_USE int peers_listen(struct peers *peers, const char *host, uint16_t port);
/* Keeps a connection to a node for ever (join). CNODE_BAD_NAME, CNODE_LIMIT,
 * CNODE_NOT_ALLOWED. */
MUST_USE int peers_join(struct peers *peers, const char *name);
/* Dials unless connected or under way; on demand, so it gives up after one try.
 * NULL: not a node name, not one that is allowed, or limits.connections. */
struct peer *peers_connect(struct peers *peers, atom_t name);
/* The same for a send, as node_config.auto_connect has it: NULL also when that
 * says no. */
struct peer *peers_auto_connect(struct peers *peers, atom_t name);
void peers_disconnect(struct peers *peers, atom_t name, int reason);

/* A connection to `name` is up (nodeup follows). NULL: a limit, or there is one
 * already, or nodeup was the end of it; the caller closes its connection. */
struct peer *peers_attach(struct peers *peers, const char *name,
                          const struct peer_link *link);
/* It is down: monitors, links and the node are told at once, and the link is
 * asked to close. */
void peers_detach(struct peer *peer, int reason);

/* Closes everything; node_peers_closed() follows. */
void peers_close(struct peers *peers);
bool peers_are_closed(const struct peers *peers);

/* More is queued for it than limits.send_queue_bytes, or, for a message of such
 * a size, limits.large_queue_bytes: drop and count. */
bool peer_is_congested(const struct peer *peer, size_t size);

/* The address that a connected peer has reached us at, or was dialled from. */
bool peer_local_host(const struct peer *peer, char text[ADDRESS_TEXT_MAX]);

/* The channel of a connected peer to put a frame on; flushed at the end of the
 * turn. */
struct channel *peer_channel(struct peer *peer);

/* A signal could not be queued: better no connection than one that lost an exit
 * or a DOWN. It ends at the start of the next turn, with everything told. */
void peer_break(struct peer *peer, int reason);

/* --- for node/remote.c */

/* That scheduler knows of one more loss of the peer. */
void peers_news_confirmed(struct peers *peers, atom_t name, uint32_t scheduler);

/* --- for node/attempt.c */

/* May that node connect? */
bool peers_are_allowed(const struct peers *peers, const char *name);

/* Its dial is preferred to ours, which ends. */
void peer_expect(struct peer *peer);
/* A connection it was to bring came to nothing: we dial. */
void peer_not_expected(struct peer *peer, int reason);
/* Our dial came to nothing. The peer may be gone when this returns. */
void peer_dial_failed(struct peer *peer, int reason);
/* After an attempt has ended. */
void peers_check_closed(struct peers *peers);

#endif
