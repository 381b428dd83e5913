/* SPDX-License-Identifier: Apache-2.0
 *
 * Two whole nodes: connecting, failing to, what events may do, closing.
 * test_peers_impostor.c has a node and a peer that is played.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/metric.h"
#include "support/node/nodes.h"
#include "support/random.h"
#include "support/raw_socket.h"

enum { ROUNDS = 200 };

/* --- connecting */

static void a_send_connects_and_what_waited_arrives_in_order(void **state)
{
    (void)state;
    nodes_open();
    nodes_send(&nodes.a, B, "first");
    nodes_send(&nodes.a, B, "second");
    NODES_UNTIL(buf_size(&nodes.b.seen) >= 12);
    assert_string_equal(live_node_seen(&nodes.b), "first\nsecond");
    assert_true(nodes_are_up());
    assert_int_equal(nodes.a.ups, 1);
    assert_int_equal(nodes.b.ups, 1);
    assert_false(live_node_peer(&nodes.b, A)->is_hidden);
}

static void a_hidden_node_is_known_as_such(void **state)
{
    (void)state;
    nodes.a.config.hidden = true;
    nodes_open();
    nodes_connect(&nodes.a, B);
    NODES_UNTIL(nodes_are_up());
    assert_true(live_node_peer(&nodes.b, A)->is_hidden);
    assert_false(live_node_peer(&nodes.a, B)->is_hidden);
}

static void simultaneous_connects_give_one_connection(void **state)
{
    (void)state;
    nodes_open();
    nodes.is_uneven = true;
    nodes.random = random_seed();
    for (unsigned round = 1; round <= ROUNDS; round++) {
        int early = (int)random_below(&nodes.random, 12),
            first = (int)random_below(&nodes.random, 2);

        nodes_connect(first ? &nodes.a : &nodes.b, first ? B : A);
        for (int i = 0; i < early; i++) {
            nodes_turn();
        }
        nodes_connect(first ? &nodes.b : &nodes.a, first ? A : B);
        NODES_UNTIL(nodes_are_up());
        nodes_run_ms(2);
        assert_true(nodes_are_up());
        assert_int_equal(nodes.a.ups,
                         round); /* nobody went up and down again */
        assert_int_equal(nodes.b.ups, round);
        assert_int_equal(nodes.a.most_at_once, 1);
        assert_int_equal(nodes.b.most_at_once, 1);
        assert_int_equal(nodes.a.node.peers.attempt_count, 1);
        assert_int_equal(nodes.b.node.peers.attempt_count, 1);
        peers_disconnect(&nodes.a.node.peers, atom_of(B), CNODE_STOPPED);
        NODES_UNTIL(nodes_are_idle());
        assert_int_equal(nodes.b.downs, round);
    }
    assert_int_equal(nodes.a.dial_failures + nodes.b.dial_failures, 0);
}

static void what_both_send_while_connecting_arrives(void **state)
{
    (void)state;
    nodes_open();
    nodes.is_uneven = true;
    nodes.random = random_seed();
    for (unsigned round = 0; round < ROUNDS; round++) {
        int early = (int)random_below(&nodes.random, 12);

        buf_clear(&nodes.a.seen);
        buf_clear(&nodes.b.seen);
        nodes_send(&nodes.a, B, "from_a");
        for (int i = 0; i < early; i++) {
            nodes_turn();
        }
        nodes_send(&nodes.b, A, "from_b");
        NODES_UNTIL(buf_size(&nodes.a.seen) > 0 && buf_size(&nodes.b.seen) > 0);
        assert_string_equal(live_node_seen(&nodes.a), "from_b");
        assert_string_equal(live_node_seen(&nodes.b), "from_a");
        peers_disconnect(&nodes.b.node.peers, atom_of(A), CNODE_STOPPED);
        NODES_UNTIL(nodes_are_idle());
    }
}

/* --- not connecting */

static void a_wrong_cookie_is_refused_and_logged_once(void **state)
{
    (void)state;
    nodes.b.config.cookie = "pear";
    nodes_open();
    for (unsigned i = 1; i <= 30; i++) {
        nodes_connect(&nodes.a, B);
        NODES_UNTIL(nodes.a.dial_failures == i && nodes_are_idle());
    }
    assert_int_equal(nodes.a.ups + nodes.b.ups, 0);
    assert_int_equal(nodes.refusals, 1); /* by b: a is just hung up on */
    assert_null(
        peers_find(&nodes.a.node.peers, atom_of(B))); /* and forgotten */
    assert_null(peers_find(&nodes.b.node.peers, atom_of(A)));
}

static void a_node_that_is_not_there_is_told_to_those_who_wait(void **state)
{
    struct dest nowhere = dest_name(atom_of("x"), atom_of(B));
    struct pid gone = {.node = atom_of(B), .id = 1, .creation = 9};
    struct ref ref;

    (void)state;
    need_epmd();
    live_node_open(&nodes.a);
    assert_int_equal(
        monitor_start(&nodes.a.node, &nodes.a.sink, &nowhere, &ref), 0);
    assert_int_equal(link_start(&nodes.a.node, &nodes.a.sink, gone), 0);
    nodes_send(&nodes.a, B, "lost");
    NODES_UNTIL(nodes.a.dial_failures == 1 && buf_size(&nodes.a.seen) > 0);
    nodes_run_ms(5);
    assert_int_equal(nodes.a.dial_reason, CNODE_NOT_REGISTERED);
    assert_non_null(strstr(live_node_seen(&nodes.a), "{'DOWN',"));
    assert_non_null(strstr(live_node_seen(&nodes.a), "{'EXIT',"));
    assert_null(strstr(live_node_seen(&nodes.a), "lost"));
    assert_null(peers_find(&nodes.a.node.peers, atom_of(B)));
}

static void a_join_waits_until_the_other_node_is_there(void **state)
{
    (void)state;
    need_epmd();
    live_node_open(&nodes.a);
    assert_int_equal(peers_join(&nodes.a.node.peers, B), 0);
    NODES_UNTIL(nodes.a.dial_failures == 2); /* the back-off has begun */
    assert_int_equal(peers_join(&nodes.a.node.peers, B),
                     0); /* again: at once */
    live_node_open(&nodes.b);
    NODES_UNTIL(nodes_are_up());
    peers_disconnect(&nodes.b.node.peers, atom_of(A), CNODE_STOPPED);
    NODES_UNTIL(nodes.a.ups == 2); /* it is kept */
}

static void a_bad_name_is_not_joined(void **state)
{
    (void)state;
    need_epmd();
    live_node_open(&nodes.a);
    assert_int_equal(peers_join(&nodes.a.node.peers, "nohost"), CNODE_BAD_NAME);
    assert_int_equal(peers_join(&nodes.a.node.peers, A), 0); /* that is us */
    assert_int_equal(nodes.a.node.peers.by_name.count, 0);
}

static void the_oldest_handshake_above_the_limit_is_closed(void **state)
{
    uint64_t saved = limits.handshakes;
    uint64_t before = metric_read(METRIC_handshakes_pushed_out);
    int fds[20];

    (void)state;
    need_epmd();
    live_node_open(&nodes.a);
    limits.handshakes = 4;
    for (int i = 0; i < 20; i++) {
        fds[i] = raw_connect(node_port(&nodes.a.node));
    }
    NODES_UNTIL(metric_read(METRIC_handshakes_pushed_out) == before + 16);
    assert_int_equal(nodes.a.node.peers.greeting_count, 4);
    live_node_open(&nodes.b);
    nodes_connect(&nodes.b, A); /* silent strangers do not keep it out */
    NODES_UNTIL(nodes_are_up());
    for (int i = 0; i < 20; i++) {
        raw_close(fds[i]);
    }
    NODES_UNTIL(nodes.a.node.peers.attempt_count == 1);
    limits.handshakes = saved;
    assert_int_equal(nodes.a.node.peers.greeting_count, 0);
    assert_int_equal(nodes.refusals, 1); /* all from one address */
}

static void one_address_does_not_push_out_the_handshakes_of_others(void **state)
{
    struct limits saved = limits;
    uint64_t before = metric_read(METRIC_handshakes_pushed_out);
    int other, fds[20];

    (void)state;
    need_epmd();
    live_node_open(&nodes.a);
    limits.handshakes = 10;
    limits.handshakes_per_address = 3;
    other = raw_connect_from("127.0.0.2", node_port(&nodes.a.node));
    NODES_UNTIL(nodes.a.node.peers.greeting_count == 1);
    for (int i = 0; i < 20; i++) {
        fds[i] = raw_connect(node_port(&nodes.a.node));
    }
    NODES_UNTIL(metric_read(METRIC_handshakes_pushed_out) == before + 17);
    assert_int_equal(nodes.a.node.peers.greeting_count, 4);
    assert_false(raw_is_closed(other));
    live_node_open(&nodes.b);
    nodes_connect(&nodes.b, A);
    NODES_UNTIL(nodes_are_up());
    limits = saved;
    assert_false(raw_is_closed(other));
    raw_close(other);
    for (int i = 0; i < 20; i++) {
        raw_close(fds[i]);
    }
    NODES_UNTIL(nodes.a.node.peers.attempt_count == 1);
}

static void no_more_nodes_are_dialled_than_connections_allowed(void **state)
{
    uint64_t saved = limits.connections;
    char name[32];
    unsigned refused = 0;

    (void)state;
    need_epmd();
    live_node_open(&nodes.a);
    limits.connections = 8;
    for (int i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof(name), "n%d@127.0.0.1", i);
        refused += peers_connect(&nodes.a.node.peers, atom_of(name)) == NULL;
    }
    assert_int_equal(refused, 12);
    NODES_UNTIL(nodes.a.dial_failures == 8);
    limits.connections = saved;
    assert_int_equal(nodes.a.node.peers.by_name.count, 0);
}

/* --- events that act */

static void disconnect(struct live_node *live, struct peer *peer)
{
    peers_disconnect(&live->node.peers, peer->name, CNODE_STOPPED);
}

static void disconnect_and_connect(struct live_node *live, struct peer *peer)
{
    atom_t name = peer->name;

    peers_disconnect(&live->node.peers, name, CNODE_STOPPED);
    if (live->ups < 10) {
        (void)peers_connect(&live->node.peers, name);
    }
}

static void reconnect(struct live_node *live, struct peer *peer)
{
    if (live->downs < 10) {
        (void)peers_connect(&live->node.peers, peer->name);
    }
}

static void retry(struct live_node *live, atom_t name)
{
    if (live->dial_failures < 10) {
        (void)peers_connect(&live->node.peers, name);
    }
}

static void close_node(struct live_node *live, struct peer *peer)
{
    (void)peer;
    node_close(&live->node);
}

static void close_on_failure(struct live_node *live, atom_t name)
{
    (void)name;
    node_close(&live->node);
}

static void nodeup_may_disconnect(void **state)
{
    (void)state;
    nodes.a.on_nodeup = disconnect;
    nodes_open();
    nodes_connect(&nodes.a, B);
    NODES_UNTIL(nodes.a.downs == 1 && nodes_are_idle());
    assert_null(peers_find(&nodes.a.node.peers, atom_of(B)));
    nodes_connect(&nodes.b, A);
    NODES_UNTIL(nodes.a.downs == 2 && nodes_are_idle());
}

static void nodeup_may_disconnect_and_dial_again(void **state)
{
    (void)state;
    nodes.a.on_nodeup = disconnect_and_connect;
    nodes_open();
    nodes_connect(&nodes.b, A);
    nodes_connect(&nodes.a, B);
    NODES_UNTIL(nodes.a.ups == 10 && nodes_are_idle());
}

static void nodedown_may_dial_also_a_peer_to_keep(void **state)
{
    (void)state;
    nodes.a.on_nodedown = reconnect;
    nodes_open();
    assert_int_equal(peers_join(&nodes.a.node.peers, B), 0);
    for (unsigned i = 1; i <= 5; i++) {
        NODES_UNTIL(nodes.a.ups == i && nodes_are_up());
        peers_disconnect(&nodes.b.node.peers, atom_of(A), CNODE_STOPPED);
        NODES_UNTIL(nodes.a.downs == i);
    }
    NODES_UNTIL(nodes_are_up());
    nodes_run_ms(150); /* past the first back-off */
    assert_true(nodes_are_up());
}

static void dial_failed_may_dial(void **state)
{
    (void)state;
    nodes.a.on_dial_failed = retry;
    need_epmd();
    live_node_open(&nodes.a);
    assert_int_equal(peers_join(&nodes.a.node.peers, B), 0);
    NODES_UNTIL(nodes.a.dial_failures == 10);
    nodes_run_ms(150);
}

static void nodeup_and_nodedown_may_close_the_node(void **state)
{
    (void)state;
    nodes.a.on_nodeup = close_node;
    nodes.b.on_nodedown = close_node;
    nodes_open();
    nodes_connect(&nodes.a, B);
    NODES_UNTIL(nodes.a.closed == 1 && nodes.b.closed == 1);
    nodes_run_ms(5);
    assert_int_equal(nodes.a.closed, 1);
}

static void dial_failed_may_close_the_node(void **state)
{
    (void)state;
    nodes.a.on_dial_failed = close_on_failure;
    need_epmd();
    live_node_open(&nodes.a);
    nodes_connect(&nodes.a, B);
    NODES_UNTIL(nodes.a.closed > 0);
    nodes_run_ms(5);
    assert_int_equal(nodes.a.closed, 1); /* not twice */
}

/* --- closing */

static void closing_in_any_turn_leaves_nothing(void **state)
{
    (void)state;
    need_epmd();
    for (int turns = 0; turns < 60; turns++) {
        nodes_rename();
        nodes_open();
        assert_int_equal(peers_join(&nodes.a.node.peers, B), 0);
        if (turns % 2 != 0) {
            assert_int_equal(peers_join(&nodes.b.node.peers, A), 0);
        }
        for (int i = 0; i < turns; i++) {
            nodes_turn();
        }
        if (turns % 3 == 0) {
            node_close(&nodes.b.node);
            nodes_turn();
        }
        live_node_close(&nodes.a); /* it checks */
        live_node_close(&nodes.b);
        assert_int_equal(nodes.a.closed, 1);
        assert_int_equal(nodes.b.closed, 1);
    }
}

static void a_clean_stop_says_the_last_words(void **state)
{
    (void)state;
    nodes_open();
    nodes_connect(&nodes.a, B);
    NODES_UNTIL(nodes_are_up());
    nodes_send(&nodes.a, B, "bye");
    node_close(&nodes.a.node);
    NODES_UNTIL(nodes.b.downs == 1);
    assert_string_equal(live_node_seen(&nodes.b), "bye");
}

#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, nodes_setup, nodes_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_send_connects_and_what_waited_arrives_in_order),
        T(a_hidden_node_is_known_as_such),
        T(simultaneous_connects_give_one_connection),
        T(what_both_send_while_connecting_arrives),
        T(a_wrong_cookie_is_refused_and_logged_once),
        T(a_node_that_is_not_there_is_told_to_those_who_wait),
        T(a_join_waits_until_the_other_node_is_there),
        T(a_bad_name_is_not_joined),
        T(the_oldest_handshake_above_the_limit_is_closed),
        T(one_address_does_not_push_out_the_handshakes_of_others),
        T(no_more_nodes_are_dialled_than_connections_allowed),
        T(nodeup_may_disconnect),
        T(nodeup_may_disconnect_and_dial_again),
        T(nodedown_may_dial_also_a_peer_to_keep),
        T(dial_failed_may_dial),
        T(nodeup_and_nodedown_may_close_the_node),
        T(dial_failed_may_close_the_node),
        T(closing_in_any_turn_leaves_nothing),
        T(a_clean_stop_says_the_last_words),
    };

    return cmocka_run_group_tests(tests, nodes_group_setup,
                                  nodes_group_teardown);
}
