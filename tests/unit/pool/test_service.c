/* SPDX-License-Identifier: Apache-2.0
 *
 * One worker under a name.
 */
#include "pool/service.h"

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

static int setup(void **state)
{
    (void)state;
    world_open(&world, "{'services': {'svc': {'behaviour': 'script'}}}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static struct pid pid(void)
{
    struct pid pid;

    assert_true(names_whereis(&world.node, atom_find("svc", 3), &pid));
    return pid;
}

static bool is_there(void)
{
    struct pid pid;

    return names_whereis(&world.node, atom_find("svc", 3), &pid);
}

/* Whoever comes when the node is ready finds it, on whatever scheduler. */
static void those_of_all_schedulers_are_there_before_anything_runs(void **state)
{
    struct pid pid;

    (void)state;
    world_prepare(&world, "{'services': {'svc': {'behaviour': 'script'}, "
                          "'second': {'behaviour': 'script'}}}");
    assert_true(is_there());
    assert_true(names_whereis(&world.node, atom_find("second", 6), &pid));
    world_begin(&world);
}

static void it_runs_from_the_start_under_its_name(void **state)
{
    (void)state;
    assert_string_equal(script_log(), "init(svc)");
    assert_string_equal(world_call(&world, "svc", "{reply, hi}"), "hi");
    world_cast(&world, "svc", "a_cast");
    assert_string_equal(script_log(),
                        "load(svc) call(svc,{reply,hi}) cast(svc,a_cast)");
}

static void supervisor_calls_are_calls_like_others(void **state)
{
    (void)state;
    assert_string_equal(world_call(&world, "svc", "which_children"),
                        "{unhandled,which_children}");
}

static void its_ref_is_its_name(void **state)
{
    (void)state;
    assert_string_equal(
        world_call(&world, "svc",
                   "{msg_envelope, nil, call, {ref, svc, svc}, nil, {s, ping, "
                   "nil, nil}}"),
        "pong");
    assert_non_null(strstr(world_call(&world, "svc", "{fetch, process}"),
                           "{{ref,svc,svc},n1@here,<"));
}

static void an_envelope_for_another_ref_is_not_its_own(void **state)
{
    static const char envelope[] =
        "{msg_envelope, nil, call, {ref, svc, other}, nil, {s, x, nil, nil}}";

    (void)state;
    assert_string_equal(world_call(&world, "svc", envelope),
                        "{nz_ap_forward,nil}");
    script_log();
    world_cast(&world, "svc", envelope);
    assert_string_equal(script_log(), "");
}

static void messages_to_the_name_wait_for_a_restart(void **state)
{
    struct pid old = pid();

    (void)state;
    world_exit(&world, old, "boom");
    assert_false(is_there());
    assert_string_equal(world_call(&world, "svc", "{reply, 1}"), "");
    world_advance(&world, 0);
    assert_string_equal(world_got(&world), "1");
    assert_false(pid_equal(old, pid()));
}

/* The caller of the call has seen its end and asks again if he wants to. */
static void casts_outlive_their_worker_calls_do_not(void **state)
{
    struct process *process = node_find(node_of_pid(&world.node, pid()), pid());

    (void)state;
    process->flags |= PROCESS_HELD; /* as if it were busy */
    world_call(&world, "svc", "{reply, 1}");
    world_cast(&world, "svc", "two");
    script_log();
    world_exit(&world, pid(), "boom");
    world_advance(&world, 0);
    assert_string_equal(world_got(&world), "");
    assert_string_equal(script_log(), "terminate(svc,boom) init(svc) load(svc) "
                                      "cast(svc,two)");
}

static void callers_watch_the_worker_itself(void **state)
{
    (void)state;
    assert_string_equal(world_monitored_call(&world, "svc", "{stop, x}"),
                        "down: x");
    world_advance(&world, 0);
    assert_string_equal(world_call(&world, "svc", "ping"), "pong");
}

static void it_comes_back_with_its_segment_and_its_pool(void **state)
{
    struct pool *pool = world_pool(&world);

    (void)state;
    world_exit(&world, world_pid_of(&world, &pool->segments[0].process),
               "kill");
    assert_string_equal(world_call(&world, "svc", "{reply, 1}"), "");
    world_advance(&world, 0);
    assert_string_equal(world_got(&world), "1");
    world_exit(&world, world_pid_of(&world, &pool->process), "kill");
    world_advance(&world, 0);
    assert_string_equal(world_call(&world, "svc", "ping"), "pong");
}

static void a_failing_init_is_tried_for_ever(void **state)
{
    (void)state;
    world_exit(&world, pid(), "boom");
    script_knobs.fail_inits = 20;
    world_advance(&world, 10000);
    assert_false(is_there());
    world_advance(&world, 15000);
    assert_true(is_there());
}

static void ended_for_good_it_is_no_process(void **state)
{
    (void)state;
    assert_string_equal(
        world_call(&world, "svc",
                   "{msg_envelope, nil, call, {ref, svc, svc}, nil, {s, "
                   "'kill!', nil, #{restart => false}}}"),
        "ok");
    world_advance(&world, 0);
    assert_string_equal(world_call(&world, "svc", "ping"), "{error,noproc}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            those_of_all_schedulers_are_there_before_anything_runs, teardown),
        TEST(it_runs_from_the_start_under_its_name),
        TEST(supervisor_calls_are_calls_like_others),
        TEST(its_ref_is_its_name),
        TEST(an_envelope_for_another_ref_is_not_its_own),
        TEST(messages_to_the_name_wait_for_a_restart),
        TEST(casts_outlive_their_worker_calls_do_not),
        TEST(callers_watch_the_worker_itself),
        TEST(it_comes_back_with_its_segment_and_its_pool),
        TEST(a_failing_init_is_tried_for_ever),
        TEST(ended_for_good_it_is_no_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
