/* SPDX-License-Identifier: Apache-2.0
 *
 * The Erlang port mapper daemon: keeping our name registered, and looking up
 * others. Belongs to one loop.
 *
 * Registration: connects to 127.0.0.1:port; if nobody answers there, starts
 * `epmd -daemon` once (as erl does) and tries again; keeps the connection open
 * and never writes on it. When epmd goes away the name is registered again with
 * the same port: after 0.25 s, then less often, every 2 s in the end, for ever.
 * The first creation stays for the life of the node.
 */
#ifndef CNODE_DIST_EPMD_H
#define CNODE_DIST_EPMD_H

#include <sys/socket.h>

#include "base/loop.h"
#include "dist/epmd_wire.h"

struct epmd_client;

struct epmd_events {
    /* Exactly once: registered for the first time (rc 0) or given up (negative:
     * CNODE_NAME_IN_USE, CNODE_TIMEOUT, CNODE_PROTOCOL, CNODE_CLOSED, an error
     * of libuv: UV_ENOENT when epmd was to be started and is not installed;
     * CNODE_CANCELED when closed before). Close the client in either case. */
    void (*registered)(void *owner, int rc, uint32_t creation);
    /* The registration is lost, or could not be renewed for another reason than
     * the last time (CNODE_NAME_IN_USE: somebody else has the name now). We go
     * on trying. */
    void (*lost)(void *owner, int reason);
    /* Registered again after epmd came back. */
    void (*renewed)(void *owner);
    /* The last event; the client is freed when it returns. */
    void (*closed)(void *owner);
};

/* The port of epmd: ERL_EPMD_PORT, else 4369. */
uint16_t epmd_port_from_env(void);
/* What ERL_EPMD_PORT says when that is no port, else NULL. */
const char *epmd_env_mistake(void);

/* Opens; from then on the one way out is the closed event. `start_daemon`:
 * start epmd if there is none. 0 or a negative error before anything
 * asynchronous exists. */
MUST_USE int epmd_open(struct epmd_client **client, struct loop *loop,
                       uint16_t epmd_port, const char *alive, uint16_t port,
                       bool start_daemon, const struct epmd_events *events,
                       void *owner);
/* Ends the registration (epmd forgets the name at once). Idempotent. */
void epmd_close(struct epmd_client *client);

/* What is known about where a node listens. */
struct epmd_where {
    const char *node;   /* its full name */
    const char *host;   /* where it is; NULL: the host part of its name */
    uint16_t epmd_port; /* of that host */
    uint16_t port;      /* not 0: it listens there, epmd is not asked */
};

/* Looks up the address of a node: resolves the host (IPv4 first), asks the epmd
 * of that host. `done` runs exactly once, never before this returns, unless it
 * fails at once; the lookup is gone then. Its address is borrowed, NULL unless
 * rc is 0. Errors: CNODE_BAD_NAME (at once),
 * CNODE_NOT_REGISTERED: epmd does not know the node; CNODE_REFUSED: a node of
 * another protocol version; CNODE_TIMEOUT, CNODE_PROTOCOL, CNODE_CLOSED,
 * CNODE_CANCELED, errors of libuv.
 *
 * A resolver that hangs cannot be interrupted: `done` comes in time all the
 * same, loop_fini() waits for the resolver. */
struct epmd_lookup;
typedef void (*epmd_lookup_fn)(void *owner, int rc,
                               const struct sockaddr *address);
MUST_USE int epmd_lookup_open(struct epmd_lookup **lookup, struct loop *loop,
                              const struct epmd_where *where,
                              uint64_t timeout_ms, epmd_lookup_fn done,
                              void *owner);
/* `done` will run with CNODE_CANCELED (later, once), unless it ran already. */
void epmd_lookup_cancel(struct epmd_lookup *lookup);

#endif
