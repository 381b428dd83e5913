/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_process.h. Calls are answered as they are read, never behind other
 * work; only whether a process of another scheduler is alive has to be asked
 * there first.
 *
 * Messages and answers come from one hidden process, in the order in which they
 * were made, as from syn's own sender: an answer must not overtake a snapshot
 * that does not have its entry. (From the scope's process itself a peer would
 * take them for those of syn 3.3.0, which knows no such order.)
 */
#include "registry/syn_process.h"

#include <time.h>

#include <cnode/error.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "node/gen.h"
#include "node/registered.h"
#include "registry/syn.h"
#include "term/build.h"

enum { NS_PER_SEC = 1000000000, CALL_LATE_MS = 1000 };

static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);
static void on_nothing(struct process *process, const struct signal *signal);
static void on_tick(struct timer *timer);

static const struct process_class process_class = {
    .name = "syn", .message = on_message, .exit = on_exit_signal};

static const struct process_class sender_class = {.name = "syn_sender",
                                                  .message = on_nothing};

static struct node *node_of(const struct syn_process *p)
{
    return p->syn->node;
}

static void on_nothing(struct process *process, const struct signal *signal)
{
    (void)process, (void)signal; /* nobody knows it */
}

/* --- what the machine needs */

/* A peer that does not keep up would miss a message, and hold wrong entries
 * from then on: better it starts anew. */
static void send_payload(struct syn_process *p, atom_t name,
                         struct payload payload)
{
    struct node *node = node_of(p);
    struct peer *peer = peers_find(&node->peers, name);
    struct dest dest = dest_name(p->scope.names.process, name);
    int rc;

    if (!peer_is_up(peer) || peer->broken != 0) {
        return;
    }
    rc = route_send(node, node_pid(node, &p->sender), &dest, payload);
    if (rc != 0) {
        METRIC_INC(syn_peers_ended);
        LOG_WARN("syn_peer_behind", F_STR("peer", atom_text(name)),
                 F_STR("scope", atom_text(p->scope.scope)), F_ERR(rc));
        peer_break(peer, rc);
    }
}

static void on_send(void *owner, atom_t node, struct cnode_term message)
{
    send_payload(owner, node,
                 (struct payload){.bytes = message.at,
                                  .size = cnode_term_size(message)});
}

static void on_send_block(void *owner, atom_t node, struct block *message)
{
    send_payload(owner, node,
                 (struct payload){.bytes = message->bytes,
                                  .size = message->size,
                                  .block = message});
    block_unref(message);
}

static int on_monitor(void *owner, struct pid pid, struct ref *ref)
{
    struct syn_process *p = owner;
    struct node *node = node_of(p);
    struct dest dest = dest_pid(pid);

    if (!peer_is_up(peers_find(&node->peers, pid.node))) {
        return CNODE_NOCONN;
    }
    return monitor_start(node, &p->process, &dest, ref);
}

static void on_demonitor(void *owner, const struct ref *ref)
{
    struct syn_process *p = owner;

    (void)monitor_stop(node_of(p), &p->process, ref);
}

static void on_kill(void *owner, struct pid pid, struct cnode_term reason)
{
    struct syn_process *p = owner;
    struct signal signal = {
        .kind = SIGNAL_EXIT2, .from = p->scope.self, .to = pid, .term = reason};

    (void)route_signal(node_of(p), &signal, pid.node);
}

static enum syn_verdict on_judge(void *owner,
                                 const struct syn_conflict *conflict)
{
    struct syn_process *p = owner;
    struct syn *syn = p->syn;

    return syn->judge != NULL &&
                   syn->judge(syn->judge_owner, p->scope.scope, conflict)
               ? SYN_LATER
               : SYN_BY_RULE;
}

static struct block *on_keep(void *owner, struct cnode_term *term)
{
    struct syn_process *p = owner;

    return node_keep(node_of(p), term);
}

/* One slice each turn of the loop, so that everything else goes on. */
static void run_slice(struct node *here, void *arg)
{
    struct syn_process *p = arg;

    if (here == NULL || p->syn->is_over) {
        return;
    }
    p->is_woken = false;
    if (syn_scope_work(&p->scope)) {
        p->scope.events->wake(p);
    }
}

static void on_wake(void *owner)
{
    struct syn_process *p = owner;

    if (!p->is_woken) {
        p->is_woken = true;
        node_post_task(node_of(p), run_slice, p);
    }
}

static int64_t on_now(void *owner)
{
    struct timespec now;

    (void)owner;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

static void on_retire(void *owner, void *memory, retired_free_fn free_it)
{
    struct syn_process *p = owner;

    syn_reclaim_retire(&p->syn->reclaim, memory, free_it);
}

static void on_changed(void *owner)
{
    const struct syn_process *p = owner;

    if (p->syn->groups_changed != NULL) {
        p->syn->groups_changed(p->syn->groups_owner, p->scope.scope);
    }
}

static const struct syn_scope_events events = {
    .send = on_send,
    .send_block = on_send_block,
    .monitor = on_monitor,
    .demonitor = on_demonitor,
    .kill = on_kill,
    .judge = on_judge,
    .keep = on_keep,
    .wake = on_wake,
    .now = on_now,
    .retire = on_retire,
    .changed = on_changed,
};

/* --- its life */

/* Some nodes are to be asked again. */
static void watch_time(struct syn_process *p)
{
    if (p->scope.asks > 0 && !timer_is_active(&p->tick)) {
        loop_timer_start(node_loop(node_of(p)), &p->tick, SYN_TICK_MS);
    }
}

static void on_tick(struct timer *timer)
{
    struct syn_process *p = CONTAINER_OF(timer, struct syn_process, tick);

    syn_scope_tick(&p->scope);
    watch_time(p);
}

static void ask_all(struct syn_process *p)
{
    const struct peer *peer;

    MAP_EACH(peer, &node_of(p)->peers.by_name) {
        if (peer_is_up(peer)) {
            syn_process_nodeup(p, peer);
        }
    }
}

static int begin(struct syn_process *p, enum syn_kind kind, atom_t scope)
{
    struct node *node = node_of(p);
    int rc = syn_scope_init(&p->scope, kind, scope, node_pid(node, &p->process),
                            &events, p);

    if (rc != 0) {
        return rc;
    }
    p->scope.is_hidden = node->config.hidden;
    rc = names_register(node, p->scope.names.process, &p->process);
    if (rc != 0) {
        syn_scope_fini(&p->scope);
    }
    return rc;
}

int syn_process_start(struct syn_process *p, struct syn *syn,
                      enum syn_kind kind, atom_t scope)
{
    struct node *node = syn->node;
    int rc;

    *p = (struct syn_process){.syn = syn};
    buf_init(&p->answer, 0);
    timer_init(&p->tick, on_tick);
    rc = node_spawn_hidden(node, &p->sender, &sender_class);
    if (rc != 0) {
        return rc;
    }
    rc = node_spawn(node, &p->process, &process_class);
    if (rc == 0) {
        rc = begin(p, kind, scope);
        if (rc == 0) {
            ask_all(p);
            return 0;
        }
        node_exit(node, &p->process, atom_term(A_normal));
    }
    node_exit(node, &p->sender, atom_term(A_normal));
    return rc;
}

/* Peers learn it from the DOWN of the old pid, then from a discover of the new
 * one: in that order. */
static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct syn_process *p = CONTAINER_OF(process, struct syn_process, process);
    struct node *node = node_of(p);

    node_exit(node, process, reason);
    CHECK(node_spawn(node, process, &process_class) == 0);
    CHECK(names_register(node, p->scope.names.process, process) == 0);
    syn_scope_restart(&p->scope, node_pid(node, process));
    watch_time(p);
}

void syn_process_stop(struct syn_process *p)
{
    loop_timer_stop(node_loop(node_of(p)), &p->tick);
    node_exit(node_of(p), &p->process, atom_term(A_shutdown));
    node_exit(node_of(p), &p->sender, atom_term(A_shutdown));
}

void syn_process_fini(struct syn_process *p)
{
    syn_scope_fini(&p->scope);
    buf_fini(&p->answer);
}

/* --- what it hears */

/* As on a BEAM a hidden node is not asked; unless we are hidden too: then
 * neither would ever ask the other. */
void syn_process_nodeup(struct syn_process *p, const struct peer *peer)
{
    if (!peer->is_hidden || node_of(p)->config.hidden) {
        syn_scope_nodeup(&p->scope, peer->name);
        watch_time(p);
    }
}

void syn_process_nodedown(struct syn_process *p, const struct peer *peer)
{
    syn_scope_nodedown(&p->scope, peer->name);
    watch_time(p);
}

void syn_process_ended(struct syn_process *p, struct pid pid,
                       struct cnode_term reason)
{
    syn_scope_ended(&p->scope, pid, reason);
}

void syn_process_decide(struct syn_process *p, struct cnode_term name,
                        struct pid theirs, struct pid ours,
                        enum syn_decision decision)
{
    syn_scope_decide(&p->scope, name, theirs, ours, decision);
}

static void count_ignored(struct syn_process *p, struct pid from, int rc)
{
    METRIC_INC(syn_ignored);
    if (!p->has_ignored) {
        p->has_ignored = true;
        LOG_WARN("syn_ignored",
                 F_STR("process", atom_text(p->scope.names.process)),
                 F_STR("peer", atom_text(from.node)), F_ERR(rc));
    }
}

/* --- calls of the owner */

struct cnode_term syn_process_request(struct syn_process *p,
                                      const struct syn_request *request,
                                      bool is_alive, bool is_late)
{
    buf_clear(&p->answer);
    syn_scope_request(&p->scope, request, is_alive, is_late, &p->answer);
    if (buf_error(&p->answer) != 0) { /* a large old meta: no memory */
        buf_clear(&p->answer);
        term_format(&p->answer, "{error, system_limit}");
    }
    return term_at(buf_data(&p->answer), buf_size(&p->answer));
}

struct cnode_term syn_process_answered(struct syn_process *p,
                                       const struct syn_request *request,
                                       struct cnode_term answer)
{
    buf_clear(&p->answer);
    syn_scope_answered(&p->scope, request, answer, &p->answer);
    if (buf_error(&p->answer) != 0) {
        buf_clear(&p->answer);
        term_format(&p->answer, "{error, system_limit}");
    }
    return term_at(buf_data(&p->answer), buf_size(&p->answer));
}

/* The layers above hear what was done to their processes. */
static void tell_above(struct syn_process *p, const struct syn_request *request,
                       struct cnode_term done)
{
    const struct syn *syn = p->syn;
    struct cnode_term parts[2];

    if (syn->told != NULL && request->ask != SYN_ASK_NODES &&
        term_get_tuple(done, 2, parts) && term_is_atom(parts[0], A_ok)) {
        syn->told(syn->told_owner, p->scope.kind, p->scope.scope, request);
    }
}

static void answer(struct syn_process *p, const struct gen_from *from,
                   const struct syn_request *request, bool is_alive,
                   bool is_late)
{
    struct cnode_term done = syn_process_request(p, request, is_alive, is_late);

    (void)gen_reply(node_of(p), &p->sender, from, "~t", done);
    tell_above(p, request, done);
    watch_time(p);
}

static bool is_late(struct syn_process *p, uint64_t since_ms)
{
    uint64_t ms = loop_now_ms(node_loop(node_of(p))) - since_ms;

    return ms > CALL_LATE_MS || syn_lag_is_late(&p->syn->lag);
}

/* A call that waits for word of another scheduler. */
struct waiting {
    struct syn_process *p;
    struct cnode_kept *call;
    uint64_t since_ms;
};

static void on_alive(struct node *home, void *arg, bool is_alive)
{
    struct waiting *waiting = arg;
    struct syn_process *p = waiting->p;
    struct gen_message message;
    struct syn_request request;

    if (home != NULL && !p->syn->is_over) {
        gen_parse(cnode_kept_term(waiting->call), &message);
        CHECK(syn_request_parse(p->scope.kind, message.body, &request) == 0);
        answer(p, &message.from, &request, is_alive,
               is_late(p, waiting->since_ms));
    }
    cnode_term_free(waiting->call);
    mem_free(waiting);
}

/* NULL: he was told that there is no memory. */
static struct waiting *wait_for(struct syn_process *p, struct cnode_term call,
                                const struct gen_from *from, uint64_t since_ms)
{
    struct waiting *waiting = mem_alloc(sizeof(*waiting));

    *waiting = (struct waiting){
        .p = p, .call = cnode_term_copy(call), .since_ms = since_ms};
    if (waiting->call == NULL) {
        mem_free(waiting);
        (void)gen_reply(node_of(p), &p->sender, from, "{error, system_limit}");
        return NULL;
    }
    return waiting;
}

static void take_request(struct syn_process *p, struct cnode_term call,
                         const struct gen_from *from,
                         const struct syn_request *request, uint64_t since_ms)
{
    struct node *node = node_of(p);
    struct pid pid = request->claim.pid;
    struct waiting *waiting;

    if (request->ask == SYN_ASK_ADD && pid.node == node->name &&
        !node_owns(node, pid)) {
        waiting = wait_for(p, call, from, since_ms);
        if (waiting != NULL) {
            registered_ask(node, pid, on_alive, waiting);
        }
        return;
    }
    answer(p, from, request,
           request->ask == SYN_ASK_ADD && registered_find(node, pid),
           is_late(p, since_ms));
}

/* Of a name that a pool may have. */
static void on_fetched(void *arg, bool is_over)
{
    struct waiting *waiting = arg;
    struct syn_process *p = waiting->p;
    struct gen_message message;
    struct syn_request request;

    if (!is_over && !p->syn->is_over) {
        struct cnode_term call = cnode_kept_term(waiting->call);

        gen_parse(call, &message);
        CHECK(syn_request_parse(p->scope.kind, message.body, &request) == 0);
        take_request(p, call, &message.from, &request, waiting->since_ms);
    }
    cnode_term_free(waiting->call);
    mem_free(waiting);
}

static void on_call(struct syn_process *p, const struct signal *signal,
                    const struct gen_message *message)
{
    struct node *node = node_of(p);
    struct syn_request request;
    struct waiting *waiting;
    uint64_t since_ms;
    int rc = syn_request_parse(p->scope.kind, message->body, &request);

    if (rc != 0) {
        count_ignored(p, signal->from, rc);
        (void)gen_reply(node, &p->sender, &message->from,
                        rc == CNODE_UNHANDLED ? "undefined"
                                              : "{error, badarg}");
        return;
    }
    since_ms = loop_now_ms(node_loop(node));
    if (request.ask == SYN_ASK_NODES ||
        !syn_scope_may_derive(&p->scope, request.claim.name)) {
        take_request(p, signal->term, &message->from, &request, since_ms);
        return;
    }
    waiting = wait_for(p, signal->term, &message->from, since_ms);
    if (waiting != NULL) {
        syn_scope_fetch(&p->scope, request.claim.name, on_fetched, waiting);
    }
}

static void on_message(struct process *process, const struct signal *signal)
{
    struct syn_process *p = CONTAINER_OF(process, struct syn_process, process);
    struct gen_message message;
    int rc;

    gen_parse(signal->term, &message);
    if (message.kind == GEN_CALL) {
        on_call(p, signal, &message);
        return;
    }
    rc = syn_scope_message(&p->scope, signal->from, signal->term);
    if (rc != 0) {
        count_ignored(p, signal->from, rc);
    }
    watch_time(p);
}
