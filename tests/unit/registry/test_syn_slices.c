/* SPDX-License-Identifier: Apache-2.0
 *
 * What takes long is done in slices, in order, within limits.
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

static void put_list(struct buf *buf, unsigned node, uint32_t first,
                     uint32_t count)
{
    buf_init(buf, 0);
    term_put_list(buf, count);
    for (uint32_t i = 0; i < count; i++) {
        term_format(buf, "{~i, ~p, m, ~i}", (int64_t)first + i,
                    syn_world_pid(node, first + i + 1), (int64_t)10);
    }
    term_put_nil(buf);
}

static void work_all(struct syn_world *w)
{
    int turns = 0;

    while (syn_scope_work(&w->scope)) {
        turns++;
        assert_in_range(turns, 1, 1000);
    }
}

static void a_long_list_is_merged_in_slices_and_in_order(void **state)
{
    struct syn_world *w = *state;
    struct pid p = syn_world_pid(2, 2501);
    struct buf list;

    put_list(&list, 2, 0, 2500);
    syn_world_meet(w, 2, "~t", term_in(&list));
    assert_true(w->is_awake);
    assert_int_equal(w->scope.table.count, SYN_SLICE);
    /* the last one goes while it is not there yet */
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', sync_unregister, 2499, ~p, m, normal}",
                       syn_world_pid(2, 2500)),
        0);
    assert_int_equal(syn_world_hear(w, 2,
                                    "{'3.0', sync_register, 2500, ~p, m, 11, "
                                    "normal}",
                                    p),
                     0);
    assert_true(w->scope.held_bytes > 0);
    work_all(w);
    assert_int_equal(w->scope.table.count, 2500);
    assert_int_equal(w->scope.held_bytes, 0);
    /* and a short one takes most of it away, in slices too */
    assert_int_equal(syn_world_hear(w, 2, "{'3.0', ack_sync, ~p, []}",
                                    syn_world_pid(2, 100)),
                     0);
    assert_int_equal(w->scope.table.count, 2500 - SYN_SLICE);
    work_all(w);
    assert_int_equal(w->scope.table.count, 0);
    buf_fini(&list);
}

/* The first is merged in slices, the second waits, a change finds no room. */
static void what_was_missed_behind_a_waiting_list_is_asked_for(void **state)
{
    struct syn_world *w = *state;
    struct buf list;

    put_list(&list, 2, 0, 2500);
    syn_world_meet(w, 2, "~t", term_in(&list));
    assert_int_equal(syn_world_hear(w, 2, "{'3.0', ack_sync, ~p, []}",
                                    syn_world_pid(2, 100)),
                     0);
    w->keeps_nothing = true;
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', sync_register, a, ~p, m, 11, normal}",
                       syn_world_pid(2, 1)),
        CNODE_NOMEM);
    work_all(w);
    assert_int_equal(w->scope.table.count, 0);
    assert_int_equal(w->scope.asks, 1);
    buf_fini(&list);
}

static void a_long_purge_comes_before_the_next_life(void **state)
{
    struct syn_world *w = *state;
    struct buf list;

    put_list(&list, 2, 0, 2500);
    syn_world_meet(w, 2, "~t", term_in(&list));
    work_all(w);
    syn_scope_nodedown(&w->scope, syn_world_node(2));
    assert_int_equal(w->scope.table.count, 2500 - SYN_SLICE);
    /* its names are free at once */
    assert_string_equal(syn_world_add(w, 1, "2400", 5, "m"),
                        "{ok,{on_process_registered,undefined,m,1000,"
                        "syn_registry_by_name_s,syn_registry_by_pid_s}}");
    syn_world_meet(w, 2, "[{x, ~p, m, 10}]", syn_world_pid(2, 9));
    assert_true(w->scope.held_bytes > 0);
    work_all(w);
    assert_string_equal(syn_world_table(w),
                        "{2400,<n1@h.5.0>,m,1000} {x,<n2@h.9.0>,m,10}");
    buf_fini(&list);
}

static void what_finds_no_room_to_wait_is_asked_for_again(void **state)
{
    struct syn_world *w = *state;
    struct pid p = syn_world_pid(2, 2501);
    uint64_t before = metric_read(METRIC_syn_refused);
    struct buf list;

    limits.syn_held_bytes = 10;
    put_list(&list, 2, 0, 2500);
    syn_world_meet(w, 2, "~t", term_in(&list));
    assert_int_equal(syn_world_hear(w, 2,
                                    "{'3.0', sync_register, 2500, ~p, m, 11, "
                                    "normal}",
                                    p),
                     CNODE_LIMIT);
    assert_int_equal(metric_read(METRIC_syn_refused) - before, 1);
    work_all(w);
    assert_int_equal(w->scope.table.count, 2500);
    assert_int_equal(w->scope.asks, 1);
    buf_fini(&list);
}

static void a_list_that_cannot_be_kept_is_asked_for_again(void **state)
{
    struct syn_world *w = *state;
    struct buf list;

    w->keeps_nothing = true;
    put_list(&list, 2, 0, 2500);
    assert_int_equal(syn_world_discover(w, 2), 0);
    assert_int_equal(syn_world_hear(w, 2, "{'3.0', ack_sync, ~p, ~t}",
                                    syn_world_pid(2, 100), term_in(&list)),
                     CNODE_NOMEM);
    assert_int_equal(w->scope.asks, 1);
    assert_int_equal(w->scope.table.count, 0);
    buf_fini(&list);
}

static void changes_follow_a_long_snapshot(void **state)
{
    struct syn_world *w = *state;
    const char *said, *change;

    for (uint32_t i = 0; i < 1500; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%u", i);
        (void)syn_world_add(w, 1, name, i + 1, "m");
    }
    assert_int_equal(syn_world_discover(w, 2), 0);
    assert_string_equal(syn_world_said(w), "monitor <n2@h.100.0>");
    assert_int_equal(syn_world_discover(w, 3), 0); /* shares it */
    assert_string_equal(syn_world_said(w), "monitor <n3@h.100.0>");
    (void)syn_world_remove(w, 2, "0", 1);
    assert_string_equal(syn_world_said(w), "");
    while (syn_scope_work(&w->scope)) {
    }
    said = syn_world_said(w);
    assert_non_null(strstr(said, "n2@h ! {'3.0',ack_sync,"));
    assert_non_null(strstr(said, "n3@h ! {'3.0',ack_sync,"));
    change = strstr(said, "\nn2@h ! {'3.0',sync_unregister,0,<n1@h.1.0>");
    assert_non_null(change);
    assert_true(change > strstr(said, "n2@h ! {'3.0',ack_sync,"));
    change = strstr(said, "\nn3@h ! {'3.0',sync_unregister,0,<n1@h.1.0>");
    assert_non_null(change);
    assert_true(change > strstr(said, "n3@h ! {'3.0',ack_sync,"));
    assert_false(w->scope.snapshot.is_made);
    assert_int_equal(w->scope.held_bytes, 0);
}

static void a_snapshot_with_too_many_changes_begins_again(void **state)
{
    struct syn_world *w = *state;
    uint64_t before = metric_read(METRIC_syn_refused);
    const char *said;

    for (uint32_t i = 0; i < 1500; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%u", i);
        (void)syn_world_add(w, 1, name, i + 1, "m");
    }
    limits.syn_held_bytes = 10;
    assert_int_equal(syn_world_discover(w, 2), 0);
    (void)syn_world_remove(w, 1, "0", 1);
    assert_int_equal(metric_read(METRIC_syn_refused) - before, 1);
    while (syn_scope_work(&w->scope)) {
    }
    said = syn_world_said(w);
    assert_non_null(strstr(said, "n2@h ! {'3.0',ack_sync,"));
    assert_null(strstr(said, "sync_unregister"));
    assert_null(strstr(said, "{0,<n1@h.1.0>"));
}

static void a_snapshot_that_nobody_wants_any_more_ends(void **state)
{
    struct syn_world *w = *state;

    for (uint32_t i = 0; i < 1500; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%u", i);
        (void)syn_world_add(w, 1, name, i + 1, "m");
    }
    assert_int_equal(syn_world_discover(w, 2), 0);
    syn_scope_nodedown(&w->scope, syn_world_node(2));
    assert_false(w->scope.snapshot.is_made);
    assert_false(syn_scope_work(&w->scope));
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, syn_world_setup, syn_world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_long_list_is_merged_in_slices_and_in_order),
        TEST(what_was_missed_behind_a_waiting_list_is_asked_for),
        TEST(a_long_purge_comes_before_the_next_life),
        TEST(what_finds_no_room_to_wait_is_asked_for_again),
        TEST(a_list_that_cannot_be_kept_is_asked_for_again),
        TEST(changes_follow_a_long_snapshot),
        TEST(a_snapshot_with_too_many_changes_begins_again),
        TEST(a_snapshot_that_nobody_wants_any_more_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
