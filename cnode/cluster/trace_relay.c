/* SPDX-License-Identifier: Apache-2.0
 *
 * See trace_relay.h. The port is opened where the peer itself has reached us,
 * and closes when somebody has come, or nobody for a while.
 */
#include "cluster/trace_relay.h"

#include <cnode/error.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "dist/mute_port.h"
#include "term/build.h"

enum {
    LEAST_PORT = 1024, /* never one of the system's */
    WAIT_MS = 10000,   /* etop comes at once */
};

struct relay {
    struct process process;
    struct trace_relays *relays;
    struct list in_list;
    struct pid parent;
    bool has_session;       /* OTP 27 */
    bool has_ended;         /* freed when the port is closed as well */
    uint16_t number;        /* 0: nobody is to connect */
    struct mute_port *port; /* NULL: there is none */
};

/* In the order of time. */
static int on_spawn(void *owner, struct node *node,
                    const struct spawn_call *call, struct process **process);
static void on_start(void *owner, struct node *node, struct process *process,
                     const struct spawn_call *call);
static void on_port_closed(void *owner);
static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);

static const struct process_class class = {
    .name = "dbg", .message = on_message, .exit = on_exit_signal};

void trace_relays_start(struct trace_relays *relays, struct node *node)
{
    *relays = (struct trace_relays){
        .node = node,
        .handler = {.spawn = on_spawn, .start = on_start, .owner = relays}};
    list_init(&relays->list);
    node_add_spawn_handler(node, &relays->handler);
}

/* --- what it was spawned with */

/* A fun holds its free variables behind its pid. */
uint16_t trace_relay_port(struct cnode_term fun)
{
    struct cnode_term part;
    uint64_t port;

    if (term_tag(fun) != TAG_FUN || get_u32(fun.at + FUN_FREE_AT) != 2) {
        return 0;
    }
    part = term_behind(fun, FUN_HEAD_BYTES);
    if (!cnode_is_atom(part, "dbg")) {
        return 0;
    }
    for (int i = 0; i < 5; i++) {
        part = cnode_next(part); /* module, old index and uniq, pid, queue */
    }
    return cnode_get_uint(part, &port) && port >= LEAST_PORT &&
                   port <= UINT16_MAX
               ? (uint16_t)port
               : 0;
}

static bool read_call(struct relay *relay, const struct spawn_call *call)
{
    struct cnode_term args[3], to[2];
    struct cnode_list list;

    if (!cnode_is_atom(call->module, "dbg") ||
        !cnode_is_atom(call->function, "do_relay") || call->arity < 2 ||
        call->arity > 3 || !cnode_list(call->args, &list)) {
        return false;
    }
    for (uint32_t i = 0; i < call->arity; i++) {
        CHECK(cnode_list_next(&list, &args[i]));
    }
    relay->has_session = call->arity == 3;
    if (term_get_tuple(args[call->arity - 1], 2, to) &&
        cnode_is_atom(to[0], "port")) {
        relay->number = trace_relay_port(to[1]);
    }
    return term_get_pid(args[call->arity - 2], &relay->parent) &&
           !pid_is_none(relay->parent);
}

static int on_spawn(void *owner, struct node *node,
                    const struct spawn_call *call, struct process **process)
{
    struct trace_relays *relays = owner;
    struct relay read = {.relays = relays};
    struct relay *relay;
    int rc;

    if (!read_call(&read, call)) {
        return CNODE_NOT_FOUND;
    }
    relay = mem_alloc(sizeof(*relay));
    *relay = read;
    rc = node_spawn(node, &relay->process, &class);
    if (rc != 0) {
        mem_free(relay);
        return rc;
    }
    relay->process.flags |= PROCESS_TRAP_EXIT;
    list_push_back(&relays->list, &relay->in_list);
    *process = &relay->process;
    return 0;
}

/* A port that is taken: whoever connects is told by what answers there. */
static void open_port(struct relay *relay)
{
    struct trace_relays *relays = relay->relays;
    struct node *node = relay->relays->node;
    char host[ADDRESS_TEXT_MAX];
    int rc;

    if (relay->number == 0 || node->config.listen_host == NULL ||
        !peer_local_host(peers_find(&node->peers, relay->parent.node), host)) {
        return;
    }
    if (relays->port_count >= limits.trace_ports) {
        METRIC_INC(trace_ports_refused);
        return;
    }
    rc = mute_port_open(&relay->port, node_loop(node), host, relay->number,
                        WAIT_MS, on_port_closed, relay);
    if (rc != 0) {
        LOG_WARN("trace_port_failed", F_STR("host", host),
                 F_UINT("port", relay->number), F_ERR(rc));
        return;
    }
    relays->port_count++;
    LOG_INFO("trace_port_opened", F_STR("host", host),
             F_UINT("port", relay->number),
             F_STR("peer", atom_text(relay->parent.node)));
}

static void on_start(void *owner, struct node *node, struct process *process,
                     const struct spawn_call *call)
{
    struct relay *relay = CONTAINER_OF(process, struct relay, process);
    struct pid self = node_pid(node, process);
    struct dest dest = dest_pid(relay->parent);

    (void)owner, (void)call;
    open_port(relay);
    term_format(node_scratch(node),
                relay->has_session ? "{started, ~p, []}" : "{started, ~p}",
                self);
    (void)route_send(node, self, &dest, node_scratch_payload(node));
}

static void on_port_closed(void *owner)
{
    struct relay *relay = owner;

    relay->port = NULL;
    relay->relays->port_count--;
    if (relay->has_ended) {
        mem_free(relay);
    }
}

/* --- the end */

static void end(struct relay *relay, struct cnode_term reason)
{
    relay->has_ended = true;
    list_remove(&relay->in_list);
    node_exit(relay->relays->node, &relay->process, reason);
    if (relay->port != NULL) {
        mute_port_close(relay->port);
    } else {
        mem_free(relay);
    }
}

/* {'EXIT', Pid, Reason}; others are not relayed to anybody. */
static void on_message(struct process *process, const struct signal *signal)
{
    struct cnode_term parts[3];

    if (term_get_tuple(signal->term, 3, parts) &&
        cnode_is_atom(parts[0], "EXIT")) {
        end(CONTAINER_OF(process, struct relay, process), atom_term(A_normal));
    }
}

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    end(CONTAINER_OF(process, struct relay, process), reason);
}

void trace_relays_stop(struct trace_relays *relays)
{
    while (!list_is_empty(&relays->list)) {
        end(CONTAINER_OF(relays->list.next, struct relay, in_list),
            atom_term(A_shutdown));
    }
}
