/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of functions on a peer, and what their results look like.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cluster/erpc.h"
#include "support/node/fake_peer.h"
#include "term/text.h"

#define P1 "p1@there"

struct fixture {
    struct node node;
    struct fake_peer peer;
    struct erpc erpc;
    struct erpc_call *call;
    struct pid child;
    struct buf seen; /* class:term of each result */
};

static void on_done(void *owner, const struct erpc_result *result)
{
    struct fixture *f = owner;

    buf_printf(&f->seen, "%s:", erpc_class_name(result->class));
    term_print(&f->seen, result->term, 0);
    buf_put_u8(&f->seen, ';');
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    buf_init(&f.seen, 0);
    fake_node_open(&f.node);
    fake_peer_open(&f.peer, &f.node, P1);
    f.child = (struct pid){
        .node = atom_find(P1, strlen(P1)), .id = 64, .creation = 3};
    f.peer.peer->leader.state = LEADER_KNOWN;
    f.peer.peer->leader.user = f.child;
    assert_int_equal(erpc_start(&f.erpc, &f.node), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fake_peer_close(&f->peer);
    fake_node_settle(&f->node);
    erpc_stop(&f->erpc);
    fake_node_settle(&f->node);
    assert_int_equal(f->node.spawn_requests.by_ref.count, 0);
    assert_int_equal(f->node.monitors.by_ref.count, 0);
    fake_node_close(&f->node);
    buf_fini(&f->seen);
    return 0;
}

static const char *seen(struct fixture *f)
{
    fake_node_settle(&f->node);
    buf_put_u8(&f->seen, 0);
    buf_truncate(&f->seen, buf_size(&f->seen) - 1);
    return (const char *)buf_data(&f->seen);
}

static struct pid asker(struct fixture *f)
{
    return node_pid(&f->node, &f->erpc.process);
}

/* Calls erlang:node(); the reference that went to the peer. */
static struct ref start(struct fixture *f)
{
    struct ref ref = {.node = f->node.name, .creation = 7, .len = 3};
    const char *line;

    assert_int_equal(erpc_call(&f->erpc, f->child.node, atom_term(A_erlang),
                               atom_term(A_node), term_nil(), 1000, on_done, f,
                               &f->call),
                     0);
    line = fake_peer_got(&f->peer);
    assert_non_null(strstr(line, "mfa={erpc,execute_call,4} opts=[monitor] "));
    assert_non_null(strstr(line, "payload=[cnode_erpc,erlang,node,[]]"));
    line = strstr(line, "#Ref<n1@here.");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "#Ref<n1@here.%u.%u.%u>", &ref.words[2],
                            &ref.words[1], &ref.words[0]),
                     3);
    return ref;
}

/* The spawned process ends with `reason`. */
static void end(struct fixture *f, const struct ref *ref, const char *reason)
{
    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 2, ~p}", ref, asker(f),
                   f->child);
    fake_peer_send(&f->peer, reason, "{28, ~p, ~p, ~r}", f->child, asker(f),
                   ref);
}

static void the_result_is_the_reason_of_the_exit(void **state)
{
    struct fixture *f = *state;
    static const char *const cases[][2] = {
        {"{cnode_erpc, return, [1]}", "return:[1];"},
        {"{cnode_erpc, throw, x}", "throw:x;"},
        {"{cnode_erpc, exit, x}", "exit:{exception,x};"},
        {"{cnode_erpc, error, undef, [{m, f, [], []}]}",
         "error:{exception,undef,[{m,f,[],[]}]};"},
        {"killed", "exit:{signal,killed};"},
        {"{other, return, 1}", "exit:{signal,{other,return,1}};"},
        {"noconnection", "error:{erpc,noconnection};"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ref ref = start(f);

        end(f, &ref, cases[i][0]);
        assert_string_equal(seen(f), cases[i][1]);
        buf_clear(&f->seen);
    }
}

static void a_peer_that_refuses_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct ref ref = start(f);

    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 0, notsup}", &ref, asker(f));
    assert_string_equal(seen(f), "error:{erpc,notsup};");
}

static void a_lost_connection_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct ref ref = start(f);

    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 2, ~p}", &ref, asker(f),
                   f->child);
    (void)start(f);
    peers_detach(f->peer.peer, CNODE_CLOSED);
    assert_string_equal(seen(f),
                        "error:{erpc,noconnection};error:{erpc,noconnection};");
}

static void advance(struct fixture *f, uint64_t ms)
{
    struct wheel *wheel = &node_loop(&f->node)->wheel;

    (void)wheel_advance(wheel, wheel->now_ms + ms);
}

static void a_time_out_ends_it_and_the_result_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct ref ref = start(f);

    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 2, ~p}", &ref, asker(f),
                   f->child);
    advance(f, 900);
    assert_string_equal(seen(f), "");
    advance(f, 200);
    assert_string_equal(seen(f), "error:{erpc,timeout};");
    assert_non_null(strstr(fake_peer_got(&f->peer), "demonitor "));
    fake_peer_send(&f->peer, "{cnode_erpc, return, 1}", "{28, ~p, ~p, ~r}",
                   f->child, asker(f), &ref);
    assert_string_equal(seen(f), "error:{erpc,timeout};");
}

static void what_is_spawned_after_the_time_out_is_abandoned(void **state)
{
    struct fixture *f = *state;
    struct ref ref = start(f);

    advance(f, 1100);
    fake_peer_send(&f->peer, NULL, "{31, ~r, ~p, 2, ~p}", &ref, asker(f),
                   f->child);
    assert_non_null(strstr(fake_peer_got(&f->peer), "demonitor "));
    assert_string_equal(seen(f), "error:{erpc,timeout};");
}

static void a_cancelled_call_has_no_result(void **state)
{
    struct fixture *f = *state;
    struct ref ref = start(f);

    erpc_cancel(f->call);
    end(f, &ref, "{cnode_erpc, return, 1}");
    advance(f, 2000);
    assert_string_equal(seen(f), "");
}

static void the_caller_lives_on_when_killed(void **state)
{
    struct fixture *f = *state;
    struct ref ref;

    fake_peer_send(&f->peer, "kill", "{26, ~p, ~p}", f->child, asker(f));
    fake_node_settle(&f->node);
    ref = start(f);
    end(f, &ref, "{cnode_erpc, return, 1}");
    assert_string_equal(seen(f), "return:1;");
}

static void wrong_calls_are_refused(void **state)
{
    struct fixture *f = *state;
    struct cnode_term a = atom_term(A_ok), nil = term_nil();

    assert_int_equal(
        erpc_call(&f->erpc, f->child.node, nil, a, nil, 1, on_done, f, NULL),
        CNODE_EINVALID);
    assert_int_equal(
        erpc_call(&f->erpc, f->child.node, a, a, a, 1, on_done, f, NULL),
        CNODE_EINVALID);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_result_is_the_reason_of_the_exit),
        T(a_peer_that_refuses_is_an_error),
        T(a_lost_connection_is_an_error),
        T(a_time_out_ends_it_and_the_result_is_forgotten),
        T(what_is_spawned_after_the_time_out_is_abandoned),
        T(a_cancelled_call_has_no_result),
        T(the_caller_lives_on_when_killed),
        T(wrong_calls_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
