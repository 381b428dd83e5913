/* SPDX-License-Identifier: Apache-2.0
 *
 * From the pool's name to the worker: who is started, who is refused, what
 * waits.
 */
#include "pool/dispatch.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/metric.h"
#include "support/pool/world.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_open(&world, "{'pools': {'P': {'behaviour': 'script'}}}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static void reopen(const char *json)
{
    world_close(&world);
    world_open(&world, json);
}

static uint64_t dead_letters(void)
{
    return metric_read(METRIC_dead_letters);
}

static void one_worker_per_ref(void **state)
{
    struct pid first;

    (void)state;
    world_ask(&world, "1", "ping");
    first = world_pid(&world, 1);
    for (int i = 0; i < 20; i++) {
        assert_string_equal(world_ask(&world, "1", "ping"), "pong");
    }
    assert_true(pid_equal(first, world_pid(&world, 1)));
    assert_int_equal(world_workers(&world), 1);
    assert_string_equal(script_log(), "init(1) load(1)");
}

static void many_refs_spread_over_the_segments(void **state)
{
    struct pool *pool = world_pool(&world);
    uint32_t most = 0;

    (void)state;
    for (int i = 0; i < 6400; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%d", i);
        world_cast(&world, "P", world_envelope(id, "true", "x"));
    }
    assert_int_equal(world_workers(&world), 6400);
    for (uint32_t i = 0; i < pool->config->supervisors.segments; i++) {
        uint32_t count = world_segment(&world, i)->table.count;

        assert_true(count > 0);
        most = count > most ? count : most;
    }
    assert_true(most < 160); /* 100 on average */
}

static void without_spawn_an_absent_ref_is_nacked(void **state)
{
    uint64_t before = dead_letters();

    (void)state;
    assert_string_equal(
        world_call(&world, "P", world_envelope("1", "nil", "ping")),
        "{nack,not_registered}");
    assert_string_equal(
        world_call(&world, "P", world_envelope("1", "false", "ping")),
        "{nack,not_registered}");
    world_cast(&world, "P", world_envelope("1", "nil", "x"));
    assert_int_equal(dead_letters(), before + 1);
    assert_null(world_worker(&world, 1));
    world_ask(&world, "1", "ping");
    assert_string_equal(
        world_call(&world, "P", world_envelope("1", "nil", "ping")), "pong");
}

static void foreign_and_malformed_recipients_are_told_apart(void **state)
{
    uint64_t before = dead_letters();

    (void)state;
    assert_string_equal(
        world_call(&world, "P",
                   "{msg_envelope, nil, call, {ref, 'Q.Worker', 1}, nil, x}"),
        "{nz_ap_forward,nil}");
    assert_string_equal(
        world_call(&world, "P", "{msg_envelope, nil, call, x, nil, x}"),
        "{error,message_delivery_error}");
    world_cast(&world, "P", "{msg_envelope, nil, call, x, nil, x}");
    assert_int_equal(dead_letters(), before + 1);
}

static void what_is_no_envelope_is_unsupported(void **state)
{
    (void)state;
    assert_string_equal(world_call(&world, "P", "{msg_envelope, 1}"),
                        "{error,{unsupported,{msg_envelope,1}}}");
}

static void an_id_above_the_limit_is_refused(void **state)
{
    uint64_t before = limits.id_bytes;
    uint64_t refused = metric_read(METRIC_ids_refused);

    (void)state;
    limits.id_bytes = 64;
    assert_string_equal(
        world_ask(&world,
                  "<<\"0123456789012345678901234567890123456789012345678901234"
                  "567890123456789\">>",
                  "ping"),
        "{error,too_large}");
    limits.id_bytes = before;
    assert_int_equal(metric_read(METRIC_ids_refused), refused + 1);
}

static void info_messages_act_like_casts(void **state)
{
    (void)state;
    world_send_pid(&world, world_pid_of(&world, &world_pool(&world)->process),
                   world_envelope("3", "true", "hello"));
    assert_string_equal(script_log(), "init(3) load(3) cast(3,hello)");
}

static void a_worker_that_does_not_start_is_an_error(void **state)
{
    (void)state;
    script_knobs.fail_inits = 1;
    assert_string_equal(world_ask(&world, "1", "ping"), "{error,refused}");
    assert_null(world_worker(&world, 1));
    script_knobs.stop_in_init = true;
    assert_string_equal(world_ask(&world, "1", "ping"), "{error,{why,init}}");
    assert_int_equal(world_workers(&world), 0);
}

static void above_max_no_worker_starts(void **state)
{
    (void)state;
    reopen("{'pools': {'P': {'behaviour': 'script', 'worker': {'max': 2}}}}");
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
    assert_string_equal(world_ask(&world, "2", "ping"), "pong");
    assert_string_equal(world_ask(&world, "3", "ping"), "{error,max_children}");
    assert_string_equal(world_ask(&world, "2", "ping"), "pong");
}

static void async_starts_let_the_message_wait(void **state)
{
    (void)state;
    reopen("{'pools': {'P': {'behaviour': 'script', "
           "'worker': {'spawn': 'async'}}}}");
    assert_string_equal(world_ask(&world, "1", "{reply, 1}"), "");
    assert_string_equal(world_ask(&world, "1", "{reply, 2}"), "");
    assert_string_equal(script_log(), "");
    world_advance(&world, 0);
    assert_string_equal(world_got(&world), "1\n2");
    assert_string_equal(script_log(), "init(1) load(1) call(1,{reply,1}) "
                                      "call(1,{reply,2})");
}

static void a_failed_async_start_is_told_to_all_who_wait(void **state)
{
    (void)state;
    reopen("{'pools': {'P': {'behaviour': 'script', "
           "'worker': {'spawn': 'async'}}}}");
    script_knobs.fail_inits = 1;
    world_ask(&world, "1", "ping");
    world_ask(&world, "1", "ping");
    world_advance(&world, 0);
    assert_string_equal(world_got(&world), "{error,refused}\n{error,refused}");
    assert_null(world_worker(&world, 1));
}

/* --- old pids */

static void envelopes_cast_to_an_old_pid_go_on_to_the_ref(void **state)
{
    struct pid old;

    (void)state;
    world_ask(&world, "1", "ping");
    old = world_pid(&world, 1);
    world_exit(&world, old, "boom");
    world_cast_pid(&world, old, world_envelope("1", "true", "early"));
    world_advance(&world, 0);
    world_cast_pid(&world, old, world_envelope("1", "true", "later"));
    assert_string_equal(script_log(),
                        "init(1) load(1) terminate(1,boom) init(1) load(1) "
                        "cast(1,early) cast(1,later)");
}

static void only_the_refs_own_envelopes_and_not_for_ever(void **state)
{
    struct pid old;
    uint64_t before;

    (void)state;
    world_ask(&world, "1", "ping");
    world_ask(&world, "2", "ping");
    old = world_pid(&world, 1);
    world_exit(&world, old, "boom");
    world_advance(&world, 0);
    script_log();
    before = dead_letters();
    world_cast_pid(&world, old, world_envelope("2", "true", "x"));
    world_cast_pid(&world, old, "plain");
    world_advance(&world, 5000);
    world_cast_pid(&world, old, world_envelope("1", "true", "x"));
    assert_int_equal(dead_letters(), before + 3);
    assert_string_equal(script_log(), "");
}

static void a_call_to_an_old_pid_goes_nowhere(void **state)
{
    struct pid old;

    (void)state;
    world_ask(&world, "1", "ping");
    old = world_pid(&world, 1);
    world_exit(&world, old, "boom");
    world_advance(&world, 0);
    assert_string_equal(
        world_call_pid(&world, old, world_envelope("1", "true", "ping")), "");
    world_monitor(&world, old);
    assert_string_equal(world_got(&world), "down: noproc");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_worker_per_ref),
        TEST(many_refs_spread_over_the_segments),
        TEST(without_spawn_an_absent_ref_is_nacked),
        TEST(foreign_and_malformed_recipients_are_told_apart),
        TEST(what_is_no_envelope_is_unsupported),
        TEST(an_id_above_the_limit_is_refused),
        TEST(info_messages_act_like_casts),
        TEST(a_worker_that_does_not_start_is_an_error),
        TEST(above_max_no_worker_starts),
        TEST(async_starts_let_the_message_wait),
        TEST(a_failed_async_start_is_told_to_all_who_wait),
        TEST(envelopes_cast_to_an_old_pid_go_on_to_the_ref),
        TEST(only_the_refs_own_envelopes_and_not_for_ever),
        TEST(a_call_to_an_old_pid_goes_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
