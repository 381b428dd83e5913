/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection on behalf of the peers, dialled or accepted, from its socket
 * to its closed event, which is the one place where it is freed. A peer points
 * to the attempt that counts for it; one that lost its peer only waits to be
 * closed.
 */
#ifndef CNODE_NODE_ATTEMPT_H
#define CNODE_NODE_ATTEMPT_H

#include "node/peers.h"

struct attempt {
    struct list node; /* peers.attempts */
    struct peers *peers;
    struct peer *peer; /* NULL: accepted and not up, or superseded */
    struct conn *conn;
    bool is_greeting; /* accepted and not up: counts in greeting_count */
    bool is_welcome;  /* greeting: we let it go on */
};

/* 0 and the attempt, or an error of conn_dial(). */
MUST_USE int attempt_dial(struct attempt **attempt, struct peer *peer,
                          const struct sockaddr *address);
/* A connection waits on the listening stream. */
void attempt_accept(struct peers *peers, uv_stream_t *server);
/* It no longer counts for its peer, and closes. */
void attempt_abandon(struct attempt *attempt, int reason);

/* The node `name` is about to connect to us. */
bool attempt_is_coming(const struct peers *peers, const char *name);

#endif
