/* SPDX-License-Identifier: Apache-2.0 */
#include "dist/pulse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void idle_connection_ticks_in_every_round(void **state)
{
    struct pulse pulse = {0};
    uint64_t in = 0, out = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        in += TICK_BYTES; /* the peer ticks too */
        assert_int_equal(pulse_round(&pulse, in, out, 0), PULSE_TICK);
        out += TICK_BYTES;
    }
}

static void no_tick_when_something_else_was_written(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    assert_int_equal(pulse_round(&pulse, 1, 100, 0), PULSE_FINE);
    assert_int_equal(pulse_round(&pulse, 2, 100, 0), PULSE_TICK);
    assert_int_equal(pulse_round(&pulse, 3, 250, 0), PULSE_FINE);
}

static void no_tick_behind_a_write_that_waits(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    assert_int_equal(pulse_round(&pulse, 1, 0, 1000), PULSE_FINE);
}

static void peer_silent_for_a_ticktime_is_stalled(void **state)
{
    struct pulse pulse = {0};
    uint64_t out = 0;

    (void)state;
    assert_int_equal(pulse_round(&pulse, 50, out += 10, 0), PULSE_FINE);
    for (int i = 1; i < PULSES; i++) {
        assert_int_equal(pulse_round(&pulse, 50, out += 10, 0), PULSE_FINE);
    }
    assert_int_equal(pulse_round(&pulse, 50, out += 10, 0), PULSE_STALLED);
}

static void one_byte_in_the_last_round_saves_the_peer(void **state)
{
    struct pulse pulse = {0};
    uint64_t out = 0;

    (void)state;
    for (int i = 1; i < PULSES; i++) {
        assert_int_equal(pulse_round(&pulse, 0, out += 10, 0), PULSE_FINE);
    }
    for (int i = 1; i <= PULSES; i++) {
        assert_int_equal(pulse_round(&pulse, 1, out += 10, 0), PULSE_FINE);
    }
    assert_int_equal(pulse_round(&pulse, 1, out += 10, 0), PULSE_STALLED);
}

static void peer_that_takes_nothing_for_a_ticktime_is_stalled(void **state)
{
    struct pulse pulse = {0};
    uint64_t in = 0;

    (void)state;
    assert_int_equal(pulse_round(&pulse, ++in, 500, 1000), PULSE_FINE);
    for (int i = 1; i < PULSES; i++) {
        assert_int_equal(pulse_round(&pulse, ++in, 500, 1000), PULSE_FINE);
    }
    assert_int_equal(pulse_round(&pulse, ++in, 500, 1000), PULSE_STALLED);
}

static void slow_reader_is_not_stalled(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    for (uint64_t i = 1; i < 100; i++) {
        assert_int_equal(pulse_round(&pulse, i, i, 1000 - i), PULSE_FINE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_connection_ticks_in_every_round),
        cmocka_unit_test(no_tick_when_something_else_was_written),
        cmocka_unit_test(no_tick_behind_a_write_that_waits),
        cmocka_unit_test(peer_silent_for_a_ticktime_is_stalled),
        cmocka_unit_test(one_byte_in_the_last_round_saves_the_peer),
        cmocka_unit_test(peer_that_takes_nothing_for_a_ticktime_is_stalled),
        cmocka_unit_test(slow_reader_is_not_stalled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
