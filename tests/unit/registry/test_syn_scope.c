/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is a member, what is told to whom, what is ignored.
 */
#include "registry/syn_scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/limits.h"
#include "base/metric.h"
#include "registry/syn_parts.h"
#include "support/registry/syn_world.h"
#include "support/term/terms.h"
#include "term/build.h"

/* --- members */

static void a_connected_node_is_asked(void **state)
{
    struct syn_world *w = *state;

    syn_scope_nodeup(&w->scope, syn_world_node(2));
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',discover,<n1@h.100.0>}");
    syn_scope_nodedown(&w->scope, syn_world_node(2));
    assert_int_equal(w->scope.remotes.count, 0);
}

static void discover_is_always_answered(void **state)
{
    struct syn_world *w = *state;

    (void)syn_world_add(w, 1, "a", 5, "m");
    assert_int_equal(syn_world_discover(w, 2), 0);
    assert_string_equal(
        syn_world_said(w),
        "monitor <n2@h.100.0>\n"
        "n2@h ! {'3.0',ack_sync,<n1@h.100.0>,[{a,<n1@h.5.0>,m,1000}]}");
    assert_int_equal(syn_world_discover(w, 2), 0);
    assert_string_equal(
        syn_world_said(w),
        "n2@h ! {'3.0',ack_sync,<n1@h.100.0>,[{a,<n1@h.5.0>,m,1000}]}");
}

static void ack_sync_is_answered_once_and_after_the_merge(void **state)
{
    struct syn_world *w = *state;

    (void)syn_world_add(w, 1, "a", 5, "m");
    assert_int_equal(syn_world_hear(w, 2,
                                    "{'3.0', ack_sync, ~p, [{a, ~p, x, 2000}]}",
                                    syn_world_pid(2, 100), syn_world_pid(2, 7)),
                     0);
    assert_string_equal(syn_world_said(w),
                        "monitor <n2@h.100.0>\n"
                        "kill <n1@h.5.0> {syn_resolve_kill,a,m}\n"
                        "n2@h ! {'3.0',ack_sync,<n1@h.100.0>,[]}");
    assert_string_equal(syn_world_table(w), "{a,<n2@h.7.0>,x,2000}");
    assert_int_equal(syn_world_hear(w, 2, "{'3.0', ack_sync, ~p, []}",
                                    syn_world_pid(2, 100)),
                     0);
    assert_string_equal(syn_world_said(w), "");
    assert_string_equal(syn_world_table(w), "");
}

static void what_a_list_does_not_have_is_gone(void **state)
{
    struct syn_world *w = *state;

    syn_world_meet(w, 2, "[{a, ~p, 1, 10}, {b, ~p, 1, 11}]",
                   syn_world_pid(2, 1), syn_world_pid(2, 2));
    assert_int_equal(
        syn_world_hear(
            w, 2, "{'3.0', ack_sync, ~p, [{b, ~p, 2, 12}, {c, ~p, 1, 13}]}",
            syn_world_pid(2, 100), syn_world_pid(2, 2), syn_world_pid(2, 3)),
        0);
    assert_string_equal(syn_world_table(w),
                        "{b,<n2@h.2.0>,2,12} {c,<n2@h.3.0>,1,13}");
}

static void the_end_of_a_scope_process_purges_and_asks_again(void **state)
{
    struct syn_world *w = *state;

    syn_world_meet(w, 2, "[{a, ~p, 1, 10}]", syn_world_pid(2, 1));
    assert_int_equal(syn_world_down(w, 2, A_killed), 0);
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',discover,<n1@h.100.0>}");
    assert_string_equal(syn_world_table(w), "");
    assert_int_equal(w->scope.asks, 1);
    for (int i = 0; i < SYN_ASK_FIRST; i++) {
        assert_string_equal(syn_world_said(w), "");
        syn_scope_tick(&w->scope);
    }
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',discover,<n1@h.100.0>}");
    assert_int_equal(w->scope.asks, 0);
}

static void a_hidden_node_goes_on_asking(void **state)
{
    struct syn_world *w = *state;

    w->scope.is_hidden = true;
    syn_scope_nodeup(&w->scope, syn_world_node(2));
    (void)syn_world_said(w);
    for (uint32_t wait = SYN_ASK_FIRST; wait < 40; wait *= 2) {
        for (uint32_t i = 0; i < wait; i++) {
            assert_string_equal(syn_world_said(w), "");
            syn_scope_tick(&w->scope);
        }
        assert_string_equal(syn_world_said(w),
                            "n2@h ! {'3.0',discover,<n1@h.100.0>}");
    }
    syn_world_meet(w, 2, "[]");
    syn_scope_nodedown(&w->scope, syn_world_node(2));
    assert_int_equal(w->scope.asks, 0);
}

static void a_lost_node_is_purged_and_not_asked(void **state)
{
    struct syn_world *w = *state;

    syn_world_meet(w, 2, "[{a, ~p, 1, 10}]", syn_world_pid(2, 1));
    assert_int_equal(syn_world_down(w, 2, A_noconnection), 0);
    syn_scope_nodedown(&w->scope, syn_world_node(2));
    assert_string_equal(syn_world_said(w), "");
    assert_string_equal(syn_world_table(w), "");
    syn_world_meet(w, 3, "[{a, ~p, 1, 10}]", syn_world_pid(3, 1));
    syn_scope_nodedown(&w->scope, syn_world_node(3));
    assert_string_equal(syn_world_said(w), "demonitor <n3@h.100.0>");
    assert_string_equal(syn_world_table(w), "");
    assert_int_equal(w->scope.remotes.count, 0);
}

static void a_second_scope_process_replaces_the_first(void **state)
{
    struct syn_world *w = *state;
    struct syn_world_monitor first;

    syn_world_meet(w, 2, "[{a, ~p, 1, 10}]", syn_world_pid(2, 1));
    first = w->monitors[0];
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', discover, ~p}", syn_world_pid(2, 200)),
        0);
    assert_string_equal(syn_world_said(w),
                        "demonitor <n2@h.100.0>\n"
                        "monitor <n2@h.200.0>\n"
                        "n2@h ! {'3.0',ack_sync,<n1@h.100.0>,[]}");
    assert_int_equal(syn_world_hear(w, 2,
                                    "{'3.0', ack_sync, ~p, [{a, ~p, 1, 10}]}",
                                    syn_world_pid(2, 200), syn_world_pid(2, 1)),
                     0);
    assert_int_equal(syn_world_hear(w, 2, "{'DOWN', ~r, process, ~p, killed}",
                                    &first.ref, first.pid),
                     CNODE_EINVALID);
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,1,10}");
}

static void a_restart_keeps_what_is_ours(void **state)
{
    struct syn_world *w = *state;

    (void)syn_world_add(w, 1, "mine", 5, "m");
    syn_world_meet(w, 2, "[{a, ~p, 1, 10}]", syn_world_pid(2, 1));
    syn_scope_restart(&w->scope, syn_world_pid(1, 101));
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',discover,<n1@h.101.0>}");
    assert_string_equal(syn_world_table(w), "{mine,<n1@h.5.0>,m,1000}");
    w->monitors[0].pid = PID_NONE; /* gone with the process */
    assert_int_equal(syn_world_discover(w, 2), 0);
    assert_string_equal(
        syn_world_said(w),
        "monitor <n2@h.100.0>\n"
        "n2@h ! {'3.0',ack_sync,<n1@h.101.0>,[{mine,<n1@h.5.0>,m,1000}]}");
}

static void without_room_for_a_monitor_it_is_no_member(void **state)
{
    struct syn_world *w = *state;

    w->monitor_rc = CNODE_LIMIT;
    assert_int_equal(syn_world_discover(w, 2), CNODE_LIMIT);
    assert_string_equal(syn_world_said(w), "");
    assert_null(syn_scope_owner(&w->scope, syn_world_node(2)));
}

/* --- changes */

static void changes_go_to_members_only(void **state)
{
    struct syn_world *w = *state;

    syn_scope_nodeup(&w->scope, syn_world_node(3));
    syn_world_meet(w, 2, "[]");
    (void)syn_world_add(w, 1, "a", 5, "m");
    assert_string_equal(
        syn_world_said(w),
        "n2@h ! {'3.0',sync_register,a,<n1@h.5.0>,m,1000,normal}");
}

static void a_change_before_the_list_is_dropped_and_asked_for(void **state)
{
    struct syn_world *w = *state;
    struct pid scope = syn_world_pid(2, 100), p = syn_world_pid(2, 1);

    syn_scope_nodeup(&w->scope, syn_world_node(2));
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', sync_unregister, a, ~p, 1, normal}", p),
        CNODE_EINVALID);
    assert_int_equal(
        syn_world_hear_scope(w, 2, "{'3.0', ack_sync, ~p, [{a, ~p, 1, 10}]}",
                             scope, p),
        0);
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,1,10}");
    (void)syn_world_said(w);
    for (int i = 0; i < SYN_ASK_MOST && w->scope.asks > 0; i++) {
        syn_scope_tick(&w->scope);
    }
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',discover,<n1@h.100.0>}");
    assert_int_equal(
        syn_world_hear_scope(w, 2, "{'3.0', ack_sync, ~p, []}", scope), 0);
    assert_string_equal(syn_world_table(w), "");
    assert_int_equal(w->scope.asks, 0);
}

/* As in syn: who has said discover is a member, and may say more. */
static void a_change_behind_discover_counts(void **state)
{
    struct syn_world *w = *state;
    struct pid p = syn_world_pid(2, 1);

    assert_int_equal(syn_world_discover(w, 2), 0);
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', sync_register, a, ~p, 1, 10, normal}", p),
        0);
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,1,10}");
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', sync_unregister, a, ~p, 1, normal}", p),
        0);
    assert_string_equal(syn_world_table(w), "");
}

/* Of 3.3.0, which may have sent it after the list that is to come. */
static void a_change_while_its_list_is_awaited_asks_again(void **state)
{
    struct syn_world *w = *state;
    struct pid scope = syn_world_pid(2, 100), p = syn_world_pid(2, 1);

    for (int is_ordered = 0; is_ordered < 2; is_ordered++) {
        syn_world_meet(w, 2, "[]");
        if (!is_ordered) {
            assert_int_equal(
                syn_world_hear_scope(w, 2, "{'3.0', ack_sync, ~p, []}", scope),
                0);
        }
        syn_scope_nodeup(&w->scope, syn_world_node(2)); /* asked once more */
        assert_int_equal(
            syn_world_hear(w, 2, "{'3.0', sync_register, a, ~p, 1, 10, normal}",
                           p),
            0);
        assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,1,10}");
        assert_int_equal(
            syn_world_hear(w, 2, "{'3.0', ack_sync, ~p, []}", scope), 0);
        assert_int_equal(w->scope.asks, is_ordered ? 0 : 1);
        syn_scope_nodedown(&w->scope, syn_world_node(2));
        (void)syn_world_said(w);
    }
}

static void pids_of_a_third_node_are_refused(void **state)
{
    struct syn_world *w = *state;
    struct pid other = syn_world_pid(3, 1), old = syn_world_pid(2, 1);
    uint64_t before = metric_read(METRIC_syn_refused);

    syn_world_meet(w, 3, "[]");
    old.creation--;
    syn_world_meet(w, 2, "[{a, ~p, 1, 10}, {b, ~p, 1, 10}]", other, old);
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', sync_register, a, ~p, 1, 10, normal}",
                       other),
        CNODE_EINVALID);
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', sync_register, a, ~p, 1, 10, normal}",
                       old),
        CNODE_EINVALID);
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', discover, ~p}", syn_world_pid(3, 100)),
        CNODE_EINVALID);
    assert_int_equal(syn_world_hear(w, 2, "{'3.0', ack_sync, ~p, []}",
                                    syn_world_pid(3, 100)),
                     CNODE_EINVALID);
    assert_string_equal(syn_world_table(w), "");
    assert_int_equal(metric_read(METRIC_syn_refused) - before, 4);
    assert_string_equal(syn_world_said(w), "");
}

static void rubbish_is_ignored(void **state)
{
    struct syn_world *w = *state;
    uint64_t before;

    syn_world_meet(w, 2, "[]");
    before = metric_read(METRIC_syn_ignored);
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.1', discover, ~p}", syn_world_pid(2, 100)),
        CNODE_UNHANDLED);
    assert_int_equal(syn_world_hear(w, 2, "{'3.0', discover, nobody}"),
                     CNODE_EINVALID);
    assert_int_equal(syn_world_hear(w, 2, "hello"), CNODE_UNHANDLED);
    assert_int_equal(syn_world_hear(w, 2, "{'3.0', ack_sync, ~p, \"abc\"}",
                                    syn_world_pid(2, 100)),
                     CNODE_EINVALID);
    assert_int_equal(metric_read(METRIC_syn_ignored) - before, 0);
    assert_int_equal(
        syn_world_hear(
            w, 2, "{'3.0', ack_sync, ~p, [{a, b, c, 1}, x, {d, ~p, 1, 1} | t]}",
            syn_world_pid(2, 100), syn_world_pid(2, 1)),
        0);
    assert_int_equal(metric_read(METRIC_syn_ignored) - before, 3);
    assert_string_equal(syn_world_table(w), "{d,<n2@h.1.0>,1,1}");
    assert_string_equal(syn_world_said(w), "");
}

/* --- groups */

static void a_join_counts_if_it_is_later(void **state)
{
    struct syn_world *w = *state;
    struct pid p = syn_world_pid(2, 1);

    syn_world_meet(w, 2, "[{g, ~p, 1, 10}]", p);
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', sync_join, g, ~p, 2, 10, normal}", p), 0);
    assert_string_equal(syn_world_table(w), "{g,<n2@h.1.0>,1,10}");
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', sync_join, g, ~p, 2, 11, normal}", p), 0);
    assert_string_equal(syn_world_table(w), "{g,<n2@h.1.0>,2,11}");
    assert_int_equal(syn_world_hear(w, 2,
                                    "{'3.0', ack_sync, ~p, [{g, ~p, 1, 9}]}",
                                    syn_world_pid(2, 100), p),
                     0);
    assert_string_equal(syn_world_table(w), "{g,<n2@h.1.0>,2,11}");
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', sync_leave, g, ~p, 2, normal}", p), 0);
    assert_string_equal(syn_world_table(w), "");
}

static void nodes_are_the_members(void **state)
{
    struct syn_world *w = *state;
    struct buf buf;

    syn_scope_nodeup(&w->scope, syn_world_node(3));
    syn_world_meet(w, 2, "[]");
    buf_init(&buf, 0);
    syn_scope_put_nodes(&w->scope, &buf);
    assert_term_text(term_in(&buf), "[n2@h]");
    buf_fini(&buf);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, syn_world_setup, syn_world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_connected_node_is_asked),
        TEST(discover_is_always_answered),
        TEST(ack_sync_is_answered_once_and_after_the_merge),
        TEST(what_a_list_does_not_have_is_gone),
        TEST(the_end_of_a_scope_process_purges_and_asks_again),
        TEST(a_hidden_node_goes_on_asking),
        TEST(a_lost_node_is_purged_and_not_asked),
        TEST(a_second_scope_process_replaces_the_first),
        TEST(a_restart_keeps_what_is_ours),
        TEST(without_room_for_a_monitor_it_is_no_member),
        TEST(changes_go_to_members_only),
        TEST(a_change_before_the_list_is_dropped_and_asked_for),
        TEST(a_change_behind_discover_counts),
        TEST(a_change_while_its_list_is_awaited_asks_again),
        TEST(pids_of_a_third_node_are_refused),
        TEST(rubbish_is_ignored),
        cmocka_unit_test_setup_teardown(a_join_counts_if_it_is_later,
                                        syn_world_setup_groups,
                                        syn_world_teardown),
        TEST(nodes_are_the_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
