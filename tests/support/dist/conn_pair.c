/* SPDX-License-Identifier: Apache-2.0
 *
 * See conn_pair.h.
 */
#include "support/dist/conn_pair.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/hash.h"
#include "base/mem.h"
#include "dist/flags.h"
#include "support/dist/certs.h"
#include "support/loop_until.h"
#include "term/atom.h"

/* --- the owner */

static void close_if(struct conn_side *side, enum conn_at at)
{
    if (side->close_at == at) {
        conn_close(side->conn, CNODE_STOPPED);
    }
}

static enum handshake_status on_named(void *owner, struct conn *conn,
                                      const char *name, uint64_t flags,
                                      uint32_t creation)
{
    struct conn_side *side = owner;

    (void)conn, (void)name, (void)flags, (void)creation;
    side->named++;
    close_if(side, AT_NAMED);
    return side->answer;
}

static void on_replace(void *owner, struct conn *conn)
{
    struct conn_side *side = owner;

    (void)conn;
    side->replaced++;
}

static const char *on_cookie(void *owner, const char *name)
{
    struct conn_side *side = owner;

    (void)name;
    close_if(side, AT_COOKIE);
    return side->cookie;
}

int channel_send_number(struct channel *channel, struct pid sender, uint32_t n,
                        size_t size)
{
    struct payload payload;
    uint8_t *bytes = mem_zalloc(size);
    int rc;

    CHECK(size >= 9);
    bytes[0] = 109; /* a binary */
    set_u32(bytes + 1, (uint32_t)(size - 5));
    set_u32(bytes + 5, n);
    payload = (struct payload){.bytes = bytes, .size = size};
    control_put_reg_send(channel_begin(channel), sender, A_rex);
    rc = channel_end(channel, sender, payload);
    mem_free(bytes);
    return rc;
}

static void on_up(void *owner, struct conn *conn)
{
    struct conn_side *side = owner;

    side->up++;
    (void)snprintf(side->peer, sizeof(side->peer), "%s", conn_peer_name(conn));
    side->peer_flags = conn_peer_flags(conn);
    side->peer_creation = conn_peer_creation(conn);
    for (unsigned i = 0; i < side->echoes; i++) {
        CHECK(channel_send_number(conn_channel(conn), side->f->sender, i, 9) ==
              0);
    }
    conn_flush_later(conn);
    close_if(side, AT_UP);
}

static void on_signal(void *owner, struct conn *conn,
                      const struct control *control)
{
    struct conn_side *side = owner;
    const char *bytes;
    size_t size;

    (void)conn;
    if (!cnode_get_bytes(control->payload, &bytes, &size) || size < 4 ||
        get_u32((const uint8_t *)bytes) != side->signals) {
        side->out_of_order = true;
    } else {
        side->payload_bytes += size;
    }
    side->signals++;
    close_if(side, AT_SIGNAL);
}

static void on_over_limit(void *owner, struct conn *conn,
                          const struct control *control, const uint8_t *start,
                          size_t size)
{
    struct conn_side *side = owner;

    (void)conn, (void)control, (void)start, (void)size;
    side->over_limit++;
}

static void on_closed(void *owner, struct conn *conn, int reason)
{
    struct conn_side *side = owner;

    conn_close(conn, CNODE_CANCELED); /* still allowed, and still nothing */
    side->closed++;
    side->reason = reason;
    (void)snprintf(side->why, sizeof(side->why), "%s", conn_why(conn));
    side->conn = NULL;
}

const struct conn_events conn_pair_events = {
    .named = on_named,
    .replace = on_replace,
    .cookie = on_cookie,
    .up = on_up,
    .signal = on_signal,
    .over_limit = on_over_limit,
    .closed = on_closed,
};

static void on_incoming(void *owner, uv_stream_t *server)
{
    struct conn_pair *f = owner;

    CHECK(f->b.conn == NULL);
    CHECK(conn_accept(&f->b.conn, &f->loop, &f->b.config, server,
                      &conn_pair_events, &f->b) == 0);
}

static void on_listener_closed(void *owner)
{
    struct conn_pair *f = owner;

    f->listener = NULL;
}

static const struct listener_events listener_events = {
    .incoming = on_incoming,
    .closed = on_listener_closed,
};

/* --- for cmocka */

static void side_init(struct conn_pair *f, struct conn_side *side,
                      const char *name, uint32_t creation)
{
    *side = (struct conn_side){
        .f = f,
        .config = {.self = name,
                   .flags = dist_flags_offered(false),
                   .creation = creation,
                   .setup_ms = 5000,
                   .ticktime_ms = 60000},
        .cookie = "apple",
        .answer = HANDSHAKE_OK,
    };
}

int conn_pair_setup(void **state)
{
    struct conn_pair *f = mem_zalloc(sizeof(*f));

    *state = f;
    (void)signal(SIGPIPE, SIG_IGN);
    hash_seed(1, 2);
    atom_init();
    f->sender = (struct pid){
        .node = atom_intern(A_NAME, strlen(A_NAME)), .id = 1, .creation = 11};
    side_init(f, &f->a, A_NAME, 11);
    side_init(f, &f->b, B_NAME, 22);
    return loop_init(&f->loop, NULL, NULL) ||
           listener_open(&f->listener, &f->loop, "127.0.0.1", 0,
                         &listener_events, f);
}

int conn_pair_setup_tls(void **state)
{
    int rc = conn_pair_setup(state);
    struct conn_pair *f = *state;

    (void)cert_options();
    f->tls = cert_context("node", "ca", TLS_1_2 | TLS_1_3);
    f->a.config.tls = f->b.config.tls = f->tls;
    return rc;
}

static void close_all(struct conn_pair *f)
{
    if (f->a.conn != NULL) {
        conn_close(f->a.conn, CNODE_STOPPED);
    }
    if (f->b.conn != NULL) {
        conn_close(f->b.conn, CNODE_STOPPED);
    }
    LOOP_UNTIL(&f->loop, f->a.conn == NULL && f->b.conn == NULL);
}

int conn_pair_teardown(void **state)
{
    struct conn_pair *f = *state;

    close_all(f);
    listener_close(f->listener);
    loop_fini(&f->loop);
    tls_context_free(f->tls);
    mem_free(f);
    return 0;
}

/* --- dialling */

int conn_pair_dial_to(struct conn_pair *f, uint16_t port, const char *peer)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    return conn_dial(&f->a.conn, &f->loop, &f->a.config, peer,
                     (const struct sockaddr *)&address, &conn_pair_events,
                     &f->a);
}

void conn_pair_dial(struct conn_pair *f)
{
    assert_int_equal(conn_pair_dial_to(f, listener_port(f->listener), B_NAME),
                     0);
}

void conn_pair_open(struct conn_pair *f)
{
    conn_pair_dial(f);
    LOOP_UNTIL(&f->loop, f->a.up == 1 && f->b.up == 1);
}
