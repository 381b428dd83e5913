/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker says about itself, and whether it may be put aside.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cnode/error.h>

#include "base/metric.h"
#include "pool/record.h"
#include "support/pool/world.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_open(&world, "{'pools': {'P': {'behaviour': 'script', 'worker': "
                       "{'idle_timeout': '8s'}, 'health': "
                       "{'worker_degraded': 2, 'worker_critical': 3}}}}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static const char *ask(const char *call)
{
    return world_ask(&world, "1", call);
}

static struct standing *standing(void)
{
    return world_pool(&world)->standing;
}

/* --- veto */

static void an_idle_worker_may_ask_to_wait(void **state)
{
    struct pid pid;

    (void)state;
    ask("ping");
    pid = world_pid(&world, 1);
    script_knobs.waits = 2;
    script_log();
    world_advance(&world, 11000);
    assert_string_equal(script_log(), "terminate(1,{shutdown,inactive})");
    assert_int_equal(script_knobs.wait_rc, 0);
    world_advance(&world, 10000);
    assert_string_equal(script_log(), "terminate(1,{shutdown,inactive})");
    assert_true(pid_equal(pid, world_pid(&world, 1)));
    assert_string_equal(ask("{reply, x}"), "x");
    script_log();
    world_advance(&world, 12000);
    assert_string_equal(script_log(), "terminate(1,{shutdown,inactive})");
    assert_null(world_worker(&world, 1));
}

static void who_waits_has_not_ended(void **state)
{
    uint64_t kept = metric_read(METRIC_workers_kept);

    (void)state;
    ask("ping");
    world_monitor(&world, world_pid(&world, 1));
    script_knobs.waits = 1;
    world_advance(&world, 11000);
    assert_string_equal(world_got(&world), "");
    assert_int_equal(metric_read(METRIC_workers_kept), kept + 1);
    assert_int_equal(standing_counted(standing(), STANDING_TERMINATE), 0);
}

static void other_ends_do_not_wait(void **state)
{
    (void)state;
    ask("ping");
    script_knobs.waits = 1;
    ask("{stop, {shutdown, inactive}}");
    assert_int_equal(script_knobs.wait_rc, CNODE_EINVALID);
    assert_int_equal(standing_counted(standing(), STANDING_TERMINATE), 1);
}

/* --- how it does */

static const char *health(const char *status, int failures, int errors,
                          int warnings, int memory)
{
    static char text[256];

    snprintf(text, sizeof(text),
             "#{status => %s,failures => %d,errors => %d,warnings => %d,queue "
             "=> 0,memory => %d}",
             status, failures, errors, warnings, memory);
    return text;
}

static void it_says_how_it_does(void **state)
{
    (void)state;
    assert_string_equal(ask("health"), health("online", 0, 0, 0, 0));
    ask("raise_error");
    ask("raise_warning");
    ask("raise_warning");
    ask("{memory, 1000}");
    assert_string_equal(ask("{health, []}"), health("online", 0, 1, 2, 1000));
    assert_int_equal(standing_counted(standing(), STANDING_ERROR), 1);
    assert_int_equal(standing_counted(standing(), STANDING_WARNING), 2);
}

static void its_behaviour_may_say_it_otherwise(void **state)
{
    (void)state;
    script_knobs.own_answers = true;
    assert_string_equal(ask("health"), "{own,health}");
}

static void failures_are_remembered_over_restarts(void **state)
{
    (void)state;
    ask("raise_error");
    for (int i = 0; i < 2; i++) {
        world_exit(&world, world_pid(&world, 1), "boom");
        world_advance(&world, 20);
    }
    assert_string_equal(ask("health"), health("degraded", 2, 1, 0, 0));
    script_knobs.fail_inits = 1;
    world_exit(&world, world_pid(&world, 1), "boom");
    world_advance(&world, 100);
    assert_string_equal(ask("health"), health("critical", 4, 1, 0, 0));
    for (int i = 0; i < 14; i++) {
        world_advance(&world, 5000);
        ask("ping");
    }
    assert_string_equal(ask("health"), health("online", 0, 1, 0, 0));
}

static void a_segment_counts_its_failures(void **state)
{
    struct pid segment;

    (void)state;
    ask("ping");
    segment =
        world_pid_of(&world, &worker_segment(world_worker(&world, 1))->process);
    for (int i = 0; i < 3; i++) {
        world_exit(&world, world_pid(&world, 1), "boom");
        world_advance(&world, 20);
    }
    assert_non_null(
        strstr(world_sendf(&world, segment, "{system, {~p, tag}, get_state}",
                           world.caller),
               "failures => 3,condition => degraded"));
}

/* Of all of the pool, not of its scheduler. */
static void it_knows_its_segment(void **state)
{
    char id[16], number[16];

    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "%d", i);
        world_ask(&world, id, "ping");
        snprintf(number, sizeof(number), "%u",
                 worker_segment(world_worker(&world, i))->index);
        assert_string_equal(world_ask(&world, id, "{fetch, segment}"), number);
    }
}

static void errors_and_warnings_lower_the_health(void **state)
{
    double number;

    (void)state;
    for (int i = 0; i < 6; i++) {
        ask("raise_warning");
    }
    world_advance(&world, 1000);
    assert_true(standing_health(standing(), &number));
    assert_true(fabs(number - 2.0) < 0.01); /* a tenth a second, by a tenth */
    ask("raise_error");
    world_advance(&world, 1000);
    assert_true(standing_health(standing(), &number));
    assert_true(fabs(number - 1.78) < 0.01);
}

static void wake_is_answered_by_who_is_awake(void **state)
{
    (void)state;
    assert_string_equal(ask("'wake!'"), "ok");
    assert_string_equal(script_log(), "init(1) load(1)");
}

/* --- what it costs */

static uint64_t bytes(void)
{
    return roll_bytes(world_pool(&world)->roll);
}

static void its_bytes_come_and_go_with_it(void **state)
{
    uint64_t plain;

    (void)state;
    assert_int_equal(bytes(), 0);
    world_call(&world, "P",
               "{msg_envelope, nil, call, {ref, 'P.Worker', 1}, {settings, "
               "nil, true, nil, nil, nil, 5000}, {s, ping, nil, nil}}");
    plain = bytes();
    assert_true(plain >= sizeof(struct cnode_worker));
    ask("{memory, 5000}");
    assert_int_equal(bytes(), plain + 5000);
    ask("{memory, 100}");
    assert_int_equal(bytes(), plain + 100);
    world_ask(&world, "{a, long, id}", "ping"); /* and a context is kept */
    assert_true(bytes() > 2 * plain + 100);
    world_advance(&world, 30000);
    assert_int_equal(world_workers(&world), 0);
    assert_int_equal(bytes(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_idle_worker_may_ask_to_wait),
        TEST(who_waits_has_not_ended),
        TEST(other_ends_do_not_wait),
        TEST(it_says_how_it_does),
        TEST(its_behaviour_may_say_it_otherwise),
        TEST(failures_are_remembered_over_restarts),
        TEST(a_segment_counts_its_failures),
        TEST(it_knows_its_segment),
        TEST(errors_and_warnings_lower_the_health),
        TEST(wake_is_answered_by_who_is_awake),
        TEST(its_bytes_come_and_go_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
