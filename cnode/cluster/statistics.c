/* SPDX-License-Identifier: Apache-2.0
 *
 * erlang:statistics/1 and memory/0,1. See statistics.h.
 */
#include "cluster/statistics.h"

#include <string.h>
#include <sys/resource.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "base/metric.h"
#include "cluster/functions_run.h"
#include "term/build.h"

enum { NS_PER_MS = 1000000 };

uint64_t statistics_wall_ms(const struct functions *f)
{
    return (loop_clock_ns() - f->start_ns) / NS_PER_MS;
}

static uint64_t runtime_ms(void)
{
    struct rusage use;

    CHECK(getrusage(RUSAGE_SELF, &use) == 0);
    return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000 +
           (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000;
}

void statistics_put_wall_time(const struct functions *f,
                              const struct tally *tally, struct buf *buf)
{
    uint64_t total_ns = loop_clock_ns() - f->start_ns;

    term_put_list(buf, tally->count);
    for (uint32_t i = 0; i < tally->count; i++) {
        uint64_t busy_ns = tally->rows[i].busy_ns;

        term_format(buf, "{~u, ~u, ~u}", (uint64_t)i + 1,
                    busy_ns < total_ns ? busy_ns : total_ns, total_ns);
    }
    term_put_nil(buf);
}

void statistics_put_io(struct buf *buf)
{
    term_format(buf, "{{input, ~u}, {output, ~u}}",
                metric_read(METRIC_bytes_in), metric_read(METRIC_bytes_out));
}

void statistics_put_io_bytes(struct buf *buf)
{
    term_format(buf, "{io_input, ~u}", metric_read(METRIC_bytes_in));
    term_format(buf, "{io_output, ~u}", metric_read(METRIC_bytes_out));
}

/* --- statistics/1. A pair is the value and how much more than last time. */

static void put_pair(struct function_run *run, uint64_t value, uint64_t *last)
{
    term_format(run->out, "{~u, ~u}", value, value - *last);
    *last = value;
}

static void put_wall_clock(struct function_run *run)
{
    put_pair(run, statistics_wall_ms(run->functions),
             &run->functions->last_wall_ms);
}

static void put_runtime(struct function_run *run)
{
    put_pair(run, runtime_ms(), &run->functions->last_runtime_ms);
}

static void put_reductions(struct function_run *run)
{
    put_pair(run, tally_sum(run->tally).handled,
             &run->functions->last_reductions);
}

static void put_context_switches(struct function_run *run)
{
    term_format(run->out, "{~u, 0}", tally_sum(run->tally).handled);
}

static void put_run_queue(struct function_run *run)
{
    term_put_uint(run->out, tally_sum(run->tally).queued);
}

static void put_run_queues(struct function_run *run)
{
    term_put_list(run->out, run->tally->count);
    for (uint32_t i = 0; i < run->tally->count; i++) {
        term_put_uint(run->out, run->tally->rows[i].queued);
    }
    term_put_nil(run->out);
}

static void put_io(struct function_run *run)
{
    statistics_put_io(run->out);
}

static void put_scheduler_wall_time(struct function_run *run)
{
    statistics_put_wall_time(run->functions, run->tally, run->out);
}

static void put_no_collections(struct function_run *run)
{
    term_format(run->out, "{0, 0, 0}");
}

static const struct {
    const char *name;
    void (*put)(struct function_run *run);
} items[] = {
    {"active_tasks", put_run_queues},
    {"active_tasks_all", put_run_queues},
    {"context_switches", put_context_switches},
    {"exact_reductions", put_reductions},
    {"garbage_collection", put_no_collections},
    {"io", put_io},
    {"reductions", put_reductions},
    {"run_queue", put_run_queue},
    {"run_queue_lengths", put_run_queues},
    {"run_queue_lengths_all", put_run_queues},
    {"runtime", put_runtime},
    {"scheduler_wall_time", put_scheduler_wall_time},
    {"scheduler_wall_time_all", put_scheduler_wall_time},
    {"total_active_tasks", put_run_queue},
    {"total_active_tasks_all", put_run_queue},
    {"total_run_queue_lengths", put_run_queue},
    {"total_run_queue_lengths_all", put_run_queue},
    {"wall_clock", put_wall_clock},
};

int function_statistics(struct function_run *run)
{
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        if (cnode_is_atom(run->args[0], items[i].name)) {
            items[i].put(run);
            return 0;
        }
    }
    return CNODE_EINVALID;
}

/* --- memory */

/* From the linker: where the code of the program begins and ends. It has the
 * names. NOLINTNEXTLINE(bugprone-reserved-identifier,cert-*,readability-*) */
extern const char __executable_start[], etext[];

enum memory_kind {
    MEMORY_TOTAL,
    MEMORY_PROCESSES,
    MEMORY_PROCESSES_USED,
    MEMORY_SYSTEM,
    MEMORY_ATOM,
    MEMORY_ATOM_USED,
    MEMORY_BINARY,
    MEMORY_CODE,
    MEMORY_ETS,
    MEMORY_KINDS
};

static const char *const memory_names[MEMORY_KINDS] = {
    "total",     "processes", "processes_used", "system", "atom",
    "atom_used", "binary",    "code",           "ets"};

/* As with a BEAM, total is processes and system. What is in use of the heap
 * counts for the processes: nearly all of it is theirs. */
static void read_memory(uint64_t bytes[MEMORY_KINDS])
{
    struct mem_use use = mem_use();
    uint64_t atoms = atom_bytes();
    uint64_t code =
        (uint64_t)((uintptr_t)etext - (uintptr_t)__executable_start);

    bytes[MEMORY_ATOM] = bytes[MEMORY_ATOM_USED] = atoms;
    bytes[MEMORY_CODE] = code;
    bytes[MEMORY_BINARY] = bytes[MEMORY_ETS] = 0;
    bytes[MEMORY_PROCESSES] = bytes[MEMORY_PROCESSES_USED] = use.in_use;
    bytes[MEMORY_SYSTEM] = atoms + code;
    bytes[MEMORY_TOTAL] = bytes[MEMORY_PROCESSES] + bytes[MEMORY_SYSTEM];
}

static void put_kind(struct buf *buf, int kind, const uint64_t *bytes)
{
    term_format(buf, "{~a, ~u}", memory_names[kind], bytes[kind]);
}

uint32_t statistics_put_memory_pairs(struct buf *buf)
{
    uint64_t bytes[MEMORY_KINDS];

    read_memory(bytes);
    for (int i = 0; i < MEMORY_KINDS; i++) {
        put_kind(buf, i, bytes);
    }
    return MEMORY_KINDS;
}

void statistics_put_memory(struct buf *buf)
{
    term_put_list(buf, MEMORY_KINDS);
    (void)statistics_put_memory_pairs(buf);
    term_put_nil(buf);
}

int function_memory(struct function_run *run)
{
    statistics_put_memory(run->out);
    return 0;
}

static int kind_of(struct cnode_term name)
{
    for (int i = 0; i < MEMORY_KINDS; i++) {
        if (cnode_is_atom(name, memory_names[i])) {
            return i;
        }
    }
    return -1;
}

int function_memory_of(struct function_run *run)
{
    uint64_t bytes[MEMORY_KINDS];
    struct cnode_term name = run->args[0];
    struct cnode_list list;
    uint32_t count = 0;
    size_t start;

    read_memory(bytes);
    if (!cnode_list(name, &list)) {
        if (kind_of(name) < 0) {
            return CNODE_EINVALID;
        }
        term_put_uint(run->out, bytes[kind_of(name)]);
        return 0;
    }
    start = term_open_list(run->out);
    while (cnode_list_next(&list, &name)) {
        if (kind_of(name) < 0) {
            return CNODE_EINVALID;
        }
        put_kind(run->out, kind_of(name), bytes);
        count++;
    }
    term_close_list(run->out, start, count);
    return 0;
}
