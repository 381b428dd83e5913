/* SPDX-License-Identifier: Apache-2.0
 *
 * One libuv loop with a timing wheel, cached time and a way to run something at
 * the end of each turn. The owner thread only, except loop_wake().
 *
 * A turn: poll (block at most until the next timer), run due timers, run the
 * `turn` callback of the owner (the scheduler), then the flush hooks (channels
 * write what the turn produced, one writev each).
 */
#ifndef CNODE_BASE_LOOP_H
#define CNODE_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/list.h"
#include "base/timer.h"

struct loop;

/* Something to do once at the end of this turn. */
struct flush_hook {
    struct list node;
    void (*fn)(struct flush_hook *hook);
};

/* Waking up a loop that is awake costs no system call. */
enum loop_wakefulness {
    LOOP_AWAKE,
    LOOP_ASLEEP, /* in a poll that blocks */
    LOOP_WOKEN,  /* the next poll must not block */
};

struct loop {
    uv_loop_t uv;
    uv_timer_t wake_at;      /* bounds the blocking poll */
    uv_async_t wake;         /* loop_wake() from other threads */
    _Atomic int wakefulness; /* enum loop_wakefulness */
    struct wheel wheel;
    /* Monotonic, of the start of the turn. While libuv's callbacks run use
     * loop_now_ms(): the poll may have slept since. */
    uint64_t now_ms;
    uint64_t now_ns;
    bool is_stale;       /* polling: nobody has read the clock since it began */
    bool has_more;       /* what `turn` returned */
    struct list flushes; /* struct flush_hook */
    uint64_t busy_poll_ns; /* keep polling that long after traffic; 0: never */
    uint64_t busy_until_ns;
    uint64_t pause_ns; /* read pacing: sleep before the next poll */
    bool stopped;
    /* Runs the owner's work. True: there is more, poll without blocking. */
    bool (*turn)(void *owner);
    void *owner;
};

/* `turn` may be NULL. 0 or an error of libuv. */
MUST_USE int loop_init(struct loop *loop, bool (*turn)(void *owner),
                       void *owner);
/* Every handle must be closed by its owner before; runs pending close events.
 */
void loop_fini(struct loop *loop);

/* Runs turns until loop_stop(); returns at once when that was called before. */
void loop_run(struct loop *loop);
/* Runs one turn; at most `wait_ms` in the poll. For tests. */
void loop_turn(struct loop *loop, uint64_t wait_ms);
void loop_stop(struct loop *loop); /* after the current turn */

/* Makes a blocked poll return soon. Any thread. */
void loop_wake(struct loop *loop);

/* Runs `hook` at the end of this turn; asking again before that does nothing.
 */
void loop_flush_later(struct loop *loop, struct flush_hook *hook);
void flush_hook_init(struct flush_hook *hook,
                     void (*fn)(struct flush_hook *hook));
void flush_hook_cancel(struct flush_hook *hook);

/* The time, read at most once per poll: cheap, and right in any callback. */
void loop_refresh_slow(struct loop *loop);

static inline void loop_refresh(struct loop *loop)
{
    if (__builtin_expect(loop->is_stale, 0)) {
        loop_refresh_slow(loop);
    }
}

static inline uint64_t loop_now_ms(struct loop *loop)
{
    loop_refresh(loop);
    return loop->now_ms;
}

static inline uint64_t loop_now_ns(struct loop *loop)
{
    loop_refresh(loop);
    return loop->now_ns;
}

/* The clock itself, for work that must not fill a turn. */
uint64_t loop_clock_ns(void);

/* Traffic happened: busy-poll from now for busy_poll_ns. */
void loop_traffic(struct loop *loop);

static inline void loop_timer_start(struct loop *loop, struct timer *timer,
                                    uint64_t delay_ms)
{
    loop_refresh(
        loop); /* the delay counts from now, not from before the poll */
    timer_start(&loop->wheel, timer, delay_ms);
}

static inline void loop_timer_stop(struct loop *loop, struct timer *timer)
{
    timer_stop(&loop->wheel, timer);
}

#endif
