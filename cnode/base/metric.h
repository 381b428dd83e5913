/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters. Each thread counts in an array of its own with plain relaxed
 * stores; a reader adds the arrays up. Any thread.
 */
#ifndef CNODE_BASE_METRIC_H
#define CNODE_BASE_METRIC_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum metric {
#define METRIC(name, unit, help) METRIC_##name,
#include "base/metrics.def"
#undef METRIC
    METRIC_COUNT
};

extern _Thread_local _Atomic uint64_t *metric_local;
void metric_attach(void); /* makes this thread's array; called by metric_add */
/* Frees all counts, at the end of the program: no other thread may count. */
void metric_fini(void);

/* relaxed: a counter orders nothing, and only this thread writes the cell. */
static inline void metric_add(enum metric metric, uint64_t n)
{
    if (__builtin_expect(metric_local == NULL, 0)) {
        metric_attach();
    }
    _Atomic uint64_t *cell = &metric_local[metric];
    atomic_store_explicit(cell,
                          atomic_load_explicit(cell, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

#define METRIC_ADD(name, n) metric_add(METRIC_##name, (n))
#define METRIC_INC(name)    metric_add(METRIC_##name, 1)

uint64_t metric_read(enum metric metric); /* sum over all threads */
const char *metric_name(enum metric metric);
const char *metric_unit(enum metric metric);
const char *metric_help(enum metric metric);

#endif
