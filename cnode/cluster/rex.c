/* SPDX-License-Identifier: Apache-2.0
 *
 * See rex.h.
 */
#include "cluster/rex.h"

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cluster/rpc_request.h"
#include "node/gen.h"
#include "term/build.h"

static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);
static void describe(const struct process *process,
                     struct process_about *about);

static const struct process_class class = {
    .name = "rex",
    .message = on_message,
    .exit = on_exit_signal,
    .describe = describe,
};

int rex_start(struct rex *rex, struct node *node, struct functions *functions)
{
    int rc;

    rex->node = node;
    rex->functions = functions;
    rc = node_spawn(node, &rex->process, &class);
    if (rc != 0) {
        return rc;
    }
    rex->process.flags |= PROCESS_TRAP_EXIT;
    rc = names_register(node, A_rex, &rex->process);
    if (rc != 0) {
        node_exit(node, &rex->process, atom_term(A_normal));
    }
    return rc;
}

static void describe(const struct process *process, struct process_about *about)
{
    (void)process;
    about->module = A_rex;
    about->bytes = sizeof(struct rex);
}

/* --- calls. The result may come later: who waits for it is kept. */

struct caller {
    struct rex *rex;
    bool is_gen;             /* {From, Tag} of a call, else the pid alone */
    struct cnode_kept *kept; /* {Request, From, Tag} */
};

static struct caller *caller_new(struct rex *rex, bool is_gen,
                                 const struct gen_from *from,
                                 const struct rpc_request *request)
{
    struct caller *caller = mem_alloc(sizeof(*caller));
    struct buf buf;

    *caller = (struct caller){.rex = rex, .is_gen = is_gen};
    buf_init(&buf, 0);
    term_put_tuple(&buf, 3);
    rpc_request_put(&buf, request);
    term_put_copy(&buf, from->pid);
    term_put_copy(&buf, from->tag);
    if (buf_error(&buf) == 0) {
        caller->kept = cnode_term_copy(term_at(buf_data(&buf), buf_size(&buf)));
    }
    buf_fini(&buf);
    return caller;
}

static void caller_free(struct caller *caller)
{
    cnode_term_free(caller->kept);
    mem_free(caller);
}

/* What was written to the scratch buffer, to a pid that a peer gave us. */
static void send_scratch(struct rex *rex, struct cnode_term to)
{
    struct pid pid;
    struct dest dest;

    if (term_get_pid(to, &pid) && !pid_is_none(pid)) {
        dest = dest_pid(pid);
        (void)route_send(rex->node, node_pid(rex->node, &rex->process), &dest,
                         node_scratch_payload(rex->node));
    } /* else of a node we never met */
}

static void reply(const struct caller *caller, struct cnode_term value)
{
    struct rex *rex = caller->rex;
    struct cnode_term parts[3];
    struct gen_from from;

    CHECK(term_get_tuple(cnode_kept_term(caller->kept), 3, parts));
    from = (struct gen_from){.pid = parts[1], .tag = parts[2]};
    if (caller->is_gen) {
        (void)gen_reply(rex->node, &rex->process, &from, "~t", value);
    } else {
        term_format(node_scratch(rex->node), "{rex, ~t}", value);
        send_scratch(rex, from.pid);
    }
}

/* NULL: undef. */
static void reply_result(const struct caller *caller,
                         const struct function_result *result)
{
    struct rpc_request request;
    struct cnode_term parts[3];
    struct buf buf;

    CHECK(term_get_tuple(cnode_kept_term(caller->kept), 3, parts));
    rpc_request_get(parts[0], &request);
    buf_init(&buf, limits.message_bytes);
    rpc_request_put_result(&buf, &request, result);
    if (buf_error(&buf) != 0) {
        buf_clear(&buf);
        term_format(&buf, "{badrpc, {'EXIT', system_limit}}");
    }
    reply(caller, term_at(buf_data(&buf), buf_size(&buf)));
    buf_fini(&buf);
}

static void on_result(void *owner, const struct function_result *result)
{
    struct caller *caller = owner;

    if (result != NULL) {
        reply_result(caller, result);
    }
    caller_free(caller);
}

static void call(struct rex *rex, const struct gen_from *from, bool is_gen,
                 const struct rpc_request *request)
{
    struct caller *caller = caller_new(rex, is_gen, from, request);

    if (caller->kept == NULL) {
        if (is_gen) {
            (void)gen_reply(rex->node, &rex->process, from,
                            "{badrpc, {'EXIT', system_limit}}");
        }
        caller_free(caller);
    } else if (!functions_call_by_rex(rex->functions, request->module,
                                      request->function, request->args,
                                      on_result, caller)) {
        reply_result(caller, NULL);
        caller_free(caller);
    }
}

/* --- {From, Request} */

static void pass_on(struct rex *rex, struct cnode_term from,
                    const struct cnode_term *parts)
{
    bool is_broadcast = cnode_is_atom(parts[0], "sbcast");
    atom_t name = term_atom(parts[1]);
    struct dest dest = dest_name(name, rex->node->name);
    struct pid pid;

    if (name == ATOM_NONE || !names_receiver(rex->node, name, &pid)) {
        term_format(node_scratch(rex->node),
                    "{rex, ~A, {nonexisting_name, ~t}}", rex->node->name,
                    parts[1]);
        send_scratch(rex, from);
        return;
    }
    if (is_broadcast) {
        term_put_copy(node_scratch(rex->node), parts[2]);
    } else {
        term_format(node_scratch(rex->node), "{~t, ~t}", from, parts[2]);
    }
    (void)route_send(rex->node, node_pid(rex->node, &rex->process), &dest,
                     node_scratch_payload(rex->node));
    if (is_broadcast) {
        term_format(node_scratch(rex->node), "{rex, ~A, ~A}", rex->node->name,
                    rex->node->name);
        send_scratch(rex, from);
    }
}

static void on_info(struct rex *rex, struct cnode_term message)
{
    struct cnode_term parts[2], what[3];
    struct rpc_request request;
    struct gen_from from;

    if (!term_get_tuple(message, 2, parts) ||
        cnode_type(parts[0]) != CNODE_TYPE_PID) {
        return;
    }
    if (cnode_is_atom(parts[1], "features_request")) {
        term_format(node_scratch(rex->node), "{features_reply, ~A, [erpc]}",
                    rex->node->name);
        send_scratch(rex, parts[0]);
    } else if (rpc_request_read_server(parts[1], &request)) {
        from = (struct gen_from){.pid = parts[0], .tag = term_nil()};
        call(rex, &from, false, &request);
    } else if (term_get_tuple(parts[1], 3, what) &&
               (cnode_is_atom(what[0], "sbcast") ||
                cnode_is_atom(what[0], "send"))) {
        pass_on(rex, parts[0], what);
    }
}

static void on_message(struct process *process, const struct signal *signal)
{
    struct rex *rex = CONTAINER_OF(process, struct rex, process);
    struct rpc_request request;
    struct gen_message message;

    gen_parse(signal->term, &message);
    switch (message.kind) {
    case GEN_CALL:
        if (rpc_request_read_server(message.body, &request)) {
            call(rex, &message.from, true, &request);
        } else {
            (void)gen_reply(rex->node, process, &message.from,
                            "{error, {unsupported, ~t}}", message.body);
        }
        return;
    case GEN_INFO:
        on_info(rex, message.body);
        return;
    case GEN_CAST:
        return;
    }
}

/* --- the end */

/* Killed: it starts again at once, as a kernel process must be there. */
static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct rex *rex = CONTAINER_OF(process, struct rex, process);

    node_exit(rex->node, process, reason);
    CHECK(rex_start(rex, rex->node, rex->functions) == 0);
}

void rex_stop(struct rex *rex)
{
    node_exit(rex->node, &rex->process, atom_term(A_shutdown));
}
