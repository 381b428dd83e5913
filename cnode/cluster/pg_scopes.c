/* SPDX-License-Identifier: Apache-2.0
 *
 * See pg_scopes.h. What the scopes say to each other is in pg.c; here are the
 * processes around it.
 */
#include "cluster/pg_scopes.h"

#include <string.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "cluster/pg.h"
#include "node/gen.h"
#include "term/build.h"

struct pg_scope {
    struct process process;
    struct pg_scopes *scopes;
    struct list in_all;
    struct pg pg;
    struct timer timer; /* while somebody missed something */
    bool is_unasked;    /* a node could not be asked whether it has the scope */
};

static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);
static void on_request(struct process *process, const struct signal *signal);
static void on_service_exit(struct process *process, struct cnode_term reason);
static void on_timer(struct timer *timer);

static const struct process_class scope_class = {
    .name = "pg", .message = on_message, .exit = on_exit_signal};

static const struct process_class service_class = {
    .name = "cnode_pg", .message = on_request, .exit = on_service_exit};

/* --- what the protocol needs */

static int on_send(void *owner, const struct dest *to,
                   struct cnode_term message)
{
    struct pg_scope *scope = owner;
    struct node *node = scope->scopes->node;

    if (!peer_is_up(peers_find(&node->peers, to->node))) {
        return CNODE_NOCONN;
    }
    term_put_copy(node_scratch(node), message);
    return route_send(node, scope->pg.self, to, node_scratch_payload(node));
}

static int on_monitor(void *owner, struct pid pid, struct ref *ref)
{
    struct pg_scope *scope = owner;
    struct node *node = scope->scopes->node;
    struct dest dest = dest_pid(pid);

    if (pid.node != node->name &&
        !peer_is_up(peers_find(&node->peers, pid.node))) {
        return CNODE_NOCONN;
    }
    return monitor_start(node, &scope->process, &dest, ref);
}

static void on_demonitor(void *owner, const struct ref *ref)
{
    struct pg_scope *scope = owner;

    (void)monitor_stop(scope->scopes->node, &scope->process, ref);
}

static const struct pg_events events = {
    .send = on_send, .monitor = on_monitor, .demonitor = on_demonitor};

/* --- a scope */

static struct pg_scope *find(const struct pg_scopes *scopes, atom_t name)
{
    LIST_EACH(it, &scopes->all) {
        struct pg_scope *scope = CONTAINER_OF(it, struct pg_scope, in_all);

        if (scope->pg.scope == name) {
            return scope;
        }
    }
    return NULL;
}

/* Who missed something gets it in a moment. */
static void watch_time(struct pg_scope *scope)
{
    struct loop *loop = node_loop(scope->scopes->node);

    if ((scope->pg.untold > 0 || scope->is_unasked) &&
        !timer_is_active(&scope->timer)) {
        loop_timer_start(loop, &scope->timer, PG_RESYNC_MS);
    }
}

static void ask(struct pg_scope *scope, const struct peer *peer)
{
    if (peer_is_up(peer) && !peer->is_hidden &&
        !scope->scopes->node->config.hidden) {
        scope->is_unasked =
            pg_nodeup(&scope->pg, peer->name) != 0 || scope->is_unasked;
    }
}

static void ask_all(struct pg_scope *scope)
{
    const struct peer *peer;

    scope->is_unasked = false;
    MAP_EACH(peer, &scope->scopes->node->peers.by_name) {
        ask(scope, peer);
    }
    watch_time(scope);
}

static int scope_begin(struct pg_scope *scope, atom_t name)
{
    struct node *node = scope->scopes->node;
    int rc = node_spawn(node, &scope->process, &scope_class);

    if (rc != 0) {
        return rc;
    }
    scope->process.flags |= PROCESS_TRAP_EXIT;
    rc = names_register(node, name, &scope->process);
    if (rc != 0) {
        node_exit(node, &scope->process, atom_term(A_normal));
        return rc;
    }
    pg_init(&scope->pg, name, node_pid(node, &scope->process), &events, scope);
    timer_init(&scope->timer, on_timer);
    ask_all(scope);
    return 0;
}

static void scope_end(struct pg_scope *scope, struct cnode_term reason)
{
    struct node *node = scope->scopes->node;

    loop_timer_stop(node_loop(node), &scope->timer);
    pg_fini(&scope->pg);
    node_exit(node, &scope->process, reason);
}

/* `out` may be NULL. */
static int scope_start(struct pg_scopes *scopes, atom_t name,
                       struct pg_scope **out)
{
    struct pg_scope *scope;
    int rc;

    if (name == ATOM_NONE || scopes->count >= limits.pg_scopes) {
        METRIC_INC(pg_refused);
        return CNODE_LIMIT;
    }
    scope = mem_zalloc(sizeof(*scope));
    scope->scopes = scopes;
    rc = scope_begin(scope, name);
    if (rc != 0) {
        mem_free(scope);
        return rc;
    }
    list_push_back(&scopes->all, &scope->in_all);
    scopes->count++;
    if (out != NULL) {
        *out = scope;
    }
    return 0;
}

static void on_timer(struct timer *timer)
{
    struct pg_scope *scope = CONTAINER_OF(timer, struct pg_scope, timer);

    pg_resync(&scope->pg);
    if (scope->is_unasked) {
        ask_all(scope);
    }
    watch_time(scope);
}

static void on_message(struct process *process, const struct signal *signal)
{
    struct pg_scope *scope = CONTAINER_OF(process, struct pg_scope, process);
    struct node *node = scope->scopes->node;
    struct gen_message message;
    int rc;

    gen_parse(signal->term, &message);
    if (message.kind == GEN_CALL) { /* nobody shall wait for ever */
        (void)gen_reply(node, process, &message.from,
                        "{error, {unsupported, ~t}}", message.body);
        return;
    }
    rc = pg_message(&scope->pg, signal->from, signal->term);
    if (rc != 0) {
        METRIC_INC(pg_ignored);
        LOG_WARN("pg_ignored", F_STR("scope", atom_text(scope->pg.scope)),
                 F_STR("peer", atom_text(signal->from.node)), F_ERR(rc));
    }
    watch_time(scope);
}

/* Killed: it starts again, empty, as under OTP's supervisor. */
static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct pg_scope *scope = CONTAINER_OF(process, struct pg_scope, process);
    atom_t name = scope->pg.scope;

    scope_end(scope, reason);
    CHECK(scope_begin(scope, name) == 0);
}

/* --- cnode_pg */

enum op { OP_JOIN, OP_LEAVE, OP_MEMBERS, OP_LOCAL_MEMBERS, OP_WHICH_GROUPS };

struct request {
    enum op op;
    struct cnode_term scope, group;
    struct pid pid;
};

/* {Op, Scope}, {Op, Scope, Group} or {Op, Scope, Group, Pid} */
static bool read_request(struct cnode_term body, struct request *request)
{
    static const struct {
        atom_t name;
        uint32_t least, most;
    } shapes[] = {
        [OP_JOIN] = {A_join, 3, 4},
        [OP_LEAVE] = {A_leave, 3, 4},
        [OP_MEMBERS] = {A_members, 3, 3},
        [OP_LOCAL_MEMBERS] = {A_local_members, 3, 3},
        [OP_WHICH_GROUPS] = {A_which_groups, 2, 2},
    };
    struct cnode_term parts[4];
    uint32_t arity;

    if (!cnode_get_tuple(body, &arity, NULL) || arity < 2 || arity > 4 ||
        !term_get_tuple(body, arity, parts)) {
        return false;
    }
    for (unsigned op = 0; op < ARRAY_LEN(shapes); op++) {
        if (term_is_atom(parts[0], shapes[op].name)) {
            request->op = (enum op)op;
            request->scope = parts[1];
            request->group = arity > 2 ? parts[2] : TERM_NONE;
            return arity >= shapes[op].least && arity <= shapes[op].most &&
                   cnode_type(parts[1]) == CNODE_TYPE_ATOM &&
                   (arity < 4 || term_get_pid(parts[3], &request->pid));
        }
    }
    return false;
}

/* The scope, started if it is not there: its name comes from a process of ours.
 */
static int open_scope(struct pg_scopes *scopes, struct cnode_term name,
                      struct pg_scope **scope)
{
    const char *text;
    size_t len;

    *scope = find(scopes, term_atom(name));
    if (*scope != NULL) {
        return 0;
    }
    if (!cnode_get_atom(name, &text, &len)) {
        return CNODE_EINVALID;
    }
    return scope_start(scopes, atom_intern(text, len), scope);
}

static int change(struct pg_scope *scope, const struct request *request)
{
    int rc = request->op == OP_JOIN
                 ? pg_join(&scope->pg, request->group, request->pid)
                 : pg_leave(&scope->pg, request->group, request->pid);

    watch_time(scope);
    return rc;
}

static void put_answer(struct pg_scope *scope, const struct request *request,
                       struct buf *buf)
{
    switch (request->op) {
    case OP_MEMBERS:
    case OP_LOCAL_MEMBERS:
        pg_view_put_members(&scope->pg.view, request->group,
                            request->op == OP_LOCAL_MEMBERS, buf);
        return;
    case OP_WHICH_GROUPS:
        pg_view_put_groups(&scope->pg.view, buf);
        return;
    case OP_JOIN:
    case OP_LEAVE:
        term_put_atom(buf, A_ok);
        return;
    }
}

static void answer(struct pg_scopes *scopes, const struct gen_from *from,
                   struct request *request)
{
    struct pg_scope *scope;
    int rc = open_scope(scopes, request->scope, &scope);

    if (rc == 0 && (request->op == OP_JOIN || request->op == OP_LEAVE)) {
        rc = change(scope, request);
    }
    if (rc == CNODE_NOT_FOUND) {
        (void)gen_reply(scopes->node, &scopes->process, from, "not_joined");
    } else if (rc != 0) {
        (void)gen_reply(scopes->node, &scopes->process, from, "{error, ~a}",
                        cnode_error_atom(rc));
    } else {
        put_answer(scope, request, gen_reply_begin(scopes->node, from));
        (void)gen_reply_end(scopes->node, &scopes->process, from);
    }
}

static void on_request(struct process *process, const struct signal *signal)
{
    struct pg_scopes *scopes = CONTAINER_OF(process, struct pg_scopes, process);
    struct node *node = scopes->node;
    struct request request = {.pid = PID_NONE};
    struct gen_message message;

    gen_parse(signal->term, &message);
    if (message.kind != GEN_CALL) {
        return;
    }
    (void)term_get_pid(message.from.pid, &request.pid);
    if (request.pid.node != node->name) {
        (void)gen_reply(node, process, &message.from, "{error, notsup}");
    } else if (!read_request(message.body, &request)) {
        (void)gen_reply(node, process, &message.from, "{error, badarg}");
    } else {
        answer(scopes, &message.from, &request);
    }
}

static int service_begin(struct pg_scopes *scopes)
{
    struct node *node = scopes->node;
    int rc = node_spawn(node, &scopes->process, &service_class);

    if (rc != 0) {
        return rc;
    }
    scopes->process.flags |= PROCESS_TRAP_EXIT;
    rc = names_register(node, A_cnode_pg, &scopes->process);
    if (rc != 0) {
        node_exit(node, &scopes->process, atom_term(A_normal));
    }
    return rc;
}

static void on_service_exit(struct process *process, struct cnode_term reason)
{
    struct pg_scopes *scopes = CONTAINER_OF(process, struct pg_scopes, process);

    node_exit(scopes->node, process, reason);
    CHECK(service_begin(scopes) == 0);
}

/* --- all of them */

int pg_scopes_start(struct pg_scopes *scopes, struct node *node,
                    const char *const *names, size_t count)
{
    int rc;

    *scopes = (struct pg_scopes){.node = node};
    list_init(&scopes->all);
    rc = service_begin(scopes);
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = scope_start(scopes, atom_intern(names[i], strlen(names[i])), NULL);
    }
    if (rc != 0) {
        pg_scopes_stop(scopes);
    }
    return rc;
}

void pg_scopes_stop(struct pg_scopes *scopes)
{
    struct list *it;

    while ((it = list_pop(&scopes->all)) != NULL) {
        struct pg_scope *scope = CONTAINER_OF(it, struct pg_scope, in_all);

        scope_end(scope, atom_term(A_shutdown));
        mem_free(scope);
    }
    node_exit(scopes->node, &scopes->process, atom_term(A_shutdown));
}

void pg_scopes_nodeup(struct pg_scopes *scopes, const struct peer *peer)
{
    LIST_EACH(it, &scopes->all) {
        struct pg_scope *scope = CONTAINER_OF(it, struct pg_scope, in_all);

        ask(scope, peer);
        watch_time(scope);
    }
}

void pg_scopes_nodedown(struct pg_scopes *scopes, const struct peer *peer)
{
    LIST_EACH(it, &scopes->all) {
        pg_nodedown(&CONTAINER_OF(it, struct pg_scope, in_all)->pg, peer->name);
    }
}
