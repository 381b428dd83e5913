/* SPDX-License-Identifier: Apache-2.0
 *
 * Durations and sizes as text.
 */
#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <cnode/error.h>

struct sample {
    const char *text;
    uint64_t value;
};

static void durations_are_nanoseconds(void **state)
{
    static const struct sample samples[] = {
        {"0s", 0},
        {"7ns", 7},
        {"50us", 50000},
        {"3ms", 3000000},
        {"5s", UINT64_C(5000000000)},
        {"15m", UINT64_C(900000000000)},
        {"2h", UINT64_C(7200000000000)},
        {"1d", UINT64_C(86400000000000)},
        {"18446744073709551615ns", UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        uint64_t ns = 1;
        assert_int_equal(parse_duration(samples[i].text, &ns), 0);
        assert_true(ns == samples[i].value);
    }
}

static void sizes_are_bytes(void **state)
{
    static const struct sample samples[] = {
        {"0", 0},         {"4096", 4096},      {"17B", 17},
        {"2KB", 2000},    {"2KiB", 2048},      {"64MiB", 67108864},
        {"1MB", 1000000}, {"1GB", 1000000000}, {"3GiB", UINT64_C(3221225472)},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        uint64_t bytes = 1;
        assert_int_equal(parse_size(samples[i].text, &bytes), 0);
        assert_true(bytes == samples[i].value);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "5",
        "s",
        "-1s",
        "+1s",
        " 1s",
        "1 s",
        "1s ",
        "1.5s",
        "1S",
        "1w",
        "1sm",
        "0x1s",
        "18446744073709551616ns",
        "999999999999d",
        "5MiB",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        uint64_t ns = 99;
        assert_int_equal(parse_duration(wrong[i], &ns), CNODE_EINVALID);
        assert_int_equal(ns, 99); /* untouched */
    }
}

static void what_is_no_size_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "B",
        "-1",
        "1.5MiB",
        "1mib",
        "1M",
        "1KIB",
        "1 KB",
        "18446744073709551616",
        "99999999999GiB",
        "5s",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        uint64_t bytes = 99;
        assert_int_equal(parse_size(wrong[i], &bytes), CNODE_EINVALID);
        assert_int_equal(bytes, 99);
    }
}

static void formatted_values_are_exact_and_short(void **state)
{
    char text[UNITS_TEXT];

    (void)state;
    format_duration(0, text);
    assert_string_equal(text, "0ns");
    format_duration(UINT64_C(900000000000), text);
    assert_string_equal(text, "15m");
    format_duration(1500000000, text);
    assert_string_equal(text, "1500ms");
    format_size(65536, text);
    assert_string_equal(text, "64KiB");
    format_size(1000000, text);
    assert_string_equal(text, "1MB");
    format_size(1001, text);
    assert_string_equal(text, "1001");
    format_size(UINT64_MAX, text);
    assert_string_equal(text, "18446744073709551615");
}

static void formatted_values_read_back(void **state)
{
    (void)state;
    for (uint64_t value = 1; value < UINT64_MAX / 20; value = value * 10 + 20) {
        char text[UNITS_TEXT];
        uint64_t back = 0;
        format_duration(value, text);
        assert_int_equal(parse_duration(text, &back), 0);
        assert_true(back == value);
        format_size(value, text);
        assert_int_equal(parse_size(text, &back), 0);
        assert_true(back == value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_nanoseconds),
        cmocka_unit_test(sizes_are_bytes),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(formatted_values_are_exact_and_short),
        cmocka_unit_test(formatted_values_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
