/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of limits is sound.
 */
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "base/metric.h"

static uint64_t value_of(const struct limit_info *info)
{
    uint64_t value;

    memcpy(&value, (const char *)&limits + info->offset, sizeof(value));
    return value;
}

static void every_default_is_within_its_range(void **state)
{
    (void)state;
    assert_int_equal(limit_info_count, sizeof(limits) / sizeof(uint64_t));
    for (size_t i = 0; i < limit_info_count; i++) {
        const struct limit_info *info = &limit_infos[i];
        assert_true(info->least <= value_of(info));
        assert_true(value_of(info) <= info->most);
        assert_true(strlen(info->unit) > 0);
        assert_true(strlen(info->answer) > 0);
    }
}

static void every_limit_has_a_counter(void **state)
{
    (void)state;
    for (size_t i = 0; i < limit_info_count; i++) {
        bool is_known = false;

        for (enum metric m = 0; m < METRIC_COUNT; m++) {
            is_known =
                is_known || strcmp(metric_name(m), limit_infos[i].counter) == 0;
        }
        assert_true(is_known);
    }
}

static void offsets_lead_to_the_named_field(void **state)
{
    unsigned found = 0;

    (void)state;
    limits.term_depth = 4711;
    for (size_t i = 0; i < limit_info_count; i++) {
        if (strcmp(limit_infos[i].name, "term_depth") == 0) {
            assert_int_equal(value_of(&limit_infos[i]), 4711);
            found++;
        }
    }
    assert_int_equal(found, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_within_its_range),
        cmocka_unit_test(every_limit_has_a_counter),
        cmocka_unit_test(offsets_lead_to_the_named_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
