/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that looks whether a callback runs too long. Over the budget it is
 * reported once with its name; over the limit the node aborts with that report
 * (a C callback cannot be stopped otherwise).
 *
 * The scheduler only stores a number at the start and end of each callback; the
 * watchdog compares what it sees with what it saw before.
 */
#ifndef CNODE_RUNTIME_WATCHDOG_H
#define CNODE_RUNTIME_WATCHDOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

/* One per scheduler; written by it, read by the watchdog. */
struct watch {
    _Atomic uint64_t runs;      /* odd: a callback is running */
    _Atomic(const char *) what; /* lives for ever */
    _Atomic uint64_t pid;       /* slot << 32 | serial */
};

/* relaxed: the watchdog only samples; nothing else is ordered by these. `what`:
 * release, as it reads the text. */
static inline void watch_begin(struct watch *watch, const char *what,
                               uint32_t slot, uint32_t serial)
{
    uint64_t runs = atomic_load_explicit(&watch->runs, memory_order_relaxed);
    atomic_store_explicit(&watch->what, what, memory_order_release);
    atomic_store_explicit(&watch->pid, (uint64_t)slot << 32 | serial,
                          memory_order_relaxed);
    atomic_store_explicit(&watch->runs, runs + 1, memory_order_relaxed);
}

static inline void watch_end(struct watch *watch)
{
    uint64_t runs = atomic_load_explicit(&watch->runs, memory_order_relaxed);
    atomic_store_explicit(&watch->runs, runs + 1, memory_order_relaxed);
}

struct watchdog;

/* `report` runs on the watchdog's thread: fatal is true over the limit, and the
 * process aborts when it returns. 0 ns turns either off. NULL `report`: logs.
 */
typedef void (*watchdog_fn)(const char *what, uint32_t slot, uint32_t serial,
                            uint64_t ms, bool fatal);
MUST_USE int watchdog_start(struct watchdog **watchdog,
                            struct watch *const *watches, unsigned count,
                            uint64_t budget_ns, uint64_t limit_ns,
                            watchdog_fn report);
void watchdog_stop(struct watchdog *watchdog); /* joins; NULL is fine */

#endif
