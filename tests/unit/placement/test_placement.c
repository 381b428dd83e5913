/* SPDX-License-Identifier: Apache-2.0
 *
 * Which node is chosen: each rule by itself, and the strategies by the
 * distribution they make. Everything is drawn from seeds, so nothing here
 * depends on luck.
 */
#include "placement/placement.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

enum { REFS = 20000, MOST = 16 };

static struct placement_rules rules;
static struct placement_state memory;
static struct placement_candidate nodes[MOST];
static size_t count;

/* `n` nodes that are all alike. */
static void given(enum placement_strategy strategy, size_t n)
{
    rules = (struct placement_rules){.strategy = strategy,
                                     .node_target = {1, 1000, 1000}};
    memory = (struct placement_state){0};
    count = n;
    for (size_t i = 0; i < n; i++) {
        nodes[i] = (struct placement_candidate){
            .node = (uint32_t)i + 10,
            .name_hash = placement_mix(i + 1000),
            .is_online = true,
            .has_health = true,
            .health = 8,
            .window = {1000, 5000, 1000000},
            .priority = 10,
            .weight = 1,
        };
    }
}

static int choose(uint64_t ref)
{
    const struct placement_request request = {.seed = ref, .at_least = 0.75};

    return placement_choose(&rules, &request, nodes, count, &memory);
}

static int choose_sticky(uint64_t ref, double at_least)
{
    const struct placement_request request = {
        .seed = ref, .is_sticky = true, .at_least = at_least};

    return placement_choose(&rules, &request, nodes, count, &memory);
}

static void tally(unsigned refs, unsigned *counts, bool grows)
{
    memset(counts, 0, MOST * sizeof(*counts));
    for (unsigned ref = 0; ref < refs; ref++) {
        int index = choose(ref);

        assert_in_range(index, 0, count - 1);
        counts[index]++;
        if (grows) {
            nodes[index].workers++;
        }
    }
}

/* Against expected shares. 40: with at most 15 degrees of freedom a fair source
 * is above that less than once in a thousand times. */
static void assert_distribution(const unsigned *counts, const double *shares)
{
    double chi_square = 0, total = 0;

    for (size_t i = 0; i < count; i++) {
        total += counts[i];
    }
    for (size_t i = 0; i < count; i++) {
        double expected = total * shares[i];

        if (expected == 0) {
            assert_int_equal(counts[i], 0);
            continue;
        }
        chi_square +=
            (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    assert_true(chi_square < 40);
}

/* --- who takes part */

static void nobody_is_chosen_without_candidates(void **state)
{
    (void)state;
    given(PLACEMENT_LEAST_LOADED, 0);
    assert_int_equal(choose(1), -1);
    given(PLACEMENT_HASH, 3);
    for (size_t i = 0; i < count; i++) {
        nodes[i].is_online = false;
    }
    assert_int_equal(choose(1), -1);
    assert_int_equal(choose_sticky(1, 0), -1);
}

static void a_node_that_takes_none_gets_none(void **state)
{
    unsigned counts[MOST];

    (void)state;
    for (int strategy = PLACEMENT_LEAST_LOADED; strategy <= PLACEMENT_HASH;
         strategy++) {
        given((enum placement_strategy)strategy, 5);
        nodes[2].is_online = false;
        nodes[2].is_self = true;
        tally(1000, counts, true);
        assert_int_equal(counts[2], 0);
    }
}

static void a_higher_priority_comes_first_while_it_has_room(void **state)
{
    unsigned counts[MOST];

    (void)state;
    for (int strategy = PLACEMENT_LEAST_LOADED; strategy <= PLACEMENT_HASH;
         strategy++) {
        given((enum placement_strategy)strategy, 4);
        nodes[1].priority = nodes[3].priority = 20;
        nodes[1].window.high = nodes[3].window.high = 300;
        tally(1000, counts, true);
        assert_int_equal(counts[1] + counts[3], 600);
        assert_int_equal(counts[0] + counts[2], 400);
    }
}

static void above_high_only_when_nobody_else_has_room(void **state)
{
    (void)state;
    given(PLACEMENT_RANDOM, 3);
    nodes[0].workers = nodes[1].workers = nodes[2].workers = 1000000;
    assert_in_range(choose(1), 0, 2);
    nodes[1].workers--;
    for (uint64_t ref = 0; ref < 100; ref++) {
        assert_int_equal(choose(ref), 1);
    }
}

static void classes_fill_one_after_the_other(void **state)
{
    unsigned counts[MOST];

    (void)state;
    given(PLACEMENT_ROUND_ROBIN, 3);
    nodes[0].window = (struct placement_window){100, 500, 1000};
    nodes[1].window = (struct placement_window){300, 500, 1000};
    nodes[2].window = (struct placement_window){0, 200, 1000};
    tally(400, counts, true); /* all below low first */
    assert_int_equal(counts[0], 100);
    assert_int_equal(counts[1], 300);
    assert_int_equal(counts[2], 0);
    tally(800, counts, true); /* then to target */
    assert_int_equal(nodes[0].workers, 500);
    assert_int_equal(nodes[1].workers, 500);
    assert_int_equal(nodes[2].workers, 200);
}

/* A configuration may say so; it must not loop, divide by zero or lose all. */
static void a_window_upside_down_still_gives_a_node(void **state)
{
    (void)state;
    for (int strategy = PLACEMENT_LEAST_LOADED; strategy <= PLACEMENT_HASH;
         strategy++) {
        given((enum placement_strategy)strategy, 3);
        for (size_t i = 0; i < count; i++) {
            nodes[i].window = (struct placement_window){100, 10, 1};
            nodes[i].workers = 50;
        }
        rules.node_target = (struct placement_window){9, 2, 1};
        assert_in_range(choose(7), 0, 2);
        nodes[0].window = (struct placement_window){0, 0, 0};
        nodes[0].health = -INFINITY;
        assert_in_range(choose(8), 0, 2);
    }
}

/* --- how many nodes */

static void no_more_nodes_than_wanted_while_they_have_room(void **state)
{
    unsigned counts[MOST];
    size_t used = 0;

    (void)state;
    given(PLACEMENT_RANDOM, 6);
    rules.node_target = (struct placement_window){1, 2, 3};
    for (size_t i = 0; i < count; i++) {
        nodes[i].window.high = 100;
    }
    tally(200, counts, true);
    for (size_t i = 0; i < count; i++) {
        used += counts[i] > 0;
        assert_true(counts[i] == 0 || counts[i] == 100);
    }
    assert_int_equal(used, 2);
    tally(300, counts, true); /* a third one, and none after that */
    used = 0;
    for (size_t i = 0; i < count; i++) {
        used += nodes[i].workers > 0;
    }
    assert_int_equal(used, 3);
}

static void enough_nodes_have_some_first(void **state)
{
    unsigned counts[MOST];

    (void)state;
    given(PLACEMENT_STICKY, 5);
    rules.strategy = PLACEMENT_RANDOM;
    rules.node_target = (struct placement_window){4, 4, 5};
    tally(4, counts, true);
    for (size_t i = 0; i < count; i++) {
        assert_in_range(counts[i], 0, 1);
    }
}

/* --- strategies */

static void random_is_uniform(void **state)
{
    const double shares[] = {0.2, 0.2, 0.2, 0.2, 0.2};
    unsigned counts[MOST];

    (void)state;
    given(PLACEMENT_RANDOM, 5);
    tally(REFS, counts, false);
    assert_distribution(counts, shares);
}

static void round_robin_is_exact_whoever_comes_and_goes(void **state)
{
    unsigned counts[MOST];

    (void)state;
    given(PLACEMENT_ROUND_ROBIN, 4);
    tally(1000, counts, false);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(counts[i], 250);
    }
    nodes[1].is_online = false;
    tally(999, counts, false);
    assert_int_equal(counts[0], 333);
    assert_int_equal(counts[2], 333);
    assert_int_equal(counts[3], 333);
}

static void weights_are_shares(void **state)
{
    const double shares[] = {0.1, 0.2, 0.7, 0};
    unsigned counts[MOST];

    (void)state;
    given(PLACEMENT_WEIGHTED, 4);
    nodes[0].weight = 1;
    nodes[1].weight = 2;
    nodes[2].weight = 7;
    nodes[3].weight = 0;
    tally(REFS, counts, false);
    assert_distribution(counts, shares);
}

static void weights_that_are_all_zero_are_equal(void **state)
{
    const double shares[] = {0.25, 0.25, 0.25, 0.25};
    unsigned counts[MOST];

    (void)state;
    given(PLACEMENT_WEIGHTED, 4);
    for (size_t i = 0; i < count; i++) {
        nodes[i].weight = 0;
    }
    tally(REFS, counts, false);
    assert_distribution(counts, shares);
}

static void least_loaded_evens_out(void **state)
{
    unsigned counts[MOST];
    uint64_t least = UINT64_MAX, most = 0;

    (void)state;
    given(PLACEMENT_LEAST_LOADED, 8);
    for (size_t i = 0; i < count; i++) {
        nodes[i].window = (struct placement_window){0, 5000, 1000000};
        nodes[i].workers = i * 100;
    }
    tally(REFS, counts, true);
    for (size_t i = 0; i < count; i++) {
        least = nodes[i].workers < least ? nodes[i].workers : least;
        most = nodes[i].workers > most ? nodes[i].workers : most;
    }
    assert_in_range(most - least, 0, 10);
}

static void a_larger_node_gets_more(void **state)
{
    unsigned counts[MOST];

    (void)state;
    given(PLACEMENT_LEAST_LOADED, 2);
    nodes[0].window = (struct placement_window){0, 30000, 1000000};
    nodes[1].window = (struct placement_window){0, 10000, 1000000};
    tally(REFS, counts, true);
    assert_in_range(counts[0], 14990, 15010);
}

static void the_sick_one_is_chosen_least_by_health(void **state)
{
    unsigned counts[MOST];

    (void)state;
    given(PLACEMENT_HEALTH, 5);
    nodes[3].health = 0.5;
    nodes[4].health = 4;
    tally(REFS, counts, false);
    assert_int_equal(counts[3], 0);
    assert_in_range(counts[4], REFS / 10 * 8 / 10, REFS / 10 * 12 / 10);
}

/* Section 2.4 of AdvancedPool's algorithm, by hand. */
static void the_grade_is_that_of_advanced_pool(void **state)
{
    struct placement_candidate c = {.has_health = true,
                                    .health = 8,
                                    .workers = 30000,
                                    .window = {10000, 50000, 100000}};

    (void)state;
    /* bonus 0.5, capacity 7/9: 0.75 * 8.5 + 0.25 * 8 * 7 / 9 = 7.9305 */
    assert_true(placement_grade(&c) == 793);
    c.has_health = false; /* initializing counts as 0.0 */
    assert_true(placement_grade(&c) == 38);
    c.has_health = true;
    c.workers = 60000; /* no bonus above target; capacity 4/9 */
    assert_true(placement_grade(&c) == 689);
}

static void sticky_stays_here_while_healthy(void **state)
{
    (void)state;
    given(PLACEMENT_RANDOM, 4);
    nodes[1].is_self = true;
    nodes[1].workers = 5000;
    nodes[1].health = 3;
    for (uint64_t ref = 0; ref < 50; ref++) {
        assert_int_equal(choose_sticky(ref, 3), 1);
        assert_int_not_equal(choose_sticky(ref, 3.1), 1);
    }
    nodes[1].has_health = false; /* never reported: taken as well */
    assert_int_equal(choose_sticky(1, 8), 1);
    nodes[1].workers = nodes[1].window.high; /* no room */
    assert_int_not_equal(choose_sticky(1, 0), 1);
    given(PLACEMENT_STICKY, 4);
    nodes[2].is_self = true;
    assert_int_equal(choose(5), 2);
}

static void hash_is_uniform_and_moves_few(void **state)
{
    const double shares[] = {0.2, 0.2, 0.2, 0.2, 0.2};
    unsigned counts[MOST], moved = 0;
    int before[REFS];

    (void)state;
    given(PLACEMENT_HASH, 5);
    tally(REFS, counts, false);
    assert_distribution(counts, shares);
    for (unsigned ref = 0; ref < REFS; ref++) {
        before[ref] = choose(ref);
    }
    given(PLACEMENT_HASH, 6); /* one joins */
    for (unsigned ref = 0; ref < REFS; ref++) {
        int now = choose(ref);

        moved += now != before[ref];
        assert_true(now == before[ref] || now == 5); /* to the new one only */
    }
    assert_in_range(moved, REFS / 6 * 9 / 10, REFS / 6 * 11 / 10);
    nodes[0].is_online = false; /* one leaves: only its own move */
    for (unsigned ref = 0; ref < REFS; ref++) {
        int now = choose(ref);

        assert_true(now == before[ref] || now == 5 || before[ref] == 0);
    }
}

static void hash_does_not_depend_on_the_order(void **state)
{
    int before[100];

    (void)state;
    given(PLACEMENT_HASH, 7);
    for (unsigned ref = 0; ref < 100; ref++) {
        before[ref] = choose(ref);
    }
    for (size_t i = 0; i < count / 2; i++) {
        struct placement_candidate c = nodes[i];

        nodes[i] = nodes[count - 1 - i];
        nodes[count - 1 - i] = c;
    }
    for (unsigned ref = 0; ref < 100; ref++) {
        assert_int_equal(choose(ref), (int)count - 1 - before[ref]);
    }
}

/* Two nodes that place the same ref at once, and see the same. */
static void the_same_ref_gets_the_same_node(void **state)
{
    (void)state;
    for (int strategy = PLACEMENT_LEAST_LOADED; strategy <= PLACEMENT_HASH;
         strategy++) {
        if (strategy == PLACEMENT_ROUND_ROBIN) {
            continue;
        }
        given((enum placement_strategy)strategy, 9);
        for (uint64_t ref = 0; ref < 1000; ref++) {
            int first = choose(ref);

            assert_int_equal(choose(ref), first);
        }
    }
}

/* --- supervisors */

static void a_supervisor_of_the_first_class_that_has_one(void **state)
{
    const struct placement_window window = {500, 2500, 5000};
    const uint64_t workers[] = {6000, 500, 2000, 501, 0, 5000};
    unsigned counts[6] = {0};

    (void)state;
    for (uint64_t seed = 0; seed < 10000; seed++) {
        counts[placement_supervisor(&window, workers, 6, seed)]++;
    }
    assert_in_range(counts[1], 4700, 5300);
    assert_int_equal(counts[1] + counts[4], 10000);
    assert_int_equal(placement_supervisor(&window, workers, 1, 1), -1);
    assert_int_equal(placement_supervisor(&window, workers, 0, 1), -1);
    assert_int_equal(placement_supervisor(&window, workers + 5, 1, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_chosen_without_candidates),
        cmocka_unit_test(a_node_that_takes_none_gets_none),
        cmocka_unit_test(a_higher_priority_comes_first_while_it_has_room),
        cmocka_unit_test(above_high_only_when_nobody_else_has_room),
        cmocka_unit_test(classes_fill_one_after_the_other),
        cmocka_unit_test(a_window_upside_down_still_gives_a_node),
        cmocka_unit_test(no_more_nodes_than_wanted_while_they_have_room),
        cmocka_unit_test(enough_nodes_have_some_first),
        cmocka_unit_test(random_is_uniform),
        cmocka_unit_test(round_robin_is_exact_whoever_comes_and_goes),
        cmocka_unit_test(weights_are_shares),
        cmocka_unit_test(weights_that_are_all_zero_are_equal),
        cmocka_unit_test(least_loaded_evens_out),
        cmocka_unit_test(a_larger_node_gets_more),
        cmocka_unit_test(the_sick_one_is_chosen_least_by_health),
        cmocka_unit_test(the_grade_is_that_of_advanced_pool),
        cmocka_unit_test(sticky_stays_here_while_healthy),
        cmocka_unit_test(hash_is_uniform_and_moves_few),
        cmocka_unit_test(hash_does_not_depend_on_the_order),
        cmocka_unit_test(the_same_ref_gets_the_same_node),
        cmocka_unit_test(a_supervisor_of_the_first_class_that_has_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
