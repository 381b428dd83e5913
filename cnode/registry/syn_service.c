/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_service.h. One row of a table and one small function for each
 * request.
 */
#include "registry/syn_service.h"

#include <cnode/error.h>

#include "base/mem.h"
#include "node/registered.h"
#include "registry/syn_calls.h"
#include "registry/syn_dump.h"
#include "registry/syn_multi_call.h"
#include "registry/syn_publish.h"
#include "term/build.h"

static void on_message(struct process *process, const struct signal *signal);
static void on_exit_signal(struct process *process, struct cnode_term reason);

static const struct process_class class = {
    .name = "cnode_syn", .message = on_message, .exit = on_exit_signal};

/* --- its life */

int syn_service_start(struct syn *syn)
{
    struct node *node = syn->node;
    int rc = node_spawn(node, &syn->process, &class);

    if (rc != 0) {
        syn->process.flags |= PROCESS_DEAD;
        return rc;
    }
    rc = names_register(node, A_cnode_syn, &syn->process);
    if (rc != 0) {
        node_exit(node, &syn->process, atom_term(A_normal));
    }
    return rc;
}

void syn_service_stop(struct syn *syn)
{
    if ((syn->process.flags & PROCESS_DEAD) == 0) {
        node_exit(syn->node, &syn->process, atom_term(A_shutdown));
    }
}

/* Killed: who waits for an answer learns it from his monitor. */
static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct syn *syn = CONTAINER_OF(process, struct syn, process);

    syn_calls_stop(syn);
    node_exit(syn->node, process, reason);
    CHECK(syn_service_start(syn) == 0);
}

/* --- answering */

void syn_reply(struct syn *syn, const struct gen_from *from,
               struct cnode_term term)
{
    (void)gen_reply(syn->node, &syn->process, from, "~t", term);
}

void syn_reply_error(struct syn *syn, const struct gen_from *from, atom_t why)
{
    (void)gen_reply(syn->node, &syn->process, from, "{error, ~A}", why);
}

static int reply_atom(const struct syn_query *q, atom_t atom)
{
    syn_reply(q->syn, &q->from, atom_term(atom));
    return 0;
}

static struct buf *reply_begin(const struct syn_query *q)
{
    return gen_reply_begin(q->syn->node, &q->from);
}

static int reply_end(const struct syn_query *q)
{
    return gen_reply_end(q->syn->node, &q->syn->process, &q->from);
}

static struct syn_table *table_of(const struct syn_query *q, enum syn_kind kind)
{
    return &q->pair->kinds[kind].scope.table;
}

/* What syn's API makes of an owner's answer. */
static int reply_result(const struct syn_query *q, struct cnode_term answer)
{
    struct cnode_term head;
    uint32_t arity;

    if (!cnode_get_tuple(answer, &arity, &head) || arity < 2) {
        syn_reply(q->syn, &q->from, answer);
    } else if (term_is_atom(head, A_ok) || term_is_atom(head, A_noop)) {
        reply_atom(q, A_ok);
    } else if (term_is_atom(head, A_raise) && arity >= 3) {
        (void)gen_reply(q->syn->node, &q->syn->process, &q->from, "{error, ~t}",
                        cnode_next(cnode_next(head)));
    } else {
        syn_reply(q->syn, &q->from, answer);
    }
    return 0;
}

/* --- a call that waits for word of another scheduler */

struct row;
static const struct row *read_call(struct syn *syn, struct cnode_term call,
                                   struct syn_query *q);

struct waiting {
    struct syn *syn;
    struct cnode_kept *call;
    enum syn_kind kind;
    struct pid pid;
};

/* NULL: no memory. */
static struct waiting *waiting_new(const struct syn_query *q)
{
    struct cnode_kept *call = cnode_term_copy(q->call);
    struct waiting *waiting;

    if (call == NULL) {
        return NULL;
    }
    waiting = mem_alloc(sizeof(*waiting));
    *waiting = (struct waiting){.syn = q->syn, .call = call};
    return waiting;
}

static void waiting_free(struct waiting *waiting)
{
    cnode_term_free(waiting->call);
    mem_free(waiting);
}

/* --- register, unregister, join, leave: of a process here, or by asking its
 * owner */

static bool is_ours(const struct syn_query *q, struct pid pid)
{
    return pid.node == q->syn->node->name;
}

static struct syn_request request_of(const struct syn_query *q,
                                     enum syn_ask ask, struct pid pid)
{
    return (struct syn_request){
        .ask = ask,
        .requester = q->syn->node->name,
        .claim = {.name = q->args[0], .meta = q->args[1], .pid = pid}};
}

static int request_here(const struct syn_query *q, enum syn_kind kind,
                        enum syn_ask ask, struct pid pid, bool is_alive)
{
    struct syn_request request = request_of(q, ask, pid);

    return reply_result(q, syn_process_request(&q->pair->kinds[kind], &request,
                                               is_alive, false));
}

/* A process of an earlier life of that node is not asked for: real syn takes it
 * for one of another node, and crashes. */
static int request_there(const struct syn_query *q, enum syn_kind kind,
                         enum syn_ask ask, struct pid pid)
{
    const struct peer *peer = peers_find(&q->syn->node->peers, pid.node);
    struct syn_request request = request_of(q, ask, pid);

    if (peer_is_up(peer) && peer->creation != pid.creation) {
        syn_reply_error(q->syn, &q->from, A_not_alive);
        return 0;
    }
    return syn_calls_ask(q, kind, &request);
}

static void on_alive(struct node *home, void *arg, bool is_alive)
{
    struct waiting *waiting = arg;
    struct syn_query q;

    if (home != NULL && !waiting->syn->is_over &&
        read_call(waiting->syn, cnode_kept_term(waiting->call), &q) != NULL &&
        syn_open(q.syn, q.scope, &q.pair) == 0) {
        (void)request_here(&q, waiting->kind, SYN_ASK_ADD, waiting->pid,
                           is_alive);
    }
    waiting_free(waiting);
}

/* A process of another scheduler: the call waits until it is known whether that
 * lives. */
static int ask_there(const struct syn_query *q, enum syn_kind kind,
                     struct pid pid)
{
    struct waiting *waiting = waiting_new(q);

    if (waiting == NULL) {
        return CNODE_NOMEM;
    }
    waiting->kind = kind;
    waiting->pid = pid;
    registered_ask(q->syn->node, pid, on_alive, waiting);
    return 0;
}

/* `args[2]` is the pid; without one the caller means itself, and has marked
 * itself when it is of another scheduler. */
static int add(const struct syn_query *q, enum syn_kind kind)
{
    struct node *node = q->syn->node;
    struct pid pid = q->caller;

    if (q->arg_count > 2 && !term_get_pid(q->args[2], &pid)) {
        return CNODE_EINVALID;
    }
    if (q->syn->is_strict && !pid_equal(pid, q->caller)) {
        syn_reply_error(q->syn, &q->from, A_not_self);
        return 0;
    }
    if (!is_ours(q, pid)) {
        return request_there(q, kind, SYN_ASK_ADD, pid);
    }
    if (node_owns(node, pid)) {
        return request_here(q, kind, SYN_ASK_ADD, pid,
                            registered_find(node, pid));
    }
    return q->arg_count > 2 ? ask_there(q, kind, pid)
                            : request_here(q, kind, SYN_ASK_ADD, pid, true);
}

static int register_name(const struct syn_query *q)
{
    return add(q, SYN_REGISTRY);
}

static int join(const struct syn_query *q)
{
    return add(q, SYN_GROUPS);
}

static int take_out(const struct syn_query *q, enum syn_kind kind,
                    struct pid pid)
{
    return is_ours(q, pid) ? request_here(q, kind, SYN_ASK_REMOVE, pid, true)
                           : request_there(q, kind, SYN_ASK_REMOVE, pid);
}

/* Without a pid: of whoever has the name. */
static int unregister_name(const struct syn_query *q)
{
    const struct syn_entry *entry;
    struct pid pid;

    if (q->arg_count > 1) {
        return term_get_pid(q->args[1], &pid) ? take_out(q, SYN_REGISTRY, pid)
                                              : CNODE_EINVALID;
    }
    entry = syn_table_find(table_of(q, SYN_REGISTRY), q->args[0], PID_NONE);
    if (entry == NULL) {
        syn_reply_error(q->syn, &q->from, A_undefined);
        return 0;
    }
    return take_out(q, SYN_REGISTRY, entry->pid);
}

static int leave(const struct syn_query *q)
{
    struct pid pid = q->caller;

    return q->arg_count > 1 && !term_get_pid(q->args[1], &pid)
               ? CNODE_EINVALID
               : take_out(q, SYN_GROUPS, pid);
}

/* --- reading */

static int reply_entry(const struct syn_query *q, const struct syn_entry *entry)
{
    if (entry == NULL) {
        return reply_atom(q, A_undefined);
    }
    term_format(reply_begin(q), "{~p, ~t}", entry->pid, syn_entry_meta(entry));
    return reply_end(q);
}

/* A worker of a pool, or nobody. */
static void on_peeked(void *arg, bool is_over, const struct syn_claim *claim)
{
    struct waiting *waiting = arg;
    struct syn_query q;

    if (!is_over && !waiting->syn->is_over &&
        read_call(waiting->syn, cnode_kept_term(waiting->call), &q) != NULL) {
        if (claim == NULL) {
            (void)reply_atom(&q, A_undefined);
        } else {
            term_format(reply_begin(&q), "{~p, ~t}", claim->pid, claim->meta);
            (void)reply_end(&q);
        }
    }
    waiting_free(waiting);
}

static int lookup(const struct syn_query *q)
{
    const struct syn_entry *entry =
        syn_table_find(table_of(q, SYN_REGISTRY), q->args[0], PID_NONE);
    struct syn_scope *scope = &q->pair->kinds[SYN_REGISTRY].scope;
    struct waiting *waiting;

    if (entry != NULL && !syn_is_dead_here(q->syn->node, entry->pid)) {
        return reply_entry(q, entry);
    }
    if (!syn_scope_derives(scope, q->args[0])) {
        return reply_entry(q, NULL);
    }
    waiting = waiting_new(q);
    if (waiting == NULL) {
        return CNODE_NOMEM;
    }
    syn_scope_peek(scope, q->args[0], on_peeked, waiting);
    return 0;
}

static int count(const struct syn_query *q)
{
    const struct syn_scope *scope = &q->pair->kinds[SYN_REGISTRY].scope;
    const struct syn_owner *owner;
    uint64_t n = scope->table.count + syn_scope_derived(scope);

    if (q->arg_count > 0) {
        if (cnode_type(q->args[0]) != CNODE_TYPE_ATOM) {
            return CNODE_EINVALID;
        }
        owner = syn_scope_owner(scope, term_atom(q->args[0]));
        n = owner != NULL ? owner->count : 0;
        n += owner != NULL && owner->is_local ? syn_scope_derived(scope) : 0;
    }
    term_put_uint(reply_begin(q), n);
    return reply_end(q);
}

static int member(const struct syn_query *q)
{
    struct pid pid;

    return term_get_pid(q->args[1], &pid)
               ? reply_entry(q, syn_table_find(table_of(q, SYN_GROUPS),
                                               q->args[0], pid))
               : CNODE_EINVALID;
}

static int members(const struct syn_query *q)
{
    syn_put_members(table_of(q, SYN_GROUPS), q->args[0], false, reply_begin(q));
    return reply_end(q);
}

static int local_members(const struct syn_query *q)
{
    syn_put_members(table_of(q, SYN_GROUPS), q->args[0], true, reply_begin(q));
    return reply_end(q);
}

/* registry or pg */
static const struct syn_scope *scope_of(const struct syn_query *q)
{
    enum syn_kind kind =
        term_is_atom(q->args[0], A_pg) ? SYN_GROUPS : SYN_REGISTRY;

    return kind == SYN_REGISTRY && !term_is_atom(q->args[0], A_registry)
               ? NULL
               : &q->pair->kinds[kind].scope;
}

static int dump(const struct syn_query *q)
{
    const struct syn_scope *scope = scope_of(q);

    if (scope == NULL) {
        return CNODE_EINVALID;
    }
    return syn_dump(q->syn, scope, q->call);
}

static int subcluster_nodes(const struct syn_query *q)
{
    const struct syn_scope *scope = scope_of(q);

    if (scope == NULL) {
        return CNODE_EINVALID;
    }
    syn_scope_put_nodes(scope, reply_begin(q));
    return reply_end(q);
}

static int add_scope(const struct syn_query *q)
{
    return reply_atom(q, A_ok); /* it is there by now */
}

/* --- messages to groups */

static int publish_to(const struct syn_query *q, bool only_local)
{
    uint32_t n;
    int rc = syn_publish(q->syn, table_of(q, SYN_GROUPS), q->args[0],
                         only_local, q->caller, q->args[1], &n);

    if (rc == 0) {
        (void)gen_reply(q->syn->node, &q->syn->process, &q->from, "{ok, ~u}",
                        (uint64_t)n);
    }
    return rc;
}

static int publish(const struct syn_query *q)
{
    return publish_to(q, false);
}

static int local_publish(const struct syn_query *q)
{
    return publish_to(q, true);
}

static int multi_call(const struct syn_query *q)
{
    uint64_t ms;

    return cnode_get_uint(q->args[2], &ms)
               ? syn_multi_call(q, q->args[0], q->args[1], ms)
               : CNODE_EINVALID;
}

/* --- the table: names, and how many arguments follow the scope */

struct row {
    atom_t name;
    uint32_t least, most;
    int (*run)(const struct syn_query *q);
};

static const struct row rows[] = {
    {A_register, 2, 3, register_name},
    {A_unregister, 1, 2, unregister_name},
    {A_join, 2, 3, join},
    {A_leave, 1, 2, leave},
    {A_lookup, 1, 1, lookup},
    {A_count, 0, 1, count},
    {A_member, 2, 2, member},
    {A_members, 1, 1, members},
    {A_local_members, 1, 1, local_members},
    {A_publish, 2, 2, publish},
    {A_local_publish, 2, 2, local_publish},
    {A_multi_call, 3, 3, multi_call},
    {A_subcluster_nodes, 1, 1, subcluster_nodes}, /* registry | pg, Scope */
    {A_dump, 1, 1, dump},                         /* the same */
    {A_add_scope, 0, 0, add_scope},
};

/* A call taken apart; NULL: it is none of these. */
static const struct row *read_call(struct syn *syn, struct cnode_term call,
                                   struct syn_query *q)
{
    struct gen_message message;
    struct cnode_term parts[SYN_QUERY_ARGS + 2] = {0};
    uint32_t arity;

    *q = (struct syn_query){.syn = syn, .call = call};
    gen_parse(call, &message);
    q->from = message.from;
    if (message.kind != GEN_CALL ||
        !term_get_pid(message.from.pid, &q->caller) ||
        !cnode_get_tuple(message.body, &arity, NULL) || arity < 2 ||
        arity > ARRAY_LEN(parts) ||
        !term_get_tuple(message.body, arity, parts)) {
        return NULL;
    }
    q->scope = parts[1];
    q->arg_count = arity - 2;
    for (uint32_t i = 0; i < q->arg_count; i++) {
        q->args[i] = parts[i + 2];
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];

        if (term_is_atom(parts[0], row->name)) {
            if (row->run == dump || row->run == subcluster_nodes) {
                q->scope = parts[2];
                q->args[0] = parts[1];
            }
            return q->arg_count >= row->least && q->arg_count <= row->most
                       ? row
                       : NULL;
        }
    }
    return NULL;
}

/* {error, Reason} when it is not answered otherwise. */
static void run_row(const struct syn_query *q, const struct row *row)
{
    int rc = row->run(q);

    if (rc != 0) {
        (void)gen_reply(q->syn->node, &q->syn->process, &q->from, "{error, ~a}",
                        cnode_error_atom(rc));
    }
}

static void on_fetched(void *arg, bool is_over)
{
    struct waiting *waiting = arg;
    struct syn *syn = waiting->syn;
    const struct row *row;
    struct syn_query q;

    if (!is_over && !syn->is_over) {
        row = read_call(syn, cnode_kept_term(waiting->call), &q);
        if (row != NULL && syn_open(syn, q.scope, &q.pair) == 0) {
            run_row(&q, row);
        }
    }
    waiting_free(waiting);
}

/* A request about a name that a pool may have. */
static bool must_fetch(const struct syn_query *q, const struct row *row)
{
    return (row->run == register_name || row->run == unregister_name) &&
           syn_scope_may_derive(&q->pair->kinds[SYN_REGISTRY].scope,
                                q->args[0]);
}

static void run_query(const struct syn_query *q, const struct row *row)
{
    struct waiting *waiting = must_fetch(q, row) ? waiting_new(q) : NULL;

    if (waiting == NULL) {
        run_row(q, row);
        return;
    }
    syn_scope_fetch(&q->pair->kinds[SYN_REGISTRY].scope, q->args[0], on_fetched,
                    waiting);
}

/* A scope that is not there is started. */
static void on_message(struct process *process, const struct signal *signal)
{
    struct syn *syn = CONTAINER_OF(process, struct syn, process);
    const struct row *row;
    struct syn_query q;
    int rc;

    if (syn_calls_message(syn, signal->term)) {
        return;
    }
    row = read_call(syn, signal->term, &q);
    if (q.from.pid.at == NULL) {
        return; /* no call */
    }
    if (!is_ours(&q, q.caller)) {
        syn_reply_error(syn, &q.from, A_notsup);
        return;
    }
    rc = row == NULL ? CNODE_EINVALID : syn_open(syn, q.scope, &q.pair);
    if (rc == 0) {
        run_query(&q, row);
    } else {
        (void)gen_reply(syn->node, process, &q.from, "{error, ~a}",
                        cnode_error_atom(rc));
    }
}
