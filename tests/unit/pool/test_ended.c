/* SPDX-License-Identifier: Apache-2.0
 *
 * Pids of workers that ended.
 */
#include "pool/ended.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int pool; /* any address */

static void known_for_five_seconds(void **state)
{
    struct ended ended;

    (void)state;
    ended_init(&ended);
    assert_null(ended_find(&ended, 1, 2, 0));
    ended_add(&ended, 1, 2, &pool, 99, 1000);
    assert_ptr_equal(ended_find(&ended, 1, 2, 1000)->pool, &pool);
    assert_int_equal(ended_find(&ended, 1, 2, 5999)->worker_hash, 99);
    assert_null(ended_find(&ended, 1, 2, 6000));
    assert_null(ended_find(&ended, 1, 3, 1000));
    assert_null(ended_find(&ended, 2, 2, 1000));
    ended_fini(&ended);
}

static void memory_stays_the_same_and_most_are_remembered(void **state)
{
    struct ended ended;
    unsigned found = 0;

    (void)state;
    ended_init(&ended);
    for (uint32_t i = 0; i < ENDED_ENTRIES / 4; i++) {
        ended_add(&ended, i, 64, &pool, i, 0);
    }
    for (uint32_t i = 0; i < ENDED_ENTRIES / 4; i++) {
        found += ended_find(&ended, i, 64, 1) != NULL;
    }
    assert_true(found > ENDED_ENTRIES / 4 * 8 / 10);
    ended_fini(&ended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_for_five_seconds),
        cmocka_unit_test(memory_stays_the_same_and_most_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
