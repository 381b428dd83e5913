/* SPDX-License-Identifier: Apache-2.0
 *
 * Idle workers are stopped, busy ones are not.
 */
#include "pool/sweep.h"

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

static void open_with(const char *idle)
{
    char json[256];

    snprintf(json, sizeof(json),
             "{'pools': {'P': {'behaviour': 'script', 'worker': "
             "{'idle_timeout': %s}}}}",
             idle);
    world_open(&world, json);
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static void an_idle_worker_is_stopped_and_starts_again_by_need(void **state)
{
    uint64_t before = metric_read(METRIC_workers_idle_stopped);

    (void)state;
    open_with("'8s'");
    world_ask(&world, "1", "ping");
    world_monitor(&world, world_pid(&world, 1));
    script_log();
    world_advance(&world, 7990);
    assert_string_equal(script_log(), "");
    world_advance(&world, 2000);
    assert_string_equal(script_log(), "terminate(1,{shutdown,inactive})");
    assert_string_equal(world_got(&world), "down: {shutdown,inactive}");
    assert_int_equal(metric_read(METRIC_workers_idle_stopped), before + 1);
    assert_null(world_worker(&world, 1));
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
}

static void every_message_counts(void **state)
{
    (void)state;
    open_with("'4s'");
    world_ask(&world, "1", "ping");
    for (int i = 0; i < 20; i++) {
        world_advance(&world, 3000);
        if (i % 2 == 0) {
            world_send_pid(&world, world_pid(&world, 1), "x");
        } else {
            world_ask(&world, "1", "ping");
        }
    }
    assert_non_null(world_worker(&world, 1));
}

static void timers_and_kept_callers_keep_it_awake(void **state)
{
    (void)state;
    open_with("'1s'");
    world_ask(&world, "1", "{timer, 20000, tick}");
    world_ask(&world, "2", "later");
    world_ask(&world, "3", "ping");
    world_advance(&world, 10000);
    assert_non_null(world_worker(&world, 1));
    assert_non_null(world_worker(&world, 2));
    assert_null(world_worker(&world, 3));
    assert_string_equal(world_ask(&world, "2", "{answer, x}"), "x\nok");
    world_advance(&world, 20000);
    assert_null(world_worker(&world, 1));
    assert_null(world_worker(&world, 2));
}

static void never_means_never(void **state)
{
    (void)state;
    open_with("null");
    world_ask(&world, "1", "ping");
    world_advance(&world, 30u * 86400 * 1000);
    assert_non_null(world_worker(&world, 1));
}

static void all_of_many_are_found(void **state)
{
    (void)state;
    open_with("'15m'");
    for (int i = 0; i < 20000; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%d", i);
        world_cast(&world, "P", world_envelope(id, "true", "x"));
    }
    world_advance(&world, 899000);
    assert_int_equal(world_workers(&world), 20000);
    world_advance(&world, 150000);
    assert_int_equal(world_workers(&world), 0);
}

static void nobody_there_no_timer(void **state)
{
    (void)state;
    open_with("'1s'");
    assert_false(timer_is_active(&world_pool(&world)->sweep));
    world_ask(&world, "1", "ping");
    assert_true(timer_is_active(&world_pool(&world)->sweep));
    world_advance(&world, 10000);
    assert_false(timer_is_active(&world_pool(&world)->sweep));
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_idle_worker_is_stopped_and_starts_again_by_need),
        TEST(every_message_counts),
        TEST(timers_and_kept_callers_keep_it_awake),
        TEST(never_means_never),
        TEST(all_of_many_are_found),
        TEST(nobody_there_no_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
