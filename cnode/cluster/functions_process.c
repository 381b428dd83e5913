/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of functions.def about one process, run on its scheduler, and about
 * all of them.
 */
#include <cnode/error.h>

#include "cluster/functions_run.h"
#include "node/process_info.h"
#include "node/system.h"
#include "term/build.h"

enum { PIDS_PER_SLICE = 20000 };

int function_processes(struct function_run *run)
{
    const struct process_table *table = &run->node->scheduler.table;
    const struct process *process = NULL;

    while (run->count < PIDS_PER_SLICE &&
           (process = process_table_next(table, &run->slot)) != NULL) {
        term_put_pid(run->out, node_pid(run->node, process));
        run->count++;
    }
    run->has_more = process != NULL;
    return 0;
}

int function_is_process_alive(struct function_run *run)
{
    term_put_atom(run->out, run->process != NULL ? A_true : A_false);
    return 0;
}

static int put_undefined(struct function_run *run)
{
    term_put_atom(run->out, A_undefined);
    return 0;
}

int function_process_info(struct function_run *run)
{
    if (run->process == NULL) {
        return put_undefined(run);
    }
    process_info_put_all(run->node, run->process, run->out);
    return 0;
}

int function_process_info_of(struct function_run *run)
{
    if (run->process == NULL) {
        return put_undefined(run);
    }
    return process_info_put(run->node, run->process, run->args[1], run->out);
}

/* As proc_lib says of what it did not start. */
int function_initial_call(struct function_run *run)
{
    struct process_about about;

    if (run->process == NULL) {
        term_format(run->out, "{proc_lib, init_p, 5}");
        return 0;
    }
    about = process_about(run->process);
    process_put_initial_call(&about, run->out);
    return 0;
}

int function_label(struct function_run *run)
{
    if (run->process == NULL || run->process->class->put_label == NULL) {
        return put_undefined(run);
    }
    run->process->class->put_label(run->process, run->out);
    return 0;
}

static int no_process(struct function_run *run, const char *name)
{
    run->class = FUNCTION_EXIT;
    term_format(run->out, "{noproc, {sys, ~a, [~t]}}", name, run->args[0]);
    return 0;
}

int function_get_state(struct function_run *run)
{
    if (run->process == NULL) {
        return no_process(run, "get_state");
    }
    return system_put_state(run->node, run->process, run->out);
}

int function_get_status(struct function_run *run)
{
    if (run->process == NULL) {
        return no_process(run, "get_status");
    }
    system_put_status(run->node, run->process, run->out);
    return 0;
}
