/* SPDX-License-Identifier: Apache-2.0 */
#include "node/refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/hash.h"

static struct refusals refusals;

static int setup(void **state)
{
    (void)state;
    hash_seed(1, 2);
    refusals = (struct refusals){0};
    return 0;
}

static void each_is_news_once_a_minute(void **state)
{
    (void)state;
    assert_true(refusals_is_news(&refusals, "a@x", 3, 1000));
    assert_true(refusals_is_news(&refusals, "b@x", 3, 1000));
    assert_false(refusals_is_news(&refusals, "a@x", 3, 1000));
    assert_false(refusals_is_news(&refusals, "a@x", 3, 1000 + REFUSAL_MS - 1));
    assert_true(refusals_is_news(&refusals, "a@x", 3, 1000 + REFUSAL_MS));
}

static void many_push_out_old_ones_and_take_no_more_room(void **state)
{
    char name[4] = "aa";
    unsigned news = 0;

    (void)state;
    for (name[0] = 'a'; name[0] <= 'z'; name[0]++) {
        for (name[1] = 'a'; name[1] <= 'z'; name[1]++) {
            news += refusals_is_news(&refusals, name, 2, 1000);
        }
    }
    assert_int_equal(news, 26 * 26);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_is_news_once_a_minute, setup),
        cmocka_unit_test_setup(many_push_out_old_ones_and_take_no_more_room,
                               setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
