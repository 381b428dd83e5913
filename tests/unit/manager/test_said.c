/* SPDX-License-Identifier: Apache-2.0
 *
 * When something is told again. */
#include "manager/said.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct pid ours = {.node = 1, .id = 7};
static const struct pid other = {.node = 1, .id = 8};

static struct service_status status(uint64_t count)
{
    return (struct service_status){.state = STATUS_ONLINE, .count = count};
}

static struct said said_at(uint64_t count, uint64_t ms)
{
    struct service_status what = status(count);
    struct said said = {0};

    said_set(&said, ours, &what, ms);
    return said;
}

static bool is_due(const struct said *said, uint64_t count, uint64_t ms)
{
    struct service_status truth = status(count);

    return said_is_due(said, ours, &truth, ms);
}

static void the_first_time_is_at_once(void **state)
{
    struct said said = {0};

    (void)state;
    assert_true(is_due(&said, 0, 0));
}

static void the_same_is_never_due(void **state)
{
    struct said said = said_at(5, 1000);

    (void)state;
    assert_false(is_due(&said, 5, 1000));
    assert_false(is_due(&said, 5, 10000000));
}

static void another_process_is_at_once(void **state)
{
    struct said said = said_at(5, 1000);
    struct service_status truth = status(5);

    (void)state;
    assert_true(said_is_due(&said, other, &truth, 1000));
}

static void a_few_of_few_are_of_note(void **state)
{
    struct said said = said_at(5, 1000);

    (void)state;
    assert_false(is_due(&said, 6, 1000 + SAID_PAUSE_MS - 1));
    assert_true(is_due(&said, 6, 1000 + SAID_PAUSE_MS));
    assert_true(is_due(&said, 4, 1000 + SAID_PAUSE_MS));
}

static void a_few_of_many_wait(void **state)
{
    struct said said = said_at(100000, 1000);

    (void)state;
    assert_false(is_due(&said, 100900, 1000 + SAID_LAZY_MS - 1));
    assert_true(is_due(&said, 100900, 1000 + SAID_LAZY_MS));
    assert_true(is_due(&said, 102000, 1000 + SAID_PAUSE_MS));
}

static void a_lock_is_at_once(void **state)
{
    struct said said = said_at(5, 1000);
    struct service_status truth = status(6);

    (void)state;
    truth.is_locked = true;
    assert_true(said_is_due(&said, ours, &truth, 1000));
    truth = status(5);
    truth.state = STATUS_OFFLINE;
    assert_true(said_is_due(&said, ours, &truth, 1000));
}

static void health_of_note_is_soon_other_late(void **state)
{
    struct service_status truth = status(5);
    struct said said = {0};

    (void)state;
    truth.has_health = true;
    truth.health = 8.0;
    said_set(&said, ours, &truth, 1000);
    truth.health = 7.95;
    assert_false(said_is_due(&said, ours, &truth, 1000 + SAID_PAUSE_MS));
    assert_true(said_is_due(&said, ours, &truth, 1000 + SAID_LAZY_MS));
    truth.health = 7.0;
    assert_true(said_is_due(&said, ours, &truth, 1000 + SAID_PAUSE_MS));
}

static void what_somebody_wrote_is_put_right_when_he_is_quiet(void **state)
{
    struct said said = said_at(5, 1000);

    (void)state;
    said_doubt(&said, 2000);
    assert_false(is_due(&said, 5, 2000 + SAID_PAUSE_MS - 1));
    said_doubt(&said, 2100);
    assert_false(is_due(&said, 5, 2000 + SAID_PAUSE_MS));
    assert_true(is_due(&said, 5, 2100 + SAID_PAUSE_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_time_is_at_once),
        cmocka_unit_test(the_same_is_never_due),
        cmocka_unit_test(another_process_is_at_once),
        cmocka_unit_test(a_few_of_few_are_of_note),
        cmocka_unit_test(a_few_of_many_wait),
        cmocka_unit_test(a_lock_is_at_once),
        cmocka_unit_test(health_of_note_is_soon_other_late),
        cmocka_unit_test(what_somebody_wrote_is_put_right_when_he_is_quiet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
