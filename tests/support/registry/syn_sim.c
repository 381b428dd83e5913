/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_sim.h.
 */
#include "support/registry/syn_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/mem.h"
#include "node/gen.h"
#include "registry/syn_parts.h"
#include "support/random.h"
#include "support/registry/syn_events.h"
#include "term/build.h"

enum { FAIL_ONE_IN = 50, SETTLE_MOST = 100000 };

/* Something that happens on one node, later, in order. */
struct todo {
    struct list in_node;
    enum { TODO_KILL, TODO_ENDED, TODO_DECIDE } what;
    struct pid pid, theirs;
    int64_t name;
};

/* A message of a model that is still in one of its processes. */
struct parcel {
    struct list in_way;
    struct dest to;
    struct buf bytes;
};

struct call {
    struct list in_all;
    int64_t tag;
    struct syn_sim_node *from;
    struct syn_request request;
};

static unsigned chance(struct syn_sim *sim, unsigned below)
{
    return random_below(&sim->net.random, below);
}

static bool fails(struct syn_sim *sim)
{
    return !sim->is_calm && chance(sim, FAIL_ONE_IN) == 0;
}

static struct cnode_term term_of(const struct buf *buf)
{
    CHECK(buf_error(buf) == 0);
    return term_at(buf_data(buf), buf_size(buf));
}

static struct cnode_term number(int64_t value)
{
    return term_small_int((uint8_t)value);
}

static struct todo *add_todo(struct syn_sim_node *node, struct pid pid)
{
    struct todo *todo = mem_zalloc(sizeof(*todo));

    todo->pid = pid;
    list_push_back(&node->todo, &todo->in_node);
    return todo;
}

static struct syn_sim_process *process_of(struct syn_sim_node *node,
                                          struct pid pid)
{
    for (unsigned i = 0; i < SYN_SIM_PROCESSES; i++) {
        if (pid_equal(node->processes[i].process.pid, pid)) {
            return &node->processes[i];
        }
    }
    return NULL;
}

/* --- a scope of ours */

static void on_send(void *owner, atom_t to, struct cnode_term message)
{
    struct syn_sim_node *node = owner;
    struct dest dest = dest_name(node->sim->process_name, to);

    (void)sim_send(&node->sim->net, node->sender.pid, &dest, message);
}

static void on_send_block(void *owner, atom_t to, struct block *message)
{
    on_send(owner, to, term_at(message->bytes, message->size));
    block_unref(message);
}

static int on_monitor(void *owner, struct pid pid, struct ref *ref)
{
    struct syn_sim_node *node = owner;
    struct dest dest = dest_pid(pid);

    if (fails(node->sim)) {
        return CNODE_LIMIT;
    }
    sim_monitor(&node->sim->net, node->process.pid, &dest, ref);
    return 0;
}

static void on_demonitor(void *owner, const struct ref *ref)
{
    struct syn_sim_node *node = owner;

    sim_demonitor(&node->sim->net, ref);
}

/* Once, and only for a name that it has. */
static void on_kill(void *owner, struct pid pid, struct cnode_term reason)
{
    struct syn_sim_node *node = owner;
    struct syn_sim_process *process = process_of(node, pid);
    struct todo *todo = add_todo(node, pid);
    int64_t meta;

    CHECK(term_match(reason, "{syn_resolve_kill, ~i, ~i}", &todo->name, &meta));
    todo->what = TODO_KILL;
    if (process != NULL) {
        assert_true(process->has[todo->name]);
        process->has[todo->name] = false;
    }
}

static enum syn_verdict on_judge(void *owner,
                                 const struct syn_conflict *conflict)
{
    struct syn_sim_node *node = owner;
    struct todo *todo;

    if (!node->sim->is_judged) {
        return SYN_BY_RULE;
    }
    todo = add_todo(node, conflict->ours.pid);
    todo->what = TODO_DECIDE;
    todo->theirs = conflict->theirs.pid;
    CHECK(cnode_get_int(conflict->ours.name, &todo->name));
    return SYN_LATER;
}

static struct block *on_keep(void *owner, struct cnode_term *term)
{
    struct syn_sim_node *node = owner;

    return fails(node->sim) ? NULL : syn_events_keep(term);
}

static void on_wake(void *owner)
{
    ((struct syn_sim_node *)owner)->is_awake = true;
}

static int64_t on_now(void *owner)
{
    const struct syn_sim_node *node = owner;

    return 1000 + node->skew + (int64_t)node->sim->net.now_ms;
}

static const struct syn_scope_events events = SYN_EVENTS;

/* --- a model */

static void add_parcel(struct syn_sim_node *node, enum syn_model_way way,
                       struct dest to, struct cnode_term message)
{
    struct parcel *parcel = mem_zalloc(sizeof(*parcel));
    unsigned index = sim_node_of(&node->sim->net, to.node);

    CHECK(index < SYN_SIM_NODES);
    parcel->to = to;
    buf_init(&parcel->bytes, 0);
    term_put_copy(&parcel->bytes, message);
    list_push_back(&node->ways[index][way], &parcel->in_way);
}

static void model_send(void *owner, enum syn_model_way way, atom_t to,
                       struct cnode_term message)
{
    struct syn_sim_node *node = owner;

    add_parcel(node, way, dest_name(node->sim->process_name, to), message);
}

static void model_monitor(void *owner, struct pid pid)
{
    struct syn_sim_node *node = owner;
    struct dest dest = dest_pid(pid);
    struct ref ref;

    sim_monitor(&node->sim->net, node->process.pid, &dest, &ref);
}

static void model_kill(void *owner, struct pid pid, int64_t name)
{
    struct todo *todo = add_todo(owner, pid);

    todo->what = TODO_KILL;
    todo->name = name;
}

static bool model_is_alive(void *owner, struct pid pid)
{
    return sim_is_alive(&((struct syn_sim_node *)owner)->sim->net, pid);
}

static const struct syn_model_events model_events = {.send = model_send,
                                                     .monitor = model_monitor,
                                                     .kill = model_kill,
                                                     .now = on_now,
                                                     .is_alive =
                                                         model_is_alive};

static void free_parcel(struct parcel *parcel)
{
    buf_fini(&parcel->bytes);
    mem_free(parcel);
}

static void free_ways(struct syn_sim_node *node, unsigned to)
{
    struct list *it;

    for (unsigned way = 0; way < 2; way++) {
        while ((it = list_pop(&node->ways[to][way])) != NULL) {
            free_parcel(CONTAINER_OF(it, struct parcel, in_way));
        }
    }
}

/* One message of a model gets to the network. False: there is none. */
static bool pump(struct syn_sim_node *node)
{
    struct syn_sim *sim = node->sim;
    unsigned start = chance(sim, 2 * SYN_SIM_NODES);

    for (unsigned i = 0; i < 2 * SYN_SIM_NODES; i++) {
        unsigned at = (start + i) % (2 * SYN_SIM_NODES);
        struct list *it = list_pop(&node->ways[at / 2][at % 2]);
        struct parcel *parcel;

        if (it != NULL) {
            parcel = CONTAINER_OF(it, struct parcel, in_way);
            (void)sim_send(&sim->net,
                           at % 2 == SYN_WAY_SENDER ? node->sender.pid
                                                    : node->process.pid,
                           &parcel->to, term_of(&parcel->bytes));
            free_parcel(parcel);
            return true;
        }
    }
    return false;
}

/* --- calls */

static struct call *find_call(struct syn_sim *sim, int64_t tag)
{
    LIST_EACH(it, &sim->calls) {
        struct call *call = CONTAINER_OF(it, struct call, in_all);

        if (call->tag == tag) {
            return call;
        }
    }
    return NULL;
}

static void free_call(struct call *call)
{
    list_remove(&call->in_all);
    mem_free(call);
}

/* What the owner promises; what it does not, it does not have. */
static void note(struct syn_sim_node *owner, const struct syn_request *request,
                 struct cnode_term answer)
{
    struct syn_sim_process *process = process_of(owner, request->claim.pid);
    int64_t name;

    CHECK(cnode_get_int(request->claim.name, &name));
    if (process != NULL && term_match(answer, "{ok, _}")) {
        process->has[name] = request->ask == SYN_ASK_ADD;
    }
}

static void answer_to(struct syn_sim_node *node,
                      const struct syn_request *request, struct buf *answer)
{
    if (node->is_ours) {
        syn_scope_request(&node->scope, request,
                          sim_is_alive(&node->sim->net, request->claim.pid),
                          false, answer);
        note(node, request, term_of(answer));
    } else {
        syn_model_request(&node->model, request, answer);
    }
}

static void on_answer(struct sim_process *self, struct pid from,
                      struct cnode_term message)
{
    struct syn_sim_node *node = self->owner;
    struct cnode_term answer;
    struct call *call;
    struct buf result;
    int64_t tag;

    (void)from;
    CHECK(term_match(message, "{~i, ~t}", &tag, &answer));
    call = find_call(node->sim, tag);
    CHECK(call != NULL);
    buf_init(&result, 0);
    if (node->has_scope && node->is_ours) {
        syn_scope_answered(&node->scope, &call->request, answer, &result);
        CHECK(buf_error(&result) == 0);
    } else if (node->has_scope) {
        syn_model_answered(&node->model, &call->request, answer);
    }
    buf_fini(&result);
    free_call(call);
}

void syn_sim_call(struct syn_sim_node *from, struct syn_sim_node *to,
                  unsigned process, bool is_add, int64_t name, int64_t meta)
{
    struct syn_sim *sim = from->sim;
    struct dest dest = dest_name(sim->process_name, to->process.pid.node);
    struct syn_request request = {
        .ask = is_add ? SYN_ASK_ADD : SYN_ASK_REMOVE,
        .requester = from->process.pid.node,
        .claim = {.name = number(name),
                  .pid = to->processes[process].process.pid,
                  .meta = number(meta)}};
    struct call *call;
    struct buf buf;

    buf_init(&buf, 0);
    if (from == to) {
        answer_to(to, &request, &buf);
    } else {
        call = mem_zalloc(sizeof(*call));
        *call = (struct call){
            .tag = ++sim->next_tag, .from = from, .request = request};
        list_push_back(&sim->calls, &call->in_all);
        term_put_tuple(&buf, 3);
        term_put_atom(&buf, A_gen_call);
        term_format(&buf, "{~p, ~i}", from->caller.pid, call->tag);
        syn_put_request(&buf, sim->kind, &request);
        (void)sim_send(&sim->net, from->caller.pid, &dest, term_of(&buf));
    }
    buf_fini(&buf);
}

/* --- messages to a scope */

static void on_call(struct syn_sim_node *node, const struct gen_message *gen)
{
    struct syn_request request;
    struct buf answer, reply;
    struct dest dest;
    struct pid caller;

    CHECK(syn_request_parse(node->sim->kind, gen->body, &request) == 0);
    CHECK(term_get_pid(gen->from.pid, &caller));
    buf_init(&answer, 0);
    buf_init(&reply, 0);
    answer_to(node, &request, &answer);
    term_format(&reply, "{~t, ~t}", gen->from.tag, term_of(&answer));
    dest = dest_pid(caller);
    if (node->is_ours) {
        (void)sim_send(&node->sim->net, node->sender.pid, &dest,
                       term_of(&reply));
    } else { /* real syn might overtake what its sender has: see test_syn.c */
        add_parcel(node, SYN_WAY_SENDER, dest, term_of(&reply));
    }
    buf_fini(&answer);
    buf_fini(&reply);
}

static void on_message(struct sim_process *self, struct pid from,
                       struct cnode_term message)
{
    struct syn_sim_node *node = self->owner;
    struct gen_message gen;
    struct ref ref;
    struct pid pid;

    gen_parse(message, &gen);
    if (gen.kind == GEN_CALL) {
        on_call(node, &gen);
    } else if (node->is_ours) {
        (void)syn_scope_message(&node->scope, from, message);
    } else if (term_match(message, "{'DOWN', ~r, process, ~p, _}", &ref,
                          &pid)) {
        syn_model_down(&node->model, pid);
    } else {
        syn_model_message(&node->model, message);
    }
}

static void ignore(struct sim_process *self, struct pid from,
                   struct cnode_term message)
{
    (void)self, (void)from, (void)message;
}

/* --- links */

static bool sees(const struct syn_sim_node *here,
                 const struct syn_sim_node *there)
{
    return here->is_hidden || !there->is_hidden;
}

static void on_nodeup(struct sim_net *net, unsigned here, unsigned there)
{
    struct syn_sim *sim = CONTAINER_OF(net, struct syn_sim, net);
    struct syn_sim_node *node = &sim->nodes[here];
    atom_t name = net->nodes[there].name;

    if (!node->has_scope || !sees(node, &sim->nodes[there])) {
        return;
    }
    if (node->is_ours) {
        syn_scope_nodeup(&node->scope, name);
    } else {
        syn_model_discover(&node->model,
                           node->model.rules.is_ordered ? SYN_WAY_SENDER
                                                        : SYN_WAY_SCOPE,
                           name);
    }
}

static void on_nodedown(struct sim_net *net, unsigned here, unsigned there)
{
    struct syn_sim *sim = CONTAINER_OF(net, struct syn_sim, net);
    struct syn_sim_node *node = &sim->nodes[here];

    node->has_list[there] = false;
    if (node->has_scope && node->is_ours) {
        syn_scope_nodedown(&node->scope, net->nodes[there].name);
    }
    free_ways(node, there);
}

/* --- nodes */

static void scope_init(struct syn_sim_node *node)
{
    struct syn_sim *sim = node->sim;

    if (node->is_ours) {
        CHECK(syn_scope_init(&node->scope, sim->kind, atom_intern("s", 1),
                             node->process.pid, &events, node) == 0);
        node->scope.slice = 1 + chance(sim, 3);
        node->scope.is_hidden = node->is_hidden;
    } else {
        syn_model_init(&node->model, sim->kind, &node->model.rules,
                       node->process.pid, &model_events, node);
        node->model.is_judged = sim->is_judged;
    }
}

void syn_sim_scope_start(struct syn_sim_node *node)
{
    struct syn_sim *sim = node->sim;
    bool is_again = node->has_scope;

    sim_exit(&node->process, A_killed);
    sim_exit(&node->sender, A_killed);
    for (unsigned i = 0; i < SYN_SIM_NODES; i++) {
        free_ways(node, i);
        node->has_list[i] = false;
    }
    sim_spawn(&node->process, &sim->net, node->index, sim->process_name,
              on_message, node);
    sim_spawn(&node->sender, &sim->net, node->index, ATOM_NONE, ignore, node);
    node->has_scope = true;
    if (!is_again) {
        scope_init(node);
    } else if (node->is_ours) {
        syn_scope_restart(&node->scope, node->process.pid);
        return;
    } else {
        syn_model_restart(&node->model, node->process.pid);
    }
    for (unsigned i = 0; i < SYN_SIM_NODES; i++) {
        if (!sim->net.links[node->index][i]) {
            continue;
        }
        if (node->is_ours) {
            on_nodeup(&sim->net, node->index, i);
        } else if (sees(node, &sim->nodes[i])) {
            syn_model_discover(&node->model, SYN_WAY_SCOPE,
                               sim->net.nodes[i].name);
        }
    }
}

static void process_start(struct syn_sim_node *node, unsigned i)
{
    struct syn_sim_process *process = &node->processes[i];

    sim_spawn(&process->process, &node->sim->net, node->index, ATOM_NONE,
              ignore, NULL);
    memset(process->has, 0, sizeof(process->has));
    process->traps_exits = chance(node->sim, 4) == 0;
}

void syn_sim_node_start(struct syn_sim_node *node)
{
    struct sim_net *net = &node->sim->net;

    node->has_scope = false;
    sim_spawn(&node->process, net, node->index, ATOM_NONE, ignore, node);
    sim_spawn(&node->sender, net, node->index, ATOM_NONE, ignore, node);
    sim_spawn(&node->caller, net, node->index, ATOM_NONE, on_answer, node);
    for (unsigned i = 0; i < SYN_SIM_PROCESSES; i++) {
        process_start(node, i);
    }
}

void syn_sim_node_stop(struct syn_sim_node *node)
{
    struct list *it;

    for (unsigned i = 0; i < SYN_SIM_PROCESSES; i++) {
        sim_exit(&node->processes[i].process, A_noproc);
    }
    sim_exit(&node->process, A_noproc);
    sim_exit(&node->sender, A_noproc);
    sim_exit(&node->caller, A_noproc);
    while ((it = list_pop(&node->todo)) != NULL) {
        mem_free(CONTAINER_OF(it, struct todo, in_node));
    }
    LIST_EACH(call, &node->sim->calls) {
        if (CONTAINER_OF(call, struct call, in_all)->from == node) {
            free_call(CONTAINER_OF(call, struct call, in_all));
        }
    }
    for (unsigned i = 0; i < SYN_SIM_NODES; i++) {
        free_ways(node, i);
    }
    if (node->has_scope && node->is_ours) {
        syn_scope_fini(&node->scope);
    } else if (node->has_scope) {
        syn_model_fini(&node->model);
    }
    node->has_scope = false;
}

void syn_sim_process_end(struct syn_sim_node *node, unsigned i)
{
    add_todo(node, node->processes[i].process.pid)->what = TODO_ENDED;
    sim_exit(&node->processes[i].process, A_killed);
    process_start(node, i);
}

/* --- later */

static void decide(struct syn_sim_node *node, const struct todo *todo)
{
    bool is_theirs = syn_pid_compare(todo->theirs, todo->pid) < 0;
    struct syn_sim_process *process = process_of(node, todo->pid);
    struct syn_model_entry entry;

    syn_scope_decide(&node->scope, number(todo->name), todo->theirs, todo->pid,
                     is_theirs ? SYN_KEEP_THEIRS : SYN_KEEP_OURS);
    if (process != NULL) {
        process->has[todo->name] =
            syn_sim_look_up(node, todo->name, todo->pid, &entry) &&
            pid_equal(entry.pid, todo->pid);
    }
}

static void do_todo(struct syn_sim_node *node, const struct todo *todo)
{
    struct syn_sim_process *process = process_of(node, todo->pid);

    switch (todo->what) {
    case TODO_KILL:
        if (process != NULL && !process->traps_exits) {
            syn_sim_process_end(node, (unsigned)(process - node->processes));
        }
        break;
    case TODO_ENDED:
        if (node->has_scope && node->is_ours) {
            syn_scope_ended(&node->scope, todo->pid, atom_term(A_killed));
        } else if (node->has_scope) {
            syn_model_ended(&node->model, todo->pid);
        }
        break;
    case TODO_DECIDE:
        decide(node, todo);
        break;
    }
}

bool syn_sim_node_step(struct syn_sim_node *node)
{
    bool is_more = node->is_awake && node->has_scope;
    struct list *it;

    if (is_more && chance(node->sim, 2) == 0) {
        node->is_awake = syn_scope_work(&node->scope);
        return true;
    }
    if (pump(node)) {
        return true;
    }
    it = list_pop(&node->todo);
    if (it == NULL) {
        return is_more;
    }
    do_todo(node, CONTAINER_OF(it, struct todo, in_node));
    mem_free(CONTAINER_OF(it, struct todo, in_node));
    return true;
}

static bool tick_all(struct syn_sim *sim)
{
    bool is_any = false;

    for (unsigned i = 0; i < SYN_SIM_NODES; i++) {
        struct syn_sim_node *node = &sim->nodes[i];

        if (node->is_ours && node->has_scope && node->scope.asks > 0) {
            syn_scope_tick(&node->scope);
            is_any = true;
        }
    }
    return is_any;
}

void syn_sim_settle(struct syn_sim *sim)
{
    int steps = 0;
    bool is_more;

    do {
        is_more = false;
        for (unsigned i = 0; i < SYN_SIM_NODES; i++) {
            is_more = syn_sim_node_step(&sim->nodes[i]) || is_more;
        }
        is_more = sim_step(&sim->net) || is_more;
        sim->net.now_ms += chance(sim, 2);
        assert_in_range(++steps, 1, SETTLE_MOST);
    } while (is_more || tick_all(sim));
}

/* --- what there is */

bool syn_sim_truth(struct syn_sim_node *node, unsigned i,
                   struct syn_model_entry *entry)
{
    if (!node->has_scope) {
        return false;
    }
    if (node->is_ours) {
        LIST_EACH(it, &node->scope.table.local.entries) {
            struct syn_entry *own =
                CONTAINER_OF(it, struct syn_entry, in_owner);

            if (i-- == 0) {
                *entry = (struct syn_model_entry){.pid = own->pid,
                                                  .time = own->time};
                CHECK(cnode_get_int(syn_entry_name(own), &entry->name));
                CHECK(cnode_get_int(syn_entry_meta(own), &entry->meta));
                return true;
            }
        }
        return false;
    }
    for (unsigned j = 0; j < node->model.count; j++) {
        if (node->model.entries[j].pid.node == node->process.pid.node &&
            i-- == 0) {
            *entry = node->model.entries[j];
            return true;
        }
    }
    return false;
}

bool syn_sim_look_up(struct syn_sim_node *node, int64_t name, struct pid pid,
                     struct syn_model_entry *entry)
{
    struct syn_entry *found;

    if (!node->has_scope) {
        return false;
    }
    if (node->is_ours) {
        found = syn_table_find(&node->scope.table, number(name), pid);
        if (found == NULL) {
            return false;
        }
        *entry = (struct syn_model_entry){
            .name = name, .pid = found->pid, .time = found->time};
        return cnode_get_int(syn_entry_meta(found), &entry->meta);
    }
    for (unsigned i = 0; i < node->model.count; i++) {
        *entry = node->model.entries[i];
        if (entry->name == name &&
            (node->model.kind == SYN_REGISTRY || pid_equal(entry->pid, pid))) {
            return true;
        }
    }
    return false;
}

unsigned syn_sim_count(const struct syn_sim_node *node)
{
    return node->is_ours ? (unsigned)node->scope.table.count
                         : node->model.count;
}

/* --- the cluster */

void syn_sim_init(struct syn_sim *sim, enum syn_kind kind, uint64_t seed,
                  const struct syn_model_rules *const *rules)
{
    memset(sim, 0, sizeof(*sim));
    sim_init(&sim->net, SYN_SIM_NODES, seed);
    sim->net.nodeup = on_nodeup;
    sim->net.nodedown = on_nodedown;
    sim->kind = kind;
    sim->process_name = atom_intern(
        kind == SYN_REGISTRY ? "syn_registry_s" : "syn_pg_s",
        strlen(kind == SYN_REGISTRY ? "syn_registry_s" : "syn_pg_s"));
    list_init(&sim->calls);
    for (unsigned i = 0; i < SYN_SIM_NODES; i++) {
        struct syn_sim_node *node = &sim->nodes[i];

        node->sim = sim;
        node->index = i;
        node->is_ours = rules[i] == NULL;
        if (rules[i] != NULL) {
            node->model.rules = *rules[i];
        }
        node->skew = chance(sim, 30);
        list_init(&node->todo);
        for (unsigned to = 0; to < SYN_SIM_NODES; to++) {
            list_init(&node->ways[to][0]);
            list_init(&node->ways[to][1]);
        }
        syn_sim_node_start(node);
    }
}

void syn_sim_fini(struct syn_sim *sim)
{
    for (unsigned i = 0; i < SYN_SIM_NODES; i++) {
        syn_sim_node_stop(&sim->nodes[i]);
    }
    sim_fini(&sim->net);
}
