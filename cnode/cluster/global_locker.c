/* SPDX-License-Identifier: Apache-2.0
 *
 * The locker: one session at a time it locks our part of the cluster with a
 * lock id that both sides share, so that nodes that both know may be locked by
 * both, and agrees with the other locker that both have done so.
 *
 *   IDLE -> FIRST -> SECOND -> KNOWN -> WAIT_HIM -> WAIT_CANCEL
 *    ^        \         \        \         |            |
 *    |         `---------`-----> UNDO      v            v
 *    `--------------------------- ' <-- RELEASE -> RELEASE_LAST
 *
 * The greatest node that we know is locked first and unlocked last: it is where
 * all who want the lock meet. When his locker was first (is_asked) WAIT_HIM is
 * left out. A locker that fails waits before it tries again, so that somebody
 * else gets a chance.
 */
#include <string.h>

#include <cnode/error.h>

#include "cluster/global_server.h"

enum {
    START_MS = 200, /* while we know nobody */
    WAIT_MS = 1000,
    WAIT_PER_NODE_MS = 100,
    WAIT_MOST_MS = 3000,
};

static uint64_t wait_ms(struct global *g)
{
    struct global_nodes known = {0};
    uint64_t wait;

    global_nodes_add_known(g, &known);
    wait =
        known.count == 0 ? START_MS : WAIT_MS + WAIT_PER_NODE_MS * known.count;
    global_nodes_fini(&known);
    return wait < WAIT_MOST_MS ? wait : WAIT_MOST_MS;
}

static bool is_candidate(const struct global_peer *peer)
{
    return peer->session != NULL && peer->session->is_candidate &&
           !peer->is_known;
}

static bool has_candidate(const struct global *g)
{
    const struct global_peer *peer;

    MAP_EACH(peer, &g->peers) {
        if (is_candidate(peer)) {
            return true;
        }
    }
    return false;
}

/* Nothing is due while there is nobody to lock for. Right after a session the
 * next one need not wait, if it is there by then: whoever comes later gets the
 * time in which he and the others see each other. A member of OTP 27 that has
 * been made known to another before the `init_connect_ack` of that one is there
 * forgets its names for good. */
static void set_due(struct global *g)
{
    struct global_locker *l = &g->locker;
    bool is_at_once = l->just_synced;

    l->due_ms = UINT64_MAX;
    if (l->state != LOCKER_IDLE) {
        return;
    }
    l->just_synced = false;
    if (has_candidate(g)) {
        l->due_ms = g->now_ms + (is_at_once ? 0 : wait_ms(g));
    }
}

void locker_init(struct global *g)
{
    g->locker.multi.role = GLOBAL_LOCKER;
    g->locker.due_ms = UINT64_MAX;
    buf_init(&g->locker.id, 0);
}

void locker_fini(struct global *g)
{
    multi_fini(g, &g->locker.multi);
    global_nodes_fini(&g->locker.targets);
    global_nodes_fini(&g->locker.held);
    buf_fini(&g->locker.id);
}

static void become_idle(struct global *g, bool just_synced)
{
    g->locker.state = LOCKER_IDLE;
    g->locker.him = ATOM_NONE;
    g->locker.just_synced = just_synced;
    set_due(g);
}

/* --- requests to our part */

static struct cnode_term lock_id(const struct global *g)
{
    return term_at(buf_data(&g->locker.id), buf_size(&g->locker.id));
}

static void ask(struct global *g, enum locker_state state, const char *format)
{
    struct buf request;

    g->locker.state = state;
    buf_init(&request, 0);
    term_format(&request, format, lock_id(g));
    multi_start(g, &g->locker.multi, &g->locker.targets,
                term_at(buf_data(&request), buf_size(&request)));
    buf_fini(&request);
}

static void set_locks(struct global *g, enum locker_state state)
{
    ask(g, state, "{set_lock, ~t}");
}

static void del_locks(struct global *g, enum locker_state state)
{
    ask(g, state, "{del_lock, ~t}");
}

static atom_t boss(struct global *g)
{
    struct global_nodes all = {0};
    atom_t node;

    global_nodes_add(&all, g->node);
    global_nodes_add_known(g, &all);
    node = global_nodes_boss(&all);
    global_nodes_fini(&all);
    return node;
}

/* --- one attempt */

/* Pids are ordered as on a BEAM: both sides must make the same id. */
static bool pid_is_less(struct pid a, struct pid b)
{
    if (a.serial != b.serial) {
        return a.serial < b.serial;
    }
    if (a.id != b.id) {
        return a.id < b.id;
    }
    return a.node != b.node ? global_node_is_less(a.node, b.node)
                            : a.creation < b.creation;
}

static void put_lock_id(struct global *g, struct pid his)
{
    struct pid ours = g->pids[GLOBAL_LOCKER];
    bool ours_first = pid_is_less(ours, his);

    buf_clear(&g->locker.id);
    term_format(&g->locker.id, "{global, [~p, ~p]}", ours_first ? ours : his,
                ours_first ? his : ours);
}

/* Locking ourselves first could stop somebody who has locked the boss already:
 * so it is only looked at. */
static void attempt(struct global *g, struct global_peer *peer, bool is_asked)
{
    struct global_locker *l = &g->locker;
    struct global_lock_id id;
    atom_t first = boss(g);

    l->him = peer->node;
    l->is_asked = is_asked;
    l->due_ms = UINT64_MAX;
    global_nodes_clear(&l->held);
    global_nodes_clear(&l->targets);
    put_lock_id(g, peer->session->his_locker);
    if (first != g->node && global_lock_id(lock_id(g), &id) &&
        !global_locks_can_set(&g->locks, &id)) {
        l->state = LOCKER_UNDO; /* nothing to undo */
        return;
    }
    global_nodes_add(&l->targets, first);
    set_locks(g, LOCKER_FIRST);
}

static void lock_second(struct global *g)
{
    struct global_locker *l = &g->locker;

    global_nodes_clear(&l->targets);
    global_nodes_add(&l->targets, g->node);
    if (!l->is_asked && l->him != ATOM_NONE) {
        global_nodes_add(&l->targets, l->him); /* prevents deadlock */
    }
    for (uint32_t i = 0; i < l->held.count; i++) {
        global_nodes_remove(&l->targets, l->held.items[i]);
    }
    set_locks(g, LOCKER_SECOND);
}

static void lock_known(struct global *g)
{
    struct global_locker *l = &g->locker;

    global_nodes_clear(&l->targets);
    global_nodes_add_known(g, &l->targets);
    for (uint32_t i = 0; i < l->held.count; i++) {
        global_nodes_remove(&l->targets, l->held.items[i]);
    }
    set_locks(g, LOCKER_KNOWN);
}

static void undo(struct global *g)
{
    struct global_locker *l = &g->locker;

    global_nodes_clear(&l->targets);
    for (uint32_t i = 0; i < l->held.count; i++) {
        global_nodes_add(&l->targets, l->held.items[i]);
    }
    del_locks(g, LOCKER_UNDO);
}

/* All are unlocked, the boss last. */
static void release(struct global *g)
{
    struct global_locker *l = &g->locker;

    global_nodes_clear(&l->targets);
    for (uint32_t i = 0; i < l->held.count; i++) {
        global_nodes_add(&l->targets, l->held.items[i]);
    }
    global_nodes_remove(&l->targets, global_nodes_boss(&l->held));
    del_locks(g, LOCKER_RELEASE);
}

static void release_last(struct global *g)
{
    struct global_locker *l = &g->locker;

    global_nodes_clear(&l->targets);
    global_nodes_add(&l->targets, global_nodes_boss(&l->held));
    del_locks(g, LOCKER_RELEASE_LAST);
}

/* --- the two lockers */

static void send_lock_set(struct global *g, const struct global_peer *peer,
                          bool is_set)
{
    const struct global_session *session = peer->session;
    struct buf *out = global_begin(g);
    bool with_tag = session->version >= GLOBAL_VERSION;

    term_put_tuple(out, 2);
    term_put_atom(out, A_gen_cast);
    term_put_tuple(out, with_tag ? 5 : 4);
    term_put_atom(out, A_lock_set);
    term_put_pid(out, g->pids[GLOBAL_LOCKER]);
    term_put_atom(out, is_set ? A_true : A_false);
    known_put(g, out, false);
    if (with_tag) {
        term_put_copy(out, cnode_kept_term(session->his_tag));
    }
    global_send(g, GLOBAL_LOCKER, peer->node);
}

void locker_refuse(struct global *g, struct pid pid)
{
    struct dest to = dest_pid(pid);
    struct buf *out = global_begin(g);

    term_format(out, "{lock_set, ~p, false, []}", g->pids[GLOBAL_LOCKER]);
    g->events->send(g->owner, GLOBAL_LOCKER, &to,
                    term_at(buf_data(out), buf_size(out)));
}

static struct global_peer *him(struct global *g)
{
    struct global_peer *peer =
        g->locker.him == ATOM_NONE ? NULL : global_peer_find(g, g->locker.him);

    return peer != NULL && peer->session != NULL ? peer : NULL;
}

/* Both parts are locked. */
static void both_locked(struct global *g, struct global_peer *peer)
{
    g->locker.state = LOCKER_WAIT_CANCEL;
    peer->session->is_candidate = false;
    peer->session->wants_lock = false;
    server_lock_is_set(g, peer, lock_id(g));
}

static void locked(struct global *g)
{
    struct global_locker *l = &g->locker;
    struct global_peer *peer = him(g);

    if (peer == NULL) { /* the session ended meanwhile */
        release(g);
        return;
    }
    send_lock_set(g, peer, true);
    if (l->is_asked || peer->session->wants_lock) {
        both_locked(g, peer);
    } else {
        l->state = LOCKER_WAIT_HIM;
    }
}

static void failed(struct global *g)
{
    struct global_peer *peer = him(g);

    if (peer != NULL && g->locker.is_asked) {
        send_lock_set(g, peer, false);
    }
    become_idle(g, false);
}

void locker_add(struct global *g, struct global_peer *peer)
{
    (void)peer;
    set_due(g);
}

void locker_hear(struct global *g, struct global_peer *peer, struct pid pid,
                 bool is_set)
{
    struct global_locker *l = &g->locker;
    struct global_session *session = peer->session;

    if (!pid_equal(session->his_locker, pid)) {
        return;
    }
    if (l->state == LOCKER_WAIT_HIM && l->him == peer->node) {
        if (is_set) {
            both_locked(g, peer);
        } else {
            release(g);
        }
    } else if (session->is_candidate) {
        session->wants_lock = is_set;
    }
}

/* Called while the session is still there. */
void locker_cancel(struct global *g, struct global_peer *peer)
{
    struct global_locker *l = &g->locker;

    peer->session->is_candidate = peer->session->wants_lock = false;
    if (l->him == peer->node &&
        (l->state == LOCKER_WAIT_HIM || l->state == LOCKER_WAIT_CANCEL)) {
        l->just_synced = l->state == LOCKER_WAIT_CANCEL;
        release(g);
        l->him = ATOM_NONE;
    } else if (l->him == peer->node) {
        l->him = ATOM_NONE; /* what is locked by then is unlocked */
    } else if (l->state == LOCKER_IDLE) {
        set_due(g);
    }
}

/* --- whose turn */

static size_t host_of(atom_t node)
{
    const char *at = strchr(atom_text(node), '@');

    return at == NULL ? 0 : (size_t)(at - atom_text(node));
}

static bool is_same_host(atom_t a, atom_t b)
{
    return strcmp(atom_text(a) + host_of(a), atom_text(b) + host_of(b)) == 0;
}

/* One at random, of this host if there is any. */
static struct global_peer *choose(struct global *g)
{
    struct global_peer *peer, *chosen = NULL;
    uint32_t local = 0, count = 0;

    MAP_EACH(peer, &g->peers) {
        local += is_candidate(peer) && is_same_host(peer->node, g->node);
    }
    MAP_EACH(peer, &g->peers) {
        if (is_candidate(peer) &&
            (local == 0 || is_same_host(peer->node, g->node)) &&
            global_random(g, ++count) == 0) {
            chosen = peer;
        }
    }
    return chosen;
}

static struct global_peer *who_waits(const struct global *g)
{
    struct global_peer *peer;

    MAP_EACH(peer, &g->peers) {
        if (peer->session != NULL && peer->session->is_candidate &&
            peer->session->wants_lock) {
            return peer;
        }
    }
    return NULL;
}

/* True: something has begun. */
static bool run_idle(struct global *g)
{
    struct global_locker *l = &g->locker;
    struct global_peer *peer = who_waits(g);

    if (peer != NULL) {
        peer->session->wants_lock = false;
        attempt(g, peer, true);
        return true;
    }
    if (g->now_ms < l->due_ms) {
        return false;
    }
    peer = global_locks_global(&g->locks) == NULL ? choose(g) : NULL;
    if (peer == NULL) {
        set_due(g);
        return false;
    }
    attempt(g, peer, false);
    return true;
}

/* One step of a state whose answers are here. */
static void step(struct global *g)
{
    struct global_locker *l = &g->locker;
    bool is_set = multi_all_true(&l->multi);

    switch (l->state) {
    case LOCKER_FIRST:
    case LOCKER_SECOND:
    case LOCKER_KNOWN:
        multi_put_true(&l->multi, &l->held);
        if (!is_set) {
            undo(g);
        } else if (l->state == LOCKER_FIRST) {
            lock_second(g);
        } else if (l->state == LOCKER_SECOND) {
            lock_known(g);
        } else {
            locked(g);
        }
        return;
    case LOCKER_UNDO:
        failed(g);
        return;
    case LOCKER_RELEASE:
        release_last(g);
        return;
    default:
        become_idle(g, l->just_synced);
        return;
    }
}

void locker_run(struct global *g)
{
    struct global_locker *l = &g->locker;

    for (;;) {
        if (l->state == LOCKER_IDLE) {
            if (!run_idle(g)) {
                return;
            }
        } else if (l->state == LOCKER_WAIT_HIM ||
                   l->state == LOCKER_WAIT_CANCEL ||
                   !multi_is_done(&l->multi)) {
            return;
        } else {
            step(g);
        }
    }
}
