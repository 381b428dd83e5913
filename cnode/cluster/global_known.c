/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom we know: the members of our part of the cluster. Who is made known by a
 * third node is dialled if need be, and told that we are in sync, so that both
 * end the session that they began when they saw each other. If the third is
 * lost before it has told both, one knows the other and nothing would ever
 * change that: then only a new connection helps.
 */
#include <cnode/error.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/metric.h"
#include "cluster/global_server.h"

enum {
    CONNECT_RETRIES = 5, /* as of OTP's global */
    RETRY_MS = 200,
    /* A third that stands still for longer is found to be lost. */
    ONE_SIDED_MS = 90000,
};

void known_put(struct global *g, struct buf *buf, bool with_version)
{
    const struct global_peer *peer;
    uint32_t count = 0;

    MAP_EACH(peer, &g->peers) {
        count += peer->is_known;
    }
    term_put_list(buf, count);
    MAP_EACH(peer, &g->peers) {
        if (peer->is_known && with_version) {
            term_format(buf, "{~A, ~i}", peer->node, peer->version);
        } else if (peer->is_known) {
            term_put_atom(buf, peer->node);
        }
    }
    term_put_nil(buf);
}

/* An element of a list of nodes: Node or {Node, Version}. */
static atom_t read_node(struct cnode_term element, int64_t *version)
{
    struct cnode_term parts[2];

    *version = 0;
    if (!term_get_tuple(element, 2, parts)) {
        return global_node_name(element);
    }
    (void)cnode_get_int(parts[1], version);
    return global_node_name(parts[0]);
}

/* In time it is told that we are in sync; dialled, if need be. */
static void sync_other(struct global *g, struct global_peer *peer)
{
    if (peer->is_up) {
        term_format(global_begin(g), "{'$gen_cast', {in_sync, ~A, true}}",
                    g->node);
        global_send(g, GLOBAL_SERVER, peer->node);
    } else if (!peer->is_wanted) {
        peer->is_wanted = true;
        peer->dials_left = CONNECT_RETRIES;
        peer->dial_ms = g->now_ms;
    }
}

void known_add(struct global_peer *peer, int64_t version)
{
    if (!peer->is_known || version > 0) {
        peer->version = version;
    }
    peer->is_known = true;
}

/* The node of an element; NULL: ourselves, no node, or one too many. */
static struct global_peer *
open_element(struct global *g, struct cnode_term element, int64_t *version)
{
    atom_t node = read_node(element, version);

    if (node == ATOM_NONE || node == g->node) {
        return NULL;
    }
    if (global_peer_find(g, node) == NULL &&
        g->peers.count >= limits.mesh_nodes) {
        METRIC_INC(mesh_refused);
        return NULL;
    }
    return global_peer_open(g, node);
}

/* Whom he knows is known to us from here on, without a session of its own. */
void known_adopt(struct global *g, struct cnode_term his_known)
{
    struct cnode_list list;
    struct cnode_term element;
    struct global_peer *peer;
    int64_t version;

    (void)cnode_list(his_known, &list);
    while (cnode_list_next(&list, &element)) {
        peer = open_element(g, element, &version);
        if (peer != NULL) {
            peer->is_pending = false;
            session_end(g, peer, false);
            known_add(peer, version);
            sync_other(g, peer);
        }
    }
}

/* {in_sync, Node, IsKnown}: it knows us, by way of a third. */
void known_in_sync(struct global *g, struct global_peer *peer)
{
    peer->is_synced = true;
    peer->synced_ms = g->now_ms;
    peer->is_pending = false;
    cnode_term_free(peer->early);
    peer->early = NULL;
    session_end(g, peer, false);
}

/* {new_nodes, Node, Ops, NamesExt, Nodes, ExtraInfo}: it became one with these.
 * From here on we know them as well, whoever says so; their names come with it,
 * as they have no session with us. */
int known_new_nodes(struct global *g, const struct global_peer *from,
                    struct cnode_term parts[6])
{
    struct global_change change = {.names_ext = parts[3], .lock_id = TERM_NONE};
    struct cnode_list ops, nodes, extra;
    struct cnode_term element, pair[2];
    struct global_peer *peer;
    int64_t version;
    bool is_new;

    if (!cnode_list(parts[2], &ops) || (ops.is_string && ops.left > 0) ||
        !cnode_list(parts[4], &nodes) || !cnode_list(parts[5], &extra)) {
        return CNODE_EINVALID;
    }
    while (cnode_list_next(&extra, &element)) {
        if (term_get_tuple(element, 2, pair) && term_is_atom(pair[0], A_lock)) {
            change.lock_id = pair[1];
        }
    }
    change.ops = ops.next;
    change.count = ops.left;
    change.stranger = from->is_known ? ATOM_NONE : from->node;
    while (cnode_list_next(&nodes, &element)) {
        peer = open_element(g, element, &version);
        if (peer == NULL) {
            continue;
        }
        is_new = !peer->is_known;
        known_add(peer, version);
        if (is_new) {
            sync_other(g, peer);
        }
    }
    global_store_apply(g, &change);
    return 0;
}

/* --- one knows the other */

static bool is_one_sided(const struct global_peer *peer)
{
    return peer->is_up && peer->is_synced && !peer->is_known &&
           peer->session == NULL;
}

void known_reconnect(struct global *g, const struct global_peer *peer)
{
    LOG_WARN("global_one_sided", F_STR("peer", atom_text(peer->node)));
    g->events->disconnect(g->owner, peer->node);
}

static void reconnect_one_sided(struct global *g)
{
    struct global_peer *peer;

    MAP_EACH(peer, &g->peers) {
        if (is_one_sided(peer) && g->now_ms >= peer->synced_ms + ONE_SIDED_MS) {
            peer->synced_ms = g->now_ms;
            known_reconnect(g, peer);
        }
    }
}

/* --- dials */

void known_nodeup(struct global *g, struct global_peer *peer)
{
    if (peer->is_wanted) {
        peer->is_wanted = peer->is_dialled = false;
        sync_other(g, peer);
    }
}

/* As if it had gone down: whatever we heard of it is void. */
void known_dial_failed(struct global *g, struct global_peer *peer)
{
    if (!peer->is_wanted || !peer->is_dialled) {
        return; /* somebody else's dial */
    }
    peer->is_dialled = false;
    if (--peer->dials_left > 0) {
        peer->dial_ms = g->now_ms + RETRY_MS;
    } else {
        server_lose(g, peer, false);
        global_peer_trim(g, peer);
    }
}

static struct global_peer *next_to_dial(const struct global *g)
{
    struct global_peer *peer, *next = NULL;

    MAP_EACH(peer, &g->peers) {
        if (peer->is_wanted && !peer->is_dialled &&
            (next == NULL || peer->dial_ms < next->dial_ms)) {
            next = peer;
        }
    }
    return next;
}

uint64_t known_deadline(const struct global *g)
{
    const struct global_peer *peer = next_to_dial(g);
    uint64_t due = peer == NULL ? UINT64_MAX : peer->dial_ms;

    MAP_EACH(peer, &g->peers) {
        if (is_one_sided(peer) && peer->synced_ms + ONE_SIDED_MS < due) {
            due = peer->synced_ms + ONE_SIDED_MS;
        }
    }
    return due;
}

/* A dial may fail at once, and the peer be gone. */
void known_tick(struct global *g)
{
    struct global_peer *next;

    reconnect_one_sided(g);
    while ((next = next_to_dial(g)) != NULL && next->dial_ms <= g->now_ms) {
        next->is_dialled = true;
        g->events->dial(g->owner, next->node);
    }
}
