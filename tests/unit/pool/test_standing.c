/* SPDX-License-Identifier: Apache-2.0
 *
 * State, locks and counters of a pool.
 */
#include "pool/standing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void takes_workers_when_online_free_and_not_full(void **state)
{
    struct standing standing;

    (void)state;
    standing_init(&standing, STANDING_OFFLINE);
    assert_false(standing_takes(&standing));
    assert_true(standing_set_state(&standing, STANDING_ONLINE));
    assert_false(standing_set_state(&standing, STANDING_ONLINE));
    assert_true(standing_takes(&standing));
    standing.is_full = true;
    assert_false(standing_takes(&standing));
}

static void locks_are_counted_by_who_sets_them(void **state)
{
    struct standing standing;

    (void)state;
    standing_init(&standing, STANDING_ONLINE);
    assert_true(standing_lock(&standing, STANDING_LOCK_POOL));
    assert_false(standing_lock(&standing, STANDING_LOCK_POOL));
    assert_true(standing_lock(&standing, STANDING_LOCK_NODE));
    assert_true(standing_release(&standing, STANDING_LOCK_POOL));
    assert_false(standing_release(&standing, STANDING_LOCK_POOL));
    assert_true(standing_is_locked(&standing));
    assert_false(standing_takes(&standing));
    assert_true(standing_release(&standing, STANDING_LOCK_NODE));
    assert_true(standing_takes(&standing));
}

static void has_no_health_before_the_first_grade(void **state)
{
    struct standing standing;
    double health = 1;

    (void)state;
    standing_init(&standing, STANDING_ONLINE);
    assert_false(standing_health(&standing, &health));
    standing_grade(&standing, 7.5, STANDING_DEGRADED);
    assert_true(standing_health(&standing, &health));
    assert_true(health > 7.4 && health < 7.6);
    assert_int_equal(standing.condition, STANDING_DEGRADED);
}

static void counts_events(void **state)
{
    struct standing standing;

    (void)state;
    standing_init(&standing, STANDING_ONLINE);
    standing_count(&standing, STANDING_ERROR);
    standing_count(&standing, STANDING_ERROR);
    assert_int_equal(standing_counted(&standing, STANDING_ERROR), 2);
    assert_int_equal(standing_counted(&standing, STANDING_WARNING), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_workers_when_online_free_and_not_full),
        cmocka_unit_test(locks_are_counted_by_who_sets_them),
        cmocka_unit_test(has_no_health_before_the_first_grade),
        cmocka_unit_test(counts_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
