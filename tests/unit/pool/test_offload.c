/* SPDX-License-Identifier: Apache-2.0
 *
 * Too many workers: those unused for longest are put aside.
 */
#include "pool/offload.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/metric.h"
#include "support/pool/world.h"

static struct world world;

static void open_with(const char *worker)
{
    char json[256];

    snprintf(json, sizeof(json),
             "{'pools': {'P': {'behaviour': 'script', 'worker': "
             "{'idle_timeout': null, %s}}}}",
             worker);
    world_open(&world, json);
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static const char *ask(int number, const char *call)
{
    char id[16];

    snprintf(id, sizeof(id), "%d", number);
    return world_ask(&world, id, call);
}

static void start(int from, int to)
{
    for (int i = from; i <= to; i++) {
        assert_string_equal(ask(i, "ping"), "pong");
    }
}

/* --- pure */

static void over_is_over_either(void **state)
{
    struct offload_need need = {10, 10, 0, UINT64_MAX};

    (void)state;
    assert_false(offload_is_over(&need));
    need.workers = 11;
    assert_true(offload_is_over(&need));
    need = (struct offload_need){5, UINT64_MAX, 101, 100};
    assert_true(offload_is_over(&need));
}

static void the_share_leads_below_the_mark(void **state)
{
    struct offload_need need = {200, 100, 0, UINT64_MAX};

    (void)state;
    assert_true(fabs(offload_share(&need) - 0.525) < 0.001);
    need = (struct offload_need){95, 100, 0, UINT64_MAX};
    assert_true(offload_share(&need) <= 0);
    need = (struct offload_need){95, 100, 190, 100};
    assert_true(fabs(offload_share(&need) - 0.5) < 0.001);
    need = (struct offload_need){0, 0, 0, 0};
    assert_true(offload_share(&need) <= 0);
}

static void the_age_is_that_of_the_oldest(void **state)
{
    uint32_t ages[] = {5, 1, 9, 7, 3, 0, 8, 2, 6, 4};

    (void)state;
    assert_int_equal(offload_age(ages, 10, 0.3), 6);
    assert_int_equal(offload_age(ages, 10, 0), 9);
    assert_int_equal(offload_age(ages, 10, 1), 0);
    assert_int_equal(offload_age(ages, 0, 0.5), UINT32_MAX);
}

/* --- a pool */

static void the_least_recently_used_go_first(void **state)
{
    uint64_t before = metric_read(METRIC_workers_offloaded);

    (void)state;
    open_with("'offload_above': 100");
    for (int i = 1; i <= 100; i++) { /* in an order that no slot follows */
        start(i * 37 % 101, i * 37 % 101);
        world_advance(&world, 300);
    }
    start(1, 50); /* these are used again */
    world_advance(&world, 2000);
    assert_int_equal(world_workers(&world), 100);
    script_log();
    start(101, 110);
    world_advance(&world, 2000);
    assert_int_equal(world_workers(&world), 95);
    assert_int_equal(metric_read(METRIC_workers_offloaded), before + 15);
    assert_non_null(strstr(script_log(), ",{shutdown,offload})"));
    for (int i = 1; i <= 50; i++) {
        assert_non_null(world_worker(&world, i));
    }
    assert_string_equal(ask(51, "ping"), "pong");
}

static void who_is_busy_stays(void **state)
{
    (void)state;
    open_with("'offload_above': 4");
    for (int i = 1; i <= 8; i++) {
        ask(i, "{timer, 3600000, tick}");
    }
    world_advance(&world, 30000);
    assert_int_equal(world_workers(&world), 8);
    start(9, 16);
    world_advance(&world, 30000);
    assert_int_equal(world_workers(&world), 8);
}

static void one_that_waits_is_the_last_to_be_asked_again(void **state)
{
    (void)state;
    open_with("'offload_above': 10");
    start(1, 10);
    world_advance(&world, 1000);
    script_knobs.waits = 3;
    start(11, 11);
    world_advance(&world, 10000);
    assert_int_equal(world_workers(&world), 9);
    assert_int_equal(script_knobs.waits, 0);
}

static void memory_that_workers_tell_counts(void **state)
{
    (void)state;
    open_with("'offload_memory': '1MiB'");
    for (int i = 1; i <= 8; i++) {
        ask(i, "{memory, 100000}");
        world_advance(&world, 1000);
    }
    world_advance(&world, 5000);
    assert_int_equal(world_workers(&world), 8);
    ask(8, "{memory, 500000}");
    world_advance(&world, 5000);
    assert_int_equal(world_workers(&world), 5);
    assert_null(world_worker(&world, 1));
    assert_non_null(world_worker(&world, 8));
}

static void without_a_mark_nobody_goes(void **state)
{
    (void)state;
    open_with("'offload_above': null");
    start(1, 300);
    world_advance(&world, 60000);
    assert_int_equal(world_workers(&world), 300);
    assert_false(timer_is_active(&world_pool(&world)->offload.timer));
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_is_over_either),
        cmocka_unit_test(the_share_leads_below_the_mark),
        cmocka_unit_test(the_age_is_that_of_the_oldest),
        TEST(the_least_recently_used_go_first),
        TEST(who_is_busy_stays),
        TEST(one_that_waits_is_the_last_to_be_asked_again),
        TEST(memory_that_workers_tell_counts),
        TEST(without_a_mark_nobody_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
