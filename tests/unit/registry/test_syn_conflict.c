/* SPDX-License-Identifier: Apache-2.0
 *
 * Two nodes have one name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/limits.h"
#include "base/metric.h"
#include "registry/syn_parts.h"
#include "support/registry/syn_world.h"
#include "support/term/terms.h"
#include "term/build.h"

static struct limits defaults;

static int setup(void **state)
{
    static struct syn_world world;

    defaults = limits;
    syn_world_open(&world, SYN_REGISTRY);
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

/* n<node>@h says that its process `id` has the name a. */
static void claim(struct syn_world *w, unsigned node, uint32_t id, int64_t time)
{
    assert_int_equal(
        syn_world_hear(w, node, "{'3.0', sync_register, a, ~p, ~A, ~i, normal}",
                       syn_world_pid(node, id), syn_world_node(node), time),
        0);
}

static void withdraw(struct syn_world *w, unsigned node, uint32_t id)
{
    assert_int_equal(
        syn_world_hear(w, node, "{'3.0', sync_unregister, a, ~p, x, normal}",
                       syn_world_pid(node, id)),
        0);
}

static void register_a(struct syn_world *w, uint32_t id)
{
    (void)syn_world_add(w, 1, "a", id, "m");
    (void)syn_world_said(w);
}

/* --- ours and theirs */

static void the_later_one_stays_and_ours_is_killed(void **state)
{
    struct syn_world *w = *state;

    register_a(w, 5);
    claim(w, 2, 1, 1001);
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',sync_unregister,a,<n1@h.5.0>,m,"
                        "syn_conflict_resolution}\n"
                        "n3@h ! {'3.0',sync_unregister,a,<n1@h.5.0>,m,"
                        "syn_conflict_resolution}\n"
                        "kill <n1@h.5.0> {syn_resolve_kill,a,m}");
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,n2@h,1001}");
    syn_scope_ended(&w->scope, syn_world_pid(1, 5), atom_term(A_killed));
    assert_string_equal(syn_world_said(w), "");
}

static void ours_stays_and_all_are_told(void **state)
{
    struct syn_world *w = *state;

    register_a(w, 5);
    claim(w, 2, 1, 999);
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',sync_register,a,<n1@h.5.0>,m,1000,"
                        "syn_conflict_resolution}\n"
                        "n3@h ! {'3.0',sync_register,a,<n1@h.5.0>,m,1000,"
                        "syn_conflict_resolution}");
    assert_string_equal(syn_world_table(w), "{a,<n1@h.5.0>,m,1000}");
}

/* What we say may be lost on its owner, and ours be gone when it asks. */
static void a_claim_that_lost_is_remembered_until_withdrawn(void **state)
{
    struct syn_world *w = *state;

    register_a(w, 5);
    claim(w, 2, 1, 999);
    (void)syn_world_remove(w, 1, "a", 5);
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,n2@h,999}");
    withdraw(w, 2, 1);
    assert_string_equal(syn_world_table(w), "");
}

/* By number, then by node: n2@h.5 is greater than n1@h.5. */
static void of_equal_times_the_greater_pid_stays(void **state)
{
    struct syn_world *w = *state;

    register_a(w, 5);
    claim(w, 2, 4, 1000);
    assert_string_equal(syn_world_table(w), "{a,<n1@h.5.0>,m,1001}");
    claim(w, 2, 5, 1001);
    assert_string_equal(syn_world_table(w), "{a,<n2@h.5.0>,n2@h,1001}");
}

static void without_room_for_theirs_the_name_is_free(void **state)
{
    struct syn_world *w = *state;

    register_a(w, 5);
    limits.syn_meta_bytes = 3;
    assert_int_equal(
        syn_world_hear(w, 2,
                       "{'3.0', sync_register, a, ~p, long, 2000, normal}",
                       syn_world_pid(2, 1)),
        CNODE_TOO_LARGE);
    assert_string_equal(syn_world_table(w), "");
}

/* --- of third nodes */

static void the_later_claim_is_shown(void **state)
{
    struct syn_world *w = *state;

    claim(w, 2, 1, 10);
    claim(w, 3, 1, 9);
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,n2@h,10}");
    claim(w, 3, 1, 11);
    assert_string_equal(syn_world_table(w), "{a,<n3@h.1.0>,n3@h,11}");
    assert_string_equal(syn_world_said(w), "");
}

static void the_other_claim_returns_when_it_goes(void **state)
{
    struct syn_world *w = *state;

    claim(w, 2, 1, 10);
    claim(w, 3, 1, 11);
    withdraw(w, 3, 1);
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,n2@h,10}");
    claim(w, 3, 2, 9);
    syn_scope_nodedown(&w->scope, syn_world_node(2));
    assert_string_equal(syn_world_table(w), "{a,<n3@h.2.0>,n3@h,9}");
    assert_int_equal(w->scope.rivals.count, 0);
    assert_int_equal(w->scope.rival_bytes, 0);
}

static void a_claim_that_was_withdrawn_does_not_return(void **state)
{
    struct syn_world *w = *state;

    claim(w, 2, 1, 10);
    claim(w, 3, 1, 11);
    withdraw(w, 2, 9); /* another process */
    assert_int_equal(w->scope.rivals.count, 1);
    withdraw(w, 2, 1);
    assert_int_equal(w->scope.rivals.count, 0);
    withdraw(w, 3, 1);
    assert_string_equal(syn_world_table(w), "");
}

static void
a_claim_that_its_next_list_does_not_have_does_not_return(void **state)
{
    struct syn_world *w = *state;

    claim(w, 2, 1, 10);
    claim(w, 3, 1, 11);
    assert_int_equal(syn_world_hear(w, 2, "{'3.0', ack_sync, ~p, []}",
                                    syn_world_pid(2, 100)),
                     0);
    assert_int_equal(w->scope.rivals.count, 0);
    /* and in the other order: listed, then shown */
    claim(w, 2, 1, 10);
    assert_int_equal(syn_world_hear(w, 2,
                                    "{'3.0', ack_sync, ~p, [{a, ~p, x, 10}]}",
                                    syn_world_pid(2, 100), syn_world_pid(2, 1)),
                     0);
    assert_int_equal(w->scope.rivals.count, 1);
    withdraw(w, 3, 1);
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,x,10}");
}

/* n2@h had a; its next list has b, which n3@h has, and c. While that is merged
 * n3@h takes a. */
static void a_claim_that_gives_way_during_a_merge_is_swept(void **state)
{
    struct syn_world *w = *state;

    syn_world_meet(w, 3, "[{b, ~p, m, 50}]", syn_world_pid(3, 2));
    claim(w, 2, 1, 10);
    w->scope.slice = 1;
    assert_int_equal(
        syn_world_hear(
            w, 2, "{'3.0', ack_sync, ~p, [{b, ~p, m, 2}, {c, ~p, m, 2}]}",
            syn_world_pid(2, 100), syn_world_pid(2, 2), syn_world_pid(2, 3)),
        0);
    claim(w, 3, 1, 60);
    assert_int_equal(w->scope.rivals.count, 2);
    while (syn_scope_work(&w->scope)) {
    }
    assert_int_equal(w->scope.rivals.count, 1);
    withdraw(w, 3, 1);
    assert_string_equal(syn_world_table(w),
                        "{b,<n3@h.2.0>,m,50} {c,<n2@h.3.0>,m,2}");
}

static void of_several_claims_the_best_comes_next(void **state)
{
    struct syn_world *w = *state;

    syn_world_meet(w, 4, "[]");
    syn_world_meet(w, 5, "[]");
    claim(w, 2, 1, 20);
    claim(w, 3, 7, 10);
    claim(w, 4, 8, 10);
    claim(w, 5, 9, 9);
    withdraw(w, 2, 1);
    assert_string_equal(syn_world_table(w), "{a,<n4@h.8.0>,n4@h,10}");
    syn_scope_nodedown(&w->scope, syn_world_node(5));
    withdraw(w, 4, 8);
    assert_string_equal(syn_world_table(w), "{a,<n3@h.7.0>,n3@h,10}");
    withdraw(w, 3, 7);
    assert_string_equal(syn_world_table(w), "");
}

/* It loses without a word, so what it claimed might stay for ever. */
static void claims_of_3_3_0_are_not_remembered(void **state)
{
    struct syn_world *w = *state;

    assert_int_equal(syn_world_hear_scope(w, 2, "{'3.0', ack_sync, ~p, []}",
                                          syn_world_pid(2, 100)),
                     0);
    claim(w, 2, 1, 10);
    claim(w, 3, 1, 11);
    withdraw(w, 3, 1);
    assert_string_equal(syn_world_table(w), "");
}

static void claims_without_room_are_forgotten(void **state)
{
    struct syn_world *w = *state;
    uint64_t before = metric_read(METRIC_syn_refused);

    limits.syn_held_bytes = 10;
    claim(w, 2, 1, 10);
    claim(w, 3, 1, 11);
    assert_int_equal(metric_read(METRIC_syn_refused) - before, 1);
    withdraw(w, 3, 1);
    assert_string_equal(syn_world_table(w), "");
}

/* --- somebody else judges */

static void judged(struct syn_world *w)
{
    w->is_judge = true;
    register_a(w, 5);
    claim(w, 2, 1, 999);
    assert_string_equal(syn_world_said(w), "judge a <n2@h.1.0> <n1@h.5.0>");
    assert_string_equal(syn_world_table(w), "{a,<n1@h.5.0>,m,1000}");
}

static void decide(struct syn_world *w, enum syn_decision decision)
{
    syn_scope_decide(&w->scope, atom_term(atom_intern("a", 1)),
                     syn_world_pid(2, 1), syn_world_pid(1, 5), decision);
}

static void theirs_may_be_kept_and_nobody_is_killed(void **state)
{
    struct syn_world *w = *state;

    judged(w);
    decide(w, SYN_KEEP_THEIRS);
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',sync_unregister,a,<n1@h.5.0>,m,"
                        "syn_conflict_resolution}\n"
                        "n3@h ! {'3.0',sync_unregister,a,<n1@h.5.0>,m,"
                        "syn_conflict_resolution}");
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,n2@h,999}");
    assert_int_equal(w->scope.rivals.count, 0);
}

/* Later than theirs, so that third nodes agree. */
static void ours_may_be_kept_though_it_is_older(void **state)
{
    struct syn_world *w = *state;

    judged(w);
    claim(w, 2, 1, 5000);
    assert_string_equal(syn_world_said(w), ""); /* judged already */
    decide(w, SYN_KEEP_OURS);
    assert_string_equal(syn_world_said(w),
                        "n2@h ! {'3.0',sync_register,a,<n1@h.5.0>,m,5001,"
                        "syn_conflict_resolution}\n"
                        "n3@h ! {'3.0',sync_register,a,<n1@h.5.0>,m,5001,"
                        "syn_conflict_resolution}");
    assert_string_equal(syn_world_table(w), "{a,<n1@h.5.0>,m,5001}");
    assert_int_equal(w->scope.rivals.count, 1); /* until they withdraw it */
    withdraw(w, 2, 1);
    assert_int_equal(w->scope.rivals.count, 0);
}

/* There is nothing later than the last time. */
static void the_last_time_is_not_passed(void **state)
{
    struct syn_world *w = *state;

    judged(w);
    claim(w, 2, 1, INT64_MAX - 1);
    decide(w, SYN_KEEP_OURS);
    (void)syn_world_add(w, 1, "a", 5, "m2");
    assert_string_equal(syn_world_table(w),
                        "{a,<n1@h.5.0>,m2,9223372036854775807}");
    (void)syn_world_add(w, 1, "a", 5, "m3");
    assert_string_equal(syn_world_table(w),
                        "{a,<n1@h.5.0>,m3,9223372036854775807}");
}

static void neither_may_be_kept(void **state)
{
    struct syn_world *w = *state;

    judged(w);
    decide(w, SYN_KEEP_NONE);
    assert_string_equal(syn_world_said(w),
                        "n3@h ! {'3.0',sync_unregister,a,<n1@h.5.0>,m,"
                        "syn_conflict_resolution}");
    assert_string_equal(syn_world_table(w), "");
    assert_int_equal(w->scope.rivals.count, 0);
}

static void the_rule_may_decide_after_all(void **state)
{
    struct syn_world *w = *state;

    judged(w);
    claim(w, 2, 1, 5000);
    decide(w, SYN_KEEP_BY_RULE);
    assert_non_null(strstr(syn_world_said(w), "kill <n1@h.5.0>"));
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,n2@h,5000}");
    assert_int_equal(w->scope.rivals.count, 0);
}

static void what_changed_meanwhile_wins(void **state)
{
    struct syn_world *w = *state;

    judged(w);
    withdraw(w, 2, 1); /* theirs is gone: ours stays */
    decide(w, SYN_KEEP_THEIRS);
    assert_string_equal(syn_world_table(w), "{a,<n1@h.5.0>,m,1000}");
    assert_string_equal(syn_world_said(w), "");
    claim(w, 2, 1, 999);
    (void)syn_world_remove(w, 1, "a", 5); /* ours is gone: theirs has it */
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,n2@h,999}");
    (void)syn_world_said(w);
    decide(w, SYN_KEEP_NONE);
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,n2@h,999}");
    assert_string_equal(syn_world_said(w), "");
}

/* Their next list is being merged when theirs is chosen, and has it not. */
static void a_claim_of_an_older_list_does_not_outlive_it(void **state)
{
    struct syn_world *w = *state;

    judged(w);
    w->scope.slice = 1;
    assert_int_equal(
        syn_world_hear(
            w, 2, "{'3.0', ack_sync, ~p, [{b, ~p, m, 1}, {c, ~p, m, 1}]}",
            syn_world_pid(2, 100), syn_world_pid(2, 8), syn_world_pid(2, 9)),
        0);
    decide(w, SYN_KEEP_THEIRS);
    assert_non_null(strstr(syn_world_table(w), "{a,<n2@h.1.0>"));
    while (syn_scope_work(&w->scope)) {
    }
    assert_string_equal(syn_world_table(w),
                        "{b,<n2@h.8.0>,m,1} {c,<n2@h.9.0>,m,1}");
}

static void another_process_of_theirs_is_judged_anew(void **state)
{
    struct syn_world *w = *state;

    judged(w);
    claim(w, 2, 2, 1500);
    assert_string_equal(syn_world_said(w), "judge a <n2@h.2.0> <n1@h.5.0>");
    decide(w, SYN_KEEP_THEIRS); /* about the first */
    assert_string_equal(syn_world_table(w), "{a,<n1@h.5.0>,m,1000}");
}

static void without_room_to_wait_the_rule_decides(void **state)
{
    struct syn_world *w = *state;

    limits.syn_held_bytes = 10;
    w->is_judge = true;
    register_a(w, 5);
    claim(w, 2, 1, 2000);
    assert_non_null(strstr(syn_world_said(w), "kill <n1@h.5.0>"));
    assert_string_equal(syn_world_table(w), "{a,<n2@h.1.0>,n2@h,2000}");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_later_one_stays_and_ours_is_killed),
        TEST(ours_stays_and_all_are_told),
        TEST(a_claim_that_lost_is_remembered_until_withdrawn),
        TEST(of_equal_times_the_greater_pid_stays),
        TEST(without_room_for_theirs_the_name_is_free),
        TEST(the_later_claim_is_shown),
        TEST(the_other_claim_returns_when_it_goes),
        TEST(a_claim_that_was_withdrawn_does_not_return),
        TEST(a_claim_that_its_next_list_does_not_have_does_not_return),
        TEST(a_claim_that_gives_way_during_a_merge_is_swept),
        TEST(of_several_claims_the_best_comes_next),
        TEST(claims_of_3_3_0_are_not_remembered),
        TEST(claims_without_room_are_forgotten),
        TEST(theirs_may_be_kept_and_nobody_is_killed),
        TEST(ours_may_be_kept_though_it_is_older),
        TEST(the_last_time_is_not_passed),
        TEST(neither_may_be_kept),
        TEST(the_rule_may_decide_after_all),
        TEST(what_changed_meanwhile_wins),
        TEST(a_claim_of_an_older_list_does_not_outlive_it),
        TEST(another_process_of_theirs_is_judged_anew),
        TEST(without_room_to_wait_the_rule_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
