/* SPDX-License-Identifier: Apache-2.0
 *
 * The arrays of all threads hang in one list that only grows: an array outlives
 * its thread, so that counts never go back. The end of the program frees them.
 */
#include "base/metric.h"

#include <stddef.h>

#include "base/check.h"
#include "base/mem.h"

struct metric_array {
    struct metric_array *next;
    _Atomic uint64_t cells[METRIC_COUNT];
};

struct metric_info {
    const char *name, *unit, *help;
};

static const struct metric_info infos[] = {
#define METRIC(name, unit, help) {#name, (unit), (help)},
#include "base/metrics.def"
#undef METRIC
};

_Thread_local _Atomic uint64_t *metric_local;
static _Atomic(struct metric_array *) arrays;

void metric_attach(void)
{
    struct metric_array *array = mem_zalloc(sizeof(*array));

    array->next = atomic_load_explicit(&arrays, memory_order_relaxed);
    /* release: who sees the array sees its `next` and its zeros */
    while (!atomic_compare_exchange_weak_explicit(&arrays, &array->next, array,
                                                  memory_order_release,
                                                  memory_order_relaxed)) {
    }
    metric_local = array->cells;
}

void metric_fini(void)
{
    /* relaxed: no other thread counts any more */
    struct metric_array *array =
        atomic_exchange_explicit(&arrays, NULL, memory_order_relaxed);

    while (array != NULL) {
        struct metric_array *next = array->next;
        mem_free(array);
        array = next;
    }
    metric_local = NULL;
}

uint64_t metric_read(enum metric metric)
{
    const struct metric_array *array;
    uint64_t sum = 0;

    CHECK(metric < METRIC_COUNT);
    array = atomic_load_explicit(&arrays, memory_order_acquire);
    for (; array != NULL; array = array->next) {
        sum +=
            atomic_load_explicit(&array->cells[metric], memory_order_relaxed);
    }
    return sum;
}

const char *metric_name(enum metric metric)
{
    CHECK(metric < METRIC_COUNT);
    return infos[metric].name;
}

const char *metric_unit(enum metric metric)
{
    CHECK(metric < METRIC_COUNT);
    return infos[metric].unit;
}

const char *metric_help(enum metric metric)
{
    CHECK(metric < METRIC_COUNT);
    return infos[metric].help;
}
