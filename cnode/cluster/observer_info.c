/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of OTP's module observer_backend that are called, not spawned.
 */
#include <string.h>

#include <cnode/cnode.h>
#include <cnode/error.h>

#include "cluster/functions_run.h"
#include "cluster/statistics.h"
#include "term/build.h"

int function_vsn(struct function_run *run)
{
    term_put_tuple(run->out, 2);
    term_put_atom(run->out, A_ok);
    term_put_chars(run->out, CNODE_VERSION, strlen(CNODE_VERSION));
    return 0;
}

/* {Key, Value} as observer_backend:sys_info/0 lists them, and which item of
 * system_info/1 the value is. */
static const struct {
    const char *key, *item;
} sys_items[] = {
    {"logical_processors", "logical_processors"},
    {"logical_processors_online", "logical_processors_online"},
    {"logical_processors_available", "logical_processors_available"},
    {"schedulers", "schedulers"},
    {"schedulers_online", "schedulers_online"},
    {"schedulers_available", "schedulers_online"},
    {"otp_release", "otp_release"},
    {"version", "version"},
    {"system_architecture", "system_architecture"},
    {"kernel_poll", "kernel_poll"},
    {"smp_support", "smp_support"},
    {"threads", "threads"},
    {"thread_pool_size", "thread_pool_size"},
    {"wordsize_internal", "wordsize"},
    {"wordsize_external", "wordsize"},
    {"alloc_info", "allocator_sizes"},
    {"process_count", "process_count"},
    {"atom_limit", "atom_limit"},
    {"atom_count", "atom_count"},
    {"process_limit", "process_limit"},
    {"port_limit", "port_limit"},
    {"port_count", "port_count"},
    {"ets_limit", "ets_limit"},
    {"ets_count", "ets_count"},
    {"dist_buf_busy_limit", "dist_buf_busy_limit"},
};

enum { SYS_ITEMS = sizeof(sys_items) / sizeof(sys_items[0]) };

int function_sys_info(struct function_run *run)
{
    size_t start = term_open_list(run->out);
    uint32_t count;

    term_format(run->out, "{uptime, ~u}", statistics_wall_ms(run->functions));
    term_format(run->out, "{run_queue, ~u}", tally_sum(run->tally).queued);
    statistics_put_io_bytes(run->out);
    for (size_t i = 0; i < SYS_ITEMS; i++) {
        term_put_tuple(run->out, 2);
        term_format(run->out, sys_items[i].key);
        system_info_put(run, sys_items[i].item);
    }
    count = 4 + SYS_ITEMS + statistics_put_memory_pairs(run->out);
    term_close_list(run->out, start, count);
    return 0;
}

/* Those of the module socket of a BEAM: a C node has no such thing. */
int function_socket_info(struct function_run *run)
{
    term_format(run->out, "[{iov_max, 0}, {num_monitors, 0}, "
                          "{num_cnt_bits, 64}, {num_sockets, 0}, "
                          "{num_dinet, 0}, {num_dinet6, 0}, {num_dlocal, 0}, "
                          "{num_tstreams, 0}, {num_tdgrams, 0}, "
                          "{num_tseqpkgs, 0}, {num_pip, 0}, {num_psctp, 0}, "
                          "{num_ptcp, 0}, {num_pudp, 0}]");
    return 0;
}

/* Tables of ets: none. Of mnesia: what a BEAM throws that does not run it. */
int function_table_list(struct function_run *run)
{
    struct buf text;

    if (cnode_is_atom(run->args[0], "ets")) {
        term_put_nil(run->out);
        return 0;
    }
    if (!cnode_is_atom(run->args[0], "mnesia")) {
        return CNODE_EINVALID;
    }
    run->class = FUNCTION_THROW;
    buf_init(&text, 0);
    buf_printf(&text, "Mnesia is not running on: %s",
               atom_text(run->node->name));
    term_put_tuple(run->out, 2);
    term_put_atom(run->out, A_error);
    term_put_chars(run->out, (const char *)buf_data(&text), buf_size(&text));
    buf_fini(&text);
    return 0;
}

/* Of ttb, when a trace starts: {ok, MetaFile, MetaPid}. There is nothing to
 * write, so nobody to write it. */
int function_ttb_init_node(struct function_run *run)
{
    term_format(run->out, "{ok, ~t, undefined}", run->args[0]);
    return 0;
}
