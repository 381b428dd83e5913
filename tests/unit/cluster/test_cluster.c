/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "dist/flags.h"
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"

#define REX                                                                    \
    "reg_send from=<n1@here.1.0> to=rex "                                      \
    "payload={'$gen_cast',{cast,net_kernel,setopts,"
#define SYNC                                                                   \
    "to=global_name_server payload={'$gen_cast',{in_sync,n1@here,true}}"

static const struct cluster_config config;

struct fixture {
    struct node node;
    struct cluster cluster;
    struct fake_peer peer;
    struct pid caller;
    struct ref ref;
};

static void attach(struct fixture *f, bool hidden)
{
    fake_peer_open_as(&f->peer, &f->node, "p1@there", 3,
                      dist_flags_offered(hidden) & ~DIST_ALTACT_SIG);
    f->caller =
        (struct pid){.node = atom_find("p1@there", 8), .id = 5, .creation = 3};
    f->ref = (struct ref){.node = f->caller.node, .creation = 3, .len = 3};
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fake_node_open(&f.node);
    assert_int_equal(cluster_start(&f.cluster, &f.node, &config), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fake_peer_close(&f->peer);
    cluster_stop(&f->cluster);
    fake_node_close(&f->node);
    return 0;
}

/* What a peer is told at nodeup. */
static const char *told(struct fixture *f, bool hidden)
{
    attach(f, hidden);
    cluster_nodeup(&f->cluster, f->peer.peer);
    return fake_peer_got(&f->peer);
}

/* --- nodeup */

static void a_visible_peer_is_told_that_we_are_in_sync(void **state)
{
    struct fixture *f = *state;

    assert_non_null(strstr(told(f, false), SYNC));
}

static void a_hidden_peer_is_not(void **state)
{
    struct fixture *f = *state;

    assert_null(strstr(told(f, true), "global_name_server"));
}

static void nor_is_anybody_when_we_are_hidden(void **state)
{
    struct fixture *f = *state;

    f->node.config.hidden = true;
    assert_null(strstr(told(f, false), "global_name_server"));
}

static void the_link_is_tuned_for_latency(void **state)
{
    struct fixture *f = *state;

    f->node.config.link_profile = LINK_PROFILE_LATENCY;
    assert_non_null(
        strstr(told(f, false), REX "[n1@here,[{buffer,262144}]],user}}"));
}

static void the_link_is_tuned_for_throughput(void **state)
{
    struct fixture *f = *state;

    f->node.config.link_profile = LINK_PROFILE_THROUGHPUT;
    assert_non_null(
        strstr(told(f, true),
               REX "[n1@here,[{buffer,262144},{delay_send,true}]],user}}"));
}

static void the_link_is_left_alone_when_so_configured(void **state)
{
    struct fixture *f = *state;

    f->node.config.link_profile = LINK_PROFILE_OFF;
    assert_null(strstr(told(f, false), "to=rex"));
}

/* --- net_kernel */

static const char *asked(struct fixture *f, const char *request)
{
    char payload[200];

    attach(f, false);
    (void)snprintf(payload, sizeof(payload), "%s", request);
    fake_peer_send(&f->peer, payload, "{6, ~p, '', net_kernel}", f->caller);
    return fake_peer_got(&f->peer);
}

/* A call needs the pid of the caller in its payload: dispatched by hand. */
static const char *called(struct fixture *f, const char *request)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE};
    struct buf buf;
    char format[200];

    attach(f, false);
    (void)snprintf(format, sizeof(format),
                   "{'$gen_call', {~p, [alias | ~r]}, %s}", request);
    buf_init(&buf, 0);
    term_format(&buf, format, f->caller, &f->ref);
    signal.to = node_pid(&f->node, &f->cluster.net_kernel.process);
    signal.term = term_at(buf_data(&buf), buf_size(&buf));
    scheduler_dispatch(&f->node.scheduler, &signal);
    buf_fini(&buf);
    return fake_peer_got(&f->peer);
}

static void a_ping_is_answered_yes(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(
        called(f, "{is_auth, 'p1@there'}"),
        "alias_send from=<n1@here.1.0> ref=#Ref<p1@there.0.0.0> "
        "payload={[alias|#Ref<p1@there.0.0.0>],yes}");
}

static void a_call_nobody_knows_is_answered_all_the_same(void **state)
{
    struct fixture *f = *state;

    assert_non_null(strstr(called(f, "{spawn_link, [x]}"),
                           "{error,{unsupported,{spawn_link,[x]}}}"));
}

static void a_call_of_another_shape_is_answered_all_the_same(void **state)
{
    struct fixture *f = *state;

    assert_non_null(strstr(called(f, "is_auth"), "unsupported"));
}

/* A process here wants a connection: what it got for an answer. */
static const char *wanted(struct fixture *f, struct recorder *own,
                          const char *request)
{
    struct dest kernel = dest_name(A_net_kernel, f->node.name);
    char format[100];

    (void)snprintf(format, sizeof(format), "{'$gen_call', {~p, ~s}, %s}",
                   request);
    term_format(node_scratch(&f->node), format, recorder_pid(own), "tag");
    (void)route_send(&f->node, recorder_pid(own), &kernel,
                     node_scratch_payload(&f->node));
    return recorder_seen(own);
}

static void processes_here_connect_and_disconnect_nodes(void **state)
{
    struct fixture *f = *state;
    struct recorder own;

    recorder_open(&own, &f->node);
    attach(f, false);
    assert_string_equal(wanted(f, &own, "{connect, normal, 'p1@there'}"),
                        "{<<\"tag\">>,true}");
    buf_clear(&own.seen);
    assert_string_equal(wanted(f, &own, "{connect, normal, n1@here}"),
                        "{<<\"tag\">>,true}");
    buf_clear(&own.seen);
    assert_string_equal(wanted(f, &own, "{connect, normal, nonsense}"),
                        "{<<\"tag\">>,false}");
    buf_clear(&own.seen);
    assert_string_equal(wanted(f, &own, "{disconnect, 'p2@there'}"),
                        "{<<\"tag\">>,false}");
    buf_clear(&own.seen);
    assert_string_equal(wanted(f, &own, "{disconnect, 'p1@there'}"),
                        "{<<\"tag\">>,true}");
    assert_int_equal(f->peer.closed, CNODE_STOPPED);
    recorder_close(&own);
}

static void who_wants_a_connection_waits_for_it(void **state)
{
    struct fixture *f = *state;
    struct net_kernel *kernel = &f->cluster.net_kernel;
    struct recorder own;

    recorder_open(&own, &f->node);
    attach(f, false);
    assert_string_equal(wanted(f, &own, "{connect, normal, 'p2@there'}"), "");
    assert_string_equal(wanted(f, &own, "{connect, normal, 'p2@there'}"), "");
    net_kernel_connected(kernel, atom_find("p1@there", 8), true);
    assert_string_equal(recorder_seen(&own), "");
    net_kernel_connected(kernel, atom_find("p2@there", 8), false);
    assert_string_equal(recorder_seen(&own),
                        "{<<\"tag\">>,false}\n{<<\"tag\">>,false}");
    recorder_close(&own);
}

static void others_may_not_connect_nodes_by_us(void **state)
{
    struct fixture *f = *state;

    assert_non_null(
        strstr(called(f, "{disconnect, 'p1@there'}"), "unsupported"));
    assert_int_equal(f->peer.closed, 0);
}

static void what_is_no_call_is_ignored(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(asked(f, "{nodeup, x}"), "");
}

static void it_has_its_name_again_after_a_kill(void **state)
{
    struct fixture *f = *state;
    struct pid first = node_pid(&f->node, &f->cluster.net_kernel.process);
    struct pid named;

    attach(f, false);
    fake_peer_send(&f->peer, "kill", "{26, ~p, ~p}", f->caller, first);
    assert_true(names_whereis(&f->node, A_net_kernel, &named));
    assert_ptr_equal(node_find(&f->node, named),
                     &f->cluster.net_kernel.process);
    assert_null(node_find(&f->node, first));
}

static void a_second_cluster_is_refused_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct cluster second;
    uint32_t processes = f->node.scheduler.table.count;

    attach(f, false);
    assert_int_equal(cluster_start(&second, &f->node, &config), CNODE_EXISTS);
    assert_int_equal(f->node.scheduler.table.count, processes);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_visible_peer_is_told_that_we_are_in_sync),
        T(a_hidden_peer_is_not),
        T(nor_is_anybody_when_we_are_hidden),
        T(the_link_is_tuned_for_latency),
        T(the_link_is_tuned_for_throughput),
        T(the_link_is_left_alone_when_so_configured),
        T(a_ping_is_answered_yes),
        T(a_call_nobody_knows_is_answered_all_the_same),
        T(a_call_of_another_shape_is_answered_all_the_same),
        T(processes_here_connect_and_disconnect_nodes),
        T(who_wants_a_connection_waits_for_it),
        T(others_may_not_connect_nodes_by_us),
        T(what_is_no_call_is_ignored),
        T(it_has_its_name_again_after_a_kill),
        T(a_second_cluster_is_refused_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
