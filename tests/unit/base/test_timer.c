/* SPDX-License-Identifier: Apache-2.0
 *
 * The wheel against a model: whatever is started and stopped, timers fire in
 * the order of (due time, start), never early, never late. That order holds
 * across cascades as well, as timers with equal due times share a slot always.
 */
#include "base/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/random.h"

#define DAY_MS       UINT64_C(86400000)
#define TWO_YEARS_MS ((UINT64_C(1) << 30) * 63 - 1) /* the longest delay */

struct item {
    struct timer timer;
    struct wheel *wheel;
    uint64_t fired_ms; /* 0: not yet */
    unsigned order;    /* of start; what it stops or frees otherwise */
    struct item *other;
};

static unsigned fired_count;
static uint64_t last_due_ms;
static unsigned last_order;
static unsigned out_of_order; /* asserted after the wheel has returned */

static void on_item(struct timer *timer)
{
    struct item *item = CONTAINER_OF(timer, struct item, timer);

    if (timer->due_ms < last_due_ms ||
        (timer->due_ms == last_due_ms && item->order < last_order)) {
        out_of_order++;
    }
    last_due_ms = timer->due_ms;
    last_order = item->order;
    item->fired_ms = item->wheel->now_ms;
    fired_count++;
}

static int reset(void **state)
{
    (void)state;
    fired_count = 0;
    last_due_ms = 0;
    last_order = 0;
    out_of_order = 0;
    return 0;
}

static void item_start(struct item *item, struct wheel *wheel, timer_fn fn,
                       uint64_t delay_ms)
{
    timer_init(&item->timer, fn);
    item->wheel = wheel;
    item->fired_ms = 0;
    timer_start(wheel, &item->timer, delay_ms);
}

static void timer_fires_once_at_its_millisecond(void **state)
{
    static const uint64_t delays[] = {
        0,           1,    2,    63,   64,     65,     127,
        128,         4095, 4096, 4097, 262143, 262144, UINT64_C(1) << 30,
        DAY_MS * 400};

    (void)state;
    for (uint64_t start = 1; start < 200000; start = start * 3 + 1) {
        for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
            struct wheel wheel;
            struct item item;

            wheel_init(&wheel, start);
            item_start(&item, &wheel, on_item, delays[i]);
            assert_true(wheel_next(&wheel) <= delays[i]);
            if (delays[i] > 0) {
                assert_int_equal(wheel_advance(&wheel, start + delays[i] - 1),
                                 0);
            }
            assert_true(timer_is_active(&item.timer));
            assert_int_equal(wheel_advance(&wheel, start + delays[i]), 1);
            assert_false(timer_is_active(&item.timer));
            assert_int_equal(wheel_advance(&wheel, start + delays[i] + 5000),
                             0);
            assert_true(wheel_next(&wheel) == UINT64_MAX);
            assert_int_equal(wheel.count, 0);
        }
    }
}

static void sleeping_until_next_never_misses_a_deadline(void **state)
{
    static const uint64_t delays[] = {1, 70, 5000, 300000, DAY_MS, 60 * DAY_MS};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        uint64_t now = 123456789;
        unsigned wakes = 0;
        struct wheel wheel;
        struct item item;

        wheel_init(&wheel, now);
        item_start(&item, &wheel, on_item, delays[i]);
        while (timer_is_active(&item.timer)) {
            now += wheel_next(&wheel);
            (void)wheel_advance(&wheel, now);
            assert_true(++wakes <= WHEEL_LEVELS);
        }
        assert_true(item.fired_ms == 123456789 + delays[i]);
    }
}

static void stopped_timer_does_not_fire_and_does_not_wake(void **state)
{
    struct wheel wheel;
    struct item a, b;

    (void)state;
    wheel_init(&wheel, 1000);
    item_start(&a, &wheel, on_item, 10);
    item_start(&b, &wheel, on_item, 100000);
    timer_stop(&wheel, &a.timer);
    timer_stop(&wheel, &a.timer);
    timer_stop(&wheel, &b.timer);
    assert_int_equal(wheel.count, 0);
    assert_true(wheel_next(&wheel) == UINT64_MAX);
    assert_int_equal(wheel_advance(&wheel, 1000000), 0);
}

static void restart_moves_the_deadline(void **state)
{
    struct wheel wheel;
    struct item a;

    (void)state;
    wheel_init(&wheel, 0);
    item_start(&a, &wheel, on_item, 10);
    timer_start(&wheel, &a.timer, 500);
    assert_int_equal(wheel.count, 1);
    assert_int_equal(wheel_advance(&wheel, 499), 0);
    assert_int_equal(wheel_advance(&wheel, 500), 1);
}

/* All due at 300 000, started at different times, so at first on different
 * levels; every second one on the level of the moment. */
static void equal_deadlines_fire_in_start_order_across_cascades(void **state)
{
    enum { COUNT = 3000 };
    static struct item items[COUNT];
    struct wheel wheel;

    (void)state;
    wheel_init(&wheel, 0);
    for (unsigned i = 0; i < COUNT; i++) {
        (void)wheel_advance(&wheel, i * 100);
        items[i].order = i;
        item_start(&items[i], &wheel, on_item, 300000 - i * 100);
    }
    assert_int_equal(fired_count, 0);
    assert_int_equal(wheel_advance(&wheel, 1000000), COUNT);
    assert_int_equal(out_of_order, 0);
}

static void a_jump_of_years_is_a_few_steps(void **state)
{
    struct wheel wheel;
    struct item a, b;

    (void)state;
    wheel_init(&wheel, 5);
    item_start(&a, &wheel, on_item, DAY_MS * 365);
    item_start(&b, &wheel, on_item, DAY_MS);
    b.order = 1;
    a.order = 2;
    /* millisecond by millisecond this would take hours */
    assert_int_equal(wheel_advance(&wheel, DAY_MS * 365 * 1000), 2);
    assert_int_equal(out_of_order, 0);
    assert_true(wheel.position_ms == DAY_MS * 365 * 1000);
    item_start(&a, &wheel, on_item, 7);
    assert_int_equal(wheel_advance(&wheel, DAY_MS * 365 * 1000 + 6), 0);
    assert_int_equal(wheel_advance(&wheel, DAY_MS * 365 * 1000 + 7), 1);
}

static void longest_delay_is_two_years_from_anywhere(void **state)
{
    (void)state;
    /* also where the top digit of the time wraps around */
    for (uint64_t start = 1; start < UINT64_C(1) << 38; start = start * 5 + 1) {
        struct wheel wheel;
        struct item a;
        uint64_t now = start;

        wheel_init(&wheel, start);
        item_start(&a, &wheel, on_item, UINT64_MAX);
        assert_true(a.timer.due_ms == start + TWO_YEARS_MS);
        while (timer_is_active(&a.timer)) {
            assert_true(wheel_next(&wheel) > 0);
            now += wheel_next(&wheel);
            (void)wheel_advance(&wheel, now);
        }
        assert_true(now == start + TWO_YEARS_MS);
    }
}

static void time_going_back_is_ignored(void **state)
{
    struct wheel wheel;
    struct item a;

    (void)state;
    wheel_init(&wheel, 1000);
    (void)wheel_advance(&wheel, 900);
    assert_int_equal(wheel.now_ms, 1000);
    item_start(&a, &wheel, on_item, 5);
    assert_int_equal(wheel_advance(&wheel, 10), 0);
    assert_int_equal(wheel_advance(&wheel, 1005), 1);
}

static void delays_count_from_the_time_set(void **state)
{
    struct wheel wheel;
    struct item a, b;

    (void)state;
    wheel_init(&wheel, 1000);
    item_start(&b, &wheel, on_item, 50);
    wheel_set_now(&wheel, 9000); /* b is due long since, but has not fired */
    item_start(&a, &wheel, on_item, 100);
    assert_int_equal(wheel_next(&wheel), 0);
    assert_int_equal(wheel_advance(&wheel, 9099), 1);
    assert_int_equal(wheel_advance(&wheel, 9100), 1);
}

/* --- callbacks that change the wheel -------------------------------------- */

static void on_again(struct timer *timer)
{
    struct item *item = CONTAINER_OF(timer, struct item, timer);

    fired_count++;
    timer_start(item->wheel, timer, item->order);
}

static void callback_may_start_its_timer_again(void **state)
{
    struct wheel wheel;
    struct item a = {.order = 10};

    (void)state;
    wheel_init(&wheel, 0);
    item_start(&a, &wheel, on_again, 10);
    for (uint64_t now = 1; now <= 100; now++) {
        (void)wheel_advance(&wheel, now);
    }
    assert_int_equal(fired_count, 10);
    (void)wheel_advance(&wheel,
                        100000); /* late: once, not ten thousand times */
    assert_int_equal(fired_count, 11);
    assert_true(a.timer.due_ms == 100010);
    timer_stop(&wheel, &a.timer);
}

static void delay_zero_for_ever_does_not_keep_the_wheel(void **state)
{
    struct wheel wheel;
    struct item a = {.order = 0};

    (void)state;
    wheel_init(&wheel, 0);
    item_start(&a, &wheel, on_again, 0);
    assert_int_equal(wheel_next(&wheel), 0);
    assert_int_equal(wheel_advance(&wheel, 0), 1);
    assert_int_equal(wheel_advance(&wheel, 0), 1);
    assert_true(wheel_advance(&wheel, 50) <= 2);
    assert_true(timer_is_active(&a.timer));
    assert_int_equal(wheel_next(&wheel), 0);
    timer_stop(&wheel, &a.timer);
}

static void on_stop_other(struct timer *timer)
{
    struct item *item = CONTAINER_OF(timer, struct item, timer);

    fired_count++;
    timer_stop(item->wheel, &item->other->timer);
}

static void callback_may_stop_others_of_the_same_moment(void **state)
{
    struct wheel wheel;
    struct item a, b, c;

    (void)state;
    wheel_init(&wheel, 0);
    item_start(&a, &wheel, on_stop_other, 10);
    item_start(&b, &wheel, on_item, 10);
    item_start(&c, &wheel, on_item, 10);
    a.other = &b;
    assert_int_equal(wheel_advance(&wheel, 10), 2);
    assert_true(b.fired_ms == 0);
    assert_true(c.fired_ms == 10);
    assert_int_equal(wheel.count, 0);
}

static void on_free(struct timer *timer)
{
    struct item *item = CONTAINER_OF(timer, struct item, timer);

    fired_count++;
    if (item->other != NULL) {
        timer_stop(item->wheel, &item->other->timer);
        mem_free(item->other);
    }
    mem_free(item);
}

static void callback_may_free_its_owner_and_others(void **state)
{
    struct wheel wheel;

    (void)state;
    wheel_init(&wheel, 0);
    for (unsigned i = 0; i < 100; i++) {
        struct item *a = mem_zalloc(sizeof(*a));
        struct item *b = mem_zalloc(sizeof(*b));
        item_start(a, &wheel, on_free, i);
        item_start(b, &wheel, on_free, i + i % 70);
        a->other = b;
    }
    (void)wheel_advance(&wheel, 1000);
    assert_int_equal(fired_count, 100);
    assert_int_equal(wheel.count, 0);
}

/* --- many ------------------------------------------------------------------
 */

static void random_starts_and_stops_agree_with_a_model(void **state)
{
    enum { COUNT = 500 };
    static struct item items[COUNT];
    uint64_t random = random_seed(), now = (UINT64_C(1) << 36) - 100000;
    struct wheel wheel;
    unsigned order = 0;

    (void)state;
    wheel_init(&wheel, now);
    for (unsigned i = 0; i < COUNT; i++) {
        timer_init(&items[i].timer, on_item);
        items[i].wheel = &wheel;
    }
    for (unsigned step = 0; step < 20000; step++) {
        uint64_t nearest = UINT64_MAX, next;
        unsigned due = 0, active = 0;
        uint64_t delay = random_below(&random, 1u << random_below(&random, 24));
        for (unsigned i = 0; i < 4; i++) {
            struct item *item = &items[random_below(&random, COUNT)];
            item->order = ++order;
            timer_start(&wheel, &item->timer, delay);
        }
        timer_stop(&wheel, &items[random_below(&random, COUNT)].timer);
        now += random_below(&random, step % 100 == 0 ? 3000000 : 300);
        for (unsigned i = 0; i < COUNT; i++) {
            if (timer_is_active(&items[i].timer)) {
                active++;
                due += items[i].timer.due_ms <= now;
                if (items[i].timer.due_ms < nearest) {
                    nearest = items[i].timer.due_ms;
                }
            }
        }
        next = wheel_next(&wheel);
        assert_true(active == 0 ? next == UINT64_MAX
                                : wheel.now_ms + next <= nearest);
        assert_int_equal(wheel.count, active);
        last_due_ms = 0;
        assert_int_equal(wheel_advance(&wheel, now), due);
        assert_int_equal(out_of_order, 0);
    }
}

static void a_million_timers_fire_in_order(void **state)
{
    enum { MILLION = 1000000 };
    struct item *items = mem_alloc(MILLION * sizeof(*items));
    uint64_t random = random_seed();
    struct wheel wheel;
    unsigned fired = 0;

    (void)state;
    wheel_init(&wheel, 77);
    for (unsigned i = 0; i < MILLION; i++) {
        items[i].order = i;
        item_start(&items[i], &wheel, on_item, random_below(&random, 1000000));
    }
    for (unsigned i = 0; i < MILLION; i += 2) {
        timer_stop(&wheel, &items[i].timer);
    }
    assert_int_equal(wheel.count, MILLION / 2);
    for (uint64_t now = 77; wheel.count > 0; now += 100) {
        fired += wheel_advance(&wheel, now);
    }
    assert_int_equal(fired, MILLION / 2);
    assert_int_equal(out_of_order, 0);
    mem_free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(timer_fires_once_at_its_millisecond, reset),
        cmocka_unit_test_setup(sleeping_until_next_never_misses_a_deadline,
                               reset),
        cmocka_unit_test_setup(stopped_timer_does_not_fire_and_does_not_wake,
                               reset),
        cmocka_unit_test_setup(restart_moves_the_deadline, reset),
        cmocka_unit_test_setup(
            equal_deadlines_fire_in_start_order_across_cascades, reset),
        cmocka_unit_test_setup(a_jump_of_years_is_a_few_steps, reset),
        cmocka_unit_test_setup(longest_delay_is_two_years_from_anywhere, reset),
        cmocka_unit_test_setup(time_going_back_is_ignored, reset),
        cmocka_unit_test_setup(delays_count_from_the_time_set, reset),
        cmocka_unit_test_setup(callback_may_start_its_timer_again, reset),
        cmocka_unit_test_setup(delay_zero_for_ever_does_not_keep_the_wheel,
                               reset),
        cmocka_unit_test_setup(callback_may_stop_others_of_the_same_moment,
                               reset),
        cmocka_unit_test_setup(callback_may_free_its_owner_and_others, reset),
        cmocka_unit_test_setup(random_starts_and_stops_agree_with_a_model,
                               reset),
        cmocka_unit_test_setup(a_million_timers_fire_in_order, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
