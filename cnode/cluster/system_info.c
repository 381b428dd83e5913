/* SPDX-License-Identifier: Apache-2.0
 *
 * erlang:system_info/1: a table of what tools ask for. What a BEAM has and a C
 * node has not (ports, tables, dirty schedulers) is 0 of it, with a
 * limit of 1, by which observer divides.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cnode/cnode.h>
#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cluster/functions_run.h"
#include "term/build.h"

/* What we speak of the distribution protocol is OTP 28's (dist/flags.def). */
#define OTP_RELEASE "28"

static void put_text(struct buf *buf, const char *text)
{
    term_put_chars(buf, text, strlen(text));
}

/* --- one function an item that has to be looked up */

static void put_creation(struct function_run *run)
{
    term_put_uint(run->out, run->node->creation);
}

static void put_atom_count(struct function_run *run)
{
    term_put_uint(run->out, atom_count());
}

static void put_atom_limit(struct function_run *run)
{
    term_put_uint(run->out, limits.atoms);
}

static void put_process_count(struct function_run *run)
{
    term_put_uint(run->out, tally_sum(run->tally).processes);
}

static void put_process_limit(struct function_run *run)
{
    term_put_uint(run->out, limits.processes);
}

static void put_schedulers(struct function_run *run)
{
    term_put_uint(run->out, run->tally->count);
}

static void put_processors(struct function_run *run)
{
    term_put_int(run->out, sysconf(_SC_NPROCESSORS_CONF));
}

static void put_processors_online(struct function_run *run)
{
    term_put_int(run->out, sysconf(_SC_NPROCESSORS_ONLN));
}

/* Those this process may run on. */
static void put_processors_available(struct function_run *run)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        term_put_int(run->out, CPU_COUNT(&set));
    } else {
        put_processors_online(run);
    }
}

static void put_otp_release(struct function_run *run)
{
    put_text(run->out, OTP_RELEASE);
}

static void put_version(struct function_run *run)
{
    put_text(run->out, CNODE_VERSION);
}

static void put_machine(struct function_run *run)
{
    put_text(run->out, "cnode");
}

static void put_system_version(struct function_run *run)
{
    struct buf text;

    buf_init(&text, 0);
    buf_printf(&text,
               "cnode %s [64-bit] [smp:%u:%u] (C node, protocol of OTP "
               "%s)\n",
               CNODE_VERSION, run->tally->count, run->tally->count,
               OTP_RELEASE);
    term_put_chars(run->out, (const char *)buf_data(&text), buf_size(&text));
    buf_fini(&text);
}

#if defined(__x86_64__)
#define ARCHITECTURE "x86_64"
#elif defined(__aarch64__)
#define ARCHITECTURE "aarch64"
#else
#define ARCHITECTURE "unknown"
#endif

static void put_architecture(struct function_run *run)
{
    put_text(run->out, ARCHITECTURE "-pc-linux-gnu");
}

/* As of an allocator that has all its memory in one carrier. */
static void put_allocator_sizes(struct function_run *run)
{
    struct mem_use use = mem_use();

    term_format(
        run->out,
        "[{libc_malloc, [{instance, 0, [{mbcs, [{blocks, [{libc_malloc, "
        "[{size, ~u, ~u, ~u}]}]}, {carriers_size, ~u, ~u, ~u}]}]}]}]",
        (uint64_t)use.in_use, (uint64_t)use.in_use, (uint64_t)use.in_use,
        (uint64_t)use.mapped, (uint64_t)use.mapped, (uint64_t)use.mapped);
}

static void put_busy_limit(struct function_run *run)
{
    term_put_uint(run->out, limits.send_queue_bytes);
}

static void put_start_time(struct function_run *run)
{
    term_put_uint(run->out, run->functions->start_ns);
}

/* Monotonic time does not end before its 64 bits do. */
static void put_end_time(struct function_run *run)
{
    term_put_int(run->out, INT64_MAX);
}

static void put_compatible_release(struct function_run *run)
{
    term_put_int(run->out, strtol(OTP_RELEASE, NULL, 10));
}

static void put_compiler(struct function_run *run)
{
    term_format(run->out, "{gnuc, {~i, ~i, ~i}}", (int64_t)__GNUC__,
                (int64_t)__GNUC_MINOR__, (int64_t)__GNUC_PATCHLEVEL__);
}

/* A tuple, an element for each scheduler. */
static void put_bindings(struct function_run *run)
{
    term_put_tuple(run->out, run->tally->count);
    for (uint32_t i = 0; i < run->tally->count; i++) {
        term_put_atom_text(run->out, "unbound", strlen("unbound"));
    }
}

static const struct {
    const char *name;
    void (*put)(struct function_run *run);
    const char *constant; /* when put is NULL */
} items[] = {
    {"alloc_util_allocators", NULL, "[libc_malloc]"},
    {"allocator", NULL, "{libc_malloc, [], [], []}"},
    {"allocator_sizes", put_allocator_sizes, NULL},
    {"async_dist", NULL, "false"},
    {"atom_count", put_atom_count, NULL},
    {"atom_limit", put_atom_limit, NULL},
    {"build_type", NULL, "opt"},
    {"c_compiler_used", put_compiler, NULL},
    {"compat_rel", put_compatible_release, NULL},
    {"cpu_quota", NULL, "unknown"},
    {"cpu_topology", NULL, "undefined"},
    {"creation", put_creation, NULL},
    {"debug_compiled", NULL, "false"},
    {"delayed_node_table_gc", NULL, "60"},
    {"dirty_cpu_schedulers", NULL, "0"},
    {"dirty_cpu_schedulers_online", NULL, "0"},
    {"dirty_io_schedulers", NULL, "0"},
    {"dist_buf_busy_limit", put_busy_limit, NULL},
    {"driver_version", NULL, "\"3.3\""},
    {"dynamic_trace", NULL, "none"},
    {"eager_check_io", NULL, "true"},
    {"emu_flavor", NULL, "native"},
    {"emu_type", NULL, "opt"},
    {"end_time", put_end_time, NULL},
    {"ets_count", NULL, "0"},
    {"ets_limit", NULL, "1"},
    {"fullsweep_after", NULL, "{fullsweep_after, 0}"},
    {"garbage_collection", NULL,
     "[{max_heap_size, 0}, {min_bin_vheap_size, 0}, {min_heap_size, 0}, "
     "{fullsweep_after, 0}]"},
    {"heap_sizes", NULL, "[]"},
    {"heap_type", NULL, "private"},
    {"kernel_poll", NULL, "true"},
    {"logical_processors", put_processors, NULL},
    {"logical_processors_available", put_processors_available, NULL},
    {"logical_processors_online", put_processors_online, NULL},
    {"machine", put_machine, NULL},
    {"max_heap_size", NULL,
     "#{size => 0, kill => false, error_logger => false}"},
    {"message_queue_data", NULL, "on_heap"},
    {"min_bin_vheap_size", NULL, "{min_bin_vheap_size, 0}"},
    {"min_heap_size", NULL, "{min_heap_size, 0}"},
    {"modified_timing_level", NULL, "undefined"},
    {"multi_scheduling", NULL, "enabled"},
    {"nif_version", NULL, "\"0.0\""},
    {"otp_release", put_otp_release, NULL},
    {"port_count", NULL, "0"},
    {"port_limit", NULL, "1"},
    {"port_parallelism", NULL, "false"},
    {"process_count", put_process_count, NULL},
    {"process_limit", put_process_limit, NULL},
    {"scheduler_bind_type", NULL, "unbound"},
    {"scheduler_bindings", put_bindings, NULL},
    {"scheduler_id", NULL, "1"},
    {"schedulers", put_schedulers, NULL},
    {"schedulers_online", put_schedulers, NULL},
    {"smp_support", NULL, "true"},
    {"start_time", put_start_time, NULL},
    {"system_architecture", put_architecture, NULL},
    {"system_version", put_system_version, NULL},
    {"taints", NULL, "[]"},
    {"thread_pool_size", NULL, "0"},
    {"threads", NULL, "true"},
    {"time_correction", NULL, "true"},
    {"time_offset", NULL, "final"},
    {"time_warp_mode", NULL, "no_time_warp"},
    {"tolerant_timeofday", NULL, "enabled"},
    {"trace_control_word", NULL, "0"},
    {"update_cpu_info", NULL, "unchanged"},
    {"version", put_version, NULL},
    {"wordsize", NULL, "8"},
};

/* {wordsize, internal}, {allocator_sizes, Allocators} and the like. */
static int put_pair(struct function_run *run, struct cnode_term item)
{
    if (cnode_match(item, "{wordsize, internal}") ||
        cnode_match(item, "{wordsize, external}")) {
        term_put_uint(run->out, 8);
        return 0;
    }
    if (cnode_match(item, "{allocator_sizes, _}")) {
        put_allocator_sizes(run);
        return 0;
    }
    return CNODE_EINVALID;
}

enum { ITEM_COUNT = sizeof(items) / sizeof(items[0]) };

static void put_item(struct function_run *run, size_t i)
{
    if (items[i].put != NULL) {
        items[i].put(run);
    } else {
        term_format(run->out, items[i].constant);
    }
}

void system_info_put(struct function_run *run, const char *item)
{
    for (size_t i = 0; i < ITEM_COUNT; i++) {
        if (strcmp(items[i].name, item) == 0) {
            put_item(run, i);
            return;
        }
    }
    CHECK(!"an item that is in the table");
}

int function_system_info(struct function_run *run)
{
    struct cnode_term item = run->args[0];

    for (size_t i = 0; i < ITEM_COUNT; i++) {
        if (cnode_is_atom(item, items[i].name)) {
            put_item(run, i);
            return 0;
        }
    }
    return put_pair(run, item);
}
