/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree of a pool: what falls with what, what comes back, what stays down,
 * and the end of the node.
 */
#include "pool/pool.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cnode/error.h>

#include "support/pool/world.h"

static struct world world;

static void open_with(const char *supervisors)
{
    char json[256];

    snprintf(json, sizeof(json),
             "{'pools': {'P': {'behaviour': 'script', 'supervisors': "
             "{'segments': 2, %s}}}}",
             supervisors);
    world_open(&world, json);
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static struct pid head_pid(void)
{
    return world_pid_of(&world, &world_pool(&world)->process);
}

static struct process *whereis(void)
{
    struct pid pid;

    return names_whereis(&world.node, atom_find("P", 1), &pid)
               ? node_find(&world.node, pid)
               : NULL;
}

static void a_killed_pool_takes_its_tree_along_and_comes_back(void **state)
{
    struct pid old;

    (void)state;
    open_with("'count': 2");
    world_ask(&world, "1", "ping");
    old = head_pid();
    world_monitor(&world, old);
    world_monitor(&world, world_pid(&world, 1));
    world_exit(&world, old, "kill");
    assert_string_equal(world_got(&world), "down: killed");
    assert_null(whereis());
    world_advance(&world, 0);
    assert_string_equal(world_got(&world), "down: shutdown");
    assert_ptr_equal(whereis(), &world_pool(&world)->process);
    assert_false(pid_equal(old, head_pid()));
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
    assert_string_equal(script_log(), "init(1) load(1) terminate(1,shutdown) "
                                      "init(1) load(1)");
    assert_string_equal(world_call(&world, "P", "count_children"),
                        "[{specs,4},{active,4},{supervisors,4},{workers,0}]");
}

/* Segments that fall too often take the pool with them. */
static void too_many_fallen_segments_end_the_pool(void **state)
{
    struct pid old;

    (void)state;
    open_with("'max_restarts': 1");
    old = head_pid();
    world_monitor(&world, old);
    for (int i = 0; i < 2; i++) {
        struct segment *segment = world_segment(&world, 0);

        assert_string_equal(world_got(&world), "");
        world_exit(&world, world_pid_of(&world, &segment->process), "kill");
        world_advance(&world, 0);
    }
    assert_string_equal(world_got(&world), "down: shutdown");
    assert_false(pid_equal(old, head_pid()));
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
}

static void kill_segment(uint32_t index)
{
    struct pid pid =
        world_pid_of(&world, &world_segment(&world, index)->process);

    world_exit(&world, pid, "kill");
}

/* The pool ends while the fall of a segment is on its way to its head. */
static void
a_segment_that_fell_with_its_pool_falls_again_and_comes_back(void **state)
{
    (void)state;
    open_with("'count': 1");
    kill_segment(1);
    for (uint32_t i = 1; i < world.node.count; i++) { /* its part tells that */
        struct loop *loop = node_loop(world.node.all[i]);

        (void)wheel_advance(&loop->wheel, loop->now_ms);
    }
    world_exit(&world, head_pid(), "kill");
    world_advance(&world, 0);
    assert_int_equal(world_segment(&world, 1)->state, SEGMENT_UP);
    kill_segment(1);
    world_advance(&world, 0);
    assert_int_equal(world_segment(&world, 1)->state, SEGMENT_UP);
}

static void a_pool_that_falls_too_often_stays_down(void **state)
{
    (void)state;
    open_with("'max_restarts': 1");
    for (int i = 0; i < 2; i++) {
        world_exit(&world, head_pid(), "kill");
        world_advance(&world, 0);
    }
    assert_int_equal(world_pool(&world)->state, POOL_DOWN);
    assert_null(whereis());
    assert_string_equal(
        world_monitored_call(&world, "P", world_envelope("1", "true", "ping")),
        "down: noproc");
    assert_int_equal(world_workers(&world), 0);
    world_advance(&world, 1000);
    assert_int_equal(standing_condition(world_pool(&world)->standing),
                     STANDING_CRITICAL);
    assert_int_equal(pool_revive(world_pool(&world)), 0);
    world_advance(&world, 1000);
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
    assert_int_equal(standing_condition(world_pool(&world)->standing),
                     STANDING_WELL);
    assert_int_equal(pool_revive(world_pool(&world)), CNODE_EXISTS);
}

static void restarts_spread_over_time_are_fine(void **state)
{
    (void)state;
    open_with("'max_restarts': 1, 'max_seconds': 1");
    for (int i = 0; i < 4; i++) {
        world_exit(&world, head_pid(), "kill");
        world_advance(&world, 1100);
        assert_int_equal(world_pool(&world)->state, POOL_UP);
    }
}

static void a_tree_of_workers_ends_in_slices(void **state)
{
    int turns = 0;

    (void)state;
    open_with("'count': 1");
    for (uint32_t i = 0; i < 2500 * world_schedulers(); i++) {
        char id[16];

        snprintf(id, sizeof(id), "%u", i);
        world_cast(&world, "P", world_envelope(id, "true", "x"));
    }
    script_log();
    world_exit(&world, head_pid(), "kill");
    while (world_pool(&world)->state != POOL_UP && turns < 100) {
        world_turn(&world, 0);
        turns++;
    }
    assert_true(turns >= 3 && turns < 100);
    assert_int_equal(world_workers(&world), 0);
}

/* --- the end of the node */

static int stopped;

static void on_stopped(void *owner)
{
    assert_ptr_equal(owner, &world);
    stopped++;
}

static void stopping_runs_terminate_of_all_workers(void **state)
{
    (void)state;
    open_with("'count': 1");
    world_ask(&world, "1", "ping");
    world_ask(&world, "2", "ping");
    world_exit(&world, world_pid(&world, 2), "boom"); /* it waits */
    world_ask(&world, "2", "ping");
    script_log();
    stopped = 0;
    pools_stop(&world.pools, 5000, on_stopped, &world);
    world_advance(&world, 0);
    assert_int_equal(stopped, 1);
    assert_string_equal(script_log(), "terminate(1,shutdown)");
    assert_string_equal(world_got(&world), "{error,shutdown}");
    world_advance(&world, 10000);
    assert_int_equal(stopped, 1);
    assert_int_equal(world_pool(&world)->state, POOL_DOWN);
}

static void slow_terminates_do_not_outlast_the_deadline(void **state)
{
    int turns = 0;

    (void)state;
    open_with("'count': 1");
    for (uint32_t i = 0; i < 20; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%u", i);
        world_ask(&world, id, "ping");
    }
    script_log();
    script_knobs.terminate_ms = 30; /* more than a turn's share */
    stopped = 0;
    pools_stop(&world.pools, 1, on_stopped, &world);
    for (; stopped == 0 && turns < 100; turns++) {
        world_turn(&world, turns > 1); /* time for two of them */
    }
    assert_int_equal(world_pool(&world)->state, POOL_STOPPING);
    assert_in_range(world_workers(&world), 1, 19);
    script_log();
    world_advance(&world, 0);
    assert_string_equal(script_log(), ""); /* no more are run */
    script_reset();
}

static void stopping_without_pools_is_done_at_once(void **state)
{
    (void)state;
    world_open(&world, "{}");
    stopped = 0;
    pools_stop(&world.pools, 5000, on_stopped, &world);
    world_advance(&world, 0);
    assert_int_equal(stopped, 1);
}

static void stopping_does_not_wait_for_what_is_down(void **state)
{
    (void)state;
    open_with("'max_restarts': 0");
    world_exit(&world, head_pid(), "kill");
    world_advance(&world, 0);
    assert_int_equal(world_pool(&world)->state, POOL_DOWN);
    stopped = 0;
    pools_stop(&world.pools, 5000, on_stopped, &world);
    world_advance(&world, 0);
    assert_int_equal(stopped, 1);
}

static void stopping_ends_at_the_deadline(void **state)
{
    struct loop *loop;

    (void)state;
    open_with("'count': 1");
    loop = node_loop(&world.node);
    world_ask(&world, "1", "ping");
    stopped = 0;
    pools_stop(&world.pools, 0, on_stopped, &world);
    loop_timer_stop(loop, &world_pool(&world)->work); /* it is stuck */
    world_advance(&world, 0);
    assert_int_equal(stopped, 1);
    pool_has_work(world_pool(&world));
    world_advance(&world, 0);
    assert_int_equal(stopped, 1);
}

static void a_taken_name_is_an_error(void **state)
{
    struct pool *other;

    (void)state;
    open_with("'count': 1");
    other = pool_new(&world.pools, world_pool(&world)->config, NULL, 0, 1);
    assert_int_equal(pool_open(other), CNODE_EXISTS);
    assert_int_equal(other->state, POOL_DOWN);
    pool_free(other);
}

static void slow_workers_are_reported_with_their_pool(void **state)
{
    (void)state;
    open_with("'count': 1");
    assert_string_equal(world_pool(&world)->worker_class.name, "script in P");
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_killed_pool_takes_its_tree_along_and_comes_back),
        TEST(too_many_fallen_segments_end_the_pool),
        TEST(a_segment_that_fell_with_its_pool_falls_again_and_comes_back),
        TEST(a_pool_that_falls_too_often_stays_down),
        TEST(restarts_spread_over_time_are_fine),
        TEST(a_tree_of_workers_ends_in_slices),
        TEST(stopping_runs_terminate_of_all_workers),
        TEST(slow_terminates_do_not_outlast_the_deadline),
        TEST(stopping_without_pools_is_done_at_once),
        TEST(stopping_does_not_wait_for_what_is_down),
        TEST(stopping_ends_at_the_deadline),
        TEST(a_taken_name_is_an_error),
        TEST(slow_workers_are_reported_with_their_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
