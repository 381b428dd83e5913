/* SPDX-License-Identifier: Apache-2.0
 *
 * Restarts within a period.
 */
#include "pool/intensity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void as_many_as_allowed_are_fine(void **state)
{
    struct intensity i;

    (void)state;
    intensity_init(&i, 3, 5000);
    assert_false(intensity_add(&i, 0));
    assert_false(intensity_add(&i, 1));
    assert_false(intensity_add(&i, 2));
    assert_true(intensity_add(&i, 3));
    assert_true(intensity_add(&i, 4));
    intensity_fini(&i);
}

static void none_allowed_means_the_first_is_too_many(void **state)
{
    struct intensity i;

    (void)state;
    intensity_init(&i, 0, 5000);
    assert_true(intensity_add(&i, 7));
    intensity_fini(&i);
}

/* OTP: a restart exactly one period ago still counts. */
static void old_ones_are_forgotten_after_the_period(void **state)
{
    struct intensity i;

    (void)state;
    intensity_init(&i, 1, 1000);
    assert_false(intensity_add(&i, 0));
    assert_true(intensity_add(&i, 1000));
    intensity_clear(&i);
    assert_false(intensity_add(&i, 0));
    assert_false(intensity_add(&i, 1001));
    assert_true(intensity_add(&i, 1002));
    intensity_fini(&i);
}

static void many_in_a_row_keep_their_order(void **state)
{
    struct intensity i;

    (void)state;
    intensity_init(&i, 100, 1000);
    for (uint64_t ms = 0; ms < 100000; ms += 10) {
        assert_false(intensity_add(&i, ms)); /* never more than 100 */
        ms += 1;
    }
    assert_true(i.cap <= 128);
    for (int n = 0; n < 9; n++) {
        assert_false(intensity_add(&i, 100000));
    }
    assert_true(intensity_add(&i, 100000));
    intensity_fini(&i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_as_allowed_are_fine),
        cmocka_unit_test(none_allowed_means_the_first_is_too_many),
        cmocka_unit_test(old_ones_are_forgotten_after_the_period),
        cmocka_unit_test(many_in_a_row_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
