/* SPDX-License-Identifier: Apache-2.0
 *
 * The group leader of what is spawned on a peer is a process of that peer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"

#define P1 "p1@there"

struct fixture {
    struct node node;
    struct fake_peer peer;
    struct recorder a;
    struct pid user, pid;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fake_node_open(&f.node);
    fake_peer_open(&f.peer, &f.node, P1);
    f.user = (struct pid){
        .node = atom_find(P1, strlen(P1)), .id = 64, .creation = 3};
    recorder_open(&f.a, &f.node);
    f.pid = recorder_pid(&f.a);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fake_peer_close(&f->peer);
    fake_node_settle(&f->node);
    recorder_close(&f->a);
    fake_node_settle(&f->node);
    assert_int_equal(f->node.spawn_requests.by_ref.count, 0);
    fake_node_close(&f->node);
    return 0;
}

static void ask(struct fixture *f)
{
    struct spawn_what what = {.module = atom_term(A_node),
                              .function = atom_term(A_ping),
                              .args = term_nil(),
                              .opts = term_nil()};
    struct ref ref;

    assert_int_equal(
        spawn_request(&f->node, &f->a.process, f->user.node, &what, &ref), 0);
}

static bool got(struct fixture *f, const char *text)
{
    return strstr(fake_peer_got(&f->peer), text) != NULL;
}

static const struct ref *question(struct fixture *f)
{
    const char *line = fake_peer_got(&f->peer);

    assert_non_null(strstr(line, "mfa={erpc,execute_call,4} opts=[monitor] "));
    assert_non_null(strstr(line, "[cnode_erpc,erlang,whereis,[user]]"));
    assert_null(strstr(line, "{node,ping,0}"));
    return &f->peer.peer->leader.request;
}

static void answer(struct fixture *f, const char *reason)
{
    struct pid asker = node_pid(&f->node, &f->node.leaders.process);
    struct pid child = f->user;
    const struct ref ref = *question(f);

    child.id = 99;
    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 2, ~p}", &ref, asker, child);
    fake_peer_send(&f->peer, NULL, reason, child, asker, &ref, f->user);
    fake_node_settle(&f->node);
}

#define DOWN "{21, ~p, ~p, ~r, "

static void the_first_request_waits_for_the_user_of_the_peer(void **state)
{
    struct fixture *f = *state;

    ask(f);
    ask(f);
    answer(f, DOWN "{cnode_erpc, return, ~p}}");
    assert_true(got(f, "leader=<p1@there.64.0> mfa={node,ping,0}"));
    ask(f);
    assert_true(got(f, "leader=<p1@there.64.0> mfa={node,ping,0}"));
}

static void a_peer_without_one_gets_the_process_that_asked(void **state)
{
    struct fixture *f = *state;

    ask(f);
    answer(f, DOWN "{cnode_erpc, return, undefined}}");
    assert_true(got(f, "leader=<n1@here.1.0> mfa={node,ping,0}"));
}

static void a_peer_without_erpc_gets_the_process_that_asked(void **state)
{
    struct fixture *f = *state;
    struct pid asker;
    struct ref ref;

    ask(f);
    ref = *question(f);
    asker = node_pid(&f->node, &f->node.leaders.process);
    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 0, notsup}", &ref, asker);
    assert_true(got(f, "leader=<n1@here.1.0> mfa={node,ping,0}"));
}

static void a_peer_that_does_not_answer_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    struct wheel *wheel = &node_loop(&f->node)->wheel;

    ask(f);
    (void)question(f);
    wheel_advance(wheel, wheel->now_ms + LEADER_PATIENCE_MS - 1);
    assert_false(got(f, "mfa={node,ping,0}"));
    wheel_advance(wheel, wheel->now_ms + 1);
    assert_true(got(f, "leader=<n1@here.1.0> mfa={node,ping,0}"));
    ask(f);
    assert_true(got(f, "leader=<n1@here.1.0> mfa={node,ping,0}"));
}

static void its_own_group_leader_is_handed_down(void **state)
{
    struct fixture *f = *state;
    struct pid third = {.node = atom_intern("x@y", 3), .id = 7, .creation = 1};

    group_leader_set(&f->node, &f->a.process, third);
    ask(f);
    assert_true(got(f, "leader=<x@y.7.0> mfa={node,ping,0}"));
    group_leader_set(&f->node, &f->a.process, f->pid); /* one of ours is not */
    ask(f);
    assert_non_null(question(f));
}

static void a_lost_connection_is_the_answer_and_forgets_the_user(void **state)
{
    struct fixture *f = *state;

    ask(f);
    (void)question(f);
    fake_peer_close(&f->peer);
    assert_non_null(strstr(recorder_seen(&f->a), ",error,noconnection}"));
    fake_peer_open(&f->peer, &f->node, P1);
    ask(f);
    assert_non_null(question(f));
}

static void when_the_asker_is_killed_nobody_waits(void **state)
{
    struct fixture *f = *state;
    struct pid asker;

    ask(f);
    (void)question(f);
    asker = node_pid(&f->node, &f->node.leaders.process);
    fake_peer_send(&f->peer, "kill", "{26, ~p, ~p}", f->user, asker);
    assert_true(got(f, "leader=<n1@here.1.0> mfa={node,ping,0}"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_first_request_waits_for_the_user_of_the_peer),
        T(a_peer_without_one_gets_the_process_that_asked),
        T(a_peer_without_erpc_gets_the_process_that_asked),
        T(a_peer_that_does_not_answer_is_not_waited_for),
        T(its_own_group_leader_is_handed_down),
        T(a_lost_connection_is_the_answer_and_forgets_the_user),
        T(when_the_asker_is_killed_nobody_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
