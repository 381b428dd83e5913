/* SPDX-License-Identifier: Apache-2.0
 *
 * The behaviours that ship: echo, counter, kv.
 */
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/pool/world.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_open(&world, "{'pools': {'P': {'behaviour': 'kv'}}, 'services': "
                       "{'echo': {'behaviour': 'echo'}, 'counter': "
                       "{'behaviour': 'counter'}, 'kv': {'behaviour': "
                       "'kv'}}}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static const char *echo(const char *request)
{
    return world_call(&world, "echo", request);
}

static const char *counter(const char *request)
{
    return world_call(&world, "counter", request);
}

static const char *kv(const char *request)
{
    return world_call(&world, "kv", request);
}

static void echo_answers_what_it_was_asked(void **state)
{
    (void)state;
    assert_string_equal(echo("hello"), "hello");
    assert_string_equal(echo("{a, [1, 2, <<\"x\">>], #{b => 1.5}}"),
                        "{a,[1,2,<<\"x\">>],#{b => 1.5}}");
    world_cast(&world, "echo", "x");
    assert_string_equal(echo("ping"), "pong"); /* every worker does */
}

static void counter_counts(void **state)
{
    (void)state;
    assert_string_equal(counter("increment"), "1");
    assert_string_equal(counter("{add, 41}"), "{ok,42}");
    world_cast(&world, "counter", "increment");
    world_cast(&world, "counter", "{add, -3}");
    world_cast(&world, "counter", "nonsense");
    assert_string_equal(counter("get"), "40");
    assert_string_equal(counter("{add, x}"), "{unhandled,{add,x}}");
    assert_string_equal(counter("{add, 99999999999999999999}"),
                        "{unhandled,{add,99999999999999999999}}");
    assert_non_null(strstr(counter("{fetch, state}"), "worker => 40"));
}

static void counter_overflows_without_harm(void **state)
{
    (void)state;
    assert_string_equal(counter("{add, 9223372036854775807}"),
                        "{ok,9223372036854775807}");
    assert_string_equal(counter("increment"), "-9223372036854775808");
}

static void kv_keeps_values_under_any_key(void **state)
{
    (void)state;
    assert_string_equal(kv("{get, a}"), "error");
    assert_string_equal(kv("keys"), "[]");
    assert_string_equal(kv("{put, a, 1}"), "ok");
    assert_string_equal(kv("{get, a}"), "{ok,1}");
    assert_string_equal(kv("{put, a, {two, 3}}"), "ok");
    assert_string_equal(kv("{get, a}"), "{ok,{two,3}}");
    assert_string_equal(kv("keys"), "[a]");
    assert_string_equal(kv("{put, #{x => 1, y => 2}, [z]}"), "ok");
    assert_string_equal(kv("{get, #{y => 2, x => 1}}"), "{ok,[z]}");
    assert_string_equal(kv("{get, 1.0}"), "error");
    assert_string_equal(kv("{delete, a}"), "ok");
    assert_string_equal(kv("{delete, a}"), "ok");
    assert_string_equal(kv("{get, a}"), "error");
    assert_string_equal(kv("keys"), "[#{x => 1,y => 2}]");
}

static void kv_takes_casts_and_dumps_a_map(void **state)
{
    (void)state;
    world_cast(&world, "kv", "{put, a, 1}");
    world_cast(&world, "kv", "{put, b, 2}");
    world_cast(&world, "kv", "{delete, a}");
    world_cast(&world, "kv", "nonsense");
    assert_non_null(strstr(kv("{fetch, state}"), "worker => #{b => 2}"));
}

static void kv_grows(void **state)
{
    char request[64], expected[64];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(request, sizeof(request), "{put, {k, %d}, %d}", i, i * 7);
        assert_string_equal(kv(request), "ok");
    }
    for (int i = 0; i < 1000; i += 2) {
        snprintf(request, sizeof(request), "{delete, {k, %d}}", i);
        assert_string_equal(kv(request), "ok");
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(request, sizeof(request), "{get, {k, %d}}", i);
        snprintf(expected, sizeof(expected), "{ok,%d}", i * 7);
        assert_string_equal(kv(request), i % 2 == 0 ? "error" : expected);
    }
}

/* Nothing is left behind (checked by the sanitizer), whatever the end. */
static void kv_frees_what_it_holds(void **state)
{
    static const char *const ends[] = {"normal", "kill", "boom"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        world_ask(&world, "1", "{put, a, [b, c]}");
        world_exit(&world, world_pid(&world, 1), ends[i]);
        world_advance(&world, 0);
    }
    assert_string_equal(world_ask(&world, "1", "keys"), "[]");
    world_exit(&world, world_pid_of(&world, &world_pool(&world)->process),
               "kill");
    world_advance(&world, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(echo_answers_what_it_was_asked),
        TEST(counter_counts),
        TEST(counter_overflows_without_harm),
        TEST(kv_keeps_values_under_any_key),
        TEST(kv_takes_casts_and_dumps_a_map),
        TEST(kv_grows),
        TEST(kv_frees_what_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
