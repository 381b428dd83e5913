/* SPDX-License-Identifier: Apache-2.0
 *
 * The scopes of a node as a peer sees them, and as processes of the node use
 * them.
 */
#include "cluster/pg_scopes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/limits.h"
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"
#include "term/build.h"

#define P1 "p1@there"

struct fixture {
    struct node node;
    struct fake_peer peer;
    struct pg_scopes scopes;
    struct recorder a, b;
    struct pid remote;
};

static const char *const names[] = {"pg"};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fake_node_open(&f.node);
    recorder_open(&f.a, &f.node);
    recorder_open(&f.b, &f.node);
    assert_int_equal(pg_scopes_start(&f.scopes, &f.node, names, 1), 0);
    fake_peer_open(&f.peer, &f.node, P1);
    f.remote =
        (struct pid){.node = atom_find(P1, strlen(P1)), .id = 5, .creation = 3};
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    limits.pg_scopes = 100;
    fake_peer_close(&f->peer);
    pg_scopes_stop(&f->scopes);
    recorder_close(&f->a);
    recorder_close(&f->b);
    fake_node_close(&f->node);
    return 0;
}

/* What the recorder is answered. */
static const char *ask(struct fixture *f, struct recorder *who,
                       const char *format, ...)
{
    struct dest dest = dest_name(A_cnode_pg, f->node.name);
    struct buf *buf = node_scratch(&f->node);
    va_list args;

    buf_clear(&who->seen);
    term_put_tuple(buf, 3);
    term_put_atom(buf, A_gen_call);
    term_format(buf, "{~p, tag}", recorder_pid(who));
    va_start(args, format);
    term_vformat(buf, format, args);
    va_end(args);
    assert_int_equal(route_send(&f->node, recorder_pid(who), &dest,
                                node_scratch_payload(&f->node)),
                     0);
    return recorder_seen(who);
}

/* The process of a scope. */
static struct pid scope_pid(struct fixture *f, const char *name)
{
    struct pid pid = PID_NONE;

    assert_true(names_whereis(&f->node, atom_find(name, strlen(name)), &pid));
    return pid;
}

/* The scope `name` gets a message of the remote process. */
static void hear(struct fixture *f, const char *name, const char *format, ...)
{
    struct signal signal = {.kind = SIGNAL_MESSAGE, .from = f->remote};
    struct buf buf;
    va_list args;

    buf_init(&buf, 0);
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    signal.to = scope_pid(f, name);
    signal.term = term_at(buf_data(&buf), buf_size(&buf));
    scheduler_dispatch(&f->node.scheduler, &signal);
    buf_fini(&buf);
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* --- a peer */

static void a_visible_peer_is_asked_by_each_scope(void **state)
{
    struct fixture *f = *state;

    pg_scopes_nodeup(&f->scopes, f->peer.peer);
    assert_true(has(fake_peer_got(&f->peer), "to=pg payload={discover,"));
}

static void a_hidden_peer_is_not_asked(void **state)
{
    struct fixture *f = *state;

    f->peer.peer->is_hidden = true;
    pg_scopes_nodeup(&f->scopes, f->peer.peer);
    assert_string_equal(fake_peer_got(&f->peer), "");
}

static void a_peer_that_asks_is_answered_and_watched(void **state)
{
    struct fixture *f = *state;
    const char *got;

    assert_string_equal(ask(f, &f->a, "{join, pg, g}"), "{tag,ok}");
    hear(f, "pg", "{discover, ~p}", f->remote);
    got = fake_peer_got(&f->peer);
    assert_true(has(got, "monitor from="));
    assert_true(has(got, "{'$gen_cast',{sync,"));
    assert_true(has(got, "[{g,["));
    assert_true(has(got, "payload={discover,"));
}

static void members_of_a_peer_go_with_it(void **state)
{
    struct fixture *f = *state;

    hear(f, "pg", "{'$gen_cast', {sync, ~p, [{g, [~p]}]}}", f->remote,
         f->remote);
    assert_string_equal(ask(f, &f->a, "{members, pg, g}"),
                        "{tag,[<p1@there.5.0>]}");
    pg_scopes_nodedown(&f->scopes, f->peer.peer);
    assert_string_equal(ask(f, &f->a, "{members, pg, g}"), "{tag,[]}");
}

static void the_end_of_a_scope_over_there_is_noticed(void **state)
{
    struct fixture *f = *state;

    hear(f, "pg", "{'$gen_cast', {sync, ~p, [{g, [~p]}]}}", f->remote,
         f->remote);
    peers_detach(f->peer.peer, CNODE_CLOSED);
    assert_string_equal(ask(f, &f->a, "{members, pg, g}"), "{tag,[]}");
}

static void a_call_to_a_scope_is_answered_all_the_same(void **state)
{
    struct fixture *f = *state;
    struct ref ref = {.node = f->remote.node, .creation = 3, .len = 3};

    hear(f, "pg", "{'$gen_call', {~p, [alias | ~r]}, {join_local, g, ~p}}",
         f->remote, &ref, f->remote);
    assert_true(has(fake_peer_got(&f->peer), "{error,{unsupported,"));
}

static void what_it_does_not_know_is_ignored(void **state)
{
    struct fixture *f = *state;
    struct pid before = scope_pid(f, "pg");

    hear(f, "pg", "junk");
    hear(f, "pg", "{sync, ~p, junk}", f->remote);
    assert_true(pid_equal(before, scope_pid(f, "pg")));
    assert_string_equal(ask(f, &f->a, "{which_groups, pg}"), "{tag,[]}");
}

static void a_scope_that_is_killed_starts_again_empty(void **state)
{
    struct fixture *f = *state;
    struct pid before = scope_pid(f, "pg");

    assert_string_equal(ask(f, &f->a, "{join, pg, g}"), "{tag,ok}");
    fake_peer_send(&f->peer, "kill", "{26, ~p, ~p}", f->remote, before);
    assert_false(pid_equal(before, scope_pid(f, "pg")));
    assert_true(has(fake_peer_got(&f->peer), "to=pg payload={discover,"));
    assert_string_equal(ask(f, &f->a, "{members, pg, g}"), "{tag,[]}");
}

/* --- processes of the node */

static void they_join_are_listed_and_leave(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(ask(f, &f->a, "{join, pg, {room, 1}}"), "{tag,ok}");
    assert_string_equal(
        ask(f, &f->a, "{join, pg, {room, 1}, ~p}", recorder_pid(&f->b)),
        "{tag,ok}");
    assert_string_equal(ask(f, &f->a, "{members, pg, {room, 1}}"),
                        "{tag,[<n1@here.2.0>,<n1@here.1.0>]}");
    assert_string_equal(ask(f, &f->a, "{local_members, pg, {room, 1}}"),
                        "{tag,[<n1@here.2.0>,<n1@here.1.0>]}");
    assert_string_equal(ask(f, &f->a, "{which_groups, pg}"),
                        "{tag,[{room,1}]}");
    assert_string_equal(ask(f, &f->a, "{leave, pg, {room, 1}}"), "{tag,ok}");
    assert_string_equal(ask(f, &f->a, "{leave, pg, {room, 1}}"),
                        "{tag,not_joined}");
}

static void who_ends_leaves(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(ask(f, &f->b, "{join, pg, g}"), "{tag,ok}");
    f->b.ended = true;
    node_exit(&f->node, &f->b.process, atom_term(A_normal));
    fake_node_settle(&f->node);
    assert_string_equal(ask(f, &f->a, "{members, pg, g}"), "{tag,[]}");
}

static void the_first_use_starts_a_scope(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(ask(f, &f->a, "{join, other, g}"), "{tag,ok}");
    assert_true(has(fake_peer_got(&f->peer), "to=other payload={discover,"));
    assert_string_equal(ask(f, &f->a, "{members, other, g}"),
                        "{tag,[<n1@here.1.0>]}");
    assert_string_equal(ask(f, &f->a, "{members, pg, g}"), "{tag,[]}");
}

static void mistakes_are_answered(void **state)
{
    static const char *const wrong[] = {
        "x",
        "{join, pg}",
        "{join, 1, g}",
        "{join, pg, g, x}",
        "{nix, pg, g}",
        "{which_groups}",
        "{members, pg, g, g}",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_string_equal(ask(f, &f->a, wrong[i]), "{tag,{error,badarg}}");
    }
    assert_string_equal(ask(f, &f->a, "{join, pg, g, ~p}", f->remote),
                        "{tag,{error,badarg}}");
}

static void a_name_that_is_taken_is_no_scope(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(ask(f, &f->a, "{join, cnode_pg, g}"),
                        "{tag,{error,already_exists}}");
}

static void there_is_a_limit_of_scopes(void **state)
{
    struct fixture *f = *state;

    limits.pg_scopes = 1;
    assert_string_equal(ask(f, &f->a, "{join, other, g}"),
                        "{tag,{error,system_limit}}");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_visible_peer_is_asked_by_each_scope),
        T(a_hidden_peer_is_not_asked),
        T(a_peer_that_asks_is_answered_and_watched),
        T(members_of_a_peer_go_with_it),
        T(the_end_of_a_scope_over_there_is_noticed),
        T(a_call_to_a_scope_is_answered_all_the_same),
        T(what_it_does_not_know_is_ignored),
        T(a_scope_that_is_killed_starts_again_empty),
        T(they_join_are_listed_and_leave),
        T(who_ends_leaves),
        T(the_first_use_starts_a_scope),
        T(mistakes_are_answered),
        T(a_name_that_is_taken_is_no_scope),
        T(there_is_a_limit_of_scopes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
