/* SPDX-License-Identifier: Apache-2.0
 *
 * AdvancedPool's health number, and the condition by failures a minute.
 */
#include "pool/health.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct health_facts defaults = {
    .worker_target = {10000, 50000, 100000},
    .supervisor_target = {1, 10, 20},
};

static double number(uint64_t workers, double errors, double warnings)
{
    struct health_facts facts = defaults;

    facts.workers = workers;
    facts.errors = errors;
    facts.warnings = warnings;
    return health_number(&facts);
}

static void is_about(double got, double wanted)
{
    assert_true(fabs(got - wanted) < 0.01);
}

static void up_to_the_target_it_is_perfect(void **state)
{
    (void)state;
    is_about(number(0, 0, 0), 8.0);
    is_about(number(50000, 0, 0), 8.0);
}

/* The pairs of AdvancedPool's own formula: a width above the target 1.3, two
 * widths 0.4. */
static void above_it_falls_with_the_third_power(void **state)
{
    (void)state;
    is_about(number(50000 + 45000, 0, 0), 2.20);
    is_about(number(50000 + 90000, 0, 0), 1.30);
    is_about(number(50000 + 180000, 0, 0), 0.40);
    assert_true(number(50000 + 900000, 0, 0) < 0);
}

static void supervisors_count_half(void **state)
{
    struct health_facts facts = defaults;

    (void)state;
    facts.supervisors = 10 + 19;
    is_about(health_number(&facts), 1.60);
}

static void the_worst_of_all_counts(void **state)
{
    (void)state;
    is_about(number(0, 0.001, 0), 3.0);
    is_about(number(0, 0, 0.001), 4.0);
    is_about(number(0, 0.001, 0.1), 2.0);
    is_about(number(140000, 0.001, 0), 1.30);
}

static void a_window_of_no_width_divides_by_nothing(void **state)
{
    struct health_facts facts = {.workers = 6,
                                 .worker_target = {5, 5, 5},
                                 .supervisor_target = {9, 3, 1}};

    (void)state;
    is_about(health_number(&facts), 1.30);
    facts.workers = UINT64_MAX;
    assert_true(isfinite(health_number(&facts)));
}

static void rates_are_by_second_and_worker(void **state)
{
    (void)state;
    is_about(health_per_second(60, 1) * 100, 100);
    is_about(health_per_second(60, 100) * 100, 1);
    is_about(health_per_second(60, 0) * 100, 100);
    is_about(health_per_second(0, 0), 0);
}

static void failures_a_minute_make_the_condition(void **state)
{
    const struct health_thresholds at = {.degraded = 6, .critical = 12};
    const struct health_thresholds never = {UINT64_MAX, UINT64_MAX};

    (void)state;
    assert_int_equal(health_condition(0, &at), STANDING_WELL);
    assert_int_equal(health_condition(5, &at), STANDING_WELL);
    assert_int_equal(health_condition(6, &at), STANDING_DEGRADED);
    assert_int_equal(health_condition(11, &at), STANDING_DEGRADED);
    assert_int_equal(health_condition(12, &at), STANDING_CRITICAL);
    assert_int_equal(health_condition(1000000, &never), STANDING_WELL);
    assert_string_equal(health_condition_name(STANDING_DEGRADED), "degraded");
}

static void a_bad_condition_caps_what_is_published(void **state)
{
    (void)state;
    is_about(health_published(8, STANDING_WELL), 8);
    is_about(health_published(8, STANDING_DEGRADED), 3);
    is_about(health_published(2, STANDING_DEGRADED), 2);
    is_about(health_published(8, STANDING_CRITICAL), 0);
    is_about(health_published(-1, STANDING_CRITICAL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(up_to_the_target_it_is_perfect),
        cmocka_unit_test(above_it_falls_with_the_third_power),
        cmocka_unit_test(supervisors_count_half),
        cmocka_unit_test(the_worst_of_all_counts),
        cmocka_unit_test(a_window_of_no_width_divides_by_nothing),
        cmocka_unit_test(rates_are_by_second_and_worker),
        cmocka_unit_test(failures_a_minute_make_the_condition),
        cmocka_unit_test(a_bad_condition_caps_what_is_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
