/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals: the first asks to stop, the second is the system's again.
 */
#include "admin/signals.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/loop_until.h"

static struct loop loop;
static struct signals signals;
static int stops;

static void on_stop(void *owner)
{
    (*(int *)owner)++;
}

static int setup(void **state)
{
    (void)state;
    stops = 0;
    return loop_init(&loop, NULL, NULL) != 0 ||
           signals_open(&signals, &loop, on_stop, &stops) != 0;
}

static int teardown(void **state)
{
    (void)state;
    signals_close(&signals);
    signals_close(&signals); /* idempotent */
    loop_fini(&loop);
    return 0;
}

static bool is_default(int number)
{
    struct sigaction action;

    assert_int_equal(sigaction(number, NULL, &action), 0);
    return action.sa_handler == SIG_DFL;
}

static void assert_stops_once(int number)
{
    assert_false(is_default(number));
    assert_int_equal(raise(number), 0);
    LOOP_UNTIL(&loop, stops == 1);
    assert_true(is_default(SIGTERM));
    assert_true(is_default(SIGINT));
    assert_true(is_default(SIGHUP));
}

static void sigterm_stops_and_the_second_ends(void **state)
{
    (void)state;
    assert_stops_once(SIGTERM);
}

static void sigint_stops_and_the_second_ends(void **state)
{
    (void)state;
    assert_stops_once(SIGINT);
}

static void sighup_stops_and_the_second_ends(void **state)
{
    (void)state;
    assert_stops_once(SIGHUP);
}

static void sigpipe_is_ignored(void **state)
{
    struct sigaction action;

    (void)state;
    signals_ignore_pipe();
    assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
    assert_true(action.sa_handler == SIG_IGN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sigterm_stops_and_the_second_ends,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(sigint_stops_and_the_second_ends, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(sighup_stops_and_the_second_ends, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(sigpipe_is_ignored, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
