/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to a peer node: socket, TLS if it is to be, handshake, then
 * channel, with its deadlines. Belongs to one loop.
 *
 *   CONNECTING -> (SECURING ->) HANDSHAKE -> UP -> CLOSING -> (closed event,
 *        \____________\____________\_________/                  freed)
 *
 * Deadlines: net_setuptime for TLS and for each step of the handshake; when up,
 * something is sent every ticktime/8 if nothing else was (a BEAM may run a
 * shorter ticktime than ours), the peer is given up when no byte came for a
 * ticktime (CNODE_STALLED), or when it took no byte of a waiting write for a
 * ticktime.
 */
#ifndef CNODE_DIST_CONN_H
#define CNODE_DIST_CONN_H

#include <sys/socket.h>

#include "base/loop.h"
#include "dist/address.h"
#include "dist/channel.h"
#include "dist/handshake.h"

struct conn;

struct conn_events {
    /* Acceptor only; see handshake.h. */
    enum handshake_status (*named)(void *owner, struct conn *conn,
                                   const char *name, uint64_t flags,
                                   uint32_t creation);
    void (*replace)(void *owner, struct conn *conn);
    const char *(*cookie)(void *owner, const char *name);
    /* The handshake is done: conn_channel(), conn_peer_*() may be used. */
    void (*up)(void *owner, struct conn *conn);
    void (*signal)(void *owner, struct conn *conn,
                   const struct control *control);
    void (*over_limit)(void *owner, struct conn *conn,
                       const struct control *control, const uint8_t *start,
                       size_t size);
    /* See channel.h. */
    bool (*is_wanted)(void *owner, struct conn *conn,
                      const struct control *control);
    /* The last event; the conn is freed when it returns. `reason` negative. */
    void (*closed)(void *owner, struct conn *conn, int reason);
};

struct conn_config {
    const char *self; /* borrowed for the life of the conn, as the rest */
    uint64_t flags;
    uint32_t creation;
    uint64_t setup_ms;             /* net_setuptime, per step */
    uint64_t ticktime_ms;          /* net_ticktime */
    const struct tls_context *tls; /* NULL: plain TCP */
};

/* Dials `address` and greets it as `peer`. 0, or an error before anything
 * asynchronous exists. */
MUST_USE int conn_dial(struct conn **conn, struct loop *loop,
                       const struct conn_config *config, const char *peer,
                       const struct sockaddr *address,
                       const struct conn_events *events, void *owner);

/* Takes a connection waiting on a listening stream (uv_accept). */
MUST_USE int conn_accept(struct conn **conn, struct loop *loop,
                         const struct conn_config *config, uv_stream_t *server,
                         const struct conn_events *events, void *owner);

/* Any time, twice, from any callback; the first reason wins. What was queued
 * before is written first if the socket takes it at once (so that a clean stop
 * loses nothing). */
void conn_close(struct conn *conn, int reason);

struct channel *conn_channel(struct conn *conn);
const char *conn_peer_name(const struct conn *conn); /* "" until known */
uint64_t conn_peer_flags(const struct conn *conn);
uint32_t conn_peer_creation(const struct conn *conn);
/* The address of the other end as text, for logs. */
const char *conn_address(const struct conn *conn);
/* The address of this end, without its port; false: it is gone already. */
bool conn_local_host(const struct conn *conn, char text[ADDRESS_TEXT_MAX]);
/* Bytes that were read and written, ever, those of TLS included. */
void conn_traffic(const struct conn *conn, uint64_t *in, uint64_t *out);
/* What TLS says about the reason of its end, for logs; "" when nothing. */
const char *conn_why(const struct conn *conn);

/* Something was put on the channel: written at the end of this turn. Called by
 * whoever called channel_end(). */
void conn_flush_later(struct conn *conn);

#endif
