/* SPDX-License-Identifier: Apache-2.0
 *
 * global_name_server: what comes to it, by kind, and the public functions of
 * global.h. See there.
 */
#include "cluster/global_server.h"

#include <cnode/error.h>

#include "base/log.h"
#include "base/mem.h"

enum { SUSPECT_MS = 10000 };

static bool peer_equal(const void *item, const void *key)
{
    return ((const struct global_peer *)item)->node == *(const atom_t *)key;
}

void global_init(struct global *g, atom_t node,
                 const struct pid pids[GLOBAL_ROLES], uint64_t random,
                 const struct global_events *events, void *owner)
{
    *g = (struct global){.node = node,
                         .random = random,
                         .events = events,
                         .owner = owner,
                         .next_tag = 1};
    for (int i = 0; i < GLOBAL_ROLES; i++) {
        g->pids[i] = pids[i];
    }
    map_init(&g->peers, peer_equal);
    global_names_init(&g->names);
    global_locks_init(&g->locks);
    list_init(&g->lost);
    buf_init(&g->out, 0);
    locker_init(g);
    registrar_init(g);
}

void global_fini(struct global *g)
{
    struct global_peer *peer;
    uint32_t pos = 0;

    MAP_EACH(peer, &g->peers) {
        peer->is_up = false; /* nothing is said any more */
    }
    while ((peer = map_next(&g->peers, &pos)) != NULL) {
        session_end(g, peer, false);
        peer->is_known = peer->is_wanted = false;
        global_peer_trim(g, peer);
        pos = 0;
    }
    locker_fini(g);
    registrar_fini(g);
    partition_fini(g);
    map_fini(&g->peers);
    global_names_fini(&g->names);
    global_locks_fini(&g->locks);
    buf_fini(&g->out);
}

/* Everything that an input made possible. */
static void run(struct global *g)
{
    locker_run(g);
    registrar_run(g);
    known_tick(g);
}

/* --- nodes */

void global_nodeup(struct global *g, atom_t node, uint64_t now_ms)
{
    struct global_peer *peer = global_peer_open(g, node);

    g->now_ms = now_ms;
    peer->is_up = true;
    peer->up_ms = now_ms;
    peer->is_removing = false;
    known_nodeup(g, peer);
    session_begin(g, peer);
    run(g);
}

void server_lose(struct global *g, struct global_peer *peer, bool is_dropped)
{
    session_end(g, peer, is_dropped);
    cnode_term_free(peer->early);
    peer->early = NULL;
    if (is_dropped) {
        global_store_drop_names(g, peer->node); /* it may change them unseen */
    }
    peer->is_removing = is_dropped;
    peer->is_known = peer->is_pending = peer->is_synced = false;
    peer->is_wanted = peer->is_dialled = false;
}

/* What its processes had is void at once, before it comes back. */
void global_nodedown(struct global *g, atom_t node, uint64_t now_ms)
{
    struct global_peer *peer = global_peer_find(g, node);

    g->now_ms = now_ms;
    if (peer == NULL) {
        return;
    }
    peer->is_up = false;
    server_lose(g, peer, false);
    global_peer_trim(g, peer);
    global_store_drop_node(g, node);
    run(g);
}

void global_dial_failed(struct global *g, atom_t node, uint64_t now_ms)
{
    struct global_peer *peer = global_peer_find(g, node);

    g->now_ms = now_ms;
    if (peer != NULL && !peer->is_up) {
        known_dial_failed(g, peer);
    }
}

/* --- calls */

atom_t server_change(struct global *g, struct pid by, struct cnode_term request)
{
    struct cnode_term id_term = TERM_NONE, name = TERM_NONE;
    struct cnode_term whom = TERM_NONE, method = TERM_NONE, ext = TERM_NONE;
    struct global_lock_id id;
    struct pid pid;

    if (term_match(request, "{set_lock, ~t}", &id_term) &&
        global_lock_id(id_term, &id)) {
        return global_store_set_lock(g, &id, by) ? A_true : A_false;
    }
    if (term_match(request, "{del_lock, ~t}", &id_term) &&
        global_lock_id(id_term, &id)) {
        global_store_del_lock(g, &id, by);
        return A_true;
    }
    if (term_match(request, "{register, ~t, ~t, ~t}", &name, &whom, &method) &&
        global_pid(whom, &pid)) {
        global_store_register(g, name, pid, method, ATOM_NONE, by);
        return A_yes;
    }
    if (term_match(request, "{register_ext, ~t, ~t, ~t, ~t}", &name, &whom,
                   &method, &ext) &&
        global_pid(whom, &pid)) {
        global_store_register(g, name, pid, method, term_atom(ext), by);
        return A_yes;
    }
    if (term_match(request, "{unregister, ~t}", &name)) {
        global_store_unregister(g, name);
        return A_ok;
    }
    return ATOM_NONE;
}

static void put_synced(struct global *g, struct buf *buf)
{
    const struct global_peer *peer;
    uint32_t count = 0;

    MAP_EACH(peer, &g->peers) {
        count += peer->is_synced;
    }
    term_put_list(buf, count);
    MAP_EACH(peer, &g->peers) {
        if (peer->is_synced) {
            term_put_atom(buf, peer->node);
        }
    }
    term_put_nil(buf);
}

static void put_answer(struct global *g, struct cnode_term request,
                       struct buf *buf)
{
    switch (term_atom(request)) {
    case A_get_known:
        known_put(g, buf, false);
        return;
    case A_get_synced:
        put_synced(g, buf);
        return;
    case A_get_protocol_version:
        term_put_int(buf, GLOBAL_VERSION);
        return;
    case A_get_names_ext:
        global_names_put_ext(&g->names, buf);
        return;
    default: /* nobody shall wait for ever */
        term_format(buf, "{error, {unsupported, ~t}}", request);
        return;
    }
}

/* It locks us as one whom it knows, but we do not know it, and there is nothing
 * on its way that would change that: its new_nodes crossed the loss of our
 * connection. Only a new one helps. */
static void suspect(struct global *g, atom_t node, struct cnode_term request)
{
    struct global_peer *peer = global_peer_find(g, node);
    struct cnode_term id_term = TERM_NONE;
    struct global_lock_id id;

    if (peer != NULL && peer->is_up && !peer->is_known &&
        peer->session == NULL && g->now_ms > peer->up_ms + SUSPECT_MS &&
        term_match(request, "{set_lock, ~t}", &id_term) &&
        global_lock_id(id_term, &id) && term_is_atom(id.resource, A_global)) {
        known_reconnect(g, peer);
    }
}

static int on_call(struct global *g, const struct gen_message *call)
{
    struct pid by;
    atom_t answer = ATOM_NONE;
    struct buf reply;

    if (term_get_pid(call->from.pid, &by) && by.node != ATOM_NONE) {
        answer = server_change(g, by, call->body);
        suspect(g, by.node, call->body);
    }
    buf_init(&reply, 0);
    if (answer != ATOM_NONE) {
        term_put_atom(&reply, answer);
    } else {
        put_answer(g, call->body, &reply);
    }
    g->events->reply(g->owner, &call->from,
                     term_at(buf_data(&reply), buf_size(&reply)));
    buf_fini(&reply);
    return 0;
}

/* --- messages */

/* {whereis, Name, From}: a node that has no global of its own. */
static void on_whereis(struct global *g, struct cnode_term name,
                       struct cnode_term from_term)
{
    struct pid pid = global_whereis(g, name);
    struct gen_from from;
    struct cnode_term parts[2];
    struct buf reply;

    if (!term_get_tuple(from_term, 2, parts) ||
        cnode_type(parts[0]) != CNODE_TYPE_PID) {
        return;
    }
    from = (struct gen_from){.pid = parts[0], .tag = parts[1]};
    buf_init(&reply, 0);
    if (pid_is_none(pid)) {
        term_put_atom(&reply, A_undefined);
    } else {
        term_put_pid(&reply, pid);
    }
    g->events->reply(g->owner, &from,
                     term_at(buf_data(&reply), buf_size(&reply)));
    buf_fini(&reply);
}

static int on_info(struct global *g, struct pid from, struct cnode_term message)
{
    struct cnode_term name = TERM_NONE, caller = TERM_NONE;
    struct ref ref;
    int rc;

    if (term_match(message, "{'DOWN', ~r, process, _, _}", &ref)) {
        return global_store_down(g, &ref) ? 0 : CNODE_EINVALID;
    }
    if (term_match(message, "{whereis, ~t, ~t}", &name, &caller)) {
        on_whereis(g, name, caller);
        return 0;
    }
    rc = session_info(g, from, message);
    return rc == CNODE_UNHANDLED ? partition_info(g, from, message) : rc;
}

static int on_server(struct global *g, struct pid from,
                     struct cnode_term message)
{
    struct gen_message gen;

    gen_parse(message, &gen);
    switch (gen.kind) {
    case GEN_CALL:
        return on_call(g, &gen);
    case GEN_CAST:
        return session_cast(g, from, gen.body);
    default:
        return on_info(g, from, message);
    }
}

/* Only answers come to the two; of everything else a lock_set of a node that
 * does not know our session. */
static int on_helper(struct global *g, enum global_role role,
                     struct cnode_term message)
{
    struct global_multi *multi =
        role == GLOBAL_LOCKER ? &g->locker.multi : &g->registrar.multi;
    struct global_peer *peer;
    struct pid pid;

    if (multi_message(g, multi, message)) {
        return 0;
    }
    if (role != GLOBAL_LOCKER ||
        !term_match(message, "{lock_set, ~p, false, _}", &pid)) {
        return CNODE_UNHANDLED;
    }
    peer = global_peer_find(g, pid.node);
    if (peer != NULL && peer->session != NULL) {
        locker_hear(g, peer, pid, false);
    }
    return 0;
}

int global_message(struct global *g, enum global_role role, struct pid from,
                   struct cnode_term message, uint64_t now_ms)
{
    int rc;

    g->now_ms = now_ms;
    rc = role == GLOBAL_SERVER ? on_server(g, from, message)
                               : on_helper(g, role, message);
    run(g);
    return rc;
}

/* --- time */

uint64_t global_deadline(const struct global *g)
{
    uint64_t due = known_deadline(g);

    if (g->locker.due_ms < due) {
        due = g->locker.due_ms;
    }
    return g->registrar.due_ms < due ? g->registrar.due_ms : due;
}

void global_tick(struct global *g, uint64_t now_ms)
{
    g->now_ms = now_ms;
    partition_tick(g);
    run(g);
}

struct pid global_whereis(struct global *g, struct cnode_term name)
{
    const struct global_name *entry = global_names_find(&g->names, name);

    return entry == NULL ? PID_NONE : entry->pid;
}
