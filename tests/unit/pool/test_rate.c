/* SPDX-License-Identifier: Apache-2.0
 *
 * Events within the last minute.
 */
#include "pool/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SECOND = 1000 };

static void events_count_for_a_minute(void **state)
{
    struct rate rate = {0};

    (void)state;
    rate_add(&rate, 5 * SECOND, 3);
    assert_int_equal(rate_per_minute(&rate, 5 * SECOND), 3);
    assert_int_equal(rate_per_minute(&rate, 59 * SECOND), 3);
    assert_int_equal(rate_per_minute(&rate, 66 * SECOND), 0);
}

static void they_go_in_the_order_they_came(void **state)
{
    struct rate rate = {0};

    (void)state;
    for (unsigned i = 0; i < 120; i++) {
        rate_add(&rate, (1000 + i) * SECOND, 1);
    }
    assert_in_range(rate_per_minute(&rate, 1119 * SECOND), 55, 60);
    assert_in_range(rate_per_minute(&rate, 1150 * SECOND), 25, 30);
    assert_int_equal(rate_per_minute(&rate, 1180 * SECOND), 0);
}

static void a_long_silence_costs_nothing(void **state)
{
    struct rate rate = {0};

    (void)state;
    rate_add(&rate, UINT64_C(1) << 50, 7);
    assert_int_equal(rate_per_minute(&rate, UINT64_C(1) << 50), 7);
    assert_int_equal(rate_per_minute(&rate, (UINT64_C(1) << 60)), 0);
}

static void it_does_not_overflow(void **state)
{
    struct rate rate = {0};

    (void)state;
    rate_add(&rate, SECOND, UINT64_MAX);
    rate_add(&rate, SECOND, UINT64_MAX);
    assert_int_equal(rate_per_minute(&rate, SECOND), UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_count_for_a_minute),
        cmocka_unit_test(they_go_in_the_order_they_came),
        cmocka_unit_test(a_long_silence_costs_nothing),
        cmocka_unit_test(it_does_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
