/* SPDX-License-Identifier: Apache-2.0
 *
 * Conns of which one speaks TLS and the other does not, or shows a certificate
 * that is not accepted, or stops in the middle. test_conn.c has what two conns
 * over TLS do when all is well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/mem.h"
#include "base/metric.h"
#include "dist/flags.h"
#include "dist/tls.h"
#include "support/dist/certs.h"
#include "support/dist/raw_peer.h"
#include "support/dist/tls_pair.h"
#include "support/loop_until.h"
#include "support/raw_socket.h"

static void dial_and_end(struct conn_pair *f)
{
    f->a.closed = f->b.closed = 0;
    conn_pair_dial(f);
    LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);
    assert_int_equal(f->a.up + f->b.up, 0);
}

/* One end has that certificate. */
static struct tls_context *use(struct conn_side *side, const char *name,
                               unsigned versions)
{
    struct tls_context *context = cert_context(name, "ca", versions);

    side->config.tls = context;
    return context;
}

/* --- one end only speaks TLS */

static void a_plain_dialler_is_told_apart_at_once(void **state)
{
    struct conn_pair *f = *state;

    f->a.config.tls = NULL;
    dial_and_end(f);
    assert_int_equal(f->b.reason, CNODE_TLS_MISSING);
    assert_int_equal(f->a.reason, CNODE_TLS_UNWANTED);
}

static void a_plain_acceptor_is_told_apart_at_once(void **state)
{
    struct conn_pair *f = *state;

    f->b.config.tls = NULL;
    dial_and_end(f);
    assert_int_equal(f->b.reason, CNODE_TLS_UNWANTED);
    assert_int_equal(f->a.reason, CNODE_TLS_MISSING);
    assert_non_null(strstr(f->a.why, "plain node"));
}

static void a_silent_acceptor_is_suspected_to_be_plain(void **state)
{
    struct conn_pair *f = *state;
    uint16_t port;
    int fd = raw_listen(&port);

    f->a.config.setup_ms = 30;
    assert_int_equal(conn_pair_dial_to(f, port, B_NAME), 0);
    LOOP_UNTIL(&f->loop, f->a.closed == 1);
    assert_int_equal(f->a.reason, CNODE_TLS_MISSING);
    raw_close(fd);
}

static void an_alert_is_told_apart_by_a_plain_dialler(void **state)
{
    struct conn_pair *f = *state;
    uint16_t port;
    int listener = raw_listen(&port), fd;

    f->a.config.tls = NULL;
    assert_int_equal(conn_pair_dial_to(f, port, B_NAME), 0);
    loop_run_ms(&f->loop, 20);
    fd = raw_accept(listener);
    assert_int_equal(raw_write(fd, "\x15\x03\x03\0\2\2\x0a", 7), 7);
    LOOP_UNTIL(&f->loop, f->a.closed == 1);
    assert_int_equal(f->a.reason, CNODE_TLS_UNWANTED);
    raw_close(fd);
    raw_close(listener);
}

/* --- certificates */

static void a_wrong_certificate_is_refused_by_either_end(void **state)
{
    struct conn_pair *f = *state;

    cert_make(&(struct cert_spec){
        .name = "old", .hosts = "IP:127.0.0.1", .days = -1});
    for (unsigned version = TLS_1_2; version <= TLS_1_3; version++) {
        for (int i = 0; i < 2; i++) {
            struct conn_side *bad = i == 0 ? &f->a : &f->b;
            struct conn_side *good = i == 0 ? &f->b : &f->a;
            struct tls_context *context = use(bad, "old", version);

            dial_and_end(f);
            assert_int_equal(good->reason, CNODE_TLS_CERTIFICATE);
            assert_int_equal(bad->reason, CNODE_TLS_REFUSED);
            assert_non_null(strstr(good->why, "CN=old has expired on 2"));
            assert_non_null(strstr(bad->why, "has expired"));
            bad->config.tls = f->tls;
            tls_context_free(context);
        }
    }
}

/* The name in the handshake decides, not the address. */
static void a_certificate_binds_the_name_that_is_claimed(void **state)
{
    struct conn_pair *f = *state;
    struct tls_context *context;

    cert_make(
        &(struct cert_spec){.name = "elsewhere", .hosts = "DNS:c.example"});
    context = use(&f->a, "elsewhere", TLS_1_3);
    dial_and_end(f); /* as a@127.0.0.1 */
    assert_int_equal(f->b.reason, CNODE_TLS_CERTIFICATE);
    assert_int_equal(f->a.reason, CNODE_REFUSED); /* not_allowed */
    assert_int_equal(f->b.named, 0);
    assert_non_null(strstr(f->b.why,
                           "CN=elsewhere is for c.example and not for "
                           "127.0.0.1"));
    f->a.config.self = "a@c.example";
    f->a.closed = f->b.closed = 0;
    conn_pair_open(f);
    conn_close(f->a.conn, CNODE_STOPPED);
    LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);

    f->a.config.self = A_NAME;
    f->tls->options.match_name = false;
    f->a.up = f->b.up = 0;
    conn_pair_open(f);
    conn_close(f->a.conn, CNODE_STOPPED);
    LOOP_UNTIL(&f->loop, f->a.conn == NULL && f->b.conn == NULL);
    tls_context_free(context);
}

static void both_versions_and_new_keys_carry_on(void **state)
{
    enum { COUNT = 2000, SIZE = 3000 };
    struct conn_pair *f = *state;

    for (unsigned version = TLS_1_2; version <= TLS_1_3; version++) {
        struct tls_context *context = use(&f->a, "node", version);
        int rc = 0;

        context->rekey_records = 3;
        f->a.up = f->b.up = f->a.closed = f->b.closed = f->b.signals = 0;
        conn_pair_open(f);
        for (uint32_t i = 0; i < COUNT; i++) {
            rc |= channel_send_number(conn_channel(f->a.conn), f->sender, i,
                                      SIZE);
        }
        assert_int_equal(rc, 0);
        conn_flush_later(f->a.conn);
        LOOP_UNTIL(&f->loop, f->b.signals == COUNT);
        assert_false(f->b.out_of_order);
        conn_close(f->b.conn, CNODE_STOPPED);
        LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);
        assert_int_equal(f->a.reason, CNODE_CLOSED);
        f->a.config.tls = f->tls;
        tls_context_free(context);
    }
}

/* --- a peer of TLS on a plain socket */

/* Moves what stands in `tls->out` to the socket, and what is there to `tls`. */
static int exchange(struct conn_pair *f, struct tls *tls, int fd)
{
    uint8_t bytes[4096], room[4096];
    size_t n = 0, taken;
    int rc;

    (void)raw_write(fd, buf_data(&tls->out), buf_size(&tls->out));
    buf_clear(&tls->out);
    loop_run_ms(&f->loop, 2);
    (void)raw_read(fd, bytes, &n, sizeof(bytes));
    tls_feed(tls, bytes, n);
    do {
        rc = tls_take(tls, room, sizeof(room), &taken);
    } while (rc == 0 && taken > 0);
    return rc;
}

static void stalling_anywhere_in_the_handshake_is_given_up(void **state)
{
    struct conn_pair *f = *state;
    struct tls *tls = tls_dial(f->tls, "127.0.0.1");
    size_t size = buf_size(&tls->out);

    f->b.config.setup_ms = 10;
    for (size_t said = 0; said < size; said += 37) {
        int fd = raw_connect(listener_port(f->listener));
        f->b.closed = 0;
        assert_int_equal(raw_write(fd, buf_data(&tls->out), said), said);
        LOOP_UNTIL(&f->loop, f->b.closed == 1);
        assert_int_equal(f->b.reason, CNODE_TIMEOUT);
        raw_close(fd);
    }
    tls_free(tls);
}

static void a_byte_now_and_then_does_not_prolong_the_handshake(void **state)
{
    struct conn_pair *f = *state;
    struct tls *tls = tls_dial(f->tls, "127.0.0.1");
    int fd = raw_connect(listener_port(f->listener));
    uint64_t start_ns = uv_hrtime();

    f->b.config.setup_ms = 150;
    for (size_t i = 0; f->b.closed == 0 && i < buf_size(&tls->out); i++) {
        (void)raw_write(fd, buf_data(&tls->out) + i, 1);
        loop_run_ms(&f->loop, 10);
    }
    assert_int_equal(f->b.reason, CNODE_TIMEOUT);
    assert_true(uv_hrtime() - start_ns < UINT64_C(1000000000));
    raw_close(fd);
    tls_free(tls);
}

static void tls_alone_is_no_handshake(void **state)
{
    struct conn_pair *f = *state;
    struct tls *tls = tls_dial(f->tls, "127.0.0.1");
    int fd = raw_connect(listener_port(f->listener));

    f->b.config.setup_ms = 300;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(exchange(f, tls, fd), 0);
    }
    assert_int_equal(tls->state, TLS_UP);
    LOOP_UNTIL(&f->loop, f->b.closed == 1);
    assert_int_equal(f->b.reason, CNODE_TIMEOUT);
    assert_int_equal(f->b.named, 0);
    raw_close(fd);
    tls_free(tls);
}

static void a_short_length_inside_tls_is_refused(void **state)
{
    struct conn_pair *f = *state;
    struct tls *tls = tls_dial(f->tls, "127.0.0.1");
    int fd = raw_connect(listener_port(f->listener));
    struct tls_end end = {.tls = tls};

    for (int i = 0; i < 10 && tls->state != TLS_UP; i++) {
        assert_int_equal(exchange(f, tls, fd), 0);
    }
    tls_end_put(&end, "\0\x1aN\0", 4); /* two bytes of length, as over TCP */
    (void)exchange(f, tls, fd);
    LOOP_UNTIL(&f->loop, f->b.closed == 1);
    assert_int_equal(f->b.reason, CNODE_PROTOCOL);
    raw_close(fd);
    tls_free(tls);
}

static void garbage_instead_of_a_record_ends_it(void **state)
{
    struct conn_pair *f = *state;
    struct tls *tls = tls_dial(f->tls, "127.0.0.1");
    int fd = raw_connect(listener_port(f->listener));

    for (int i = 0; i < 10 && tls->state != TLS_UP; i++) {
        assert_int_equal(exchange(f, tls, fd), 0);
    }
    (void)raw_write(fd, "\x17\x03\x03\0\x20 thirty-two bytes of pure garbage",
                    37);
    LOOP_UNTIL(&f->loop, f->b.closed == 1);
    assert_int_equal(f->b.reason, CNODE_TLS);
    raw_close(fd);
    tls_free(tls);
}

/* --- ticks and stalls */

/* A tick is larger than four bytes here, and still no traffic of its own. */
static void idle_ends_tick_in_every_round(void **state)
{
    struct conn_pair *f = *state;
    uint64_t before;

    f->a.config.ticktime_ms = f->b.config.ticktime_ms = 400;
    conn_pair_open(f);
    before = conn_channel(f->a.conn)->frames_out;
    loop_run_ms(&f->loop, 1000); /* 20 rounds */
    assert_int_equal(f->a.closed + f->b.closed, 0);
    assert_in_range(conn_channel(f->a.conn)->frames_out - before, 14, 21);
}

/* What the handshake says and hears goes through TLS, until it is done. */
static int shake_hands(struct conn_pair *f, struct tls *tls,
                       struct handshake *handshake)
{
    struct tls_end end = {.tls = tls};
    int fd = raw_connect(listener_port(f->listener));
    uint8_t bytes[4096];

    buf_init(&end.got, 0);
    handshake_widen(handshake);
    assert_int_equal(handshake_dial(handshake, B_NAME), 0);
    while (handshake->state != HANDSHAKE_DONE) {
        size_t n = 0, used;
        if (tls->state == TLS_UP && buf_size(&handshake->out) > 0) {
            tls_end_put(&end, buf_data(&handshake->out),
                        buf_size(&handshake->out));
            buf_clear(&handshake->out);
        }
        (void)raw_write(fd, buf_data(&tls->out), buf_size(&tls->out));
        buf_clear(&tls->out);
        loop_turn(&f->loop, 1);
        (void)raw_read(fd, bytes, &n, sizeof(bytes));
        tls_end_feed(&end, bytes, n);
        assert_int_equal(end.rc, 0);
        assert_int_equal(handshake_feed(handshake, buf_data(&end.got),
                                        buf_size(&end.got), &used),
                         0);
        buf_consume(&end.got, used);
    }
    buf_fini(&end.got);
    return fd;
}

static const char *on_cookie(void *owner, const char *name)
{
    (void)owner, (void)name;
    return "apple";
}

static void a_peer_that_ticks_but_never_reads_is_given_up(void **state)
{
    static const struct handshake_events events = {.cookie = on_cookie};
    struct conn_pair *f = *state;
    struct tls *tls = tls_dial(f->tls, "127.0.0.1");
    struct tls_end end = {.tls = tls};
    struct handshake handshake;
    int fd, rc = 0;

    f->b.config.ticktime_ms = 160;
    handshake_init(&handshake, &events, NULL, A_NAME, dist_flags_offered(false),
                   11, 12345);
    fd = shake_hands(f, tls, &handshake);
    LOOP_UNTIL(&f->loop, f->b.up == 1);
    for (uint32_t i = 0; i < 1000; i++) {
        rc |= channel_send_number(conn_channel(f->b.conn), f->sender, i, 30000);
    }
    assert_int_equal(rc, 0);
    conn_flush_later(f->b.conn);
    for (int i = 0; i < 2000 && f->b.closed == 0; i++) {
        tls_end_put(&end, "\0\0\0\0", 4);
        (void)raw_write(fd, buf_data(&tls->out), buf_size(&tls->out));
        buf_clear(&tls->out);
        loop_run_ms(&f->loop, 5);
        if (f->b.closed == 0) { /* what waits, waits in the channel */
            assert_true(conn_channel(f->b.conn)->queued_bytes > 0);
        }
    }
    assert_int_equal(f->b.closed, 1);
    assert_int_equal(f->b.reason, CNODE_STALLED);
    handshake_fini(&handshake);
    tls_free(tls);
    raw_close(fd);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, conn_pair_setup_tls,                 \
                                    conn_pair_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_plain_dialler_is_told_apart_at_once),
        TEST(a_plain_acceptor_is_told_apart_at_once),
        TEST(a_silent_acceptor_is_suspected_to_be_plain),
        TEST(an_alert_is_told_apart_by_a_plain_dialler),
        TEST(a_wrong_certificate_is_refused_by_either_end),
        TEST(a_certificate_binds_the_name_that_is_claimed),
        TEST(both_versions_and_new_keys_carry_on),
        TEST(stalling_anywhere_in_the_handshake_is_given_up),
        TEST(a_byte_now_and_then_does_not_prolong_the_handshake),
        TEST(tls_alone_is_no_handshake),
        TEST(a_short_length_inside_tls_is_refused),
        TEST(garbage_instead_of_a_record_ends_it),
        TEST(idle_ends_tick_in_every_round),
        TEST(a_peer_that_ticks_but_never_reads_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
