/* SPDX-License-Identifier: Apache-2.0
 *
 * The part in global of a whole node: as a peer sees it, and as processes of
 * the node use it, in both modes.
 */
#include "cluster/global_service.h"

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
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"
#include "term/build.h"

#define P1 "p1@there"
#define P2 "p2@there"

struct fixture {
    struct node node;
    struct erpc erpc;
    struct fake_peer peer, second;
    struct global_service service;
    struct recorder a;
    struct pid remote;
};

static struct fixture f;

static void attach(struct fake_peer *peer, const char *name)
{
    fake_peer_open(peer, &f.node, name);
    peer->peer->leader.state = LEADER_KNOWN;
    peer->peer->leader.user = (struct pid){
        .node = atom_find(name, strlen(name)), .id = 64, .creation = 3};
}

static void open_as(enum global_mode mode)
{
    memset(&f, 0, sizeof(f));
    fake_node_open(&f.node);
    assert_int_equal(erpc_start(&f.erpc, &f.node), 0);
    assert_int_equal(global_service_start(&f.service, &f.node, &f.erpc, mode),
                     0);
    recorder_open(&f.a, &f.node);
    attach(&f.peer, P1);
    f.remote = f.peer.peer->leader.user;
}

static int setup_minimal(void **state)
{
    (void)state;
    open_as(GLOBAL_MINIMAL);
    return 0;
}

static int setup_full(void **state)
{
    (void)state;
    open_as(GLOBAL_FULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    limits.global_requests = 10000;
    fake_peer_close(&f.peer);
    if (f.second.node != NULL) {
        fake_peer_close(&f.second);
    }
    fake_node_settle(&f.node);
    global_service_stop(&f.service);
    recorder_close(&f.a);
    erpc_stop(&f.erpc);
    fake_node_close(&f.node);
    return 0;
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* A process of the node asks; what it was answered so far. */
static const char *ask(const char *format, ...)
{
    struct dest dest = dest_name(A_cnode_global, f.node.name);
    struct buf *buf = node_scratch(&f.node);
    va_list args;

    buf_clear(&f.a.seen);
    term_put_tuple(buf, 3);
    term_put_atom(buf, A_gen_call);
    term_format(buf, "{~p, tag}", recorder_pid(&f.a));
    va_start(args, format);
    term_vformat(buf, format, args);
    va_end(args);
    assert_int_equal(route_send(&f.node, recorder_pid(&f.a), &dest,
                                node_scratch_payload(&f.node)),
                     0);
    return recorder_seen(&f.a);
}

/* --- minimal */

static void pass_ms(uint64_t ms)
{
    struct loop *loop = node_loop(&f.node);

    loop->now_ms += ms;
    (void)wheel_advance(&loop->wheel, loop->now_ms);
    fake_node_settle(&f.node);
}

static void a_peer_is_told_that_we_are_in_sync(void **state)
{
    (void)state;
    global_service_nodeup(&f.service, f.peer.peer);
    assert_true(has(fake_peer_got(&f.peer),
                    "to=global_name_server payload="
                    "{'$gen_cast',{in_sync,n1@here,true}}"));
}

/* Registered and silent it would hang those who lock. */
static void there_is_no_global_name_server(void **state)
{
    struct pid pid;

    (void)state;
    assert_false(names_whereis(&f.node, A_global_name_server, &pid));
}

/* The request to spawn that a peer got; it ends with `reason`, in which ~p is
 * `pid`. */
static void end_call_with(struct fake_peer *peer, const char *wanted,
                          const char *reason, struct pid pid)
{
    struct pid child = peer->peer->leader.user;
    struct pid asker = node_pid(&f.node, &f.erpc.process);
    struct ref ref = {.node = f.node.name, .creation = 7, .len = 3};
    const char *line = fake_peer_got(peer);
    char down[256];

    assert_true(has(line, wanted));
    line = strstr(line, "#Ref<n1@here.");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "#Ref<n1@here.%u.%u.%u>", &ref.words[2],
                            &ref.words[1], &ref.words[0]),
                     3);
    fake_peer_send(peer, NULL, "{31, ~r, ~p, 2, ~p}", &ref, asker, child);
    (void)snprintf(down, sizeof(down), "{21, ~p, ~p, ~r, %s}", reason);
    fake_peer_send(peer, NULL, down, child, asker, &ref, pid);
}

static void end_call(struct fake_peer *peer, const char *wanted,
                     const char *reason)
{
    end_call_with(peer, wanted, reason, PID_NONE);
}

static void a_connected_node_is_asked(void **state)
{
    (void)state;
    assert_string_equal(ask("{whereis_name, {a, name}}"), "");
    end_call(&f.peer, "payload=[cnode_erpc,global,whereis_name,[{a,name}]]",
             "{cnode_erpc, return, undefined}");
    assert_string_equal(recorder_seen(&f.a), "{tag,undefined}");
}

static void it_registers_the_caller(void **state)
{
    (void)state;
    assert_string_equal(ask("{register_name, name}"), "");
    end_call(&f.peer, "global,register_name,[name,<n1@here.",
             "{cnode_erpc, return, yes}");
    assert_string_equal(recorder_seen(&f.a), "{tag,yes}");
    assert_string_equal(ask("{unregister_name, name}"), "");
    end_call(&f.peer, "global,unregister_name,[name]",
             "{cnode_erpc, return, ok}");
    assert_string_equal(recorder_seen(&f.a), "{tag,ok}");
}

static void one_that_has_no_global_is_passed_over(void **state)
{
    struct fake_peer *first = &f.peer, *second = &f.second;
    static const char undef[] = "{cnode_erpc, error, undef, []}";

    (void)state;
    attach(&f.second, P2);
    assert_string_equal(ask("{whereis_name, name}"), "");
    if (!has(fake_peer_got(&f.peer), "whereis_name")) {
        first = &f.second; /* the order is the table's */
        second = &f.peer;
    }
    assert_string_equal(ask("{whereis_name, name}"), "");
    end_call(first, "whereis_name", undef);
    end_call(second, "whereis_name", "{cnode_erpc, return, undefined}");
    assert_true(has(recorder_seen(&f.a), "{tag,undefined}"));
}

static void with_nobody_to_ask_it_is_noconnection(void **state)
{
    (void)state;
    assert_string_equal(ask("{whereis_name, name}"), "");
    end_call(&f.peer, "whereis_name", "{cnode_erpc, error, undef, []}");
    assert_string_equal(recorder_seen(&f.a), "{tag,{error,noconnection}}");
    peers_detach(f.peer.peer, CNODE_CLOSED);
    assert_string_equal(ask("{whereis_name, name}"),
                        "{tag,{error,noconnection}}");
}

static void a_node_that_is_lost_meanwhile_answers_nothing(void **state)
{
    (void)state;
    assert_string_equal(ask("{whereis_name, name}"), "");
    peers_detach(f.peer.peer, CNODE_CLOSED);
    assert_string_equal(recorder_seen(&f.a), "{tag,{error,noconnection}}");
}

static void a_node_that_does_not_answer_a_lookup_is_passed_over(void **state)
{
    struct fake_peer *second = &f.second;

    (void)state;
    attach(&f.second, P2);
    assert_string_equal(ask("{whereis_name, name}"), "");
    if (!has(fake_peer_got(&f.peer), "whereis_name")) {
        second = &f.peer;
    }
    pass_ms(2000);
    end_call(second, "whereis_name", "{cnode_erpc, return, undefined}");
    assert_string_equal(recorder_seen(&f.a), "{tag,undefined}");

    f.service.favourite = ATOM_NONE;
    assert_string_equal(ask("{whereis_name, name}"), "");
    pass_ms(2000);
    pass_ms(2000);
    assert_string_equal(recorder_seen(&f.a), "{tag,{error,noconnection}}");
}

static void mistakes_are_answered(void **state)
{
    static const char *const wrong[] = {
        "x",
        "{whereis_name}",
        "{nix, name}",
        "{whereis_name, name, name}",
        "{register_name, name, x}",
        "{register_name, name, x, y}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_string_equal(ask(wrong[i]), "{tag,{error,badarg}}");
    }
    assert_string_equal(ask("{register_name, name, ~p}", f.remote),
                        "{tag,{error,badarg}}");
}

static void there_is_a_limit_of_questions(void **state)
{
    uint64_t before = metric_read(METRIC_global_refused);

    (void)state;
    limits.global_requests = 1;
    assert_string_equal(ask("{whereis_name, name}"), "");
    assert_string_equal(ask("{whereis_name, name}"),
                        "{tag,{error,overloaded}}");
    assert_int_equal(metric_read(METRIC_global_refused) - before, 1);
}

/* --- minimal: a node that was away has forgotten our names */

static void register_name(void)
{
    node_loop(&f.node)->is_stale = false; /* time stands still */
    (void)ask("{register_name, name}");
    end_call(&f.peer, "global,register_name,[name,<n1@here.",
             "{cnode_erpc, return, yes}");
    assert_string_equal(recorder_seen(&f.a), "{tag,yes}");
}

static void come_back(struct fake_peer *peer)
{
    (void)fake_peer_got(peer);
    global_service_restore(&f.service, peer->peer);
    pass_ms(CLAIMS_DELAY_MS - 1);
    assert_string_equal(fake_peer_got(peer), "");
    pass_ms(1);
}

/* What a peer says of our name when it is asked: a pid, or undefined. */
static void says(struct fake_peer *peer, struct pid pid)
{
    char reason[128];

    (void)snprintf(reason, sizeof(reason), "{cnode_erpc, return, %s}",
                   pid_is_none(pid) ? "undefined" : "~p");
    end_call_with(peer, "global,whereis_name,[name]", reason, pid);
}

static void a_node_that_has_forgotten_gets_the_name_again(void **state)
{
    (void)state;
    register_name();
    for (int i = 0; i < 2; i++) {
        come_back(&f.peer);
        says(&f.peer, PID_NONE);
        end_call(&f.peer, "global,register_name,[name,<n1@here.",
                 "{cnode_erpc, return, yes}");
        assert_int_equal(f.service.claims.state, CLAIMS_IDLE);
    }
}

static void a_node_that_knows_it_is_left_alone(void **state)
{
    (void)state;
    register_name();
    come_back(&f.peer);
    says(&f.peer, recorder_pid(&f.a));
    assert_string_equal(fake_peer_got(&f.peer), "");
    assert_int_equal(f.service.claims.names.by_name.count, 1);
}

static void another_node_is_asked_before(void **state)
{
    (void)state;
    register_name();
    attach(&f.second, P2);
    come_back(&f.second);
    says(&f.second, PID_NONE);
    says(&f.peer, recorder_pid(&f.a));
    end_call(&f.second, "global,register_name,[name,<n1@here.",
             "{cnode_erpc, return, yes}");
    assert_string_equal(fake_peer_got(&f.peer), "");
}

static void a_name_that_somebody_else_has_is_given_up(void **state)
{
    (void)state;
    register_name();
    attach(&f.second, P2);
    come_back(&f.second);
    says(&f.second, PID_NONE);
    says(&f.peer, f.remote);
    assert_string_equal(fake_peer_got(&f.second), "");
    assert_int_equal(f.service.claims.names.by_name.count, 0);
    register_name();
    come_back(&f.peer);
    says(&f.peer, f.remote);
    assert_int_equal(f.service.claims.names.by_name.count, 0);
}

static void a_name_is_not_restored_after_its_end(void **state)
{
    struct signal kill = {.kind = SIGNAL_EXIT2, .from = f.remote};

    (void)state;
    register_name();
    (void)ask("{unregister_name, name}");
    end_call(&f.peer, "unregister_name", "{cnode_erpc, return, ok}");
    assert_string_equal(recorder_seen(&f.a), "{tag,ok}");
    assert_int_equal(f.service.claims.names.by_name.count, 0);
    register_name();
    assert_int_equal(f.service.claims.names.by_name.count, 1);
    kill.to = recorder_pid(&f.a);
    kill.term = atom_term(A_kill);
    door_dispatch(&f.node, &kill);
    fake_node_settle(&f.node);
    assert_int_equal(f.service.claims.names.by_name.count, 0);
    come_back(&f.peer);
    assert_string_equal(fake_peer_got(&f.peer), "");
    recorder_close(&f.a);
    recorder_open(&f.a, &f.node);
}

static void one_without_global_is_left_alone(void **state)
{
    (void)state;
    register_name();
    come_back(&f.peer);
    end_call(&f.peer, "whereis_name", "{cnode_erpc, error, undef, []}");
    assert_string_equal(fake_peer_got(&f.peer), "");
    assert_int_equal(f.service.claims.state, CLAIMS_IDLE);
}

static void a_node_that_is_lost_while_it_is_asked_may_come_back(void **state)
{
    (void)state;
    register_name();
    come_back(&f.peer);
    peers_detach(f.peer.peer, CNODE_CLOSED);
    fake_node_settle(&f.node);
    assert_int_equal(f.service.claims.state, CLAIMS_IDLE);
    assert_int_equal(f.service.claims.names.by_name.count, 1);
}

/* --- full */

static void a_peer_gets_init_connect(void **state)
{
    (void)state;
    global_service_nodeup(&f.service, f.peer.peer);
    assert_true(has(fake_peer_got(&f.peer),
                    "to=global_name_server payload="
                    "{'$gen_cast',{init_connect,{8,1},n1@here,"));
}

static void names_are_our_own(void **state)
{
    (void)state;
    assert_string_equal(ask("{register_name, name}"), "{tag,yes}");
    assert_string_equal(ask("{register_name, name}"), "{tag,no}");
    assert_true(has(ask("{whereis_name, name}"), "{tag,<n1@here."));
    assert_string_equal(
        ask("{re_register_name, name, ~p}", node_pid(&f.node, &f.erpc.process)),
        "{tag,yes}");
    assert_string_equal(ask("{unregister_name, name}"), "{tag,ok}");
    assert_string_equal(ask("{whereis_name, name}"), "{tag,undefined}");
    assert_string_equal(fake_peer_got(&f.peer), "");
}

static void a_name_ends_with_its_process(void **state)
{
    (void)state;
    assert_string_equal(
        ask("{register_name, name, ~p}", node_pid(&f.node, &f.service.process)),
        "{tag,yes}");
    fake_peer_send(&f.peer, "kill", "{26, ~p, ~p}", f.remote,
                   node_pid(&f.node, &f.service.process));
    assert_string_equal(ask("{whereis_name, name}"), "{tag,undefined}");
}

static void a_lock_is_set_from_outside(void **state)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE, .from = f.remote};
    struct buf buf;

    (void)state;
    global_service_nodeup(&f.service, f.peer.peer);
    (void)fake_peer_got(&f.peer);
    buf_init(&buf, 0);
    term_format(&buf, "{'$gen_call', {~p, tag}, {set_lock, {res, me}}}",
                f.remote);
    signal.to = f.service.global.pids[GLOBAL_SERVER];
    signal.term = term_at(buf_data(&buf), buf_size(&buf));
    scheduler_dispatch(&f.node.scheduler, &signal);
    buf_fini(&buf);
    assert_true(has(fake_peer_got(&f.peer), "payload={tag,true}"));
    assert_int_equal(f.service.global.locks.by_resource.count, 1);
    global_service_nodedown(&f.service, f.peer.peer);
    assert_int_equal(f.service.global.locks.by_resource.count, 0);
}

/* What others believe that we know is void: they must see us go. */
static void killed_it_starts_again_without_connections(void **state)
{
    struct pid before = f.service.global.pids[GLOBAL_SERVER];

    (void)state;
    assert_string_equal(ask("{register_name, name}"), "{tag,yes}");
    fake_peer_send(&f.peer, "kill", "{26, ~p, ~p}", f.remote, before);
    assert_false(pid_equal(before, f.service.global.pids[GLOBAL_SERVER]));
    assert_int_not_equal(f.peer.peer->broken, 0);
    assert_string_equal(ask("{whereis_name, name}"), "{tag,undefined}");
}

#define M(name) cmocka_unit_test_setup_teardown(name, setup_minimal, teardown)
#define F(name) cmocka_unit_test_setup_teardown(name, setup_full, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        M(a_peer_is_told_that_we_are_in_sync),
        M(there_is_no_global_name_server),
        M(a_connected_node_is_asked),
        M(it_registers_the_caller),
        M(one_that_has_no_global_is_passed_over),
        M(with_nobody_to_ask_it_is_noconnection),
        M(a_node_that_is_lost_meanwhile_answers_nothing),
        M(a_node_that_does_not_answer_a_lookup_is_passed_over),
        M(mistakes_are_answered),
        M(there_is_a_limit_of_questions),
        M(a_node_that_has_forgotten_gets_the_name_again),
        M(a_node_that_knows_it_is_left_alone),
        M(another_node_is_asked_before),
        M(a_name_that_somebody_else_has_is_given_up),
        M(a_name_is_not_restored_after_its_end),
        M(one_without_global_is_left_alone),
        M(a_node_that_is_lost_while_it_is_asked_may_come_back),
        F(a_peer_gets_init_connect),
        F(names_are_our_own),
        F(a_name_ends_with_its_process),
        F(a_lock_is_set_from_outside),
        F(killed_it_starts_again_without_connections),
        F(mistakes_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
