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

/* --- answers to what the peer sends */

static void what_comes_is_answered_after_half_a_second_of_silence(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    pulse_wrote(&pulse, 10, 1000);
    assert_false(pulse_answers(&pulse, 0, 1000));
    assert_false(pulse_answers(&pulse, 0, 1499));
    assert_true(pulse_answers(&pulse, 0, 1500));
    pulse_wrote(&pulse, 14, 1500); /* the tick */
    assert_false(pulse_answers(&pulse, 0, 1900));
    assert_true(pulse_answers(&pulse, 0, 2000));
}

static void a_write_that_took_nothing_breaks_no_silence(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    pulse_wrote(&pulse, 10, 1000);
    pulse_wrote(&pulse, 10, 1400);
    assert_true(pulse_answers(&pulse, 0, 1500));
}

static void nothing_is_answered_behind_a_write_that_waits(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    pulse_wrote(&pulse, 10, 1000);
    assert_false(pulse_answers(&pulse, 1, 5000));
}

/* As a BEAM with net_ticktime 1..8 s sees it: it ticks, or talks, and must hear
 * something within each ticktime. */
static void a_peer_of_any_ticktime_hears_us_in_time(void **state)
{
    (void)state;
    for (uint64_t ticktime_ms = 1000; ticktime_ms <= 8000; ticktime_ms += 500) {
        struct pulse pulse = {0};
        uint64_t heard_ms = 0, out = 0;

        for (uint64_t now = 0; now < 100000; now += ticktime_ms / 4) {
            if (pulse_answers(&pulse, 0, now)) {
                pulse_wrote(&pulse, out += TICK_BYTES, now);
                heard_ms = now;
            }
            assert_true(now - heard_ms < ticktime_ms);
        }
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
        cmocka_unit_test(what_comes_is_answered_after_half_a_second_of_silence),
        cmocka_unit_test(a_write_that_took_nothing_breaks_no_silence),
        cmocka_unit_test(nothing_is_answered_behind_a_write_that_waits),
        cmocka_unit_test(a_peer_of_any_ticktime_hears_us_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
