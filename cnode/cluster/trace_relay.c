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
#include "cluster/functions_run.h"
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
    bool has_number;        /* somebody is to connect */
    uint16_t number;        /* 0: where he is told */
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
bool trace_relay_port(struct cnode_term fun, uint16_t *port)
{
    struct cnode_term part;
    uint64_t number;

    if (term_tag(fun) != TAG_FUN || get_u32(fun.at + FUN_FREE_AT) != 2) {
        return false;
    }
    part = term_behind(fun, FUN_HEAD_BYTES);
    if (!cnode_is_atom(part, "dbg")) {
        return false;
    }
    for (int i = 0; i < 5; i++) {
        part = cnode_next(part); /* module, old index and uniq, pid, queue */
    }
    if (!cnode_get_uint(part, &number) || number > UINT16_MAX ||
        (number != 0 && number < LEAST_PORT)) {
        return false;
    }
    *port = (uint16_t)number;
    return true;
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
        relay->has_number = trace_relay_port(to[1], &relay->number);
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

    if (!relay->has_number || node->config.listen_host == NULL ||
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
    relay->number = mute_port_number(relay->port);
    LOG_INFO("trace_port_opened", F_STR("host", host),
             F_UINT("port", relay->number),
             F_STR("peer", atom_text(relay->parent.node)));
}

/* The port of the trace driver, as a BEAM would have it: a number of 64 bits
 * and the creation, where a pid has its id, serial and creation. Without a
 * port, the relay. */
static void put_tracer(const struct relay *relay, struct buf *buf)
{
    term_put_pid(buf, node_pid(relay->relays->node, &relay->process));
    if (relay->port != NULL && buf_error(buf) == 0) {
        buf_data(buf)[0] = TAG_PORT;
    }
}

static bool is_tracer(const struct relay *relay, struct cnode_term term)
{
    struct buf tracer;
    bool is_it;

    buf_init(&tracer, 0);
    put_tracer(relay, &tracer);
    is_it =
        buf_error(&tracer) == 0 &&
        term_same_bytes(term, term_at(buf_data(&tracer), buf_size(&tracer)));
    buf_fini(&tracer);
    return is_it;
}

/* erlang:port_control(Port, $p, _): where does it listen? */
int function_port_control(struct function_run *run)
{
    struct trace_relays *relays = run->functions->trace_relays;
    uint8_t answer[3] = {0};
    uint64_t operation;

    if (!cnode_get_uint(run->args[1], &operation) || operation != 'p') {
        return CNODE_EINVALID;
    }
    LIST_EACH(it, &relays->list) {
        const struct relay *relay = CONTAINER_OF(it, struct relay, in_list);

        if (relay->port != NULL && is_tracer(relay, run->args[0])) {
            set_u16(answer + 1, relay->number);
            term_put_binary(run->out, answer, sizeof(answer));
            return 0;
        }
    }
    return CNODE_EINVALID;
}

static void on_start(void *owner, struct node *node, struct process *process,
                     const struct spawn_call *call)
{
    struct relay *relay = CONTAINER_OF(process, struct relay, process);
    struct pid self = node_pid(node, process);
    struct dest dest = dest_pid(relay->parent);
    struct buf tracer;

    (void)owner, (void)call;
    open_port(relay);
    buf_init(&tracer, 0);
    put_tracer(relay, &tracer);
    term_format(node_scratch(node),
                relay->has_session ? "{started, ~t, []}" : "{started, ~t}",
                term_at(buf_data(&tracer), buf_size(&tracer)));
    buf_fini(&tracer);
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
