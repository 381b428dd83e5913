/* SPDX-License-Identifier: Apache-2.0
 *
 * Timing wheel: millions of timers, O(1) start and stop, one millisecond steps.
 * Pure: time is handed in. One thread.
 *
 * The timer is a member of its owner. It fires once; its callback may start it
 * again, stop others, or free its owner.
 */
#ifndef CNODE_BASE_TIMER_H
#define CNODE_BASE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct timer;
typedef void (*timer_fn)(struct timer *timer);

struct timer {
    struct list node;
    uint64_t due_ms;
    timer_fn fn;
};

enum { WHEEL_LEVELS = 6, WHEEL_SLOTS = 64 }; /* 64^6 ms: two years */

struct wheel {
    uint64_t now_ms;      /* the time last handed in: delays count from it */
    uint64_t position_ms; /* everything due before it has fired */
    uint64_t occupied[WHEEL_LEVELS]; /* a bit a slot: to skip empty ones */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
    uint32_t count;
};

void wheel_init(struct wheel *wheel, uint64_t now_ms);

/* Runs everything due up to now_ms, earliest first; equal times in the order
 * they were started. A timer that its callback starts with delay 0 fires in the
 * next advance at the latest. Returns how many fired. */
unsigned wheel_advance(struct wheel *wheel, uint64_t now_ms);

/* Time has passed, but nothing fires yet: delays of timers started from here on
 * count from now_ms. Going back is ignored. */
void wheel_set_now(struct wheel *wheel, uint64_t now_ms);

/* Milliseconds until the next timer may be due (never later than it is), or
 * UINT64_MAX when none is set. */
uint64_t wheel_next(const struct wheel *wheel);

void timer_init(struct timer *timer, timer_fn fn);
/* Restarts it when it runs already. Longer delays are cut to two years. */
void timer_start(struct wheel *wheel, struct timer *timer, uint64_t delay_ms);
void timer_stop(struct wheel *wheel, struct timer *timer); /* idempotent */
bool timer_is_active(const struct timer *timer);

#endif
