/* SPDX-License-Identifier: Apache-2.0
 *
 * See global_service.h. Here are the processes and what both modes share; the
 * questions of processes of this node are in global_questions.c.
 */
#include "cluster/global_service.h"

#include <sys/random.h>

#include <cnode/error.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "cluster/global_questions.h"
#include "cluster/global_resolve.h"
#include "node/gen.h"
#include "term/build.h"

enum { RESOLVE_TIMEOUT_MS = 30000 };

static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);
static void on_timer(struct timer *timer);

static const struct process_class role_class = {
    .name = "global", .message = on_message, .exit = on_exit_signal};

static uint64_t now_ms(struct global_service *service)
{
    return loop_now_ms(node_loop(service->node));
}

static void watch_time(struct global_service *service)
{
    struct loop *loop = node_loop(service->node);
    uint64_t due = global_deadline(&service->global);
    uint64_t now = now_ms(service);

    if (due == UINT64_MAX) {
        loop_timer_stop(loop, &service->timer);
    } else {
        loop_timer_start(loop, &service->timer, due > now ? due - now : 0);
    }
}

/* --- what global does */

static struct peer *up_peer(struct global_service *service, atom_t name)
{
    struct peer *peer = peers_find(&service->node->peers, name);

    return peer_is_up(peer) ? peer : NULL;
}

/* Better no connection than one that lost a message. */
static void on_send(void *owner, enum global_role from, const struct dest *to,
                    struct cnode_term message)
{
    struct global_service *service = owner;
    struct node *node = service->node;
    struct peer *peer = peers_find(&node->peers, to->node);
    int rc;

    if (peer == NULL || peer->state == PEER_IDLE) {
        return;
    }
    term_put_copy(node_scratch(node), message);
    rc = route_send(node, service->global.pids[from], to,
                    node_scratch_payload(node));
    if (rc != 0 && peer_is_up(peer)) {
        peer_break(peer, rc);
    }
}

static void on_reply(void *owner, const struct gen_from *from,
                     struct cnode_term reply)
{
    struct global_service *service = owner;

    (void)gen_reply(service->node, &service->roles[GLOBAL_SERVER].process, from,
                    "~t", reply);
}

static int on_monitor(void *owner, enum global_role who,
                      const struct dest *target, struct ref *ref)
{
    struct global_service *service = owner;

    return monitor_start(service->node, &service->roles[who].process, target,
                         ref);
}

static void on_demonitor(void *owner, enum global_role who,
                         const struct ref *ref)
{
    struct global_service *service = owner;

    (void)monitor_stop(service->node, &service->roles[who].process, ref);
}

static void on_dial(void *owner, atom_t node)
{
    struct global_service *service = owner;

    if (peers_auto_connect(&service->node->peers, node) == NULL) {
        global_dial_failed(&service->global, node, now_ms(service));
    }
}

static void on_disconnect(void *owner, atom_t node)
{
    struct peer *peer = up_peer(owner, node);

    if (peer != NULL) {
        peer_break(peer, CNODE_CLOSED);
    }
}

static void on_done(void *owner, uint64_t request, atom_t result)
{
    global_questions_done(owner, request, result);
}

/* --- clashes */

struct clash {
    struct list in_service;
    struct global_service *service;
    struct erpc_call *call;
    atom_t session;
    uint64_t serial;
};

static void on_resolved(void *owner, const struct erpc_result *result)
{
    struct clash *clash = owner;
    struct global_service *service = clash->service;
    atom_t session = clash->session;
    uint64_t serial = clash->serial;

    list_remove(&clash->in_service);
    mem_free(clash);
    global_resolved(&service->global, session, serial,
                    result->class == ERPC_RETURN ? result->term : TERM_NONE,
                    now_ms(service));
    watch_time(service);
}

/* global:resolve_it(Method, Name, Pid, Pid2) there. */
static int ask_method(struct global_service *service, atom_t where,
                      const struct global_clash *what)
{
    struct clash *clash = mem_alloc(sizeof(*clash));
    struct buf args;
    int rc;

    *clash = (struct clash){
        .service = service, .session = what->session, .serial = what->serial};
    buf_init(&args, 0);
    term_format(&args, "[~t, ~t, ~p, ~p]", what->method, what->name, what->pid,
                what->pid2);
    rc = buf_error(&args);
    if (rc == 0) {
        rc = erpc_call(service->erpc, where, atom_term(A_global),
                       atom_term(A_resolve_it),
                       term_at(buf_data(&args), buf_size(&args)),
                       RESOLVE_TIMEOUT_MS, on_resolved, clash, &clash->call);
    }
    buf_fini(&args);
    if (rc != 0) {
        mem_free(clash);
        return rc;
    }
    list_push_back(&service->clashes, &clash->in_service);
    return 0;
}

static void answer(struct global_service *service,
                   const struct global_clash *what, struct pid winner)
{
    struct buf buf;

    buf_init(&buf, 0);
    if (pid_is_none(winner)) {
        term_put_atom(&buf, A_none);
    } else {
        term_put_pid(&buf, winner);
    }
    global_resolved(&service->global, what->session, what->serial,
                    term_at(buf_data(&buf), buf_size(&buf)), now_ms(service));
    buf_fini(&buf);
}

/* Decided on the node of our process. For one of this node whose method is not
 * of OTP's own, the other side's node runs it. */
static void on_resolve(void *owner, const struct global_clash *what)
{
    struct global_service *service = owner;
    struct node *node = service->node;
    atom_t where = what->pid2.node;
    struct pid winner;

    if (where == node->name) {
        if (global_resolve(node, service->global.pids[GLOBAL_SERVER],
                           what->method, what->name, what->pid, what->pid2,
                           &winner)) {
            answer(service, what, winner);
            return;
        }
        where = what->session;
    }
    if (ask_method(service, where, what) != 0) {
        global_resolved(&service->global, what->session, what->serial,
                        TERM_NONE, now_ms(service));
    }
}

static const struct global_events events = {
    .send = on_send,
    .reply = on_reply,
    .monitor = on_monitor,
    .demonitor = on_demonitor,
    .dial = on_dial,
    .disconnect = on_disconnect,
    .resolve = on_resolve,
    .done = on_done,
};

/* --- its processes */

static void on_message(struct process *process, const struct signal *signal)
{
    struct global_process *role =
        CONTAINER_OF(process, struct global_process, process);
    struct global_service *service = role->service;
    int rc = global_message(&service->global, role->role, signal->from,
                            signal->term, now_ms(service));

    if (rc != 0) {
        METRIC_INC(global_ignored);
        LOG_DEBUG("global_ignored", F_STR("peer", atom_text(signal->from.node)),
                  F_ERR(rc));
    }
    watch_time(service);
}

static void on_timer(struct timer *timer)
{
    struct global_service *service =
        CONTAINER_OF(timer, struct global_service, timer);

    global_tick(&service->global, now_ms(service));
    watch_time(service);
}

static int start_roles(struct global_service *service)
{
    static const atom_t names[GLOBAL_ROLES] = {
        [GLOBAL_SERVER] = A_global_name_server,
        [GLOBAL_LOCKER] = A_cnode_global_locker,
        [GLOBAL_REGISTRAR] = A_cnode_global_registrar,
    };
    struct node *node = service->node;
    struct pid pids[GLOBAL_ROLES];
    uint64_t random = 0;
    int started, rc = 0;

    for (started = 0; started < GLOBAL_ROLES && rc == 0; started++) {
        struct global_process *role = &service->roles[started];

        role->service = service;
        role->role = (enum global_role)started;
        rc = node_spawn(node, &role->process, &role_class);
        if (rc != 0) {
            break;
        }
        role->process.flags |= PROCESS_TRAP_EXIT;
        rc = names_register(node, names[started], &role->process);
        pids[started] = node_pid(node, &role->process);
    }
    if (rc != 0) {
        while (started-- > 0) {
            node_exit(node, &service->roles[started].process,
                      atom_term(A_shutdown));
        }
        return rc;
    }
    CHECK(getrandom(&random, sizeof(random), 0) == sizeof(random));
    global_init(&service->global, node->name, pids, random, &events, service);
    timer_init(&service->timer, on_timer);
    list_init(&service->clashes);
    return 0;
}

static void stop_roles(struct global_service *service, struct cnode_term reason)
{
    struct list *it;

    while ((it = list_pop(&service->clashes)) != NULL) {
        struct clash *clash = CONTAINER_OF(it, struct clash, in_service);

        erpc_cancel(clash->call);
        mem_free(clash);
    }
    loop_timer_stop(node_loop(service->node), &service->timer);
    global_fini(&service->global);
    for (int i = 0; i < GLOBAL_ROLES; i++) {
        node_exit(service->node, &service->roles[i].process, reason);
    }
}

/* Killed. What the others believe that we know is not so any more: they shall
 * see us go and come back. */
static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct global_service *service =
        CONTAINER_OF(process, struct global_process, process)->service;
    struct peer *peer;

    stop_roles(service, reason);
    CHECK(start_roles(service) == 0);
    MAP_EACH(peer, &service->node->peers.by_name) {
        if (peer_is_up(peer) && !peer->is_hidden) {
            peer_break(peer, CNODE_CLOSED);
        }
    }
    global_questions_lost(service);
}

/* --- from the node */

int global_service_start(struct global_service *service, struct node *node,
                         struct erpc *erpc, enum global_mode mode)
{
    int rc;

    *service = (struct global_service){.node = node, .erpc = erpc};
    service->is_full = mode == GLOBAL_FULL && !node->config.hidden;
    rc = global_questions_start(service);
    if (rc == 0 && service->is_full) {
        rc = start_roles(service);
        if (rc != 0) {
            global_questions_stop(service);
        }
    }
    return rc;
}

void global_service_stop(struct global_service *service)
{
    if (service->is_full) {
        stop_roles(service, atom_term(A_shutdown));
    }
    global_questions_stop(service);
}

static void tell_in_sync(struct global_service *service,
                         const struct peer *peer)
{
    struct node *node = service->node;
    struct dest server = dest_name(A_global_name_server, peer->name);

    term_format(node_scratch(node), "{'$gen_cast', {in_sync, ~A, true}}",
                node->name);
    (void)route_send(node, node_pid(node, &service->process), &server,
                     node_scratch_payload(node));
}

void global_service_nodeup(struct global_service *service, struct peer *peer)
{
    if (!service->is_full) {
        tell_in_sync(service, peer);
        return;
    }
    global_nodeup(&service->global, peer->name, now_ms(service));
    watch_time(service);
}

void global_service_restore(struct global_service *service,
                            const struct peer *peer)
{
    if (!service->is_full) {
        global_claims_nodeup(&service->claims, peer->name);
    }
}

void global_service_nodedown(struct global_service *service,
                             const struct peer *peer)
{
    if (service->is_full) {
        global_nodedown(&service->global, peer->name, now_ms(service));
        watch_time(service);
    }
}

void global_service_dial_failed(struct global_service *service, atom_t node)
{
    if (service->is_full) {
        global_dial_failed(&service->global, node, now_ms(service));
        watch_time(service);
    }
}
