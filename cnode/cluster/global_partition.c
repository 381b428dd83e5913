/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said against overlapping partitions: {lost_connection, A, ..., B}
 * says that A lost B, whom everybody then drops, so that no part of the cluster
 * sees both while they do not see each other. It goes from each to all, once:
 * A numbers what it says.
 *
 * We never say it ourselves: see global.h.
 */
#include <cnode/error.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "cluster/global_server.h"

enum { REMEMBER_MS = 60 * 60 * 1000, POP_VERSION = 7 };

/* The newest that A said about B. */
struct global_loss {
    struct list in_lost; /* oldest first */
    struct cnode_kept *a, *b;
    int64_t creation, number;
    uint64_t until_ms;
};

static void loss_free(struct global *g, struct global_loss *loss)
{
    list_remove(&loss->in_lost);
    g->lost_count--;
    cnode_term_free(loss->a);
    cnode_term_free(loss->b);
    mem_free(loss);
}

void partition_fini(struct global *g)
{
    while (!list_is_empty(&g->lost)) {
        loss_free(g, CONTAINER_OF(g->lost.next, struct global_loss, in_lost));
    }
}

void partition_tick(struct global *g)
{
    while (!list_is_empty(&g->lost)) {
        struct global_loss *oldest =
            CONTAINER_OF(g->lost.next, struct global_loss, in_lost);

        if (oldest->until_ms > g->now_ms &&
            g->lost_count < limits.global_lost) {
            return;
        }
        if (oldest->until_ms > g->now_ms) {
            METRIC_INC(global_refused);
        }
        loss_free(g, oldest);
    }
}

static struct global_loss *find(const struct global *g, struct cnode_term a,
                                struct cnode_term b)
{
    LIST_EACH(it, &g->lost) {
        struct global_loss *loss =
            CONTAINER_OF(it, struct global_loss, in_lost);

        if (term_same_bytes(cnode_kept_term(loss->a), a) &&
            term_same_bytes(cnode_kept_term(loss->b), b)) {
            return loss;
        }
    }
    return NULL;
}

/* True: it is news. */
static bool remember(struct global *g, struct cnode_term a, struct cnode_term b,
                     int64_t creation, int64_t number)
{
    struct global_loss *loss = find(g, a, b);

    if (loss != NULL && loss->creation == creation && number <= loss->number) {
        return false;
    }
    if (loss != NULL) {
        loss_free(g, loss);
    }
    partition_tick(g); /* makes room */
    loss = mem_zalloc(sizeof(*loss));
    loss->a = cnode_term_copy(a);
    loss->b = cnode_term_copy(b);
    loss->creation = creation;
    loss->number = number;
    loss->until_ms = g->now_ms + REMEMBER_MS;
    list_push_back(&g->lost, &loss->in_lost);
    g->lost_count++;
    return true;
}

static void tell_all(struct global *g, struct cnode_term message, atom_t but)
{
    const struct global_peer *peer;

    MAP_EACH(peer, &g->peers) {
        if ((peer->is_known || peer->is_pending) && peer->node != but &&
            peer->version >= POP_VERSION) {
            term_put_copy(global_begin(g), message);
            global_send(g, GLOBAL_SERVER, peer->node);
        }
    }
}

static void drop(struct global *g, struct global_peer *peer, const char *why)
{
    LOG_WARN("global_dropped", F_STR("peer", atom_text(peer->node)),
             F_STR("why", why));
    server_lose(g, peer, true);
}

/* Who was lost is dropped; if that is us, who lost us. */
static void on_lost(struct global *g, struct cnode_term message, atom_t a,
                    atom_t b)
{
    struct global_peer *peer = global_peer_find(g, b == g->node ? a : b);

    tell_all(g, message, a);
    if (peer == NULL || (!peer->is_known && !peer->is_pending)) {
        return;
    }
    if (peer->version >= POP_VERSION) {
        term_format(global_begin(g), "{remove_connection, ~A}", g->node);
        global_send(g, GLOBAL_SERVER, peer->node);
    } else {
        g->events->disconnect(g->owner, peer->node);
    }
    drop(g, peer, "another node lost it");
}

/* {remove_connection, Node}: it drops us. */
static void on_remove(struct global *g, struct global_peer *peer)
{
    if (peer->is_known || peer->is_pending) {
        g->events->disconnect(g->owner, peer->node);
        drop(g, peer, "it asked for that");
    }
}

int partition_info(struct global *g, struct pid from, struct cnode_term message)
{
    struct cnode_term a = TERM_NONE, b = TERM_NONE;
    struct global_peer *peer = global_peer_find(g, from.node);
    int64_t creation, number;

    if (term_match(message, "{remove_connection, ~t}", &a)) {
        if (peer == NULL || !term_is_atom(a, peer->node)) {
            return CNODE_EINVALID;
        }
        on_remove(g, peer);
        return 0;
    }
    if (!term_match(message, "{lost_connection, ~t, ~i, ~i, ~t}", &a, &creation,
                    &number, &b)) {
        return CNODE_UNHANDLED;
    }
    if (peer == NULL || cnode_type(a) != CNODE_TYPE_ATOM ||
        cnode_type(b) != CNODE_TYPE_ATOM) {
        return CNODE_EINVALID;
    }
    if (remember(g, a, b, creation, number)) {
        on_lost(g, message, term_atom(a), term_atom(b));
    }
    return 0;
}
