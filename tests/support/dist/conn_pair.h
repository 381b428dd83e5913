/* SPDX-License-Identifier: Apache-2.0
 *
 * Two conns in one loop, for tests: `a` dials, `b` accepts. What happens to
 * them is written down; what their owners do is set before.
 */
#ifndef CNODE_TEST_SUPPORT_DIST_CONN_PAIR_H
#define CNODE_TEST_SUPPORT_DIST_CONN_PAIR_H

#include "dist/conn.h"
#include "dist/listener.h"

#define A_NAME "a@127.0.0.1"
#define B_NAME "b@127.0.0.1"

enum conn_at { AT_NONE, AT_NAMED, AT_COOKIE, AT_UP, AT_SIGNAL };

/* What happened to one end, and what its owner does. */
struct conn_side {
    struct conn_pair *f;
    struct conn *conn; /* NULL before and after */
    struct conn_config config;
    const char *cookie;
    enum handshake_status answer;
    enum conn_at close_at;
    unsigned echoes; /* signals to send at up */

    unsigned named, replaced, up, signals, over_limit, closed;
    int reason;
    char why[512];        /* conn_why() at the end */
    size_t payload_bytes; /* of all signals */
    bool out_of_order;
    char peer[NODE_NAME_MAX + 1];
    uint64_t peer_flags;
    uint32_t peer_creation;
};

struct conn_pair {
    struct loop loop;
    struct listener *listener;
    struct conn_side a, b; /* the dialler and the acceptor */
    struct pid sender;
    struct tls_context *tls; /* NULL: plain */
};

extern const struct conn_events conn_pair_events;

/* For cmocka: the loop and the listener; *state is a struct conn_pair. */
int conn_pair_setup(void **state);
int conn_pair_teardown(void **state);
/* The same over TLS. */
int conn_pair_setup_tls(void **state);

/* `a` dials; what conn_dial() says. */
int conn_pair_dial_to(struct conn_pair *f, uint16_t port, const char *peer);
/* `a` dials `b`. */
void conn_pair_dial(struct conn_pair *f);
/* And both are up. */
void conn_pair_open(struct conn_pair *f);

/* Puts a binary of `size` bytes, tag and length included, that begins with `n`
 * on a channel: `n` counts from 0 in each direction. */
int channel_send_number(struct channel *channel, struct pid sender, uint32_t n,
                        size_t size);

#endif
