/* SPDX-License-Identifier: Apache-2.0
 *
 * See global_claims.h. One node at a time, one name after the other. Where a
 * question fails there is no global, or no connection any more: that node is
 * left alone until it comes up again.
 */
#include "cluster/global_claims.h"

#include "base/log.h"
#include "base/mem.h"
#include "term/build.h"

enum { ASK_TIMEOUT_MS = 60000 };

struct claims_node {
    struct list in_due;
    atom_t name;
    uint64_t due_ms;
};

static void on_timer(struct timer *timer);
static void next_name(struct global_claims *claims);

void global_claims_init(struct global_claims *claims, struct node *node,
                        struct erpc *erpc, struct process *watcher)
{
    *claims =
        (struct global_claims){.node = node, .erpc = erpc, .watcher = watcher};
    global_names_init(&claims->names);
    list_init(&claims->due);
    timer_init(&claims->timer, on_timer);
}

/* --- the names */

static void forget(struct global_claims *claims, struct global_name *name)
{
    struct ref ref = name->monitor;

    global_names_remove(&claims->names, name);
    (void)monitor_stop(claims->node, claims->watcher, &ref);
}

void global_claims_drop(struct global_claims *claims, struct cnode_term name)
{
    struct global_name *entry = global_names_find(&claims->names, name);

    if (entry != NULL) {
        forget(claims, entry);
    }
}

void global_claims_hold(struct global_claims *claims, struct cnode_term name,
                        struct pid pid)
{
    struct dest dest = dest_pid(pid);
    struct ref ref;

    global_claims_drop(claims, name);
    if (monitor_start(claims->node, claims->watcher, &dest, &ref) == 0 &&
        global_names_add(&claims->names, name, pid, atom_term(A_none),
                         ATOM_NONE, &ref) != 0) {
        (void)monitor_stop(claims->node, claims->watcher, &ref);
    }
}

void global_claims_down(struct global_claims *claims, const struct ref *ref)
{
    struct global_name *name = global_names_of_monitor(&claims->names, ref);

    if (name != NULL) {
        global_names_remove(&claims->names, name);
    }
}

/* --- nodes that came up */

static void watch_time(struct global_claims *claims)
{
    struct loop *loop = node_loop(claims->node);
    uint64_t now = loop_now_ms(loop);
    const struct claims_node *first;

    if (list_is_empty(&claims->due) || claims->state != CLAIMS_IDLE) {
        loop_timer_stop(loop, &claims->timer);
        return;
    }
    first = CONTAINER_OF(claims->due.next, struct claims_node, in_due);
    loop_timer_start(loop, &claims->timer,
                     first->due_ms > now ? first->due_ms - now : 0);
}

static void node_free(struct claims_node *node)
{
    list_remove(&node->in_due);
    mem_free(node);
}

/* The last time counts. */
void global_claims_nodeup(struct global_claims *claims, atom_t name)
{
    struct claims_node *node = NULL;

    LIST_EACH(it, &claims->due) {
        struct claims_node *other =
            CONTAINER_OF(it, struct claims_node, in_due);

        if (other->name == name) {
            node = other;
        }
    }
    if (node != NULL) {
        list_remove(&node->in_due);
    } else {
        node = mem_alloc(sizeof(*node));
        node->name = name;
    }
    node->due_ms = loop_now_ms(node_loop(claims->node)) + CLAIMS_DELAY_MS;
    list_push_back(&claims->due, &node->in_due);
    watch_time(claims);
}

static void on_timer(struct timer *timer)
{
    struct global_claims *claims =
        CONTAINER_OF(timer, struct global_claims, timer);
    struct claims_node *node =
        CONTAINER_OF(claims->due.next, struct claims_node, in_due);
    const struct global_name *name;

    claims->where = node->name;
    node_free(node);
    claims->at = claims->count = 0;
    claims->refs =
        mem_alloc((claims->names.by_name.count + 1) * sizeof(*claims->refs));
    MAP_EACH(name, &claims->names.by_name) {
        claims->refs[claims->count++] = name->monitor;
    }
    next_name(claims);
}

static void finish(struct global_claims *claims)
{
    claims->state = CLAIMS_IDLE;
    mem_free(claims->refs);
    claims->refs = NULL;
    watch_time(claims);
}

/* --- one name */

static void on_answer(void *owner, const struct erpc_result *result);

static struct global_name *current(const struct global_claims *claims)
{
    return global_names_of_monitor(&claims->names, &claims->refs[claims->at]);
}

static bool ask(struct global_claims *claims, enum claims_state state,
                atom_t where)
{
    const struct global_name *name = current(claims);
    bool is_restore = state == CLAIMS_RESTORE;
    struct buf args;
    int rc;

    claims->state = state;
    buf_init(&args, 0);
    if (is_restore) {
        term_format(&args, "[~t, ~p]", term_key_term(&name->key), name->pid);
    } else {
        term_format(&args, "[~t]", term_key_term(&name->key));
    }
    rc = buf_error(&args);
    if (rc == 0) {
        rc = erpc_call(claims->erpc, where, atom_term(A_global),
                       atom_term(is_restore ? A_register_name : A_whereis_name),
                       term_at(buf_data(&args), buf_size(&args)),
                       ASK_TIMEOUT_MS, on_answer, claims, &claims->call);
    }
    buf_fini(&args);
    return rc == 0;
}

static void next_name(struct global_claims *claims)
{
    const struct peer *peer = peers_find(&claims->node->peers, claims->where);

    while (claims->at < claims->count && current(claims) == NULL) {
        claims->at++; /* gone meanwhile */
    }
    if (claims->at == claims->count || !peer_is_up(peer) ||
        !ask(claims, CLAIMS_ASK, claims->where)) {
        finish(claims);
    }
}

static void restore(struct global_claims *claims)
{
    if (!ask(claims, CLAIMS_RESTORE, claims->where)) {
        finish(claims);
    }
}

/* Rather one that has said before that we have a name: it has a global. */
static const struct peer *other_peer(const struct global_claims *claims)
{
    const struct peers *peers = &claims->node->peers;
    const struct peer *peer = peers_find(peers, claims->witness);

    if (peer_is_up(peer) && peer->name != claims->where) {
        return peer;
    }
    MAP_EACH(peer, &peers->by_name) {
        if (peer_is_up(peer) && !peer->is_hidden &&
            peer->name != claims->where) {
            return peer;
        }
    }
    return NULL;
}

static void ask_other(struct global_claims *claims)
{
    const struct peer *peer = other_peer(claims);

    if (peer == NULL || !ask(claims, CLAIMS_ASK_OTHER, peer->name)) {
        restore(claims);
    }
}

/* Whom whereis_name/1 names. */
static void judge(struct global_claims *claims, struct global_name *name,
                  struct cnode_term whom)
{
    struct pid pid;

    if (term_is_atom(whom, A_undefined)) {
        if (claims->state == CLAIMS_ASK) {
            ask_other(claims);
        } else {
            restore(claims);
        }
        return;
    }
    if (!term_get_pid(whom, &pid) || !pid_equal(pid, name->pid)) {
        forget(claims, name);
    } else if (claims->state == CLAIMS_ASK_OTHER) {
        restore(claims); /* ours: only the one that came up does not know */
        return;
    } else {
        claims->witness = claims->where;
    }
    claims->at++;
    next_name(claims);
}

static void on_answer(void *owner, const struct erpc_result *result)
{
    struct global_claims *claims = owner;
    struct global_name *name = current(claims);
    bool has_answered = result->class == ERPC_RETURN;

    claims->call = NULL;
    if (claims->state == CLAIMS_RESTORE && has_answered &&
        term_is_atom(result->term, A_yes)) {
        LOG_INFO("global_name_restored",
                 F_STR("peer", atom_text(claims->where)));
    }
    if (name == NULL || claims->state == CLAIMS_RESTORE) {
        claims->at++;
        next_name(claims);
    } else if (has_answered) {
        judge(claims, name, result->term);
    } else if (claims->state == CLAIMS_ASK_OTHER) {
        restore(claims); /* a C node, say: it has no global to ask */
    } else {
        finish(claims);
    }
}

/* --- the end */

static void stop(struct global_claims *claims)
{
    if (claims->call != NULL) {
        erpc_cancel(claims->call);
        claims->call = NULL;
    }
    if (claims->state != CLAIMS_IDLE) {
        finish(claims);
    }
}

void global_claims_lost(struct global_claims *claims)
{
    stop(claims);
    global_names_fini(&claims->names);
    global_names_init(&claims->names);
}

void global_claims_fini(struct global_claims *claims)
{
    struct global_name *name;

    stop(claims);
    while (!list_is_empty(&claims->due)) {
        node_free(CONTAINER_OF(claims->due.next, struct claims_node, in_due));
    }
    loop_timer_stop(node_loop(claims->node), &claims->timer);
    MAP_EACH(name, &claims->names.by_name) {
        (void)monitor_stop(claims->node, claims->watcher, &name->monitor);
    }
    global_names_fini(&claims->names);
}
