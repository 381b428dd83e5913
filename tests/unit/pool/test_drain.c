/* SPDX-License-Identifier: Apache-2.0
 *
 * A pool that is offline is emptied, says so to those who ask, and comes back.
 */
#include "pool/drain.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/pool/world.h"

static struct world world;
static int drained;

static int setup(void **state)
{
    (void)state;
    drained = 0;
    world_open(&world, "{'pools': {'P': {'behaviour': 'script'}}}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static void on_drained(void *owner)
{
    assert_ptr_equal(owner, &world);
    drained++;
}

static void take_offline(void)
{
    struct pool *head = world_pool(&world);

    (void)standing_set_state(head->standing, STANDING_OFFLINE);
    pool_drain(head, atom_intern("offline", 7), on_drained, &world);
}

/* A slice ends with the time as well, of a clock that does not stand still. */
static void wait_until_drained(void)
{
    for (int turns = 0; drained == 0; turns++) {
        assert_true(turns < 10000);
        world_advance(&world, 1);
    }
    world_advance(&world, 10);
}

static void bring_online(void)
{
    struct pool *head = world_pool(&world);

    (void)standing_set_state(head->standing, STANDING_ONLINE);
    pool_undrain(head);
}

static void start_workers(int count)
{
    char id[16];

    for (int i = 1; i <= count; i++) {
        snprintf(id, sizeof(id), "%d", i);
        world_cast(&world, "P", world_envelope(id, "true", "x"));
    }
}

static void its_workers_end_for_good(void **state)
{
    (void)state;
    world_ask(&world, "1", "ping");
    world_monitor(&world, world_pid(&world, 1));
    script_log();
    take_offline();
    wait_until_drained();
    assert_int_equal(drained, 1);
    assert_string_equal(script_log(), "terminate(1,{shutdown,offline})");
    assert_string_equal(world_got(&world), "down: {shutdown,offline}");
    assert_int_equal(world_workers(&world), 0);
    world_advance(&world, 10000);
    assert_int_equal(drained, 1);
    assert_string_equal(script_log(), "");
}

static void meanwhile_it_says_unavailable(void **state)
{
    (void)state;
    take_offline();
    wait_until_drained();
    assert_int_equal(drained, 1);
    assert_string_equal(world_ask(&world, "1", "ping"), "{error,unavailable}");
    assert_string_equal(
        world_call_pid(
            &world,
            world_pid_of(&world, &world_pool(&world)->faces[0]->process),
            "{start_child, {{m, f, [{ref, 'P.Worker', 1}]}, "
            "permanent, 5000, worker, [m]}}"),
        "{error,unavailable}");
    assert_string_equal(
        world_call(&world, "P", world_envelope("1", "false", "ping")),
        "{nack,not_registered}");
    bring_online();
    world_advance(&world, 10);
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
}

static void many_end_some_each_turn(void **state)
{
    int turns = 0;

    (void)state;
    start_workers(5000);
    take_offline();
    for (; drained == 0; turns++) {
        assert_true(turns < 1000);
        world_advance(&world, 1);
    }
    assert_true(turns > 1);
    assert_int_equal(world_workers(&world), 0);
}

/* One that restarts goes, and who waits for it is told. */
static void nobody_waits_for_what_does_not_come(void **state)
{
    (void)state;
    world_ask(&world, "1", "ping");
    script_knobs.fail_inits = 1000;
    world_exit(&world, world_pid(&world, 1), "boom");
    world_advance(&world, 5);
    assert_string_equal(world_ask(&world, "1", "ping"), "");
    take_offline();
    wait_until_drained();
    assert_string_equal(world_got(&world), "{error,unavailable}");
    assert_int_equal(drained, 1);
    assert_int_equal(world_workers(&world), 0);
}

static void one_that_crashes_meanwhile_stays_away(void **state)
{
    (void)state;
    world_ask(&world, "1", "ping");
    (void)standing_set_state(world_pool(&world)->standing, STANDING_OFFLINE);
    world_exit(&world, world_pid(&world, 1), "boom");
    world_advance(&world, 1000);
    assert_int_equal(world_workers(&world), 0);
}

static void undrained_in_time_the_rest_lives_on(void **state)
{
    (void)state;
    start_workers(9000);
    take_offline();
    world_advance(&world, 1);
    bring_online();
    world_advance(&world, 5000);
    assert_int_equal(drained, 0);
    assert_true(world_workers(&world) > 0);
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
    take_offline();
    wait_until_drained();
    assert_int_equal(drained, 1);
    assert_int_equal(world_workers(&world), 0);
}

static void drained_twice_it_is_reported_once(void **state)
{
    (void)state;
    start_workers(10);
    take_offline();
    take_offline();
    wait_until_drained();
    assert_int_equal(drained, 1);
}

/* The segments were killed by others: they end their workers themselves. */
static void a_pool_that_falls_meanwhile_is_empty_too(void **state)
{
    (void)state;
    start_workers(3000);
    take_offline();
    world_exit(&world, world_pid_of(&world, &world_pool(&world)->process),
               "kill");
    wait_until_drained();
    assert_int_equal(drained, 1);
    assert_int_equal(world_pool(&world)->state, POOL_UP);
    assert_string_equal(world_ask(&world, "1", "ping"), "{error,unavailable}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_workers_end_for_good),
        TEST(meanwhile_it_says_unavailable),
        TEST(many_end_some_each_turn),
        TEST(nobody_waits_for_what_does_not_come),
        TEST(one_that_crashes_meanwhile_stays_away),
        TEST(undrained_in_time_the_rest_lives_on),
        TEST(drained_twice_it_is_reported_once),
        TEST(a_pool_that_falls_meanwhile_is_empty_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
