/* SPDX-License-Identifier: Apache-2.0
 *
 * Elixir's DateTime. */
#include "manager/date_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "term/view.h"

static int64_t field(const struct buf *buf, const char *name)
{
    struct cnode_term value;
    int64_t number;

    assert_true(
        cnode_map_get(term_at(buf_data(buf), buf_size(buf)), name, &value));
    assert_true(cnode_get_int(value, &number));
    return number;
}

static void a_time_is_elixirs_struct(void **state)
{
    struct cnode_term value;
    struct buf buf;
    int64_t us, precision;

    (void)state;
    buf_init(&buf, 0);
    date_time_put(&buf, INT64_C(1795292105000042)); /* 2026-11-21 20:15:05 */
    assert_int_equal(buf_error(&buf), 0);
    assert_int_equal(field(&buf, "year"), 2026);
    assert_int_equal(field(&buf, "month"), 11);
    assert_int_equal(field(&buf, "day"), 21);
    assert_int_equal(field(&buf, "hour"), 20);
    assert_int_equal(field(&buf, "minute"), 15);
    assert_int_equal(field(&buf, "second"), 5);
    assert_int_equal(field(&buf, "utc_offset"), 0);
    assert_true(cnode_map_get(term_at(buf_data(&buf), buf_size(&buf)),
                              "microsecond", &value));
    assert_true(cnode_match(value, "{~i, ~i}", &us, &precision));
    assert_int_equal(us, 42);
    assert_int_equal(precision, 6);
    buf_fini(&buf);
}

static void no_time_is_nil(void **state)
{
    char text[DATE_TIME_TEXT];
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    date_time_put(&buf, 0);
    assert_true(cnode_is_atom(term_at(buf_data(&buf), buf_size(&buf)), "nil"));
    buf_fini(&buf);
    date_time_text(0, text);
    assert_string_equal(text, "");
}

static void a_text_is_iso_8601(void **state)
{
    char text[DATE_TIME_TEXT];

    (void)state;
    date_time_text(INT64_C(1795292105000042), text);
    assert_string_equal(text, "2026-11-21T20:15:05.000042Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_elixirs_struct),
        cmocka_unit_test(no_time_is_nil),
        cmocka_unit_test(a_text_is_iso_8601),
    };

    atom_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
