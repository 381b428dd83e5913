/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters of one thread; tests/loop adds those of several.
 */
#include "base/metric.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void counts_start_at_zero_and_add_up(void **state)
{
    (void)state;
    assert_int_equal(metric_read(METRIC_frames_in), 0);
    METRIC_INC(frames_in);
    METRIC_ADD(frames_in, 41);
    METRIC_INC(frames_out);
    assert_int_equal(metric_read(METRIC_frames_in), 42);
    assert_int_equal(metric_read(METRIC_frames_out), 1);
    assert_int_equal(metric_read(METRIC_bytes_in), 0);
}

static void fini_forgets_all_counts(void **state)
{
    (void)state;
    METRIC_INC(frames_in);
    metric_fini();
    assert_int_equal(metric_read(METRIC_frames_in), 0);
    METRIC_INC(frames_in);
    assert_int_equal(metric_read(METRIC_frames_in), 1);
    metric_fini();
    metric_fini();
}

static void every_metric_has_a_name_unit_and_help(void **state)
{
    (void)state;
    for (unsigned m = 0; m < METRIC_COUNT; m++) {
        assert_true(strlen(metric_name((enum metric)m)) > 0);
        assert_true(strlen(metric_unit((enum metric)m)) > 0);
        assert_true(strlen(metric_help((enum metric)m)) > 0);
    }
    assert_string_equal(metric_name(METRIC_bytes_in), "bytes_in");
    assert_string_equal(metric_unit(METRIC_bytes_in), "bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_start_at_zero_and_add_up),
        cmocka_unit_test(fini_forgets_all_counts),
        cmocka_unit_test(every_metric_has_a_name_unit_and_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
