/* SPDX-License-Identifier: Apache-2.0
 *
 * Two whole nodes without epmd: where the other one is, whether it may connect,
 * whether sending to it dials.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/metric.h"
#include "support/node/live_node.h"
#include "support/raw_socket.h"

#define A "a@127.0.0.1"
#define B "b@127.0.0.1"

static struct live_node a, b;
static struct node_address b_address; /* port 0: not in the static map */
static const char *forbidden;         /* by both nodes; NULL: nobody */

static bool is_allowed(void *owner, const char *name)
{
    (void)owner;
    return forbidden == NULL || strcmp(name, forbidden) != 0;
}

static bool address_for(void *owner, const char *name,
                        struct node_address *address)
{
    (void)owner;
    if (strcmp(name, B) != 0 || b_address.port == 0) {
        return false;
    }
    *address = b_address;
    return true;
}

static void init(struct live_node *live, const char *name)
{
    live_node_init(live, name, raw_free_port());
    live->config.without_epmd = true;
    live->config.is_allowed = is_allowed;
    live->config.address_for = address_for;
}

static int setup(void **state)
{
    (void)state;
    atom_init();
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    forbidden = NULL;
    b_address = (struct node_address){.host = "127.0.0.1"};
    init(&a, A);
    init(&b, B);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    live_node_close(&a);
    live_node_close(&b);
    return 0;
}

static void open_both(void)
{
    live_node_open(&a);
    live_node_open(&b);
    b_address.port = node_port(&b.node);
}

static void turn(void)
{
    live_node_turn(&a);
    live_node_turn(&b);
}

#define UNTIL(cond)                                                            \
    for (uint64_t end_ = uv_hrtime() + UINT64_C(10000000000); !(cond); turn()) \
    assert_true(uv_hrtime() < end_)

static void run_ms(uint64_t ms)
{
    uint64_t end = uv_hrtime() + ms * 1000000;

    while (uv_hrtime() < end) {
        turn();
    }
}

static bool are_up(void)
{
    return live_node_peer(&a, B) != NULL && live_node_peer(&b, A) != NULL;
}

static bool are_idle(void)
{
    return live_node_peer(&a, B) == NULL && live_node_peer(&b, A) == NULL &&
           a.node.peers.attempt_count + b.node.peers.attempt_count == 0;
}

static atom_t atom_of(const char *name)
{
    return atom_intern(name, strlen(name));
}

static int send_to(struct live_node *from, const char *to)
{
    struct dest dest = dest_name(atom_of("sink"), atom_of(to));
    uint8_t hello[] = {119, 2, 'h', 'i'};

    return route_send(&from->node, node_pid(&from->node, &from->sink), &dest,
                      (struct payload){.bytes = hello, .size = sizeof(hello)});
}

static int monitor(struct live_node *from, const char *to)
{
    struct dest dest = dest_name(atom_of("sink"), atom_of(to));
    struct ref ref;

    return monitor_start(&from->node, &from->sink, &dest, &ref);
}

/* --- without epmd */

static void a_node_starts_with_a_random_creation(void **state)
{
    uint32_t last = 0;

    (void)state;
    for (int i = 0; i < 5; i++) {
        live_node_open(&a);
        assert_true(a.node.creation > 3 && a.node.creation != last);
        last = a.node.creation;
        live_node_close(&a);
        init(&a, A);
    }
}

static void closing_before_it_is_ready_is_clean(void **state)
{
    (void)state;
    live_node_open(&b); /* only to have its events */
    assert_int_equal(node_init(&a.node, &a.config, b.node.events, &a), 0);
    assert_int_equal(node_open(&a.node), 0);
    node_close(&a.node);
    while (a.closed == 0) {
        loop_turn(&a.node.scheduler.loop, 1);
    }
    assert_int_equal(a.ready, 0);
    node_fini(&a.node);
}

static void the_static_map_says_where_to_dial(void **state)
{
    (void)state;
    open_both();
    assert_int_equal(send_to(&a, B), 0);
    UNTIL(are_up() && buf_size(&b.seen) > 0);
    assert_string_equal(live_node_seen(&b), "hi");
}

static void the_static_map_may_name_another_host(void **state)
{
    (void)state;
    open_both();
    (void)strcpy(b_address.host, "localhost");
    assert_int_equal(peers_join(&a.node.peers, B), 0);
    UNTIL(are_up());
}

static void one_port_may_stand_for_every_node(void **state)
{
    (void)state;
    live_node_open(&b);
    a.config.peer_port = node_port(&b.node);
    live_node_open(&a);
    assert_int_equal(send_to(&a, B), 0);
    UNTIL(are_up());
}

static void whose_place_nobody_knows_is_not_dialled(void **state)
{
    (void)state;
    open_both();
    b_address.port = 0;
    assert_int_equal(send_to(&a, B), CNODE_NOCONN);
    assert_int_equal(a.dial_failures, 1);
    assert_int_equal(a.dial_reason, CNODE_NO_ADDRESS);
    assert_int_equal(monitor(&a, B), 0);
    UNTIL(buf_size(&a.seen) > 0);
    assert_non_null(strstr(live_node_seen(&a), "noconnection"));
}

/* --- allowed */

static void who_is_not_allowed_is_refused(void **state)
{
    uint64_t refused = metric_read(METRIC_nodes_not_allowed);

    (void)state;
    open_both();
    a.node.config.is_allowed = NULL; /* so that it dials */
    forbidden = A;
    (void)peers_connect(&a.node.peers, atom_of(B));
    UNTIL(a.dial_failures == 1);
    assert_int_equal(a.dial_reason, CNODE_REFUSED);
    assert_int_equal(metric_read(METRIC_nodes_not_allowed), refused + 1);
    assert_int_equal(b.ups, 0);
    forbidden = NULL;
    (void)peers_connect(&a.node.peers, atom_of(B));
    UNTIL(are_up());
}

static void who_is_not_allowed_is_not_dialled(void **state)
{
    (void)state;
    open_both();
    forbidden = B;
    assert_int_equal(send_to(&a, B), CNODE_NOCONN);
    assert_null(peers_connect(&a.node.peers, atom_of(B)));
    assert_int_equal(peers_join(&a.node.peers, B), CNODE_NOT_ALLOWED);
    assert_int_equal(monitor(&a, B), 0);
    UNTIL(buf_size(&a.seen) > 0);
    assert_non_null(strstr(live_node_seen(&a), "noconnection"));
    assert_int_equal(a.node.peers.by_name.count, 0);
    assert_int_equal(b.node.peers.attempt_count, 0);
}

/* --- auto_connect */

static void never_means_that_sending_does_not_dial(void **state)
{
    (void)state;
    a.config.auto_connect = AUTO_CONNECT_NEVER;
    open_both();
    assert_int_equal(send_to(&a, B), CNODE_NOCONN);
    assert_int_equal(monitor(&a, B), 0);
    UNTIL(buf_size(&a.seen) > 0);
    assert_non_null(strstr(live_node_seen(&a), "noconnection"));
    assert_int_equal(a.node.peers.by_name.count, 0);
    /* who asks for it is connected, and then sending works */
    assert_non_null(peers_connect(&a.node.peers, atom_of(B)));
    UNTIL(are_up());
    assert_int_equal(send_to(&a, B), 0);
    UNTIL(buf_size(&b.seen) > 0);
}

static void once_dials_until_the_node_was_lost(void **state)
{
    (void)state;
    a.config.auto_connect = AUTO_CONNECT_ONCE;
    open_both();
    assert_int_equal(send_to(&a, B), 0);
    UNTIL(are_up());
    for (int i = 0; i < 2; i++) {
        peers_disconnect(&b.node.peers, atom_of(A), CNODE_STOPPED);
        UNTIL(are_idle());
        assert_int_equal(send_to(&a, B), CNODE_NOCONN);
        run_ms(5);
        assert_true(are_idle());
        assert_non_null(peers_connect(&a.node.peers, atom_of(B)));
        UNTIL(are_up());
    }
}

static void once_takes_the_connection_that_the_other_makes(void **state)
{
    (void)state;
    a.config.auto_connect = AUTO_CONNECT_ONCE;
    open_both();
    assert_int_equal(send_to(&a, B), 0);
    UNTIL(are_up());
    peers_disconnect(&a.node.peers, atom_of(B), CNODE_STOPPED);
    UNTIL(are_idle());
    b.node.config.peer_port = node_port(&a.node);
    assert_int_equal(send_to(&b, A), 0);
    UNTIL(are_up());
    assert_int_equal(send_to(&a, B), 0);
}

static void a_dial_that_failed_bars_nobody(void **state)
{
    (void)state;
    a.config.auto_connect = AUTO_CONNECT_ONCE;
    live_node_open(&a);
    b_address.port = raw_free_port();
    assert_int_equal(send_to(&a, B), 0);
    UNTIL(a.dial_failures == 1);
    live_node_open(&b);
    b_address.port = node_port(&b.node);
    assert_int_equal(send_to(&a, B), 0);
    UNTIL(are_up());
}

static void a_join_is_dialled_whatever_sending_may_do(void **state)
{
    (void)state;
    a.config.auto_connect = AUTO_CONNECT_NEVER;
    open_both();
    assert_int_equal(peers_join(&a.node.peers, B), 0);
    UNTIL(are_up());
    peers_disconnect(&b.node.peers, atom_of(A), CNODE_STOPPED);
    UNTIL(a.ups == 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_node_starts_with_a_random_creation),
        T(closing_before_it_is_ready_is_clean),
        T(the_static_map_says_where_to_dial),
        T(the_static_map_may_name_another_host),
        T(one_port_may_stand_for_every_node),
        T(whose_place_nobody_knows_is_not_dialled),
        T(who_is_not_allowed_is_refused),
        T(who_is_not_allowed_is_not_dialled),
        T(never_means_that_sending_does_not_dial),
        T(once_dials_until_the_node_was_lost),
        T(once_takes_the_connection_that_the_other_makes),
        T(a_dial_that_failed_bars_nobody),
        T(a_join_is_dialled_whatever_sending_may_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
