/* SPDX-License-Identifier: Apache-2.0
 *
 * Two nodes become one part of the cluster: from nodeup to `resolved` (see
 * global.h). Every message of a session carries the receiver's tag; one with
 * another tag belongs to an earlier session and is ignored.
 */
#include <cnode/error.h>

#include "base/mem.h"
#include "cluster/global_server.h"

enum { VERSION_LEAST = 5 };

/* --- begin and end */

static int keep(struct cnode_kept **kept, struct cnode_term term)
{
    cnode_term_free(*kept);
    *kept = cnode_term_copy(term);
    return *kept == NULL ? CNODE_NOMEM : 0;
}

/* {Version, Tag, ...} */
static bool read_version(struct cnode_term term, int64_t *version,
                         struct cnode_term *tag)
{
    struct cnode_term first;
    uint32_t arity;

    if (!cnode_get_tuple(term, &arity, &first) || arity < 2 ||
        !cnode_get_int(first, version) || *version < VERSION_LEAST) {
        return false;
    }
    *tag = cnode_next(first);
    return true;
}

/* An init_connect taken apart. */
struct offer {
    int64_t version;
    struct cnode_term tag;
    struct pid locker;
};

static bool read_offer(const struct global_peer *peer,
                       struct cnode_term parts[4], struct offer *offer)
{
    struct cnode_term init[4];

    return read_version(parts[1], &offer->version, &offer->tag) &&
           term_get_tuple(parts[3], 4, init) &&
           term_get_pid(init[3], &offer->locker) &&
           offer->locker.node == peer->node;
}

/* There is a session, and nothing was taken for it yet. */
static int take_offer(struct global *g, struct global_peer *peer,
                      const struct offer *offer)
{
    struct global_session *session = peer->session;

    if (keep(&session->his_tag, offer->tag) != 0) {
        return CNODE_NOMEM;
    }
    session->version =
        offer->version < GLOBAL_VERSION ? offer->version : GLOBAL_VERSION;
    session->his_locker = offer->locker;
    session->is_candidate = true;
    peer->is_pending = true;
    peer->version = offer->version;
    locker_add(g, peer);
    if (offer->version >= GLOBAL_VERSION) {
        term_format(global_begin(g), "{init_connect_ack, ~A, ~t, ~i}", g->node,
                    offer->tag, session->my_tag);
        global_send(g, GLOBAL_SERVER, peer->node);
    }
    return 0;
}

/* What came before there was a session. */
static void take_early(struct global *g, struct global_peer *peer,
                       struct cnode_kept *early)
{
    struct cnode_term parts[4];
    struct offer offer;

    if (term_get_tuple(cnode_kept_term(early), 4, parts) &&
        read_offer(peer, parts, &offer)) {
        (void)take_offer(g, peer, &offer);
    }
    cnode_term_free(early);
}

void session_begin(struct global *g, struct global_peer *peer)
{
    struct cnode_kept *early = peer->early;

    if (!peer->is_up || peer->is_known || peer->session != NULL) {
        return;
    }
    peer->early = NULL;
    peer->session = mem_zalloc(sizeof(*peer->session));
    peer->session->my_tag = g->next_tag++;
    buf_init(&peer->session->ops, 0);
    term_format(global_begin(g),
                "{'$gen_cast', {init_connect, {~i, ~i}, ~A, "
                "{locker, no_longer_a_pid, #{}, ~p}}}",
                (int64_t)GLOBAL_VERSION, peer->session->my_tag, g->node,
                g->pids[GLOBAL_LOCKER]);
    global_send(g, GLOBAL_SERVER, peer->node);
    if (early != NULL) {
        take_early(g, peer, early);
    }
}

static void send_cancel(struct global *g, atom_t node, struct cnode_term tag)
{
    term_format(global_begin(g), "{cancel_connect, ~A, ~t}", g->node, tag);
    global_send(g, GLOBAL_SERVER, node);
}

void session_end(struct global *g, struct global_peer *peer, bool tells)
{
    struct global_session *session = peer->session;

    if (session == NULL) {
        return;
    }
    if (tells && peer->is_pending && session->his_tag != NULL &&
        session->version >= GLOBAL_VERSION) {
        send_cancel(g, peer->node, cnode_kept_term(session->his_tag));
    }
    locker_cancel(g, peer);
    peer->session = NULL;
    resolver_free(session->resolver);
    cnode_term_free(session->his_tag);
    cnode_term_free(session->lock_id);
    cnode_term_free(session->names);
    cnode_term_free(session->resolved);
    buf_fini(&session->ops);
    mem_free(session);
}

/* Something does not fit: both sides start over. */
static void session_restart(struct global *g, struct global_peer *peer)
{
    if (peer->session == NULL) {
        return;
    }
    session_end(g, peer, true);
    peer->is_pending = false;
    global_store_drop_node(g, peer->node);
    session_begin(g, peer);
}

/* The session that a message with our tag belongs to; NULL: an earlier one. */
static struct global_session *session_of(const struct global_peer *peer,
                                         struct cnode_term tag)
{
    int64_t number;

    return peer->session != NULL && cnode_get_int(tag, &number) &&
                   number == peer->session->my_tag
               ? peer->session
               : NULL;
}

/* --- init_connect */

static int on_init_connect(struct global *g, struct global_peer *peer,
                           struct cnode_term cast, struct cnode_term parts[4])
{
    struct offer offer;

    if (!read_offer(peer, parts, &offer)) {
        return CNODE_EINVALID;
    }
    if (peer->is_pending && peer->session != NULL) { /* both are void */
        send_cancel(g, peer->node, offer.tag);
        session_restart(g, peer);
        return 0;
    }
    if (peer->session == NULL) {
        return keep(&peer->early, cast);
    }
    return take_offer(g, peer, &offer);
}

/* {init_connect_ack, Node, OurTag, HisTag}. It may be late: a third node has
 * made the two of us known to each other meanwhile. */
static void on_ack(struct global *g, struct global_peer *peer,
                   struct cnode_term ours, struct cnode_term his)
{
    const struct global_session *session = session_of(peer, ours);

    if (session != NULL && session->his_tag != NULL &&
        term_same_bytes(cnode_kept_term(session->his_tag), his)) {
        return;
    }
    if (peer->session != NULL || (!peer->is_known && !peer->is_synced)) {
        send_cancel(g, peer->node, his);
        session_restart(g, peer);
    }
}

int session_info(struct global *g, struct pid from, struct cnode_term message)
{
    struct cnode_term node = TERM_NONE, ours = TERM_NONE, his = TERM_NONE;
    struct global_peer *peer = global_peer_find(g, from.node);
    bool is_ack = term_match(message, "{init_connect_ack, ~t, ~t, ~t}", &node,
                             &ours, &his);

    if (!is_ack &&
        !term_match(message, "{cancel_connect, ~t, ~t}", &node, &ours)) {
        return CNODE_UNHANDLED;
    }
    if (peer == NULL || !peer->is_up || !term_is_atom(node, peer->node)) {
        return CNODE_EINVALID;
    }
    if (is_ack) {
        on_ack(g, peer, ours, his);
    } else if (session_of(peer, ours) != NULL) {
        session_restart(g, peer);
    }
    return 0;
}

/* --- names are exchanged */

static void exchange(struct global *g, struct global_peer *peer)
{
    peer->session->wait = WAIT_RESOLVER;
    resolver_start(g, peer);
}

void server_lock_is_set(struct global *g, struct global_peer *peer,
                        struct cnode_term lock_id)
{
    struct global_session *session = peer->session;
    struct buf *out = global_begin(g);

    if (keep(&session->lock_id, lock_id) != 0) {
        session_restart(g, peer);
        return;
    }
    term_put_tuple(out, 2);
    term_put_atom(out, A_gen_cast);
    term_put_tuple(out, 5);
    term_put_atom(out, A_exchange);
    term_put_atom(out, g->node);
    global_names_put(&g->names, out);
    term_put_nil(out);
    term_put_copy(out, cnode_kept_term(session->his_tag));
    global_send(g, GLOBAL_SERVER, peer->node);
    if (session->wait == WAIT_LOCK) {
        exchange(g, peer);
    } else {
        session->wait = WAIT_EXCHANGE;
    }
}

static int on_exchange(struct global *g, struct global_peer *peer,
                       struct cnode_term names)
{
    struct global_session *session = peer->session;
    struct cnode_list list;

    if (!cnode_list(names, &list) || session->his_tag == NULL) {
        return CNODE_EINVALID;
    }
    if (session->wait != WAIT_EXCHANGE && session->wait != WAIT_BOTH) {
        return CNODE_EINVALID; /* a second one */
    }
    if (keep(&session->names, names) != 0) {
        session_restart(g, peer);
    } else if (session->wait == WAIT_EXCHANGE) {
        exchange(g, peer);
    } else {
        session->wait = WAIT_LOCK;
    }
    return 0;
}

/* --- resolved */

/* To him: what he is to change, and whom we know. */
static void send_resolved(struct global *g, const struct global_peer *peer,
                          const struct buf *resolved, uint32_t count)
{
    struct buf *out = global_begin(g);

    term_put_tuple(out, 2);
    term_put_atom(out, A_gen_cast);
    term_put_tuple(out, 7);
    term_put_atom(out, A_resolved);
    term_put_atom(out, g->node);
    term_put_list(out, count);
    buf_put(out, buf_data(resolved), buf_size(resolved));
    term_put_nil(out);
    known_put(g, out, peer->version >= 7);
    term_put_atom(out, A_unused);
    global_names_put_ext(&g->names, out);
    term_put_copy(out, cnode_kept_term(peer->session->his_tag));
    global_send(g, GLOBAL_SERVER, peer->node);
}

struct outcome {
    struct buf ops; /* elements of a list */
    uint32_t count;
    struct cnode_term his_known, names_ext;
};

/* {new_nodes, ...} to all whom we knew before; by the locker, so that it comes
 * before its del_lock. */
static void send_new_nodes(struct global *g, const struct global_peer *peer,
                           const struct outcome *outcome)
{
    const struct global_session *session = peer->session;
    const struct global_peer *other;
    struct cnode_list known;
    struct cnode_term element;
    struct buf *out = global_begin(g);

    if (!cnode_list(outcome->his_known, &known)) {
        return;
    }
    term_put_tuple(out, 2);
    term_put_atom(out, A_gen_cast);
    term_put_tuple(out, 6);
    term_put_atom(out, A_new_nodes);
    term_put_atom(out, g->node);
    term_put_list(out, outcome->count);
    buf_put(out, buf_data(&outcome->ops), buf_size(&outcome->ops));
    term_put_nil(out);
    term_put_copy(out, outcome->names_ext);
    term_put_list(out, 1 + known.left);
    term_format(out, "{~A, ~i}", peer->node, peer->version);
    while (cnode_list_next(&known, &element)) {
        term_put_copy(out, element);
    }
    term_put_nil(out);
    term_format(out, "[{vsn, ~i}, {lock, ~t}]", session->version,
                cnode_kept_term(session->lock_id));
    MAP_EACH(other, &g->peers) {
        if (other->is_known) {
            global_send(g, GLOBAL_LOCKER, other->node);
        }
    }
}

/* Both resolvers are done. His message is taken out of the session, which ends
 * as soon as he is known: also when he lists himself. */
static void finish(struct global *g, struct global_peer *peer)
{
    struct global_session *session = peer->session;
    struct cnode_kept *his_message = session->resolved;
    struct outcome outcome = {.count = session->op_count};
    struct cnode_term parts[7], op;
    struct cnode_list his;

    session->resolved = NULL;
    (void)term_get_tuple(cnode_kept_term(his_message), 7, parts);
    (void)cnode_list(parts[2], &his);
    outcome.ops = session->ops;
    buf_init(&session->ops, 0);
    while (cnode_list_next(&his, &op)) {
        term_put_copy(&outcome.ops, op);
        outcome.count++;
    }
    outcome.his_known = parts[3];
    outcome.names_ext = parts[5];
    if (buf_error(&outcome.ops) == 0) {
        global_store_apply(g, &(struct global_change){
                                  .ops = term_at(buf_data(&outcome.ops),
                                                 buf_size(&outcome.ops)),
                                  .count = outcome.count,
                                  .names_ext = outcome.names_ext,
                                  .lock_id = cnode_kept_term(session->lock_id),
                              });
        send_new_nodes(g, peer, &outcome);
    }
    buf_fini(&outcome.ops);
    peer->is_pending = false;
    peer->is_synced = true;
    known_add(peer, peer->version);
    known_adopt(g, parts[3]);
    session_end(g, peer, false); /* unlocks */
    cnode_term_free(his_message);
}

void server_resolver_done(struct global *g, struct global_peer *peer,
                          const struct buf *ops, uint32_t op_count,
                          const struct buf *resolved, uint32_t resolved_count)
{
    struct global_session *session = peer->session;

    if (buf_error(ops) != 0 || buf_error(resolved) != 0) {
        session_restart(g, peer);
        return;
    }
    send_resolved(g, peer, resolved, resolved_count);
    buf_put(&session->ops, buf_data(ops), buf_size(ops));
    session->op_count = op_count;
    session->has_ops = true;
    if (session->resolved != NULL) {
        finish(g, peer);
    }
}

static int on_resolved(struct global *g, struct global_peer *peer,
                       struct cnode_term cast, struct cnode_term parts[7])
{
    struct global_session *session = peer->session;
    struct cnode_list ops, known;

    if (!cnode_list(parts[2], &ops) || !cnode_list(parts[3], &known) ||
        session->lock_id == NULL || session->resolved != NULL) {
        return CNODE_EINVALID;
    }
    if (keep(&session->resolved, cast) != 0) {
        session_restart(g, peer);
    } else if (session->has_ops) {
        finish(g, peer);
    }
    return 0;
}

/* --- casts */

static int on_lock_set(struct global *g, struct cnode_term parts[5],
                       uint32_t arity)
{
    struct global_peer *peer;
    struct pid pid;
    bool is_set;

    if (!term_get_pid(parts[1], &pid) || !cnode_get_bool(parts[2], &is_set)) {
        return CNODE_EINVALID;
    }
    peer = global_peer_find(g, pid.node);
    if (peer == NULL || !peer->is_up) {
        return CNODE_EINVALID;
    }
    if (arity == 5 && session_of(peer, parts[4]) == NULL) {
        return 0; /* of an earlier session */
    }
    if (peer->session != NULL && peer->session->is_candidate) {
        locker_hear(g, peer, pid, is_set);
    } else if (is_set) {
        locker_refuse(g, pid);
    }
    return 0;
}

/* Those in which a node speaks of itself: Node is the second element, or for
 * init_connect the third. */
static int of_peer(struct global *g, struct global_peer *peer,
                   struct cnode_term cast, struct cnode_term *parts,
                   uint32_t arity)
{
    if (term_is_atom(parts[0], A_init_connect) && arity == 4) {
        return on_init_connect(g, peer, cast, parts);
    }
    if (term_is_atom(parts[0], A_in_sync) && arity == 3) {
        known_in_sync(g, peer);
        return 0;
    }
    if (term_is_atom(parts[0], A_new_nodes) && arity == 6) {
        return known_new_nodes(g, peer, parts);
    }
    if (term_is_atom(parts[0], A_exchange) && arity == 5) {
        return session_of(peer, parts[4]) == NULL
                   ? 0
                   : on_exchange(g, peer, parts[2]);
    }
    if (term_is_atom(parts[0], A_resolved) && arity == 7) {
        return session_of(peer, parts[6]) == NULL
                   ? 0
                   : on_resolved(g, peer, cast, parts);
    }
    return CNODE_UNHANDLED;
}

int session_cast(struct global *g, struct pid from, struct cnode_term cast)
{
    struct cnode_term parts[7];
    struct global_peer *peer;
    uint32_t arity;
    atom_t node;

    if (!cnode_get_tuple(cast, &arity, NULL) || arity < 3 || arity > 7) {
        return CNODE_UNHANDLED;
    }
    (void)term_get_tuple(cast, arity, parts);
    if (term_is_atom(parts[0], A_lock_set)) {
        return arity == 4 || arity == 5 ? on_lock_set(g, parts, arity)
                                        : CNODE_UNHANDLED;
    }
    node = term_atom(parts[term_is_atom(parts[0], A_init_connect) ? 2 : 1]);
    peer = global_peer_find(g, node);
    if (peer == NULL || !peer->is_up ||
        (!pid_is_none(from) && from.node != node)) {
        return CNODE_EINVALID;
    }
    return of_peer(g, peer, cast, parts, arity);
}
