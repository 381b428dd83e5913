/* SPDX-License-Identifier: Apache-2.0
 *
 * Two conns in one loop: opening, ticks, writing, closing; all of it over TCP
 * and over TLS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/metric.h"
#include "dist/flags.h"
#include "support/dist/conn_pair.h"
#include "support/loop_until.h"
#include "support/raw_socket.h"

/* --- opening */

static void dialled_and_accepted_ends_come_up_and_know_each_other(void **state)
{
    struct conn_pair *f = *state;

    conn_pair_dial(f);
    LOOP_UNTIL(&f->loop, f->a.up == 1 && f->b.up == 1);
    assert_string_equal(f->a.peer, B_NAME);
    assert_string_equal(f->b.peer, A_NAME);
    assert_int_equal(f->a.peer_creation, 22);
    assert_int_equal(f->b.peer_creation, 11);
    assert_true(f->a.peer_flags & DIST_PUBLISHED);
    assert_memory_equal(conn_address(f->a.conn), "127.0.0.1:", 10);
    assert_memory_equal(conn_address(f->b.conn), "127.0.0.1:", 10);
    assert_int_equal(f->b.named, 1);
    assert_int_equal(f->b.replaced, 0);
}

static void signals_sent_at_up_arrive_in_order_both_ways(void **state)
{
    struct conn_pair *f = *state;

    f->a.echoes = 100;
    f->b.echoes = 50; /* right behind the last packet of the handshake */
    conn_pair_dial(f);
    LOOP_UNTIL(&f->loop, f->a.signals == 50 && f->b.signals == 100);
    assert_false(f->a.out_of_order);
    assert_false(f->b.out_of_order);
}

static void nobody_listening_ends_in_the_closed_event(void **state)
{
    struct conn_pair *f = *state;

    assert_int_equal(conn_pair_dial_to(f, raw_free_port(), B_NAME), 0);
    assert_int_equal(f->a.closed, 0);
    LOOP_UNTIL(&f->loop, f->a.closed == 1);
    assert_int_equal(f->a.reason, UV_ECONNREFUSED);
}

static void bad_peer_name_fails_at_once_without_an_event(void **state)
{
    struct conn_pair *f = *state;

    assert_int_equal(conn_pair_dial_to(f, 1, "nohost"), CNODE_BAD_NAME);
    loop_run_ms(&f->loop, 5);
    assert_int_equal(f->a.closed, 0);
    assert_null(f->a.conn);
}

static void impossible_address_fails_at_once_without_an_event(void **state)
{
    struct conn_pair *f = *state;
    struct sockaddr address = {.sa_family = AF_UNIX};

    assert_int_equal(conn_dial(&f->a.conn, &f->loop, &f->a.config, B_NAME,
                               &address, &conn_pair_events, &f->a),
                     UV_EINVAL);
    loop_run_ms(&f->loop, 5);
    assert_int_equal(f->a.closed, 0);
}

static void wrong_cookie_closes_both_ends(void **state)
{
    struct conn_pair *f = *state;
    uint64_t failed = metric_read(METRIC_handshakes_failed);

    f->a.cookie = "pear";
    conn_pair_dial(f);
    LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);
    assert_int_equal(f->b.reason, CNODE_COOKIE);
    assert_int_equal(f->a.up + f->b.up, 0);
    assert_int_equal(metric_read(METRIC_handshakes_failed) - failed, 2);
}

static void refusal_reaches_the_dialler_before_the_end(void **state)
{
    static const struct {
        enum handshake_status answer;
        int reason;
    } cases[] = {
        {HANDSHAKE_NOT_ALLOWED, CNODE_REFUSED},
        {HANDSHAKE_NOK, CNODE_EXISTS},
    };
    struct conn_pair *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        f->a.closed = f->b.closed = 0;
        f->b.answer = cases[i].answer;
        conn_pair_dial(f);
        LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);
        assert_int_equal(f->a.reason, cases[i].reason);
        assert_int_equal(f->a.up + f->b.up, 0);
    }
}

static void alive_leads_to_replace_and_then_up(void **state)
{
    struct conn_pair *f = *state;

    f->b.answer = HANDSHAKE_ALIVE;
    conn_pair_open(f);
    assert_int_equal(f->b.replaced, 1);
}

static void dialler_drops_a_node_of_another_name(void **state)
{
    struct conn_pair *f = *state;

    assert_int_equal(
        conn_pair_dial_to(f, listener_port(f->listener), "other@127.0.0.1"), 0);
    LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);
    assert_int_equal(f->a.reason, CNODE_BAD_NAME);
}

/* --- ticks */

static void idle_ends_keep_each_other_up_by_ticks(void **state)
{
    struct conn_pair *f = *state;

    f->a.config.ticktime_ms = f->b.config.ticktime_ms = 400;
    conn_pair_open(f);
    loop_run_ms(&f->loop, 1300);
    assert_int_equal(f->a.closed + f->b.closed, 0);
    assert_true(conn_channel(f->a.conn)->frames_out >= 10);
}

/* --- writing */

static void tens_of_megabytes_arrive_in_order(void **state)
{
    enum { COUNT = 2000, SIZE = 20009 };
    struct conn_pair *f = *state;
    int rc = 0;

    conn_pair_open(f);
    for (uint32_t i = 0; i < COUNT; i++) {
        rc |= channel_send_number(conn_channel(f->a.conn), f->sender, i, SIZE);
    }
    assert_int_equal(rc, 0);
    conn_flush_later(f->a.conn);
    LOOP_UNTIL(&f->loop, f->b.signals == COUNT);
    assert_false(f->b.out_of_order);
    assert_int_equal(f->b.payload_bytes, (size_t)COUNT * (SIZE - 5));
    assert_int_equal(conn_channel(f->a.conn)->queued_bytes, 0);
}

static void large_payloads_cross_in_fragments_both_ways(void **state)
{
    enum { COUNT = 4, SIZE = 3000000 };
    struct conn_pair *f = *state;
    int rc = 0;

    conn_pair_open(f);
    for (uint32_t i = 0; i < COUNT; i++) {
        rc |= channel_send_number(conn_channel(f->a.conn), f->sender, i, SIZE);
        rc |= channel_send_number(conn_channel(f->b.conn), f->sender, i, SIZE);
    }
    assert_int_equal(rc, 0);
    conn_flush_later(f->a.conn);
    conn_flush_later(f->b.conn);
    LOOP_UNTIL(&f->loop, f->b.signals == COUNT && f->a.signals == COUNT);
    assert_false(f->a.out_of_order || f->b.out_of_order);
}

static void what_was_queued_before_the_close_still_arrives(void **state)
{
    enum { COUNT = 200 };
    struct conn_pair *f = *state;

    conn_pair_open(f);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(
            channel_send_number(conn_channel(f->a.conn), f->sender, i, 100), 0);
    }
    conn_close(f->a.conn, CNODE_STOPPED);
    LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);
    assert_int_equal(f->b.signals, COUNT);
    assert_int_equal(f->b.reason, CNODE_CLOSED);
}

/* --- closing */

static void second_close_keeps_first_reason(void **state)
{
    struct conn_pair *f = *state;

    conn_pair_open(f);
    conn_close(f->a.conn, CNODE_STOPPED);
    conn_close(f->a.conn, CNODE_REFUSED);
    assert_int_equal(f->a.closed, 0);
    LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);
    assert_int_equal(f->a.reason, CNODE_STOPPED);
    assert_int_equal(f->b.reason, CNODE_CLOSED);
}

static void closing_in_any_turn_gives_one_closed_event(void **state)
{
    enum { TURNS = 24 };
    struct conn_pair *f = *state;

    for (unsigned turn = 0; turn < TURNS * 2; turn++) {
        struct conn_side *side = turn % 2 == 0 ? &f->a : &f->b;
        f->a.closed = f->b.closed = f->a.up = f->b.up = 0;
        f->a.signals = f->b.signals = 0;
        f->a.echoes = f->b.echoes = 30;
        conn_pair_dial(f);
        for (unsigned i = 0; i < turn / 2; i++) {
            loop_turn(&f->loop, 1);
        }
        if (side->conn != NULL) {
            conn_close(side->conn, CNODE_STOPPED);
        } else {
            conn_close(f->a.conn, CNODE_STOPPED);
        }
        LOOP_UNTIL(&f->loop, f->a.closed == 1);
        loop_run_ms(&f->loop, 2); /* it may have been accepted late */
        LOOP_UNTIL(&f->loop, f->b.conn == NULL);
        assert_int_equal(f->a.closed, 1);
        assert_true(f->b.closed <= 1);
    }
}

static void closing_inside_any_event_is_allowed(void **state)
{
    struct conn_pair *f = *state;

    for (enum conn_at at = AT_NAMED; at <= AT_SIGNAL; at++) {
        for (int who = 0; who < 2; who++) {
            struct conn_side *side = who == 0 ? &f->a : &f->b;
            if (at == AT_NAMED && who == 0) {
                continue; /* a dialler is not asked */
            }
            f->a.closed = f->b.closed = 0;
            f->a.signals = f->b.signals = 0;
            f->a.close_at = f->b.close_at = AT_NONE;
            f->a.echoes = f->b.echoes = 5;
            side->close_at = at;
            conn_pair_dial(f);
            LOOP_UNTIL(&f->loop, f->a.closed == 1 && f->b.closed == 1);
            assert_int_equal(side->reason, CNODE_STOPPED);
            if (at == AT_SIGNAL) {
                assert_int_equal(side->signals, 1); /* and none after it */
            }
        }
    }
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, conn_pair_setup,                     \
                                    conn_pair_teardown),                       \
    {                                                                          \
#name "_over_tls", name, conn_pair_setup_tls, conn_pair_teardown, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(dialled_and_accepted_ends_come_up_and_know_each_other),
        TEST(signals_sent_at_up_arrive_in_order_both_ways),
        TEST(nobody_listening_ends_in_the_closed_event),
        TEST(bad_peer_name_fails_at_once_without_an_event),
        TEST(impossible_address_fails_at_once_without_an_event),
        TEST(wrong_cookie_closes_both_ends),
        TEST(refusal_reaches_the_dialler_before_the_end),
        TEST(alive_leads_to_replace_and_then_up),
        TEST(dialler_drops_a_node_of_another_name),
        TEST(idle_ends_keep_each_other_up_by_ticks),
        TEST(tens_of_megabytes_arrive_in_order),
        TEST(large_payloads_cross_in_fragments_both_ways),
        TEST(what_was_queued_before_the_close_still_arrives),
        TEST(second_close_keeps_first_reason),
        TEST(closing_in_any_turn_gives_one_closed_event),
        TEST(closing_inside_any_event_is_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
