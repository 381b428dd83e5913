/* SPDX-License-Identifier: Apache-2.0
 *
 * Hierarchical timing wheel (Varghese and Lauck, "Hashed and hierarchical
 * timing wheels"). Time is read as digits of base 64, one level a digit:
 *
 *     level 5        level 2   level 1   level 0
 *     digit 5  ...   digit 2   digit 1   digit 0     of due_ms
 *
 * A timer lies at the level of the highest digit in which its due time differs
 * from `position_ms`, in the slot of that digit. So level 0 holds what is due
 * within the current 64 ms, one slot a millisecond. When the position reaches
 * the start of a slot of a higher level, its timers are placed again and land
 * lower ("cascade").
 *
 * The place is a function of position and due time alone. So timers with the
 * same due time always share a slot, in the order in which they were started,
 * and a cascade that walks the slot from its front keeps that order.
 *
 * The highest level is a ring: its slots behind the current digit belong to the
 * next round. A timer too far away for it waits in the farthest slot and is
 * placed again from there.
 */
#include "base/timer.h"

#include "base/check.h"

enum {
    DIGIT_BITS = 6,
    TOP = WHEEL_LEVELS - 1,
    TOP_SHIFT = TOP * DIGIT_BITS,
};
_Static_assert(WHEEL_SLOTS == 1 << DIGIT_BITS, "a slot for each digit");

/* One slot less than a round of the top level: the last slot of the round never
 * meets the current one. */
#define DELAY_MAX ((UINT64_C(1) << TOP_SHIFT) * (WHEEL_SLOTS - 1) - 1)
#define NEVER     UINT64_MAX

static inline unsigned digit(uint64_t ms, unsigned level)
{
    return (unsigned)(ms >> (level * DIGIT_BITS)) & (WHEEL_SLOTS - 1);
}

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
    wheel->now_ms = now_ms;
    wheel->position_ms = now_ms;
    wheel->count = 0;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++) {
            list_init(&wheel->slots[level][slot]);
        }
    }
}

void timer_init(struct timer *timer, timer_fn fn)
{
    list_init(&timer->node);
    timer->due_ms = 0;
    timer->fn = fn;
}

bool timer_is_active(const struct timer *timer)
{
    return !list_is_empty(&timer->node);
}

static void wheel_place(struct wheel *wheel, struct timer *timer)
{
    uint64_t position = wheel->position_ms;
    uint64_t due = timer->due_ms;
    uint64_t differing;
    unsigned level, slot;

    if (due - position > DELAY_MAX) {
        due = position + DELAY_MAX;
    }
    differing = (due ^ position) | 1; /* |1: level 0 when they are equal */
    level = (63 - (unsigned)__builtin_clzll(differing)) / DIGIT_BITS;
    level = level > TOP ? TOP : level;
    slot = digit(due, level);
    list_push_back(&wheel->slots[level][slot], &timer->node);
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

void timer_start(struct wheel *wheel, struct timer *timer, uint64_t delay_ms)
{
    timer_stop(wheel, timer);
    timer->due_ms =
        wheel->now_ms + (delay_ms > DELAY_MAX ? DELAY_MAX : delay_ms);
    wheel_place(wheel, timer);
    wheel->count++;
}

void timer_stop(struct wheel *wheel, struct timer *timer)
{
    struct list *next = timer->node.next;
    const struct list *first = &wheel->slots[0][0];

    if (!timer_is_active(timer)) {
        return;
    }
    list_remove(&timer->node);
    wheel->count--;
    /* An empty ring is a head, of a slot or of the list that is running now */
    if (list_is_empty(next) && next >= first &&
        next < first + (size_t)WHEEL_LEVELS * WHEEL_SLOTS) {
        unsigned index = (unsigned)(next - first);
        wheel->occupied[index / WHEEL_SLOTS] &=
            ~(UINT64_C(1) << (index % WHEEL_SLOTS));
    }
}

/* The next moment at which a slot must be looked at, and which. The slots of a
 * lower level all come before those of a higher one. */
static uint64_t wheel_stop(const struct wheel *wheel, unsigned *level_at,
                           unsigned *slot_at)
{
    uint64_t position = wheel->position_ms;

    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        unsigned shift = level * DIGIT_BITS;
        unsigned current = digit(position, level);
        uint64_t occupied = wheel->occupied[level];
        uint64_t ahead = occupied & ~UINT64_C(0) << current;
        uint64_t round = position >> shift >> DIGIT_BITS;

        if (occupied == 0) {
            continue;
        }
        if (ahead == 0) {
            DCHECK(level == TOP);
            ahead = occupied;
            round++;
        }
        *level_at = level;
        *slot_at = (unsigned)__builtin_ctzll(ahead);
        return (round << DIGIT_BITS | *slot_at) << shift;
    }
    return NEVER;
}

/* Fires the timers of one slot of level 0. Those that start again for the same
 * moment wait for the next time the slot is looked at. */
static unsigned wheel_fire(struct wheel *wheel, struct list *slot)
{
    struct list due, *node;
    unsigned fired = 0;

    list_init(&due);
    list_take(&due, slot);
    while ((node = list_pop(&due)) != NULL) {
        struct timer *timer = CONTAINER_OF(node, struct timer, node);
        wheel->count--;
        fired++;
        timer->fn(timer); /* may free it */
    }
    return fired;
}

static void wheel_cascade(struct wheel *wheel, struct list *slot)
{
    struct list moving, *node;

    list_init(&moving);
    list_take(&moving, slot);
    while ((node = list_pop(&moving)) != NULL) {
        wheel_place(wheel, CONTAINER_OF(node, struct timer, node));
    }
}

void wheel_set_now(struct wheel *wheel, uint64_t now_ms)
{
    if (now_ms > wheel->now_ms) {
        wheel->now_ms = now_ms;
    }
}

unsigned wheel_advance(struct wheel *wheel, uint64_t now_ms)
{
    unsigned fired = 0, level = 0, slot = 0;
    bool is_last_ms = false;

    wheel_set_now(wheel, now_ms);
    while (!is_last_ms) {
        uint64_t stop = wheel_stop(wheel, &level, &slot);
        if (stop > wheel->now_ms) {
            break;
        }
        wheel->position_ms = stop;
        wheel->occupied[level] &= ~(UINT64_C(1) << slot);
        if (level > 0) {
            wheel_cascade(wheel, &wheel->slots[level][slot]);
            continue;
        }
        /* once only: timers of delay 0 could keep us here for ever */
        is_last_ms = stop == wheel->now_ms;
        fired += wheel_fire(wheel, &wheel->slots[level][slot]);
    }
    wheel->position_ms = wheel->now_ms;
    return fired;
}

uint64_t wheel_next(const struct wheel *wheel)
{
    unsigned level, slot;
    uint64_t stop = wheel_stop(wheel, &level, &slot);

    if (stop == NEVER) {
        return NEVER;
    }
    return stop > wheel->now_ms ? stop - wheel->now_ms : 0;
}
