/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole node and impostors on raw sockets, which come twice, vanish, fall
 * silent, or stop half-way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "support/node/nodes.h"
#include "support/raw_socket.h"

#define Z "z@127.0.0.1" /* the impostor: epmd does not know it */

enum { SHORT_MS = 50 };

static void impostor_connects(struct impostor *impostor, const char *cookie,
                              uint32_t creation)
{
    impostor_dial(impostor, node_port(&nodes.a.node), Z, A, cookie, creation);
}

static void open_with_impostor(void)
{
    need_epmd();
    live_node_open(&nodes.a);
    impostor_connects(&nodes.impostor, "apple", 5);
    NODES_UNTIL(live_node_peer(&nodes.a, Z) != NULL &&
                impostor_is_up(&nodes.impostor));
}

/* --- the same name again */

static void a_second_connection_of_a_name_replaces_the_first(void **state)
{
    struct dest watched = dest_name(atom_of("x"), atom_of(Z));
    struct ref ref;

    (void)state;
    open_with_impostor();
    assert_int_equal(
        monitor_start(&nodes.a.node, &nodes.a.sink, &watched, &ref), 0);
    impostor_connects(&nodes.second, "apple", 6);
    NODES_UNTIL(impostor_is_up(&nodes.second) && nodes.impostor.is_closed);
    assert_int_equal(nodes.a.ups, 2);
    assert_int_equal(nodes.a.downs, 1);
    assert_int_equal(nodes.a.most_at_once, 1); /* down first, then up */
    assert_int_equal(live_node_peer(&nodes.a, Z)->creation, 6);
    assert_non_null(strstr(live_node_seen(&nodes.a), "noconnection"));
}

static void a_second_connection_without_the_cookie_changes_nothing(void **state)
{
    (void)state;
    open_with_impostor();
    impostor_connects(&nodes.second, "pear", 6);
    NODES_UNTIL(nodes.second.is_closed);
    nodes_run_ms(5);
    assert_int_equal(nodes.a.downs, 0);
    assert_true(impostor_is_up(&nodes.impostor));
    assert_int_equal(live_node_peer(&nodes.a, Z)->creation, 5);
}

static void nothing_of_the_first_life_of_a_peer_reaches_the_second(void **state)
{
    struct pid old;
    struct process *sink = &nodes.a.sink;

    (void)state;
    open_with_impostor();
    old = (struct pid){.node = atom_of(Z), .id = 1, .creation = 5};
    impostor_send(&nodes.impostor, NULL, "{1, ~p, ~p}", old,
                  node_pid(&nodes.a.node, sink));
    NODES_UNTIL(nodes.a.node.links.by_pair.count == 1);
    impostor_connects(&nodes.second, "apple", 6);
    NODES_UNTIL(impostor_is_up(&nodes.second));
    /* a link to the pid as it was: the answer noproc is still to come */
    assert_int_equal(link_start(&nodes.a.node, sink, old), 0);
    node_exit(&nodes.a.node, sink, atom_term(A_shutdown));
    assert_int_equal(node_spawn(&nodes.a.node, sink, sink->class), 0);
    nodes_run_ms(5);
    assert_non_null(strstr(impostor_got(&nodes.second), "link from="));
    assert_null(strstr(impostor_got(&nodes.second), "exit from="));
}

/* --- the end of a peer */

static void a_peer_that_vanishes_is_down_at_once(void **state)
{
    struct dest watched = dest_name(atom_of("x"), atom_of(Z));
    struct ref ref;

    (void)state;
    open_with_impostor();
    assert_int_equal(
        monitor_start(&nodes.a.node, &nodes.a.sink, &watched, &ref), 0);
    raw_reset(nodes.impostor.fd);
    nodes.impostor.fd = -1;
    NODES_UNTIL(nodes.a.downs == 1 && buf_size(&nodes.a.seen) > 0);
    assert_non_null(
        strstr(live_node_seen(&nodes.a), "{x,'z@127.0.0.1'},noconnection}"));
    NODES_UNTIL(nodes.a.node.peers.attempt_count == 0);
    assert_null(peers_find(&nodes.a.node.peers, atom_of(Z)));
}

static void a_silent_peer_is_down_after_the_ticktime(void **state)
{
    (void)state;
    nodes.a.config.ticktime_ms = 80;
    open_with_impostor();
    NODES_UNTIL(nodes.a.downs == 1);
    assert_true(nodes.impostor.wire.frames_in > 0); /* it was sent ticks */
}

static void a_peer_that_takes_no_signals_is_given_up(void **state)
{
    uint64_t saved = limits.send_queue_bytes;
    struct pid pid = {.id = 1, .creation = 5};
    struct ref ref = {.creation = 5, .len = 3};

    (void)state;
    open_with_impostor();
    pid.node = ref.node = atom_of(Z);
    limits.send_queue_bytes = 1000;
    for (int i = 0; i < 200; i++) { /* each is answered noproc */
        ref.words[0]++;
        impostor_send(&nodes.impostor, NULL, "{19, ~p, nobody, ~r}", pid, &ref);
    }
    NODES_UNTIL(nodes.a.downs == 1);
    limits.send_queue_bytes = saved;
}

/* --- a dial that is waited for */

static void a_node_that_dials_us_is_not_dialled(void **state)
{
    (void)state;
    need_epmd();
    live_node_open(&nodes.a);
    impostor_connects(&nodes.impostor, "apple", 5);
    NODES_UNTIL(nodes.a.node.peers.greeting_count == 1);
    live_node_turn(&nodes.a);
    NODES_UNTIL(nodes.a.node.peers.greeting_count == 1 ||
                live_node_peer(&nodes.a, Z) != NULL);
    nodes_send(&nodes.a, Z, "hello");
    NODES_UNTIL(impostor_is_up(&nodes.impostor) &&
                buf_size(&nodes.impostor.lines) > 0);
    assert_non_null(strstr(impostor_got(&nodes.impostor), "payload=hello"));
    assert_int_equal(nodes.a.dial_failures, 0);
}

/* Says its name and nothing more. */
static void say_name(struct impostor *impostor)
{
    impostor_connects(impostor, "apple", 5);
    for (int i = 0; i < 1000 && nodes.a.node.peers.greeting_count == 0; i++) {
        live_node_turn(&nodes.a);
    }
    for (int i = 0; i < 20; i++) {
        live_node_turn(&nodes.a);
        (void)usleep(200);
    }
}

static void a_dial_that_stalls_does_not_hold_ours_for_ever(void **state)
{
    (void)state;
    nodes.a.config.setup_ms = SHORT_MS;
    need_epmd();
    live_node_open(&nodes.a);
    say_name(&nodes.impostor);
    nodes_send(&nodes.a, Z, "hello");
    assert_int_equal(peers_find(&nodes.a.node.peers, atom_of(Z))->state,
                     PEER_EXPECTED);
    while (nodes.a.dial_failures == 0) { /* epmd does not know z */
        live_node_turn(&nodes.a);
    }
    assert_int_equal(nodes.a.dial_reason, CNODE_NOT_REGISTERED);
    NODES_UNTIL(nodes.a.node.peers.attempt_count == 0);
}

static void a_dial_that_breaks_off_makes_us_dial_at_once(void **state)
{
    (void)state;
    need_epmd();
    live_node_open(&nodes.a);
    say_name(&nodes.impostor);
    nodes_send(&nodes.a, Z, "hello");
    raw_close(nodes.impostor.fd);
    nodes.impostor.fd = -1;
    NODES_UNTIL(nodes.a.dial_failures == 1);
    assert_int_equal(nodes.a.dial_reason, CNODE_NOT_REGISTERED);
}

#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, nodes_setup, nodes_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_second_connection_of_a_name_replaces_the_first),
        T(a_second_connection_without_the_cookie_changes_nothing),
        T(nothing_of_the_first_life_of_a_peer_reaches_the_second),
        T(a_peer_that_vanishes_is_down_at_once),
        T(a_silent_peer_is_down_after_the_ticktime),
        T(a_peer_that_takes_no_signals_is_given_up),
        T(a_node_that_dials_us_is_not_dialled),
        T(a_dial_that_stalls_does_not_hold_ours_for_ever),
        T(a_dial_that_breaks_off_makes_us_dial_at_once),
    };

    return cmocka_run_group_tests(tests, nodes_group_setup,
                                  nodes_group_teardown);
}
