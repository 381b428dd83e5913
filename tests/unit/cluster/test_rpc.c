/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc, erpc and rex, observer's processes and its applications, as a peer asks
 * for them.
 */
#include "cluster/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/limits.h"
#include "base/metric.h"
#include "node/door.h"
#include "node/receive.h"
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"

enum { SCHEDULERS = 2 };

static const struct cluster_config config;

struct fixture {
    struct node node;
    struct cluster cluster;
    struct fake_peer peer;
    struct recorder other; /* on scheduler 1 */
    struct pid caller;
    struct ref ref;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fake_node_open_with(&f.node, SCHEDULERS);
    node_loop(&f.node)->is_stale = false; /* time stands still */
    assert_int_equal(cluster_start(&f.cluster, &f.node, &config), 0);
    recorder_open(&f.other, f.node.all[1]);
    fake_peer_open(&f.peer, &f.node, "p1@there");
    f.caller =
        (struct pid){.node = atom_find("p1@there", 8), .id = 5, .creation = 3};
    f.ref = (struct ref){
        .node = f.caller.node, .creation = 3, .len = 3, .words = {1, 2, 3}};
    (void)fake_peer_got(&f.peer);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    recorder_close(&f->other);
    fake_peer_close(&f->peer);
    cluster_stop(&f->cluster);
    fake_node_close(&f->node);
    return 0;
}

static void pass_ms(struct fixture *f, uint64_t ms)
{
    struct loop *loop = node_loop(&f->node);

    loop->now_ms += ms;
    (void)wheel_advance(&loop->wheel, loop->now_ms);
    fake_node_settle(&f->node);
}

/* A SPAWN_REQUEST. Nothing has run when this returns but the spawn itself. */
static void request_with(struct fixture *f, const char *mfa, const char *option,
                         const struct buf *args)
{
    struct control control = {.kind = CONTROL_SPAWN_REQUEST};
    struct cnode_term parts[5];
    char format[128];
    struct buf head;

    buf_init(&head, 0);
    (void)snprintf(format, sizeof(format), "{~r, ~p, ~p, %s, [%s]}", mfa,
                   option);
    term_format(&head, format, &f->ref, f->caller, f->caller);
    assert_true(
        term_get_tuple(term_at(buf_data(&head), buf_size(&head)), 5, parts));
    control.ref = parts[0];
    control.from = parts[1];
    control.leader = parts[2];
    control.mfa = parts[3];
    control.opts = parts[4];
    control.payload = term_at(buf_data(args), buf_size(args));
    receive_control(&f->node, f->peer.peer, &control);
    buf_fini(&head);
}

/* ~p in the arguments is the caller. */
static void request(struct fixture *f, const char *mfa, const char *option,
                    const char *args)
{
    struct buf buf;

    buf_init(&buf, 0);
    term_format(&buf, args, f->caller);
    request_with(f, mfa, option, &buf);
    buf_fini(&buf);
}

/* Spawned with a monitor: what the peer got, the reply included. */
static const char *spawn(struct fixture *f, const char *mfa, const char *args)
{
    request(f, mfa, "monitor", args);
    return fake_peer_got(&f->peer);
}

/* The exit reason in it. */
static const char *reason_of(const char *got)
{
    const char *reason = strstr(got, "reason=");

    return reason != NULL ? reason + strlen("reason=") : got;
}

static void execute_call_ends_with_the_result(void **state)
{
    struct fixture *f = *state;
    const char *got =
        spawn(f, "{erpc, execute_call, 4}", "[res, erlang, node, []]");

    assert_non_null(strstr(got, "spawn_reply"));
    assert_string_equal(reason_of(got), "{res,return,n1@here}");
    assert_string_equal(reason_of(spawn(f, "{erpc, execute_call, 4}",
                                        "[res, erlang, whereis, [1]]")),
                        "{res,error,badarg,[{erlang,whereis,[1],[]}]}");
    assert_string_equal(
        reason_of(spawn(f, "{erpc, execute_call, 4}", "[res, os, cmd, [x]]")),
        "{res,error,undef,[{os,cmd,[x],[]}]}");
    assert_string_equal(reason_of(spawn(f, "{erpc, execute_call, 4}",
                                        "[res, sys, get_state, [nobody]]")),
                        "{res,exit,{noproc,{sys,get_state,[nobody]}}}");
    assert_string_equal(
        reason_of(spawn(f, "{erpc, execute_call, 4}",
                        "[res, observer_backend, get_table_list, "
                        "[mnesia, []]]")),
        "{res,throw,{error,\"Mnesia is not running on: n1@here\"}}");
}

static void casts_and_plain_spawns_end_normally(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(
        reason_of(spawn(f, "{erpc, execute_cast, 3}", "[erlang, node, []]")),
        "normal");
    assert_string_equal(reason_of(spawn(f, "{erlang, node, 0}", "[]")),
                        "normal");
    assert_string_equal(reason_of(spawn(f, "{erlang, whereis, 1}", "[1]")),
                        "{badarg,[{erlang,whereis,[1],[]}]}");
    assert_string_equal(reason_of(spawn(f, "{os, cmd, 1}", "[x]")),
                        "{undef,[{os,cmd,[x],[]}]}");
}

static void apply_is_taken_off(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(reason_of(spawn(f, "{erpc, execute_call, 4}",
                                        "[res, erlang, apply, [erlang, apply, "
                                        "[erlang, node, []]]]")),
                        "{res,return,n1@here}");
    assert_string_equal(
        reason_of(spawn(f, "{erlang, apply, 3}", "[erlang, node, []]")),
        "normal");
    assert_string_equal(
        reason_of(spawn(f, "{erlang, apply, 2}", "[no_fun, []]")),
        "{undef,[{erlang,apply,[no_fun,[]],[]}]}");
    assert_string_equal(
        reason_of(spawn(f, "{erpc, execute_call, 4}", "[res, 1, 2, 3]")),
        "{undef,[{erpc,execute_call,[res,1,2,3],[]}]}");
}

/* The newest process. */
static struct pid newest(const struct fixture *f)
{
    return (struct pid){.node = f->node.name,
                        .id = f->node.scheduler.table.used - 1,
                        .creation = f->node.creation};
}

/* It asks all schedulers, and is killed meanwhile. */
static void a_call_that_is_killed_answers_nobody(void **state)
{
    struct fixture *f = *state;
    struct signal signal = {
        .kind = SIGNAL_EXIT2, .from = f->caller, .term = atom_term(A_kill)};

    request(f, "{erpc, execute_call, 4}", "monitor",
            "[res, erlang, processes, []]");
    assert_false(list_is_empty(&f->cluster.rpc.processes));
    signal.to = newest(f);
    door_dispatch(&f->node, &signal);
    assert_true(list_is_empty(&f->cluster.rpc.processes));
    assert_non_null(strstr(fake_peer_got(&f->peer), "reason=killed"));
}

/* --- rex */

static const char *ask_rex(struct fixture *f, const char *message)
{
    fake_peer_send(&f->peer, message, "{6, ~p, '', rex}", f->caller);
    return fake_peer_got(&f->peer);
}

static const char *tell_rex(struct fixture *f, const char *request)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE,
                            .from = f->caller,
                            .to = node_pid(&f->node, &f->cluster.rex.process)};
    char format[256];
    struct buf buf;

    (void)snprintf(format, sizeof(format), "{~p, %s}", request);
    buf_init(&buf, 0);
    term_format(&buf, format, f->caller);
    signal.term = term_at(buf_data(&buf), buf_size(&buf));
    door_dispatch(&f->node, &signal);
    buf_fini(&buf);
    return fake_peer_got(&f->peer);
}

static void rex_answers_by_name(void **state)
{
    struct fixture *f = *state;

    assert_non_null(strstr(tell_rex(f, "features_request"),
                           "payload={features_reply,n1@here,[erpc]}"));
    assert_non_null(strstr(tell_rex(f, "{call, erlang, node, [], user}"),
                           "payload={rex,n1@here}"));
    assert_non_null(
        strstr(tell_rex(f, "{call, os, cmd, [x], user}"),
               "{rex,{badrpc,{'EXIT',{undef,[{os,cmd,[x],[]}]}}}}"));
    assert_non_null(strstr(tell_rex(f, "{sbcast, nobody, hello}"),
                           "{rex,n1@here,{nonexisting_name,nobody}}"));
    assert_non_null(strstr(tell_rex(f, "{send, nobody, hello}"),
                           "{rex,n1@here,{nonexisting_name,nobody}}"));
    assert_int_equal(names_register(f->node.all[1], A_user, &f->other.process),
                     0);
    assert_non_null(
        strstr(tell_rex(f, "{sbcast, user, hello}"), "{rex,n1@here,n1@here}"));
    assert_string_equal(tell_rex(f, "{send, user, {hello, 2}}"), "");
    assert_string_equal(recorder_seen(&f->other),
                        "hello\n{<p1@there.5.0>,{hello,2}}");
}

static void rex_drops_what_it_does_not_know(void **state)
{
    static const char *const messages[] = {
        "x",
        "{}",
        "{x, features_request}",
        "{'$gen_cast', {cast, a, b, [], x}}",
        "{'$gen_cast', x}",
        "[]",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        assert_string_equal(ask_rex(f, messages[i]), "");
    }
    assert_string_equal(tell_rex(f, "{call, 1, 2, 3, 4}"), "");
    assert_string_equal(tell_rex(f, "{sbcast, x}"), "");
}

/* --- observer */

static void procs_info_sends_rows_of_all_schedulers(void **state)
{
    struct fixture *f = *state;
    const char *got;

    request(f, "{observer_backend, procs_info, 1}", "link", "[~p]");
    pass_ms(f, 1);
    pass_ms(f, 1);
    pass_ms(f, 1);
    got = fake_peer_got(&f->peer);
    assert_non_null(strstr(got, "payload={procs_info,<n1@here."));
    assert_non_null(strstr(got, "{etop_proc_info,<n1@here.1.0>,"));
    assert_non_null(strstr(got, "{etop_proc_info,<n1@here.1.1>,"));
    assert_non_null(strstr(got, ",net_kernel,0,{gen_server,loop,7},0}"));
    assert_non_null(strstr(got, "reason=normal"));
    assert_true(list_is_empty(&f->cluster.observer.backends));
}

static void etop_collect_sends_one_record(void **state)
{
    struct fixture *f = *state;
    const char *got;

    request(f, "{observer_backend, etop_collect, 1}", "link", "[~p]");
    pass_ms(f, 1);
    pass_ms(f, 1);
    pass_ms(f, 1);
    got = fake_peer_got(&f->peer);
    assert_non_null(strstr(got, ",{etop_info,{"));
    assert_non_null(strstr(got, ",undefined,[{1,"));
    assert_non_null(strstr(got, "{etop_proc_info,<n1@here.1.1>,"));
    assert_non_null(strstr(got, "reason=normal"));
}

static void fetch_stats_goes_on_until_it_is_told(void **state)
{
    struct fixture *f = *state;
    const char *got;

    request(f, "{observer_backend, fetch_stats, 2}", "link", "[~p, 1000]");
    assert_null(strstr(fake_peer_got(&f->peer), "stats"));
    for (int i = 0; i < 2; i++) {
        pass_ms(f, 1000);
        got = fake_peer_got(&f->peer);
        assert_non_null(strstr(got, "payload={stats,1,[{1,"));
        assert_non_null(strstr(got, "{{input,"));
        assert_non_null(strstr(got, "[{total,"));
    }
    fake_peer_send(&f->peer, "exit", "{22, ~p, ~p}", f->caller, newest(f));
    assert_non_null(strstr(fake_peer_got(&f->peer), "reason=normal"));
    assert_true(list_is_empty(&f->cluster.observer.backends));
}

/* Whom it was for is gone: so is it, as it is linked. */
static void a_lost_peer_ends_them(void **state)
{
    struct fixture *f = *state;

    request(f, "{observer_backend, procs_info, 1}", "link", "[~p]");
    assert_false(list_is_empty(&f->cluster.observer.backends));
    fake_peer_close(&f->peer);
    fake_node_settle(&f->node);
    assert_true(list_is_empty(&f->cluster.observer.backends));
    fake_peer_open(&f->peer, &f->node, "p1@there");
}

static void wrong_arguments_are_undef(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(
        reason_of(spawn(f, "{observer_backend, procs_info, 1}", "[x]")),
        "{undef,[{observer_backend,procs_info,[x],[]}]}");
    assert_string_equal(
        reason_of(spawn(f, "{observer_backend, fetch_stats, 2}", "[x, y]")),
        "{undef,[{observer_backend,fetch_stats,[x,y],[]}]}");
    assert_true(list_is_empty(&f->cluster.observer.backends));
}

/* --- dbg, for etop */

static void a_trace_relay_says_that_it_has_started(void **state)
{
    struct fixture *f = *state;
    const char *got;

    request(f, "{dbg, do_relay, 2}", "link", "[~p, {port, x}]");
    got = fake_peer_got(&f->peer);
    assert_non_null(strstr(got, "payload={started,<n1@here."));
    request(f, "{dbg, do_relay, 3}", "link", "[session, ~p, x]");
    got = fake_peer_got(&f->peer);
    assert_non_null(strstr(got, "payload={started,<n1@here."));
    assert_non_null(strstr(got, ",[]}"));
    fake_peer_send(&f->peer, "{'EXIT', x, y}", "{22, ~p, ~p}", f->caller,
                   newest(f));
    assert_non_null(strstr(fake_peer_got(&f->peer), "reason=normal"));
    assert_false(list_is_empty(&f->cluster.trace_relays.list));
} /* the other one ends with the cluster */

/* The rest of a fun of dbg. */
static void put_fun(struct buf *buf, struct pid pid, uint64_t port)
{
    term_format(buf, "dbg");
    term_format(buf, "14");
    term_format(buf, "63636429");
    term_put_pid(buf, pid);
    term_format(buf, "5000");
    term_put_uint(buf, port);
}

/* As OTP 25 writes dbg:trace_port(ip, {8415, 5000}). */
static const uint8_t head[] = {112, 0,   0,  0,  81,  0,   121, 96,  121, 163,
                               202, 198, 73, 96, 105, 218, 32,  255, 16,  59,
                               144, 145, 0,  0,  0,   14,  0,   0,   0,   2};

static void the_port_is_in_the_fun(void **state)
{
    struct fixture *f = *state;
    struct buf buf;
    uint16_t port;

    buf_init(&buf, 0);
    buf_put(&buf, head, sizeof(head));
    put_fun(&buf, f->caller, 8415);
    assert_true(
        trace_relay_port(term_at(buf_data(&buf), buf_size(&buf)), &port));
    assert_int_equal(port, 8415);
    buf_data(&buf)[sizeof(head) - 1] = 1; /* another number of variables */
    assert_false(
        trace_relay_port(term_at(buf_data(&buf), buf_size(&buf)), &port));
    for (uint64_t number = 0; number <= 80; number += 80) {
        buf_clear(&buf);
        buf_put(&buf, head, sizeof(head));
        put_fun(&buf, f->caller, number);
        assert_true(trace_relay_port(term_at(buf_data(&buf), buf_size(&buf)),
                                     &port) == (number == 0));
    }
    assert_false(trace_relay_port(atom_term(A_true), &port));
    buf_fini(&buf);
}

static bool local_host(void *owner, char text[ADDRESS_TEXT_MAX])
{
    (void)owner;
    (void)snprintf(text, ADDRESS_TEXT_MAX, "127.0.0.1");
    return true;
}

static void no_more_trace_ports_are_opened_than_the_limit_says(void **state)
{
    struct fixture *f = *state;
    uint64_t refused = metric_read(METRIC_trace_ports_refused);
    uint64_t most = limits.trace_ports;
    struct buf fun, args;

    limits.trace_ports = 0;
    f->node.config.listen_host = "127.0.0.1";
    f->peer.peer->link.local_host = local_host;
    buf_init(&fun, 0);
    buf_init(&args, 0);
    buf_put(&fun, head, sizeof(head));
    put_fun(&fun, f->caller, 8415);
    term_format(&args, "[~p, {port, ~t}]", f->caller,
                term_at(buf_data(&fun), buf_size(&fun)));
    request_with(f, "{dbg, do_relay, 2}", "link", &args);
    assert_non_null(
        strstr(fake_peer_got(&f->peer), "payload={started,<n1@here."));
    assert_int_equal(metric_read(METRIC_trace_ports_refused) - refused, 1);
    limits.trace_ports = most;
    buf_fini(&fun);
    buf_fini(&args);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(execute_call_ends_with_the_result),
        TEST(casts_and_plain_spawns_end_normally),
        TEST(apply_is_taken_off),
        TEST(a_call_that_is_killed_answers_nobody),
        TEST(rex_answers_by_name),
        TEST(rex_drops_what_it_does_not_know),
        TEST(procs_info_sends_rows_of_all_schedulers),
        TEST(etop_collect_sends_one_record),
        TEST(fetch_stats_goes_on_until_it_is_told),
        TEST(a_lost_peer_ends_them),
        TEST(wrong_arguments_are_undef),
        TEST(a_trace_relay_says_that_it_has_started),
        TEST(the_port_is_in_the_fun),
        TEST(no_more_trace_ports_are_opened_than_the_limit_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
