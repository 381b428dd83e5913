/* SPDX-License-Identifier: Apache-2.0
 *
 * See spawn.h. As on a BEAM the arguments count, whatever the request says of
 * their number, and what is no list is a badarg of the process.
 *
 * A request that another scheduler is to carry out goes there as a signal. All
 * that the new process says comes back through the door behind its reply, and
 * the news of a lost connection reaches it behind the request.
 */
#include "node/spawn.h"

#include <cnode/error.h>

#include "base/mem.h"
#include "base/metric.h"
#include "node/node.h"
#include "node/spawn_options.h"
#include "term/build.h"

/* One request, wherever it came from. */
struct request {
    struct spawn_call call;
    struct ref ref;
    uint64_t connection; /* of the peer; 0: a local process asks */
    struct cnode_term mfa, opts;
};

void node_add_spawn_handler(struct node *node, struct spawn_handler *handler)
{
    list_push_back(&node->spawn_handlers, &handler->in_node);
}

/* --- what nobody knows */

static void on_message(struct process *process, const struct signal *signal)
{
    (void)process;
    (void)signal; /* it ends before any can come */
}

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    (void)process;
    (void)reason;
}

static const struct process_class undefined_class = {
    .name = "undefined", .message = on_message, .exit = on_exit_signal};

static int spawn_undefined(void *owner, struct node *node,
                           const struct spawn_call *call,
                           struct process **process)
{
    int rc;

    (void)owner;
    (void)call;
    *process = mem_zalloc(sizeof(**process));
    rc = node_spawn(node, *process, &undefined_class);
    if (rc != 0) {
        mem_free(*process);
    }
    return rc;
}

static bool is_list(struct cnode_term term)
{
    struct cnode_list list;

    return cnode_list(term, &list);
}

static void start_undefined(void *owner, struct node *node,
                            struct process *process,
                            const struct spawn_call *call)
{
    struct cnode_term reason = atom_term(A_undef);
    struct buf buf;

    (void)owner;
    buf_init(&buf, 0);
    term_format(&buf,
                is_list(call->args) ? "{undef, [{~t, ~t, ~t, []}]}"
                                    : "{badarg, [{erlang, apply, [~t, ~t, ~t], "
                                      "[]}]}",
                call->module, call->function, call->args);
    if (buf_error(&buf) == 0) { /* else: no memory for long arguments */
        reason = term_at(buf_data(&buf), buf_size(&buf));
    }
    node_exit(node, process, reason);
    mem_free(process);
    buf_fini(&buf);
}

static const struct spawn_handler undefined = {.spawn = spawn_undefined,
                                               .start = start_undefined};

/* --- making a process */

static void reply(struct node *node, const struct request *request,
                  struct pid pid, atom_t error)
{
    const struct spawn_call *call = &request->call;
    struct signal signal = {
        .kind = SIGNAL_SPAWN_REPLY,
        .to = call->from,
        .from = pid,
        .name = error,
        .ref = request->ref,
        .id = pid_is_none(pid) ? 0
                               : (call->link ? SPAWN_FLAG_LINK : 0) |
                                     (call->monitor ? SPAWN_FLAG_MONITOR : 0)};

    (void)route_signal(node, &signal, call->from.node);
}

static const struct spawn_handler *spawn(struct node *node,
                                         const struct spawn_call *call,
                                         struct process **process, int *rc)
{
    LIST_EACH(it, &node->spawn_handlers) {
        const struct spawn_handler *handler =
            CONTAINER_OF(it, struct spawn_handler, in_node);

        *rc = handler->spawn(handler->owner, node, call, process);
        if (*rc != CNODE_NOT_FOUND) {
            return handler;
        }
    }
    *rc = undefined.spawn(NULL, node, call, process);
    return &undefined;
}

static void tie(struct node *node, struct process *process,
                const struct request *request,
                const struct spawn_options *options)
{
    const struct spawn_call *call = &request->call;
    struct signal signal = {.kind = SIGNAL_LINK,
                            .from = call->from,
                            .to = node_pid(node, process),
                            .ref = request->ref,
                            .id = request->connection};
    struct process *watcher = node_find(node, call->from); /* NULL: remote */

    if (!pid_is_none(call->group_leader)) {
        group_leader_set(node, process, call->group_leader);
    }
    if (call->link) {
        link_on_link(node, process, &signal);
    }
    if (call->monitor) {
        if (watcher != NULL) {
            monitor_spawned(node, watcher, &request->ref, signal.to,
                            spawn_tag_keep(options->down_tag), false);
        }
        signal.kind = SIGNAL_MONITOR;
        monitor_on_monitor(node, process, &signal);
    }
}

/* False: there is no room for it there. */
static bool leave_to(struct node *node, const struct request *request,
                     uint32_t index)
{
    const struct spawn_call *call = &request->call;
    struct signal signal = {.kind = SIGNAL_SPAWN_REQUEST,
                            .from = call->from,
                            .to = node_any_pid(node, index),
                            .ref = request->ref,
                            .id = request->connection};
    bool is_left = false;
    struct buf buf;

    if (scheduler_is_full(&node->all[index]->scheduler)) {
        return false;
    }
    buf_init(&buf, 0);
    spawn_request_put(&buf, call->group_leader, request->mfa, request->opts,
                      call->args);
    if (buf_error(&buf) == 0) {
        signal.term = term_at(buf_data(&buf), buf_size(&buf));
        is_left = door_deliver(node, &signal) == 0;
    }
    buf_fini(&buf);
    return is_left;
}

/* The handler that made the process; NULL: another scheduler will. */
static const struct spawn_handler *make(struct node *node,
                                        struct request *request,
                                        struct process **process, int *rc)
{
    struct spawn_call *call = &request->call;
    const struct spawn_handler *handler;
    uint32_t index = node->index;

    call->elsewhere = node->index == 0 && node->count > 1 ? &index : NULL;
    handler = spawn(node, call, process, rc);
    if (*rc != 0 || *process != NULL) {
        return handler;
    }
    if (leave_to(node, request, index)) {
        return NULL;
    }
    call->elsewhere = NULL;
    return spawn(node, call, process, rc);
}

static void carry_out(struct node *node, struct request *request)
{
    struct spawn_call *call = &request->call;
    struct spawn_options options;
    const struct spawn_handler *handler;
    struct cnode_term mfa[3];
    struct process *process = NULL;
    struct cnode_list list = {0};
    int rc;

    if (!term_get_tuple(request->mfa, 3, mfa) ||
        !spawn_options_read(request->opts, &options) || options.has_reply) {
        reply(node, request, PID_NONE, A_badopt);
        return;
    }
    call->module = mfa[0];
    call->function = mfa[1];
    call->link = options.link;
    call->monitor = options.monitor;
    if (cnode_list(call->args, &list)) { /* what the arity says is nothing */
        call->arity = list.left;
        handler = make(node, request, &process, &rc);
        if (handler == NULL) {
            return;
        }
    } else {
        handler = &undefined;
        rc = undefined.spawn(NULL, node, call, &process);
    }
    if (rc != 0) {
        reply(node, request, PID_NONE,
              rc == CNODE_UNSUPPORTED ? A_notsup : A_system_limit);
        return;
    }
    reply(node, request, node_pid(node, process), ATOM_NONE);
    tie(node, process, request, &options);
    if (handler->start != NULL) {
        handler->start(handler->owner, node, process, call);
    }
}

/* --- who asks */

void spawn_on_control(struct node *node, struct peer *peer,
                      const struct control *control)
{
    struct request request = {.connection = peer->connection,
                              .mfa = control->mfa,
                              .opts = control->opts,
                              .call.args = control->payload};

    if (!term_get_pid(control->from, &request.call.from) ||
        request.call.from.node != peer->name ||
        !term_get_ref(control->ref, &request.ref) ||
        request.ref.node != peer->name) {
        METRIC_INC(signals_dropped);
        return;
    }
    if (!term_get_pid(control->leader, &request.call.group_leader)) {
        request.call.group_leader = PID_NONE;
    }
    carry_out(node, &request);
}

void spawn_on_signal(struct node *node, const struct signal *signal)
{
    struct request request = {.call.from = signal->from,
                              .ref = signal->ref,
                              .connection = signal->id};
    struct cnode_term parts[SPAWN_TERMS];

    CHECK(term_get_tuple(signal->term, SPAWN_TERMS, parts));
    if (!term_get_pid(parts[SPAWN_LEADER], &request.call.group_leader)) {
        request.call.group_leader = PID_NONE;
    }
    request.mfa = parts[SPAWN_MFA];
    request.opts = parts[SPAWN_OPTS];
    request.call.args = parts[SPAWN_ARGS];
    carry_out(node, &request);
}
