/* SPDX-License-Identifier: Apache-2.0
 *
 * See rpc.h. A process lives from the spawn until its function has a result; it
 * may be killed before, and the result then finds nobody.
 */
#include "cluster/rpc.h"

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cluster/rpc_request.h"
#include "term/build.h"

struct rpc_process {
    struct process process;
    struct rpc *rpc;
    struct list in_rpc;
    struct cnode_kept *request; /* rpc_request_put() */
};

/* Who waits for a result: it may have ended. */
struct waiter {
    struct rpc *rpc;
    struct pid pid;
};

/* --- the end of a process */

static void end(struct rpc_process *p, struct cnode_term reason)
{
    struct cnode_kept *request = p->request;

    list_remove(&p->in_rpc);
    node_exit(p->rpc->node, &p->process, reason);
    mem_free(p);
    cnode_term_free(request);
}

static void on_message(struct process *process, const struct signal *signal)
{
    (void)process;
    (void)signal; /* it receives none */
}

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    end(CONTAINER_OF(process, struct rpc_process, process), reason);
}

static void describe(const struct process *process, struct process_about *about)
{
    (void)process;
    about->bytes = sizeof(struct rpc_process);
}

static const struct process_class class = {
    .name = "erpc",
    .message = on_message,
    .exit = on_exit_signal,
    .describe = describe,
};

/* NULL: undef. */
static void end_with(struct rpc_process *p,
                     const struct function_result *result)
{
    struct rpc_request request;
    struct cnode_term reason;
    struct buf buf;

    rpc_request_get(cnode_kept_term(p->request), &request);
    buf_init(&buf, limits.message_bytes);
    rpc_request_put_result(&buf, &request, result);
    if (buf_error(&buf) != 0) {
        struct function_result failed = {.class = FUNCTION_EXIT,
                                         .term = atom_term(A_system_limit)};

        buf_clear(&buf);
        rpc_request_put_result(&buf, &request, &failed);
    }
    reason = buf_error(&buf) == 0 ? term_at(buf_data(&buf), buf_size(&buf))
                                  : atom_term(A_system_limit);
    end(p, reason);
    buf_fini(&buf);
}

static void on_result(void *owner, const struct function_result *result)
{
    struct waiter *waiter = owner;
    struct process *process = NULL;

    if (result != NULL) {
        process = node_find(waiter->rpc->node, waiter->pid);
    }
    mem_free(waiter);
    if (process != NULL) {
        end_with(CONTAINER_OF(process, struct rpc_process, process), result);
    }
}

/* --- its beginning */

/* What others must handle, or nobody: no function of ours by itself. */
static bool is_ours(const struct rpc *rpc, const struct rpc_request *request)
{
    struct cnode_list list;

    if (request->form != RPC_SPAWN) {
        return true;
    }
    return cnode_list(request->args, &list) &&
           functions_has(rpc->functions, request->module, request->function,
                         list.left);
}

static struct cnode_kept *keep(const struct rpc_request *request)
{
    struct cnode_kept *kept = NULL;
    struct buf buf;

    buf_init(&buf, 0);
    rpc_request_put(&buf, request);
    if (buf_error(&buf) == 0) {
        kept = cnode_term_copy(term_at(buf_data(&buf), buf_size(&buf)));
    }
    buf_fini(&buf);
    return kept;
}

static int on_spawn(void *owner, struct node *node,
                    const struct spawn_call *call, struct process **process)
{
    struct rpc *rpc = owner;
    struct rpc_request request;
    struct rpc_process *p;
    int rc;

    rpc_request_read(call->module, call->function, call->args, &request);
    if (!is_ours(rpc, &request)) {
        return CNODE_NOT_FOUND;
    }
    p = mem_zalloc(sizeof(*p));
    p->rpc = rpc;
    p->request = keep(&request);
    rc = p->request != NULL ? node_spawn(node, &p->process, &class)
                            : CNODE_NOMEM;
    if (rc != 0) {
        cnode_term_free(p->request);
        mem_free(p);
        return rc;
    }
    list_push_back(&rpc->processes, &p->in_rpc);
    *process = &p->process;
    return 0;
}

static void on_start(void *owner, struct node *node, struct process *process,
                     const struct spawn_call *call)
{
    struct rpc *rpc = owner;
    struct waiter *waiter = mem_alloc(sizeof(*waiter));
    struct rpc_request request;

    (void)call;
    *waiter = (struct waiter){.rpc = rpc, .pid = node_pid(node, process)};
    rpc_request_get(
        cnode_kept_term(
            CONTAINER_OF(process, struct rpc_process, process)->request),
        &request);
    if (!functions_call(rpc->functions, request.module, request.function,
                        request.args, on_result, waiter)) {
        mem_free(waiter);
        end_with(CONTAINER_OF(process, struct rpc_process, process), NULL);
    }
}

/* --- the service */

void rpc_start(struct rpc *rpc, struct node *node, struct functions *functions)
{
    *rpc = (struct rpc){
        .node = node,
        .functions = functions,
        .handler = {.spawn = on_spawn, .start = on_start, .owner = rpc}};
    list_init(&rpc->processes);
    node_add_spawn_handler(node, &rpc->handler);
}

void rpc_stop(struct rpc *rpc)
{
    while (!list_is_empty(&rpc->processes)) {
        end(CONTAINER_OF(rpc->processes.next, struct rpc_process, in_rpc),
            atom_term(A_shutdown));
    }
}
