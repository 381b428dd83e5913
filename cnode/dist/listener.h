/* SPDX-License-Identifier: Apache-2.0
 *
 * The listening socket. Belongs to one loop.
 */
#ifndef CNODE_DIST_LISTENER_H
#define CNODE_DIST_LISTENER_H

#include "base/loop.h"

struct listener;

struct listener_events {
    /* A connection waits: conn_accept() it, or listener_refuse() it. Must do
     * one of them, or no further connection is reported. */
    void (*incoming)(void *owner, uv_stream_t *server);
    /* The last event; the listener is freed when it returns. */
    void (*closed)(void *owner);
};

/* Listens on `host`:`port` (a literal address, IPv4 or IPv6; port 0: any),
 * backlog 128. 0; CNODE_EINVALID for the host; an error of libuv. */
MUST_USE int listener_open(struct listener **listener, struct loop *loop,
                           const char *host, uint16_t port,
                           const struct listener_events *events, void *owner);
uint16_t listener_port(const struct listener *listener);
/* Closes the connection that waits, because of a limit; counted. */
void listener_refuse(struct loop *loop, uv_stream_t *server);
void listener_close(struct listener *listener); /* idempotent */

#endif
