/* SPDX-License-Identifier: Apache-2.0
 *
 * What the owner of a process answers and tells, and what is done with the
 * answers of other owners.
 */
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

#define TABLES       "syn_registry_by_name_s,syn_registry_by_pid_s}}"
#define GROUP_TABLES "syn_pg_by_name_s,syn_pg_by_pid_s}}"

static struct limits defaults;
static struct syn_world world;

static int setup(void **state)
{
    defaults = limits;
    syn_world_open(&world, SYN_REGISTRY);
    syn_world_meet(&world, 2, "[]");
    syn_world_meet(&world, 3, "[]");
    *state = &world;
    return 0;
}

static int setup_groups(void **state)
{
    defaults = limits;
    syn_world_open(&world, SYN_GROUPS);
    syn_world_meet(&world, 2, "[]");
    syn_world_meet(&world, 3, "[]");
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    syn_world_close(*state);
    limits = defaults;
    return 0;
}

/* --- as owner */

static void a_name_is_registered_for_another_node(void **state)
{
    struct syn_world *w = *state;

    assert_string_equal(syn_world_add(w, 2, "a", 5, "m"),
                        "{ok,{on_process_registered,undefined,m,1000," TABLES);
    /* who asked stores the answer */
    assert_string_equal(
        syn_world_said(w),
        "n3@h ! {'3.0',sync_register,a,<n1@h.5.0>,m,1000,normal}");
}

static void new_metadata_is_an_update_the_same_is_none(void **state)
{
    struct syn_world *w = *state;

    (void)syn_world_add(w, 2, "a", 5, "\"abc\"");
    (void)syn_world_said(w);
    assert_string_equal(syn_world_add(w, 2, "a", 5, "[97, 98, 99]"),
                        "{noop,\"abc\"}");
    assert_string_equal(syn_world_said(w), "");
    assert_string_equal(
        syn_world_add(w, 2, "a", 5, "m2"),
        "{ok,{on_registry_process_updated,\"abc\",m2,1001," TABLES);
    assert_string_equal(
        syn_world_said(w),
        "n3@h ! {'3.0',sync_register,a,<n1@h.5.0>,m2,1001,normal}");
    assert_string_equal(syn_world_table(w), "{a,<n1@h.5.0>,m2,1001}");
}

static void what_cannot_be_is_refused(void **state)
{
    struct syn_world *w = *state;

    assert_string_equal(syn_world_add(w, 2, "a", 0, "m"), "{error,not_alive}");
    (void)syn_world_add(w, 2, "a", 5, "m");
    assert_string_equal(syn_world_add(w, 2, "a", 6, "m"), "{error,taken}");
    syn_world_meet(w, 2, "[{b, ~p, m, 1}]", syn_world_pid(2, 1));
    assert_string_equal(syn_world_add(w, 1, "b", 6, "m"), "{error,taken}");
    assert_string_equal(syn_world_remove(w, 2, "c", 5), "{error,undefined}");
    assert_string_equal(syn_world_remove(w, 2, "a", 6),
                        "{error,race_condition}");
    limits.syn_name_bytes = 2;
    assert_string_equal(syn_world_add(w, 2, "abc", 5, "m"),
                        "{error,too_large}");
    assert_string_equal(syn_world_said(w), "");
}

/* A function cannot run here, and must not be stored. */
static void an_update_function_is_answered_at_once(void **state)
{
    struct syn_world *w = *state;
    struct syn_request request = {.ask = SYN_ASK_ADD,
                                  .requester = syn_world_node(2)};
    struct buf fun = bytes_of_hex(
        "71 77 06 6572 6c61 6e67 77 03 6d 61 78 61 02"); /* erlang:max/2 */
    struct buf answer;

    buf_init(&answer, 0);
    request.claim = (struct syn_claim){.name = atom_term(A_node),
                                       .pid = syn_world_pid(1, 5),
                                       .meta = term_in(&fun)};
    syn_scope_request(&w->scope, &request, true, false, &answer);
    assert_term_text(term_in(&answer), "{error,undefined}");
    (void)syn_world_add(w, 2, "node", 5, "m");
    buf_clear(&answer);
    syn_scope_request(&w->scope, &request, true, false, &answer);
    assert_term_text(term_in(&answer), "{error,unsupported}");
    request.claim.pid = syn_world_pid(1, 6);
    buf_clear(&answer);
    syn_scope_request(&w->scope, &request, true, false, &answer);
    assert_term_text(term_in(&answer), "{error,taken}");
    assert_string_equal(syn_world_table(w), "{node,<n1@h.5.0>,m,1000}");
    buf_fini(&fun);
    buf_fini(&answer);
}

static void a_late_answer_is_told_to_the_requester_too(void **state)
{
    struct syn_world *w = *state;
    struct syn_request request = {.ask = SYN_ASK_ADD,
                                  .requester = syn_world_node(2),
                                  .claim = {.name = atom_term(A_node),
                                            .pid = syn_world_pid(1, 5),
                                            .meta = atom_term(A_ok)}};
    struct buf answer;
    const char *said;

    buf_init(&answer, 0);
    syn_scope_request(&w->scope, &request, true, true, &answer);
    said = syn_world_said(w);
    assert_non_null(strstr(said, "n2@h ! {'3.0',sync_register,"));
    assert_non_null(strstr(said, "n3@h ! {'3.0',sync_register,"));
    buf_fini(&answer);
}

static void a_name_is_unregistered(void **state)
{
    struct syn_world *w = *state;

    (void)syn_world_add(w, 1, "a", 5, "m");
    (void)syn_world_said(w);
    assert_string_equal(syn_world_remove(w, 3, "a", 5),
                        "{ok,syn_registry_by_pid_s}");
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',sync_unregister,a,<n1@h.5.0>,m,normal}");
    assert_string_equal(syn_world_table(w), "");
}

static void times_increase_though_the_clock_does_not(void **state)
{
    struct syn_world *w = *state;

    (void)syn_world_add(w, 1, "a", 5, "m");
    w->now = 500;
    (void)syn_world_add(w, 1, "b", 5, "m");
    w->now = 2000;
    (void)syn_world_add(w, 1, "c", 5, "m");
    assert_string_equal(syn_world_table(w),
                        "{a,<n1@h.5.0>,m,1000} {b,<n1@h.5.0>,m,1001} "
                        "{c,<n1@h.5.0>,m,2000}");
}

static void the_end_of_a_process_takes_all_its_names(void **state)
{
    struct syn_world *w = *state;

    (void)syn_world_add(w, 1, "a", 5, "m");
    (void)syn_world_add(w, 1, "b", 6, "m");
    (void)syn_world_add(w, 1, "c", 5, "m");
    syn_scope_nodedown(&w->scope, syn_world_node(3));
    (void)syn_world_said(w);
    syn_scope_ended(&w->scope, syn_world_pid(1, 5), atom_term(A_killed));
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',sync_unregister,a,<n1@h.5.0>,m,killed}\n"
                        "n2@h ! {'3.0',sync_unregister,c,<n1@h.5.0>,m,killed}");
    assert_string_equal(syn_world_table(w), "{b,<n1@h.6.0>,m,1001}");
    syn_scope_ended(&w->scope, syn_world_pid(1, 77), atom_term(A_normal));
    assert_string_equal(syn_world_said(w), "");
}

static void many_names_go_in_slices_and_are_free_at_once(void **state)
{
    struct syn_world *w = *state;
    char name[16];

    for (uint32_t i = 0; i < 2 * SYN_SLICE + 10; i++) {
        (void)snprintf(name, sizeof(name), "%u", i);
        (void)syn_world_add(w, 1, name, 5, "m");
    }
    syn_scope_ended(&w->scope, syn_world_pid(1, 5), atom_term(A_killed));
    assert_int_equal(w->scope.table.count, SYN_SLICE + 10);
    assert_true(w->is_awake);
    for (uint32_t i = 0; i < 2 * SYN_SLICE + 10; i += SYN_SLICE) {
        (void)snprintf(name, sizeof(name), "%u", i);
        assert_non_null(strstr(syn_world_add(w, 1, name, 6, "m"), "{ok,"));
    }
    while (syn_scope_work(&w->scope)) {
    }
    assert_int_equal(w->scope.table.count, 3);
    assert_true(list_is_empty(&w->scope.ended));
}

static void groups_answer_with_their_own_words(void **state)
{
    struct syn_world *w = *state;

    assert_string_equal(
        syn_world_add(w, 2, "g", 5, "m"),
        "{ok,{on_process_joined,undefined,m,1000," GROUP_TABLES);
    assert_string_equal(syn_world_add(w, 2, "g", 5, "m"), "{noop,m}");
    assert_string_equal(
        syn_world_add(w, 2, "g", 5, "m2"),
        "{ok,{on_group_process_updated,m,m2,1001," GROUP_TABLES);
    assert_string_equal(
        syn_world_add(w, 3, "g", 6, "m"),
        "{ok,{on_process_joined,undefined,m,1002," GROUP_TABLES);
    assert_string_equal(syn_world_remove(w, 2, "g", 7), "{error,not_in_group}");
    assert_string_equal(syn_world_said(w),
                        "n3@h ! {'3.0',sync_join,g,<n1@h.5.0>,m,1000,normal}\n"
                        "n3@h ! {'3.0',sync_join,g,<n1@h.5.0>,m2,1001,normal}\n"
                        "n2@h ! {'3.0',sync_join,g,<n1@h.6.0>,m,1002,normal}");
    assert_string_equal(syn_world_remove(w, 2, "g", 5),
                        "{ok,{m2,syn_pg_by_pid_s}}");
    assert_string_equal(syn_world_said(w),
                        "n3@h ! {'3.0',sync_leave,g,<n1@h.5.0>,m2,normal}");
}

/* --- as requester */

/* Its owner, n2@h, answered to a request about its process 1 and the name a. */
static void answered(struct syn_world *w, enum syn_ask ask, const char *answer,
                     const char *result)
{
    struct syn_request request = {
        .ask = ask,
        .requester = syn_world_node(1),
        .claim = {.name = atom_term(atom_intern("a", 1)),
                  .pid = syn_world_pid(2, 1),
                  .meta = atom_term(A_ok)}};
    struct buf bytes = bytes_of_text(answer), buf;

    buf_init(&buf, 0);
    syn_scope_answered(&w->scope, &request, term_in(&bytes), &buf);
    assert_term_text(term_in(&buf), result);
    buf_fini(&bytes);
    buf_fini(&buf);
}

static void an_answer_is_stored(void **state)
{
    struct syn_world *w = *state;

    answered(w, SYN_ASK_ADD, "{ok,{on_process_registered,undefined,m,50,x,y}}",
             "ok");
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,m,50}");
    answered(w, SYN_ASK_ADD, "{noop, m}", "ok");
    assert_int_equal(w->scope.asks, 0);
    answered(w, SYN_ASK_REMOVE, "{ok, tab}", "ok");
    assert_string_equal(syn_world_table(w), "");
    assert_string_equal(syn_world_said(w), "");
}

static void errors_are_passed_on(void **state)
{
    struct syn_world *w = *state;

    answered(w, SYN_ASK_ADD, "{error, taken}", "{error,taken}");
    answered(w, SYN_ASK_ADD, "{raise, error, why, []}", "{error,why}");
    answered(w, SYN_ASK_ADD, "undefined", "{error,{unexpected,undefined}}");
    answered(w, SYN_ASK_REMOVE, "{error, race_condition}",
             "{error,race_condition}");
    assert_string_equal(syn_world_table(w), "");
}

/* BEAM sends its answers and its messages to all by different ways. */
static void what_was_told_before_an_answer_does_not_undo_it(void **state)
{
    struct syn_world *w = *state;
    struct pid p = syn_world_pid(2, 1);

    answered(w, SYN_ASK_ADD, "{ok,{on_registry_process_updated,m,m2,50,x,y}}",
             "ok");
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', sync_register, a, ~p, m, 40, normal}", p),
        0);
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,m2,50}");
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', sync_register, a, ~p, m3, 60, normal}",
                       p),
        0);
    /* else a lower time is fine: it is the word of its owner */
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', sync_register, a, ~p, m4, 55, normal}",
                       p),
        0);
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,m4,55}");
}

static void an_answer_waits_behind_a_merge(void **state)
{
    struct syn_world *w = *state;
    struct buf list;

    buf_init(&list, 0);
    term_put_list(&list, SYN_SLICE + 1);
    for (uint32_t i = 0; i < SYN_SLICE + 1; i++) {
        term_format(&list, "{~i, ~p, m, 10}", (int64_t)i, syn_world_pid(2, 9));
    }
    term_put_nil(&list);
    syn_world_meet(w, 2, "~t", term_in(&list));
    answered(w, SYN_ASK_ADD, "{ok,{on_process_registered,undefined,m,50,x,y}}",
             "ok");
    assert_int_equal(
        syn_world_hear(w, 2, "{'3.0', sync_unregister, a, ~p, m, normal}",
                       syn_world_pid(2, 1)),
        0);
    assert_int_equal(w->scope.table.count, SYN_SLICE);
    while (syn_scope_work(&w->scope)) {
    }
    assert_int_equal(w->scope.table.count, SYN_SLICE + 1);
    buf_fini(&list);
}

static void what_was_missed_is_asked_for(void **state)
{
    struct syn_world *w = *state;

    answered(w, SYN_ASK_ADD, "{noop, m}", "ok");
    assert_int_equal(w->scope.asks, 1);
    syn_scope_tick(&w->scope);
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',discover,<n1@h.100.0>}");
}

static void an_answer_of_no_member_is_not_stored(void **state)
{
    struct syn_world *w = *state;

    syn_scope_nodedown(&w->scope, syn_world_node(2));
    answered(w, SYN_ASK_ADD, "{ok,{on_process_registered,undefined,m,50,x,y}}",
             "ok");
    assert_string_equal(syn_world_table(w), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_name_is_registered_for_another_node),
        TEST(new_metadata_is_an_update_the_same_is_none),
        TEST(what_cannot_be_is_refused),
        TEST(an_update_function_is_answered_at_once),
        TEST(a_late_answer_is_told_to_the_requester_too),
        TEST(a_name_is_unregistered),
        TEST(times_increase_though_the_clock_does_not),
        TEST(the_end_of_a_process_takes_all_its_names),
        TEST(many_names_go_in_slices_and_are_free_at_once),
        cmocka_unit_test_setup_teardown(groups_answer_with_their_own_words,
                                        setup_groups, teardown),
        TEST(an_answer_is_stored),
        TEST(errors_are_passed_on),
        TEST(what_was_told_before_an_answer_does_not_undo_it),
        TEST(an_answer_waits_behind_a_merge),
        TEST(what_was_missed_is_asked_for),
        TEST(an_answer_of_no_member_is_not_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
