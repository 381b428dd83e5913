/* SPDX-License-Identifier: Apache-2.0
 *
 * Aliases of local processes: what reaches them, and until when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "dist/flags.h"
#include "node/gen.h"
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"

#define P1 "p1@there"

struct fixture {
    struct node node;
    struct fake_peer peer;
    struct recorder a, b;
    struct pid caller;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fake_node_open(&f.node);
    fake_peer_open_as(&f.peer, &f.node, P1, 3, dist_flags_offered(false));
    f.caller =
        (struct pid){.node = atom_find(P1, strlen(P1)), .id = 5, .creation = 3};
    recorder_open(&f.a, &f.node);
    recorder_open(&f.b, &f.node);
    assert_int_equal(names_register(&f.node, atom_intern("a", 1), &f.a.process),
                     0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fake_peer_close(&f->peer);
    fake_node_settle(&f->node);
    recorder_close(&f->a);
    recorder_close(&f->b);
    fake_node_settle(&f->node);
    assert_int_equal(f->node.aliases.by_ref.count, 0);
    assert_int_equal(f->node.monitors.by_ref.count, 0);
    assert_int_equal(f->node.relations_slab.used, 0);
    fake_node_close(&f->node);
    return 0;
}

static struct ref make(struct fixture *f, enum alias_kind kind)
{
    struct ref ref;

    assert_int_equal(alias_start(&f->node, &f->a.process, kind, &ref), 0);
    return ref;
}

/* With a monitor on a process of the peer. */
static struct ref make_monitor(struct fixture *f, enum alias_kind kind)
{
    struct dest dest = dest_pid(f->caller);
    struct ref ref;

    assert_int_equal(
        alias_start_monitor(&f->node, &f->a.process, &dest, kind, &ref), 0);
    (void)fake_peer_got(&f->peer);
    return ref;
}

static void to_alias(struct fixture *f, const struct ref *ref,
                     const char *message)
{
    fake_peer_send(&f->peer, message, "{33, ~p, ~r}", f->caller, ref);
}

static void saw(struct fixture *f, const char *messages)
{
    assert_string_equal(recorder_seen(&f->a), messages);
    buf_clear(&f->a.seen);
}

static void a_message_to_an_alias_arrives(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make(f, ALIAS_EXPLICIT);

    to_alias(f, &ref, "one");
    fake_peer_send(&f->peer, "two", "{34, ~p, ~r, token}", f->caller, &ref);
    fake_peer_send(&f->peer, "three", "{37, 4, ~p, ~r}", f->caller, &ref);
    fake_peer_send(&f->peer, "four", "{37, 7, ~p, ~r, token}", f->caller, &ref);
    fake_peer_send(&f->peer, "five",
                   "{37, 340282366920938463463374607431768211460, ~p, ~r, "
                   "token, more}",
                   f->caller, &ref);
    saw(f, "one\ntwo\nthree\nfour\nfive");
}

static void after_unalias_nothing_arrives_and_it_is_counted(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make(f, ALIAS_EXPLICIT);
    uint64_t before = metric_read(METRIC_dead_letters);

    assert_false(alias_stop(&f->node, &f->b.process, &ref)); /* not its own */
    assert_true(alias_stop(&f->node, &f->a.process, &ref));
    assert_false(alias_stop(&f->node, &f->a.process, &ref));
    to_alias(f, &ref, "one");
    saw(f, "");
    assert_int_equal(metric_read(METRIC_dead_letters), before + 1);
}

static void aliases_of_others_are_dropped(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make(f, ALIAS_EXPLICIT);
    uint64_t before = metric_read(METRIC_dead_letters);

    ref.creation--;
    to_alias(f, &ref, "old");
    ref.creation++;
    ref.node = f->caller.node;
    to_alias(f, &ref, "theirs");
    ref.node = f->node.name;
    ref.len = 2;
    ref.words[2] = 0;
    to_alias(f, &ref, "short");
    saw(f, "");
    assert_int_equal(metric_read(METRIC_dead_letters), before + 3);
}

static void a_reply_alias_takes_one_message(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make(f, ALIAS_REPLY);

    to_alias(f, &ref, "one");
    to_alias(f, &ref, "two");
    saw(f, "one");
}

static void messages_to_pid_and_alias_keep_their_order(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make(f, ALIAS_EXPLICIT);
    struct dest dest = {.kind = DEST_ALIAS, .node = f->node.name};
    struct buf buf;

    buf_init(&buf, 0);
    term_put_ref(&buf, &ref);
    dest.alias = term_at(buf_data(&buf), buf_size(&buf));
    for (int i = 0; i < 2; i++) {
        struct dest pid = dest_pid(recorder_pid(&f->a));

        term_format(node_scratch(&f->node), "{pid, ~i}", (int64_t)i);
        (void)route_send(&f->node, recorder_pid(&f->b), &pid,
                         node_scratch_payload(&f->node));
        term_format(node_scratch(&f->node), "{alias, ~i}", (int64_t)i);
        (void)route_send(&f->node, recorder_pid(&f->b), &dest,
                         node_scratch_payload(&f->node));
    }
    buf_fini(&buf);
    saw(f, "{pid,0}\n{alias,0}\n{pid,1}\n{alias,1}");
}

/* What was sent before the unalias may still arrive after it: it must not. */
static void what_is_under_way_when_it_ends_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make(f, ALIAS_EXPLICIT);
    struct dest dest = {.kind = DEST_ALIAS, .node = f->node.name};
    struct buf buf;

    buf_init(&buf, 0);
    term_put_ref(&buf, &ref);
    dest.alias = term_at(buf_data(&buf), buf_size(&buf));
    term_format(node_scratch(&f->node), "late");
    (void)route_send(&f->node, recorder_pid(&f->b), &dest,
                     node_scratch_payload(&f->node));
    assert_true(alias_stop(&f->node, &f->a.process, &ref));
    buf_fini(&buf);
    saw(f, "");
}

/* --- with a monitor */

static void down(struct fixture *f, const struct ref *ref)
{
    fake_peer_send(&f->peer, "boom", "{28, ~p, ~p, ~r}", f->caller,
                   recorder_pid(&f->a), ref);
    fake_node_settle(&f->node);
    buf_clear(&f->a.seen);
}

static void demonitor_ends_the_alias(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make_monitor(f, ALIAS_DEMONITOR);

    to_alias(f, &ref, "one");
    to_alias(f, &ref, "two");
    saw(f, "one\ntwo");
    assert_int_equal(monitor_stop(&f->node, &f->a.process, &ref), 0);
    to_alias(f, &ref, "three");
    saw(f, "");
}

static void a_down_ends_the_alias(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make_monitor(f, ALIAS_DEMONITOR);

    down(f, &ref);
    to_alias(f, &ref, "one");
    saw(f, "");
}

static void a_lost_connection_ends_the_alias(void **state)
{
    struct fixture *f = *state;

    (void)make_monitor(f, ALIAS_DEMONITOR);
    fake_peer_close(&f->peer);
    fake_node_settle(&f->node);
    assert_int_equal(f->node.aliases.by_ref.count, 0);
}

static void unalias_leaves_the_monitor(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make_monitor(f, ALIAS_DEMONITOR);

    assert_true(alias_stop(&f->node, &f->a.process, &ref));
    assert_int_equal(f->node.monitors.by_ref.count, 1);
}

static void an_explicit_alias_outlives_its_monitor(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make_monitor(f, ALIAS_EXPLICIT);

    down(f, &ref);
    to_alias(f, &ref, "one");
    saw(f, "one");
}

static void a_reply_ends_alias_and_monitor(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make_monitor(f, ALIAS_REPLY_DEMONITOR);

    to_alias(f, &ref, "one");
    to_alias(f, &ref, "two");
    assert_non_null(strstr(fake_peer_got(&f->peer), "demonitor "));
    saw(f, "one");
    assert_int_equal(f->node.monitors.by_ref.count, 0);
}

/* --- calls between local processes */

static void a_reply_to_a_local_caller_goes_to_its_alias(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make(f, ALIAS_REPLY);
    struct dest b = dest_pid(recorder_pid(&f->b));

    for (int i = 0; i < 2; i++) {
        term_format(node_scratch(&f->node),
                    "{'$gen_call', {~p, [alias | ~r]}, q}", recorder_pid(&f->a),
                    &ref);
        (void)route_send(&f->node, recorder_pid(&f->a), &b,
                         node_scratch_payload(&f->node));
    }
    assert_non_null(strstr(recorder_seen(&f->a), "],{ok,q}}"));
    assert_null(strchr(recorder_seen(&f->a), '\n')); /* the second is late */
}

/* --- exit signals, since OTP 28 */

static void an_exit_signal_to_an_alias_is_one_to_its_process(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make(f, ALIAS_EXPLICIT);

    f->a.process.flags |= PROCESS_TRAP_EXIT;
    fake_peer_send(&f->peer, "bye", "{37, 20, ~p, ~r}", f->caller, &ref);
    saw(f, "{'EXIT',<p1@there.5.0>,bye}");
    fake_peer_send(&f->peer, "kill", "{37, 21, ~p, ~r}", f->caller, &ref);
    fake_node_settle(&f->node);
    assert_true(f->a.ended);
}

static void an_exit_signal_to_a_dead_alias_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make(f, ALIAS_REPLY);

    to_alias(f, &ref, "one");
    fake_peer_send(&f->peer, "kill", "{37, 20, ~p, ~r}", f->caller, &ref);
    fake_node_settle(&f->node);
    assert_false(f->a.ended);
}

static void an_exit_signal_is_no_reply(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make(f, ALIAS_REPLY);

    f->a.process.flags |= PROCESS_TRAP_EXIT;
    fake_peer_send(&f->peer, "bye", "{37, 20, ~p, ~r}", f->caller, &ref);
    to_alias(f, &ref, "one");
    to_alias(f, &ref, "two");
    saw(f, "{'EXIT',<p1@there.5.0>,bye}\none");
}

/* Unlike exit(self(), normal). */
static void normal_to_an_alias_of_its_own_does_nothing(void **state)
{
    struct fixture *f = *state;
    struct ref ref = make(f, ALIAS_EXPLICIT);
    struct signal signal = {.kind = SIGNAL_ALIAS_EXIT,
                            .from = recorder_pid(&f->a),
                            .to = alias_home(&f->node, &ref),
                            .ref = ref,
                            .term = atom_term(A_normal)};

    (void)route_signal(&f->node, &signal, f->node.name);
    fake_node_settle(&f->node);
    assert_false(f->a.ended);
}

static void exit_theirs(struct fixture *f)
{
    struct signal signal = {.kind = SIGNAL_ALIAS_EXIT,
                            .from = recorder_pid(&f->a),
                            .to = {.node = f->caller.node},
                            .ref = {.node = f->caller.node,
                                    .creation = f->caller.creation,
                                    .len = 3,
                                    .words = {1, 2, 3}},
                            .term = atom_term(A_shutdown)};

    assert_int_equal(route_signal(&f->node, &signal, f->caller.node), 0);
}

static void an_alias_of_a_peer_gets_it_if_that_knows_how_to(void **state)
{
    struct fixture *f = *state;
    uint64_t before = metric_read(METRIC_signals_dropped);

    exit_theirs(f);
    assert_string_equal(fake_peer_got(&f->peer),
                        "exit2 from=<n1@here.1.0> ref=#Ref<p1@there.3.2.1> "
                        "reason=shutdown");
    assert_int_equal(metric_read(METRIC_signals_dropped), before);
    fake_peer_close(&f->peer);
    fake_node_settle(&f->node);
    fake_peer_open_as(&f->peer, &f->node, atom_text(f->caller.node),
                      f->caller.creation,
                      dist_flags_offered(false) & ~DIST_ALTACT_SIG);
    exit_theirs(f);
    assert_string_equal(fake_peer_got(&f->peer), "");
    assert_int_equal(metric_read(METRIC_signals_dropped), before + 1);
}

static void an_exit_signal_to_a_name_is_one_to_its_process(void **state)
{
    struct fixture *f = *state;

    fake_peer_send(&f->peer, "kill", "{37, 24, ~p, nobody}", f->caller);
    fake_node_settle(&f->node);
    assert_false(f->a.ended);
    fake_peer_send(&f->peer, "bye", "{37, 24, ~p, a}", f->caller);
    fake_node_settle(&f->node);
    assert_true(f->a.ended);
}

static void an_exit_signal_to_a_pid_may_have_priority(void **state)
{
    struct fixture *f = *state;

    fake_peer_send(&f->peer, "bye", "{37, 17, ~p, ~p}", f->caller,
                   recorder_pid(&f->a));
    fake_node_settle(&f->node);
    assert_true(f->a.ended);
}

/* --- limits */

static void above_a_limit_no_alias_is_made(void **state)
{
    struct fixture *f = *state;
    struct limits before = limits;
    uint64_t refused = metric_read(METRIC_aliases_refused);
    struct dest dest = dest_pid(f->caller);
    struct ref ref;

    limits.aliases_per_process = 1;
    (void)make(f, ALIAS_EXPLICIT);
    assert_int_equal(alias_start(&f->node, &f->a.process, ALIAS_EXPLICIT, &ref),
                     CNODE_LIMIT);
    assert_int_equal(alias_start_monitor(&f->node, &f->a.process, &dest,
                                         ALIAS_DEMONITOR, &ref),
                     CNODE_LIMIT);
    limits.aliases_per_process = 10;
    limits.aliases_per_node = 1;
    assert_int_equal(alias_start(&f->node, &f->b.process, ALIAS_EXPLICIT, &ref),
                     CNODE_LIMIT);
    limits = before;
    assert_int_equal(metric_read(METRIC_aliases_refused), refused + 3);
    assert_int_equal(f->node.monitors.by_ref.count, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_message_to_an_alias_arrives),
        T(after_unalias_nothing_arrives_and_it_is_counted),
        T(aliases_of_others_are_dropped),
        T(a_reply_alias_takes_one_message),
        T(messages_to_pid_and_alias_keep_their_order),
        T(what_is_under_way_when_it_ends_is_dropped),
        T(demonitor_ends_the_alias),
        T(a_down_ends_the_alias),
        T(a_lost_connection_ends_the_alias),
        T(unalias_leaves_the_monitor),
        T(an_explicit_alias_outlives_its_monitor),
        T(a_reply_ends_alias_and_monitor),
        T(a_reply_to_a_local_caller_goes_to_its_alias),
        T(an_exit_signal_to_an_alias_is_one_to_its_process),
        T(an_exit_signal_to_a_dead_alias_is_dropped),
        T(an_exit_signal_is_no_reply),
        T(normal_to_an_alias_of_its_own_does_nothing),
        T(an_alias_of_a_peer_gets_it_if_that_knows_how_to),
        T(an_exit_signal_to_a_name_is_one_to_its_process),
        T(an_exit_signal_to_a_pid_may_have_priority),
        T(above_a_limit_no_alias_is_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
