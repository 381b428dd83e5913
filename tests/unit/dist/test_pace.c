/* SPDX-License-Identifier: Apache-2.0 */
#include "dist/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_few_frames_are_followed_by_the_next_read_at_once(void **state)
{
    (void)state;
    assert_int_equal(pace_pause_ns(0, 0), 0);
    assert_int_equal(pace_pause_ns(3, 0), 0);
    assert_int_equal(pace_pause_ns(3, 3), 0);
}

static void a_few_callers_wait_shorter_than_many(void **state)
{
    uint64_t few = pace_pause_ns(4, 4), many = pace_pause_ns(32, 32);

    (void)state;
    assert_true(few > 0);
    assert_true(few < many);
    assert_int_equal(pace_pause_ns(31, 31), few);
    assert_int_equal(pace_pause_ns(1000, 1000), many);
}

static void a_burst_without_answers_waits_as_for_many(void **state)
{
    (void)state;
    assert_int_equal(pace_pause_ns(4, 0), pace_pause_ns(32, 32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_frames_are_followed_by_the_next_read_at_once),
        cmocka_unit_test(a_few_callers_wait_shorter_than_many),
        cmocka_unit_test(a_burst_without_answers_waits_as_for_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
