/* SPDX-License-Identifier: Apache-2.0
 *
 * Health and condition of a pool, from what its workers do.
 */
#include "pool/grade.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "support/pool/world.h"

static struct world world;
static char lines[4096];

static void keep_line(const char *line, size_t len, void *user)
{
    (void)user;
    if (memmem(line, len, "event=pool_", 11) != NULL &&
        strlen(lines) + len < sizeof(lines)) {
        strncat(lines, line, len);
    }
}

static int setup(void **state)
{
    (void)state;
    lines[0] = '\0';
    world_open(&world,
               "{'pools': {'P': {'behaviour': 'script', 'worker': {'target': "
               "{'low': 0, 'target': 4, 'high': 8}}, 'health': {'degraded': 3, "
               "'critical': 6}}}}");
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT); /* world: errors only */
    log_capture(keep_line, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static struct standing *standing(void)
{
    return world_pool(&world)->standing;
}

static double health(void)
{
    double value = NAN;

    assert_true(standing_health(standing(), &value));
    return value;
}

static bool is_about(double got, double wanted)
{
    return fabs(got - wanted) < 0.01;
}

static void fail_times(int times)
{
    for (int i = 0; i < times; i++) {
        world_ask(&world, "1", "ping");
        world_exit(&world, world_pid(&world, 1), "boom");
        world_advance(&world, 20);
    }
    world_advance(&world, 1000);
}

static void it_begins_unknown_then_perfect(void **state)
{
    double value;

    (void)state;
    assert_false(standing_health(standing(), &value));
    world_advance(&world, 1000);
    assert_true(is_about(health(), 8.0));
    assert_int_equal(standing_condition(standing()), STANDING_WELL);
}

static void offline_here_or_everywhere_is_offline(void **state)
{
    static const char *const configs[] = {
        "{'pools': {'P': {'behaviour': 'script', 'state': 'offline'}}}",
        "{'pools': {'P': {'behaviour': 'script', 'cluster': {'state': "
        "'offline'}}}}",
    };

    (void)state;
    assert_true(standing_is_online(standing()));
    for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
        world_close(&world);
        world_open(&world, configs[i]);
        assert_false(standing_is_online(standing()));
    }
}

static void more_workers_than_its_target_lower_it(void **state)
{
    char id[16];

    (void)state;
    for (int i = 1; i <= 12; i++) {
        snprintf(id, sizeof(id), "%d", i);
        world_ask(&world, id, "ping");
    }
    world_advance(&world, 1000);
    assert_true(is_about(health(), -log10(0.05)));
}

static void failures_degrade_it_until_they_are_old(void **state)
{
    (void)state;
    fail_times(3);
    assert_int_equal(standing_counted(standing(), STANDING_FAILURE), 3);
    assert_int_equal(standing_condition(standing()), STANDING_DEGRADED);
    /* three errors a minute of one worker */
    assert_true(is_about(health(), -log10(3.0 / 60)));
    fail_times(3);
    assert_int_equal(standing_condition(standing()), STANDING_CRITICAL);
    assert_true(is_about(health(), 0.0));
    world_advance(&world, 61000);
    assert_int_equal(standing_condition(standing()), STANDING_WELL);
    assert_true(is_about(health(), 8.0));
}

static void a_change_is_logged_once(void **state)
{
    (void)state;
    fail_times(3);
    world_advance(&world, 5000);
    assert_non_null(strstr(lines, "event=pool_degraded"));
    assert_non_null(strstr(lines, "failures_per_minute=3"));
    assert_null(strstr(strstr(lines, "pool_degraded") + 1, "pool_degraded"));
    world_advance(&world, 65000);
    assert_non_null(strstr(lines, "event=pool_recovered"));
}

static void clean_ends_are_no_failures(void **state)
{
    (void)state;
    world_ask(&world, "1", "{stop, normal}");
    world_ask(&world, "2", "{stop, {shutdown, x}}");
    world_ask(&world, "3", "'kill!'");
    world_advance(&world, 1000);
    assert_int_equal(standing_counted(standing(), STANDING_FAILURE), 0);
    assert_int_equal(standing_counted(standing(), STANDING_TERMINATE), 3);
    assert_true(standing_counted(standing(), STANDING_INIT) >= 3);
}

static void an_init_that_fails_is_a_failure(void **state)
{
    (void)state;
    script_knobs.fail_inits = 1;
    assert_string_equal(world_ask(&world, "1", "ping"), "{error,refused}");
    assert_int_equal(standing_counted(standing(), STANDING_FAILURE), 1);
    assert_int_equal(standing_counted(standing(), STANDING_TERMINATE), 0);
}

static void at_its_most_workers_it_is_full(void **state)
{
    (void)state;
    world_close(&world);
    world_open(&world, "{'pools': {'P': {'behaviour': 'script', 'worker': "
                       "{'max': 2, 'restart': 'temporary'}}}}");
    assert_true(standing_takes(standing()));
    world_ask(&world, "1", "ping");
    assert_true(standing_takes(standing()));
    world_ask(&world, "2", "ping");
    assert_false(standing_takes(standing()));
    assert_string_equal(world_ask(&world, "3", "ping"), "{error,max_children}");
    assert_false(standing_takes(standing()));
    world_ask(&world, "1", "'kill!'");
    assert_true(standing_takes(standing()));
}

static void the_node_is_as_bad_as_its_worst_pool(void **state)
{
    uint64_t failures;

    (void)state;
    fail_times(4);
    assert_int_equal(grade_of_all(&world.pools, &failures), STANDING_DEGRADED);
    assert_int_equal(failures, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_begins_unknown_then_perfect),
        TEST(offline_here_or_everywhere_is_offline),
        TEST(more_workers_than_its_target_lower_it),
        TEST(failures_degrade_it_until_they_are_old),
        TEST(a_change_is_logged_once),
        TEST(clean_ends_are_no_failures),
        TEST(an_init_that_fails_is_a_failure),
        TEST(at_its_most_workers_it_is_full),
        TEST(the_node_is_as_bad_as_its_worst_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
