/* SPDX-License-Identifier: Apache-2.0
 *
 * The registrar: names for processes of this node, one request after the other.
 * All nodes that we know are locked, the change is told to all of them, and
 * they are unlocked:
 *
 *   IDLE -> BOSS -> ALL -> CHANGE -> RELEASE -> RELEASE_LAST -> IDLE
 *            |       |
 *          SLEEP <- UNDO     somebody has the lock: later again
 */
#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "cluster/global_server.h"

struct global_request {
    struct list in_requests;
    enum global_op op;
    struct cnode_kept *name;
    struct pid pid;
    uint64_t number;
};

void registrar_init(struct global *g)
{
    g->registrar.multi.role = GLOBAL_REGISTRAR;
    g->registrar.due_ms = UINT64_MAX;
    list_init(&g->registrar.requests);
}

static void request_free(struct global_request *request)
{
    cnode_term_free(request->name);
    mem_free(request);
}

void registrar_fini(struct global *g)
{
    struct global_registrar *r = &g->registrar;
    struct list *it;

    while ((it = list_pop(&r->requests)) != NULL) {
        request_free(CONTAINER_OF(it, struct global_request, in_requests));
    }
    multi_fini(g, &r->multi);
    global_nodes_fini(&r->targets);
    global_nodes_fini(&r->held);
}

int global_request(struct global *g, enum global_op op, struct cnode_term name,
                   struct pid pid, uint64_t number, uint64_t now_ms)
{
    struct global_registrar *r = &g->registrar;
    struct global_request *request;
    struct cnode_kept *kept;

    if (r->request_count >= limits.global_requests) {
        METRIC_INC(global_refused);
        return CNODE_OVERLOADED;
    }
    if (cnode_term_size(name) > limits.global_term_bytes) {
        METRIC_INC(global_refused);
        return CNODE_TOO_LARGE;
    }
    kept = cnode_term_copy(name);
    if (kept == NULL) {
        return CNODE_NOMEM;
    }
    request = mem_alloc(sizeof(*request));
    *request = (struct global_request){
        .op = op, .name = kept, .pid = pid, .number = number};
    list_push_back(&r->requests, &request->in_requests);
    r->request_count++;
    global_tick(g, now_ms);
    return 0;
}

/* --- asking */

static struct global_request *current(struct global *g)
{
    return CONTAINER_OF(g->registrar.requests.next, struct global_request,
                        in_requests);
}

static void ask(struct global *g, enum registrar_state state,
                const struct buf *request)
{
    g->registrar.state = state;
    multi_start(g, &g->registrar.multi, &g->registrar.targets,
                term_at(buf_data(request), buf_size(request)));
}

static void ask_lock(struct global *g, enum registrar_state state,
                     const char *format)
{
    struct buf request;

    buf_init(&request, 0);
    term_format(&request, format, g->pids[GLOBAL_REGISTRAR]);
    ask(g, state, &request);
    buf_fini(&request);
}

static void set_locks(struct global *g, enum registrar_state state)
{
    ask_lock(g, state, "{set_lock, {global, ~p}}");
}

static void del_locks(struct global *g, enum registrar_state state)
{
    ask_lock(g, state, "{del_lock, {global, ~p}}");
}

static void all(struct global *g, struct global_nodes *nodes)
{
    global_nodes_clear(nodes);
    global_nodes_add(nodes, g->node);
    global_nodes_add_known(g, nodes);
}

static void to_targets(struct global *g, const struct global_nodes *nodes)
{
    global_nodes_clear(&g->registrar.targets);
    for (uint32_t i = 0; i < nodes->count; i++) {
        global_nodes_add(&g->registrar.targets, nodes->items[i]);
    }
}

/* --- the states */

static void start(struct global *g)
{
    struct global_registrar *r = &g->registrar;

    r->due_ms = UINT64_MAX;
    all(g, &r->held); /* whom to lock */
    global_nodes_clear(&r->targets);
    global_nodes_add(&r->targets, global_nodes_boss(&r->held));
    set_locks(g, REGISTRAR_BOSS);
}

static void lock_all(struct global *g)
{
    to_targets(g, &g->registrar.held);
    set_locks(g, REGISTRAR_ALL);
}

/* Nobody became known while the others were being locked. */
static bool is_complete(struct global *g)
{
    struct global_nodes now = {0};
    bool is = true;

    all(g, &now);
    for (uint32_t i = 0; i < now.count; i++) {
        is = is && global_nodes_have(&g->registrar.held, now.items[i]);
    }
    global_nodes_fini(&now);
    return is;
}

/* Only those who gave us the lock, and the boss, who did before. */
static void undo(struct global *g)
{
    struct global_registrar *r = &g->registrar;
    atom_t boss = global_nodes_boss(&r->held);

    global_nodes_clear(&r->targets);
    multi_put_true(&r->multi, &r->targets);
    if (r->state == REGISTRAR_ALL) {
        global_nodes_add(&r->targets, boss);
    }
    del_locks(g, REGISTRAR_UNDO);
}

static void sleep_on_it(struct global *g)
{
    struct global_registrar *r = &g->registrar;

    r->state = REGISTRAR_SLEEP;
    r->due_ms = g->now_ms + global_sleep_ms(g, r->tries++);
}

static atom_t result_of(struct global *g, const struct global_request *request)
{
    struct cnode_term name = cnode_kept_term(request->name);

    switch (request->op) {
    case GLOBAL_REGISTER: /* a process has one name at most */
        return pid_is_none(global_whereis(g, name)) &&
                       global_names_of_pid(&g->names, request->pid) == NULL
                   ? A_yes
                   : A_no;
    case GLOBAL_RE_REGISTER:
        return A_yes;
    case GLOBAL_UNREGISTER:
        break;
    }
    return A_ok;
}

/* fun global:random_exit_name/3, as by default. */
static void put_method(struct buf *buf)
{
    buf_put_u8(buf, TAG_EXPORT);
    term_put_atom(buf, A_global);
    term_put_atom(buf, A_random_exit_name);
    term_put_int(buf, 3);
}

static void put_change(struct buf *buf, const struct global_request *request)
{
    struct cnode_term name = cnode_kept_term(request->name);

    if (request->op == GLOBAL_UNREGISTER) {
        term_format(buf, "{unregister, ~t}", name);
        return;
    }
    term_put_tuple(buf, 4);
    term_put_atom(buf, A_register);
    term_put_copy(buf, name);
    term_put_pid(buf, request->pid);
    put_method(buf);
}

/* Who was lost meanwhile, and is back, gets the name when it is known again: if
 * it got it now, it would not be told of its end. */
static void forget_unknown(struct global *g, struct global_nodes *nodes)
{
    for (uint32_t i = nodes->count; i-- > 0;) {
        if (!global_is_known(g, nodes->items[i])) {
            global_nodes_remove(nodes, nodes->items[i]);
        }
    }
}

static void release(struct global *g)
{
    struct global_registrar *r = &g->registrar;

    to_targets(g, &r->held);
    global_nodes_remove(&r->targets, global_nodes_boss(&r->held));
    del_locks(g, REGISTRAR_RELEASE);
}

static void release_last(struct global *g)
{
    struct global_registrar *r = &g->registrar;

    global_nodes_clear(&r->targets);
    global_nodes_add(&r->targets, global_nodes_boss(&r->held));
    del_locks(g, REGISTRAR_RELEASE_LAST);
}

static void change(struct global *g)
{
    struct global_registrar *r = &g->registrar;
    struct buf request;

    r->result = result_of(g, current(g));
    if (r->result == A_no) {
        release(g);
        return;
    }
    buf_init(&request, 0);
    put_change(&request, current(g));
    to_targets(g, &r->held);
    if (current(g)->op != GLOBAL_UNREGISTER) {
        forget_unknown(g, &r->targets);
    }
    ask(g, REGISTRAR_CHANGE, &request);
    buf_fini(&request);
}

static void finish(struct global *g)
{
    struct global_registrar *r = &g->registrar;
    struct global_request *request = current(g);
    uint64_t number = request->number;

    list_remove(&request->in_requests);
    request_free(request);
    r->request_count--;
    r->tries = 0;
    r->state = REGISTRAR_IDLE;
    g->events->done(g->owner, number, r->result);
}

static void step(struct global *g)
{
    struct global_registrar *r = &g->registrar;
    bool is_set = multi_all_true(&r->multi);

    switch (r->state) {
    case REGISTRAR_BOSS:
        if (is_set) {
            lock_all(g);
        } else {
            undo(g);
        }
        return;
    case REGISTRAR_ALL:
        if (is_set && is_complete(g)) {
            change(g);
        } else {
            undo(g);
        }
        return;
    case REGISTRAR_UNDO:
        sleep_on_it(g);
        return;
    case REGISTRAR_CHANGE:
        release(g);
        return;
    case REGISTRAR_RELEASE:
        release_last(g);
        return;
    default:
        finish(g);
        return;
    }
}

void registrar_run(struct global *g)
{
    struct global_registrar *r = &g->registrar;

    for (;;) {
        if (r->state == REGISTRAR_IDLE && list_is_empty(&r->requests)) {
            return;
        }
        if (r->state == REGISTRAR_SLEEP && g->now_ms < r->due_ms) {
            return;
        }
        if (r->state == REGISTRAR_IDLE || r->state == REGISTRAR_SLEEP) {
            start(g);
        } else if (multi_is_done(&r->multi)) {
            step(g);
        } else {
            return;
        }
    }
}
