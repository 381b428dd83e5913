/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop on the real clock. Bounds are one-sided wherever the machine may be
 * slow: nothing may happen too early, and idle loops take few turns.
 */
#include "base/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/metric.h"

#define MS UINT64_C(1000000) /* ns */

struct fixture {
    struct loop loop;
    struct timer timer, other;
    struct flush_hook hook, second;
    uv_timer_t uv_timer;
    unsigned turns, fired, flushed;
    unsigned more; /* turns that still have work */
    unsigned stop_at_turn;
    uint64_t fired_ns;
    char order[16];
    unsigned order_len;
};

static struct fixture f;

static void note(char c)
{
    if (f.order_len < sizeof(f.order) - 1) {
        f.order[f.order_len++] = c;
    }
}

static bool on_turn(void *owner)
{
    (void)owner;
    note('t');
    f.turns++;
    if (f.turns == f.stop_at_turn) {
        loop_stop(&f.loop);
    }
    if (f.more > 0) {
        f.more--;
        return true;
    }
    return false;
}

static void on_timer_stop(struct timer *timer)
{
    (void)timer;
    note('T');
    f.fired++;
    f.fired_ns = uv_hrtime();
    loop_stop(&f.loop);
}

static int setup(void **state)
{
    (void)state;
    f = (struct fixture){.turns = 0};
    timer_init(&f.timer, on_timer_stop);
    timer_init(&f.other, on_timer_stop);
    return loop_init(&f.loop, on_turn, &f);
}

static int teardown(void **state)
{
    (void)state;
    loop_fini(&f.loop);
    return 0;
}

/* --- turns ------------------------------------------------------------------
 */

static void idle_loop_sleeps_until_its_timer(void **state)
{
    uint64_t start = uv_hrtime();

    (void)state;
    loop_timer_start(&f.loop, &f.timer, 100);
    loop_run(&f.loop);
    assert_int_equal(f.fired, 1);
    assert_true(f.fired_ns - start >= 99 * MS);
    assert_true(f.turns <= 10); /* it slept, it did not spin */
}

static void far_timer_needs_few_wakes(void **state)
{
    (void)state;
    loop_timer_start(&f.loop, &f.other, 100000);
    loop_timer_start(&f.loop, &f.timer, 150);
    loop_run(&f.loop);
    assert_true(f.turns <= 12);
    loop_timer_stop(&f.loop, &f.other);
}

static void loop_without_any_timer_blocks(void **state)
{
    uint64_t start = uv_hrtime();

    (void)state;
    loop_turn(&f.loop, 30);
    assert_int_equal(f.turns, 1);
    assert_true(uv_hrtime() - start >= 29 * MS);
}

static void turn_without_waiting_returns_at_once(void **state)
{
    (void)state;
    loop_timer_start(&f.loop, &f.timer, 100000);
    for (unsigned i = 0; i < 100; i++) {
        loop_turn(&f.loop, 0); /* would last hours if it waited */
    }
    assert_int_equal(f.turns, 100);
    loop_timer_stop(&f.loop, &f.timer);
}

static void stop_before_run_runs_nothing(void **state)
{
    (void)state;
    loop_stop(&f.loop);
    loop_run(&f.loop);
    assert_int_equal(f.turns, 0);
    f.stop_at_turn = 1;
    loop_timer_start(&f.loop, &f.timer, 0);
    loop_run(&f.loop); /* runs again afterwards */
    assert_int_equal(f.turns, 1);
}

static void owner_with_more_work_is_not_kept_waiting(void **state)
{
    (void)state;
    f.more = 1000;
    f.stop_at_turn = 1001; /* the one after it has none left blocks for ever */
    loop_wake(&f.loop);
    loop_run(&f.loop);
    assert_int_equal(f.turns, 1001);
}

static void timers_run_before_the_turn_and_flushes_after(void **state)
{
    (void)state;
    f.stop_at_turn = 2;
    f.more = 2;
    loop_timer_start(&f.loop, &f.timer, 0);
    loop_turn(&f.loop, 0);
    assert_string_equal(f.order, "Tt");
}

/* --- time -------------------------------------------------------------------
 */

static void on_uv_timer(uv_timer_t *handle)
{
    (void)handle;
    loop_timer_start(&f.loop, &f.timer, 40);
}

static void ignore_close(uv_handle_t *handle)
{
    (void)handle;
}

/* libuv's callbacks run when the loop may have slept long since it last read
 * the clock. */
static void delay_started_in_a_callback_counts_from_there(void **state)
{
    uint64_t start = uv_hrtime();

    (void)state;
    assert_int_equal(uv_timer_init(&f.loop.uv, &f.uv_timer), 0);
    assert_int_equal(uv_timer_start(&f.uv_timer, on_uv_timer, 60, 0), 0);
    loop_run(&f.loop);
    assert_true(f.fired_ns - start >= 98 * MS);
    uv_close((uv_handle_t *)&f.uv_timer, ignore_close);
}

static void on_uv_timer_asks_time(uv_timer_t *handle)
{
    (void)handle;
    f.fired_ns = loop_now_ns(&f.loop);
    f.fired = (unsigned)(loop_now_ms(&f.loop) - f.loop.now_ns / MS);
    loop_stop(&f.loop);
}

static void now_is_fresh_in_a_callback(void **state)
{
    uint64_t start = uv_hrtime();

    (void)state;
    assert_int_equal(uv_timer_init(&f.loop.uv, &f.uv_timer), 0);
    assert_int_equal(uv_timer_start(&f.uv_timer, on_uv_timer_asks_time, 30, 0),
                     0);
    loop_run(&f.loop);
    assert_true(f.fired_ns >= start + 28 * MS);
    assert_int_equal(f.fired, 0);
    uv_close((uv_handle_t *)&f.uv_timer, ignore_close);
}

static void traffic_keeps_the_loop_polling_for_a_while(void **state)
{
    uint64_t start;

    (void)state;
    f.loop.busy_poll_ns = 20 * MS;
    loop_traffic(&f.loop);
    start = f.loop.now_ns;
    loop_timer_start(&f.loop, &f.timer, 100);
    while (f.fired == 0) {
        uint64_t before = uv_hrtime();
        loop_turn(&f.loop, 1000);
        if (uv_hrtime() - before > 10 * MS && before < start + 5 * MS) {
            f.flushed++; /* slept inside the window (or was kept waiting) */
        }
    }
    assert_true(f.turns > 20);
    assert_true(f.flushed <= 1);
    assert_true(f.fired_ns >= start + 99 * MS);
}

static void without_busy_poll_traffic_changes_nothing(void **state)
{
    (void)state;
    loop_traffic(&f.loop);
    loop_timer_start(&f.loop, &f.timer, 50);
    loop_run(&f.loop);
    assert_true(f.turns <= 10);
}

static void pause_sleeps_once(void **state)
{
    uint64_t start = uv_hrtime();

    (void)state;
    f.loop.pause_ns = 20 * MS;
    loop_turn(&f.loop, 0);
    assert_true(uv_hrtime() - start >= 20 * MS);
    assert_int_equal(f.loop.pause_ns, 0);
}

/* --- flush hooks
 * -------------------------------------------------------------- */

static void on_flush(struct flush_hook *hook)
{
    note(hook == &f.hook ? '1' : '2');
    f.flushed++;
}

static void on_flush_again(struct flush_hook *hook)
{
    if (++f.flushed < 100) {
        loop_flush_later(&f.loop, hook);
    } else {
        loop_stop(&f.loop);
    }
}

static void on_flush_cancel_second(struct flush_hook *hook)
{
    (void)hook;
    f.flushed++;
    flush_hook_cancel(&f.second);
}

static void hooks_run_once_at_the_end_in_order(void **state)
{
    (void)state;
    flush_hook_init(&f.hook, on_flush);
    flush_hook_init(&f.second, on_flush);
    loop_flush_later(&f.loop, &f.second);
    loop_flush_later(&f.loop, &f.hook);
    loop_flush_later(&f.loop, &f.second);
    loop_turn(&f.loop, 10000); /* does not wait: something is to be flushed */
    loop_turn(&f.loop, 0);
    assert_string_equal(f.order, "t21t");
}

static void hook_may_ask_again(void **state)
{
    (void)state;
    flush_hook_init(&f.hook, on_flush_again);
    loop_flush_later(&f.loop, &f.hook);
    loop_run(&f.loop); /* once a turn, without sleeping in between */
    assert_int_equal(f.flushed, 100);
    assert_int_equal(f.turns, 100);
}

static void cancelled_hooks_do_not_run(void **state)
{
    (void)state;
    flush_hook_init(&f.hook, on_flush_cancel_second);
    flush_hook_init(&f.second, on_flush);
    loop_flush_later(&f.loop, &f.hook);
    loop_flush_later(&f.loop, &f.second);
    loop_turn(&f.loop, 0);
    assert_int_equal(f.flushed, 1);
    loop_flush_later(&f.loop, &f.second);
    flush_hook_cancel(&f.second);
    flush_hook_cancel(&f.second);
    loop_turn(&f.loop, 0);
    assert_int_equal(f.flushed, 1);
}

/* --- threads
 * -------------------------------------------------------------------- */

static void wake_and_count(void *arg)
{
    for (unsigned i = 0; i < 1000; i++) {
        METRIC_INC(frames_in);
    }
    loop_wake(arg);
}

static void wake_from_another_thread_ends_the_sleep(void **state)
{
    uint64_t before = metric_read(METRIC_frames_in);
    uv_thread_t threads[3];

    (void)state;
    f.stop_at_turn = 1;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(uv_thread_create(&threads[i], wake_and_count, &f.loop),
                         0);
    }
    loop_run(&f.loop); /* for ever, if nobody woke it */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(uv_thread_join(&threads[i]), 0);
    }
    assert_int_equal(f.turns, 1);
    /* counts outlive their threads */
    assert_int_equal(metric_read(METRIC_frames_in) - before, 3000);
}

static void a_wake_before_the_poll_is_not_slept_over(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        loop_wake(&f.loop);
        loop_wake(&f.loop);
        loop_turn(&f.loop, UINT64_MAX); /* for ever, if it were lost */
    }
    assert_int_equal(f.turns, 3);
}

static void wake_soon(void *arg)
{
    for (unsigned i = 0; i < 200; i++) { /* often while it is awake */
        loop_wake(arg);
    }
}

static void a_storm_of_wakes_leaves_it_able_to_sleep(void **state)
{
    uv_thread_t thread;
    uint64_t start;

    (void)state;
    assert_int_equal(uv_thread_create(&thread, wake_soon, &f.loop), 0);
    for (unsigned i = 0; i < 200; i++) {
        loop_turn(&f.loop, 0);
    }
    assert_int_equal(uv_thread_join(&thread), 0);
    loop_turn(&f.loop, 0); /* takes what is left of them */
    start = uv_hrtime();
    loop_turn(&f.loop, 20);
    assert_true(uv_hrtime() - start >= 15000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(idle_loop_sleeps_until_its_timer),
        TEST(far_timer_needs_few_wakes),
        TEST(loop_without_any_timer_blocks),
        TEST(turn_without_waiting_returns_at_once),
        TEST(stop_before_run_runs_nothing),
        TEST(owner_with_more_work_is_not_kept_waiting),
        TEST(timers_run_before_the_turn_and_flushes_after),
        TEST(delay_started_in_a_callback_counts_from_there),
        TEST(now_is_fresh_in_a_callback),
        TEST(traffic_keeps_the_loop_polling_for_a_while),
        TEST(without_busy_poll_traffic_changes_nothing),
        TEST(pause_sleeps_once),
        TEST(hooks_run_once_at_the_end_in_order),
        TEST(hook_may_ask_again),
        TEST(cancelled_hooks_do_not_run),
        TEST(wake_from_another_thread_ends_the_sleep),
        TEST(a_wake_before_the_poll_is_not_slept_over),
        TEST(a_storm_of_wakes_leaves_it_able_to_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
