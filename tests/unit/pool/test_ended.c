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

/* A cast to one of them must not be lost for another one's end. */
static void all_of_a_thousand_are_known(void **state)
{
    struct ended ended;

    (void)state;
    ended_init(&ended);
    for (uint32_t i = 0; i < 1000; i++) {
        ended_add(&ended, i * 7, 64, &pool, i, 0);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        const struct ended_entry *entry = ended_find(&ended, i * 7, 64, 1);

        assert_non_null(entry);
        assert_int_equal(entry->worker_hash, i);
    }
    ended_fini(&ended);
}

static void of_too_many_the_newest_are_known(void **state)
{
    struct ended ended;
    uint32_t count = ENDED_ENTRIES * 4;
    unsigned found = 0;

    (void)state;
    ended_init(&ended);
    for (uint32_t i = 0; i < count; i++) {
        ended_add(&ended, i, 64, &pool, i, i / 10);
    }
    for (uint32_t i = count - ENDED_ENTRIES / 2; i < count; i++) {
        found += ended_find(&ended, i, 64, count / 10) != NULL;
    }
    assert_true(found > ENDED_ENTRIES / 2 * 95 / 100);
    ended_fini(&ended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_for_five_seconds),
        cmocka_unit_test(all_of_a_thousand_are_known),
        cmocka_unit_test(of_too_many_the_newest_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
