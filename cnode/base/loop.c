/* SPDX-License-Identifier: Apache-2.0
 *
 * A turn of the loop:
 *
 *     poll      libuv's callbacks; sleeps until the next timer only when there
 *               is nothing left to do and the busy-poll window is over
 *     timers    the wheel fires what is due
 *     turn      the owner's work (the scheduler runs mailboxes)
 *     flush     hooks: what the turn produced goes out
 *
 * One uv_timer bounds the sleep, whatever the number of timers in the wheel.
 * The async handle keeps the loop alive, so that a poll without any other
 * handle sleeps as well. Time is read once after each poll, and once more only
 * when a callback inside the poll asks for it.
 */
#include "base/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/check.h"
#include "base/trace.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

static bool loop_falls_asleep(struct loop *loop);
static void loop_wakes_up(struct loop *loop);
static void loop_poll(struct loop *loop, uint64_t wait_ms);
static void loop_flush(struct loop *loop);

static void on_wake(uv_async_t *handle)
{
    (void)handle; /* to have woken up is all */
}

/* libuv runs due timers before it polls; without a timer left it would then
 * sleep for ever. */
static void on_wake_at(uv_timer_t *handle)
{
    uv_stop(handle->loop);
}

int loop_init(struct loop *loop, bool (*turn)(void *owner), void *owner)
{
    int rc;

    *loop = (struct loop){.turn = turn, .owner = owner};
    list_init(&loop->flushes);
    rc = uv_loop_init(&loop->uv);
    if (rc != 0) {
        return rc;
    }
    rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (rc != 0) {
        goto fail_loop;
    }
    rc = uv_timer_init(&loop->uv, &loop->wake_at);
    CHECK(rc == 0); /* cannot fail */
    loop->uv.data = loop;
    loop->wake.data = loop;
    loop->wake_at.data = loop;
    loop->now_ns = uv_hrtime();
    loop->now_ms = loop->now_ns / NS_PER_MS;
    wheel_init(&loop->wheel, loop->now_ms);
    return 0;

fail_loop:
    CHECK(uv_loop_close(&loop->uv) == 0);
    return rc;
}

void loop_refresh_slow(struct loop *loop)
{
    loop->is_stale = false;
    loop->now_ns = uv_hrtime();
    loop->now_ms = loop->now_ns / NS_PER_MS;
    wheel_set_now(&loop->wheel, loop->now_ms);
    trace_time(loop->now_ns);
}

void loop_run(struct loop *loop)
{
    /* A pause of 50 us is to last 50 us, not 100. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    while (!loop->stopped) {
        loop_turn(loop, UINT64_MAX);
    }
    loop->stopped = false; /* it may be run again */
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

void loop_turn(struct loop *loop, uint64_t wait_ms)
{
    uint64_t next_ms = wheel_next(&loop->wheel);

    if (loop->has_more || !list_is_empty(&loop->flushes) ||
        loop->now_ns < loop->busy_until_ns) {
        wait_ms = 0;
    }
    wait_ms = next_ms < wait_ms ? next_ms : wait_ms;
    if (wait_ms > 0 && !loop_falls_asleep(loop)) {
        wait_ms = 0;
    }
    loop_poll(loop, wait_ms);
    loop_wakes_up(loop);
    loop_refresh_slow(loop);
    (void)wheel_advance(&loop->wheel, loop->now_ms);
    loop->has_more = loop->turn != NULL && loop->turn(loop->owner);
    loop_flush(loop);
}

static void loop_pause(struct loop *loop)
{
    struct timespec pause = {
        .tv_sec = (time_t)(loop->pause_ns / NS_PER_S),
        .tv_nsec = (long)(loop->pause_ns % NS_PER_S),
    };

    loop->pause_ns = 0;
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, &pause) == EINTR) {
    }
}

static void loop_poll(struct loop *loop, uint64_t wait_ms)
{
    uint64_t uv_now_ms, behind_ms;

    if (loop->pause_ns > 0) {
        loop_pause(loop);
    }
    loop->is_stale = true;
    if (wait_ms == 0) {
        (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
        return;
    }
    if (wait_ms == UINT64_MAX) {
        (void)uv_timer_stop(&loop->wake_at);
    } else {
        /* libuv counts from the time it read before its last callbacks */
        uv_now_ms = uv_now(&loop->uv);
        behind_ms = loop->now_ms > uv_now_ms ? loop->now_ms - uv_now_ms : 0;
        CHECK(uv_timer_start(&loop->wake_at, on_wake_at, wait_ms + behind_ms,
                             0) == 0);
    }
    (void)uv_run(&loop->uv, UV_RUN_ONCE);
}

/* The three below: who posts something first makes it visible, then says
 * WOKEN; the loop first says AWAKE, then looks what was posted. All are
 * read-modify-write steps on one atomic, so one of both sees the other.
 * acq_rel: they order what was posted as well. */

void loop_wake(struct loop *loop)
{
    if (atomic_exchange_explicit(&loop->wakefulness, LOOP_WOKEN,
                                 memory_order_acq_rel) == LOOP_ASLEEP) {
        CHECK(uv_async_send(&loop->wake) == 0);
    }
}

/* False: somebody woke it since its last turn began. */
static bool loop_falls_asleep(struct loop *loop)
{
    int awake = LOOP_AWAKE;

    return atomic_compare_exchange_strong_explicit(
        &loop->wakefulness, &awake, LOOP_ASLEEP, memory_order_acq_rel,
        memory_order_acquire);
}

/* relaxed: a WOKEN that is overlooked here is seen before the next sleep. */
static void loop_wakes_up(struct loop *loop)
{
    if (atomic_load_explicit(&loop->wakefulness, memory_order_relaxed) !=
        LOOP_AWAKE) {
        (void)atomic_exchange_explicit(&loop->wakefulness, LOOP_AWAKE,
                                       memory_order_acq_rel);
    }
}

uint64_t loop_clock_ns(void)
{
    return uv_hrtime();
}

void loop_traffic(struct loop *loop)
{
    loop->busy_until_ns = loop_now_ns(loop) + loop->busy_poll_ns;
}

void flush_hook_init(struct flush_hook *hook,
                     void (*fn)(struct flush_hook *hook))
{
    list_init(&hook->node);
    hook->fn = fn;
}

void loop_flush_later(struct loop *loop, struct flush_hook *hook)
{
    if (list_is_empty(&hook->node)) {
        list_push_back(&loop->flushes, &hook->node);
    }
}

void flush_hook_cancel(struct flush_hook *hook)
{
    list_remove(&hook->node);
}

/* A hook may ask again: that is for the next turn, which will not sleep. */
static void loop_flush(struct loop *loop)
{
    struct list hooks, *node;

    list_init(&hooks);
    list_take(&hooks, &loop->flushes);
    while ((node = list_pop(&hooks)) != NULL) {
        struct flush_hook *hook = CONTAINER_OF(node, struct flush_hook, node);
        hook->fn(hook); /* may free it */
    }
}

static void check_closing(uv_handle_t *handle, void *arg)
{
    (void)arg;
    CHECK(uv_is_closing(handle)); /* somebody forgot to close it */
}

void loop_fini(struct loop *loop)
{
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->wake_at, NULL);
    uv_walk(&loop->uv, check_closing, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop->uv) == 0);
}
