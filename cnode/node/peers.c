/* SPDX-License-Identifier: Apache-2.0
 *
 * See peers.h. The table of peers, dialling with back-off, what happens when a
 * connection comes up or goes down. The connections themselves are in
 * attempt.c.
 *
 * Whatever calls the node's events may find the peer gone afterwards: they may
 * connect and disconnect as they like.
 */
#include "node/peers.h"

#include <string.h>

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/trace.h"
#include "dist/flags.h"
#include "dist/tls.h"
#include "node/attempt.h"
#include "node/node.h"

enum {
    LOOKUP_MS = 5000,
    REDIAL_FIRST_MS = 100,
    REDIAL_MOST_MS = 10000,
    HIDDEN_ATOMS_SHARE = 2, /* hidden nodes may use one half of limits.atoms */
    BREAK_QUEUES = 2,       /* times the limit of a queue, and it must end */
};

static const uint32_t peer_moves[] = {
    [PEER_IDLE] = BIT(PEER_LOOKUP) | BIT(PEER_EXPECTED) | BIT(PEER_UP),
    [PEER_LOOKUP] =
        BIT(PEER_IDLE) | BIT(PEER_DIALLING) | BIT(PEER_EXPECTED) | BIT(PEER_UP),
    [PEER_DIALLING] = BIT(PEER_IDLE) | BIT(PEER_EXPECTED) | BIT(PEER_UP),
    [PEER_EXPECTED] = BIT(PEER_IDLE) | BIT(PEER_LOOKUP) | BIT(PEER_UP),
    [PEER_UP] = BIT(PEER_IDLE),
};

static void on_timer(struct timer *timer);
static int look_up(struct peer *peer);
static void on_lookup(void *owner, int rc, const struct sockaddr *address);

/* The timer belongs to a state. */
static void peer_move(struct peer *peer, enum peer_state to)
{
    CHECK(peer_moves[peer->state] & BIT(to));
    TRACE("peer_move", peer->state, to);
    loop_timer_stop(node_loop(peer->peers->node), &peer->timer);
    peer->state = to;
}

/* --- table */

static bool equal(const void *item, const void *key)
{
    const struct peer *peer = item;

    return peer->name == *(const atom_t *)key;
}

void peers_init(struct peers *peers, struct node *node)
{
    *peers = (struct peers){.node = node};
    map_init(&peers->by_name, equal);
    list_init(&peers->attempts);
}

void peers_fini(struct peers *peers)
{
    struct peer *peer;

    CHECK(list_is_empty(&peers->attempts));
    MAP_EACH(peer, &peers->by_name) {
        backlog_clear(&peer->backlog);
        mem_free(peer);
    }
    map_fini(&peers->by_name);
}

struct peer *peers_find(const struct peers *peers, atom_t name)
{
    return map_get(&peers->by_name, hash_u64(name), &name);
}

static struct peer *find_or_add(struct peers *peers, atom_t name)
{
    struct peer *peer = peers_find(peers, name);

    if (peer == NULL) {
        peer = mem_zalloc(sizeof(*peer) +
                          peers->node->count * sizeof(peer->news[0]));
        peer->peers = peers;
        peer->name = name;
        timer_init(&peer->timer, on_timer);
        backlog_init(&peer->backlog);
        leader_init(&peer->leader);
        map_add(&peers->by_name, hash_u64(name), peer);
    }
    return peer;
}

/* Forgets a peer nobody needs, so that short-lived nodes leave nothing. */
static void forget(struct peer *peer)
{
    atom_t name = peer->name;

    if (peer->state != PEER_IDLE || peer->keep || peer->is_barred ||
        peer->lookup != NULL || timer_is_active(&peer->timer) ||
        remotes_has_any_news(peer)) {
        return;
    }
    map_remove(&peer->peers->by_name, hash_u64(name), &name);
    backlog_clear(&peer->backlog);
    mem_free(peer);
}

void peers_news_confirmed(struct peers *peers, atom_t name, uint32_t scheduler)
{
    struct peer *peer = peers_find(peers, name);

    peer->news[scheduler]--; /* it is kept until then */
    forget(peer);
}

/* --- dialling */

/* Not while its own connection is on the way. */
static int dial(struct peer *peer)
{
    CHECK(peer->state == PEER_IDLE);
    if (attempt_is_coming(peer->peers, atom_text(peer->name))) {
        peer_expect(peer);
        return 0;
    }
    return look_up(peer);
}

bool peers_are_allowed(const struct peers *peers, const char *name)
{
    const struct node *node = peers->node;

    return node->config.is_allowed == NULL ||
           node->config.is_allowed(node->owner, name);
}

int peers_join(struct peers *peers, const char *name)
{
    atom_t atom;
    struct peer *peer;

    if (!node_name_is_valid(name)) {
        return CNODE_BAD_NAME;
    }
    if (!peers_are_allowed(peers, name)) {
        return CNODE_NOT_ALLOWED;
    }
    atom = atom_intern(name, strlen(name));
    if (atom == ATOM_NONE) {
        return CNODE_LIMIT;
    }
    if (atom == peers->node->name) {
        return 0;
    }
    peer = find_or_add(peers, atom);
    peer->keep = true;
    if (peer->state == PEER_IDLE) {
        (void)dial(peer); /* tries again for ever */
    }
    return 0;
}

struct peer *peers_connect(struct peers *peers, atom_t name)
{
    struct peer *peer = peers_find(peers, name);

    CHECK(peers->node->index == 0);
    if (peer != NULL && peer->state != PEER_IDLE) {
        return peer;
    }
    if (name == ATOM_NONE || name == peers->node->name ||
        !node_name_is_valid(atom_text(name)) ||
        !peers_are_allowed(peers, atom_text(name)) ||
        peers->attempt_count + peers->lookup_count >= limits.connections) {
        return NULL;
    }
    peer = find_or_add(peers, name);
    return dial(peer) == 0 ? peer : NULL;
}

struct peer *peers_auto_connect(struct peers *peers, atom_t name)
{
    struct peer *peer = peers_find(peers, name);
    enum auto_connect policy = peers->node->config.auto_connect;

    if (peer != NULL && peer->state != PEER_IDLE) {
        return peer;
    }
    if (policy == AUTO_CONNECT_NEVER || (peer != NULL && peer->is_barred)) {
        return NULL;
    }
    return peers_connect(peers, name);
}

/* Where the configuration says that it listens; else its epmd is asked. */
static int open_lookup(struct peer *peer)
{
    struct node *node = peer->peers->node;
    const struct node_config *config = &node->config;
    struct node_address address;
    struct epmd_where where = {.node = atom_text(peer->name),
                               .epmd_port = config->epmd_port,
                               .port = config->peer_port};

    if (config->address_for != NULL &&
        config->address_for(node->owner, where.node, &address)) {
        where.host = address.host;
        where.port = address.port;
    }
    if (where.port == 0 && config->without_epmd) {
        return CNODE_NO_ADDRESS;
    }
    return epmd_lookup_open(&peer->lookup, node_loop(node), &where, LOOKUP_MS,
                            on_lookup, peer);
}

/* When it fails at once the peer may be gone. */
static int look_up(struct peer *peer)
{
    struct peers *peers = peer->peers;
    struct node *node = peers->node;
    int rc = 0;

    if (peers->is_closing || node->creation == 0) {
        rc = CNODE_STOPPED;
    } else if (peer->lookup == NULL) { /* else: see on_lookup() */
        rc = open_lookup(peer);
        peers->lookup_count += rc == 0;
    }
    if (rc != 0) {
        peer_dial_failed(peer, rc);
        return rc;
    }
    peer_move(peer, PEER_LOOKUP);
    return 0;
}

static void on_lookup(void *owner, int rc, const struct sockaddr *address)
{
    struct peer *peer = owner;
    struct peers *peers = peer->peers;

    peers->lookup_count--;
    peer->lookup = NULL;
    if (peer->state != PEER_LOOKUP) { /* cancelled: it called us meanwhile */
        forget(peer);
        peers_check_closed(peers);
        return;
    }
    if (rc == CNODE_CANCELED && !peers->is_closing) {
        peer_move(peer, PEER_IDLE); /* an older one was, and now it is wanted */
        (void)look_up(peer);
        return;
    }
    if (peers->is_closing) {
        rc = CNODE_STOPPED;
    }
    if (rc == 0) {
        rc = attempt_dial(&peer->dial, peer, address);
    }
    if (rc != 0) {
        peer_dial_failed(peer, rc);
        peers_check_closed(peers);
        return;
    }
    peer_move(peer, PEER_DIALLING);
}

static void try_again_later(struct peer *peer, int reason)
{
    uint64_t delay = REDIAL_FIRST_MS;

    for (uint32_t i = 1; i < peer->failures && delay < REDIAL_MOST_MS; i++) {
        delay *= 2;
    }
    delay = delay < REDIAL_MOST_MS ? delay : REDIAL_MOST_MS;
    loop_timer_start(node_loop(peer->peers->node), &peer->timer, delay);
    if (!tls_is_reason(reason) && /* that is said in attempt.c */
        (peer->failures & (peer->failures - 1)) == 0) { /* 1, 2, 4, ... */
        LOG_WARN("connect_failed", F_STR("peer", atom_text(peer->name)),
                 F_UINT("tries", peer->failures), F_ERR(reason));
    }
}

/* What waited is lost; whoever watches or is linked is told. */
void peer_dial_failed(struct peer *peer, int reason)
{
    struct peers *peers = peer->peers;
    struct node *node = peers->node;
    atom_t name = peer->name;

    if (peer->state != PEER_IDLE) {
        peer_move(peer, PEER_IDLE);
    }
    peer->dial = NULL;
    peer->yields = 0;
    peer->failures++;
    backlog_fail(&peer->backlog, node, name);
    if (peers->is_closing) {
        forget(peer);
        return;
    }
    if (peer->keep) {
        try_again_later(peer, reason);
    }
    forget(peer);
    if (node->events->dial_failed != NULL) {
        node->events->dial_failed(node->owner, name, reason);
    }
}

/* What waits, waits on; should nothing come of it, we dial again. */
void peer_expect(struct peer *peer)
{
    struct node *node = peer->peers->node;

    if (peer->state == PEER_LOOKUP) {
        epmd_lookup_cancel(peer->lookup);
    }
    if (peer->dial != NULL) {
        attempt_abandon(peer->dial, CNODE_CANCELED);
        peer->dial = NULL;
    }
    peer->yields++;
    peer_move(peer, PEER_EXPECTED);
    loop_timer_start(node_loop(node), &peer->timer, node->config.setup_ms);
}

void peer_not_expected(struct peer *peer, int reason)
{
    CHECK(peer->state == PEER_EXPECTED);
    if (peer->yields < PEER_YIELDS_MOST) {
        (void)look_up(peer);
    } else {
        peer_dial_failed(peer, reason);
    }
}

static void on_timer(struct timer *timer)
{
    struct peer *peer = CONTAINER_OF(timer, struct peer, timer);

    switch (peer->state) {
    case PEER_IDLE:
        (void)dial(peer);
        break;
    case PEER_EXPECTED:
        peer_not_expected(peer, CNODE_TIMEOUT);
        break;
    case PEER_UP:
        peers_detach(peer, peer->broken);
        break;
    case PEER_LOOKUP:
    case PEER_DIALLING:
        break;
    }
}

/* --- listening */

static void on_incoming(void *owner, uv_stream_t *server)
{
    attempt_accept(owner, server);
}

static void on_listener_closed(void *owner)
{
    struct peers *peers = owner;

    peers->listener = NULL;
    peers_check_closed(peers);
}

int peers_listen(struct peers *peers, const char *host, uint16_t port)
{
    static const struct listener_events events = {.incoming = on_incoming,
                                                  .closed = on_listener_closed};

    return listener_open(&peers->listener, node_loop(peers->node), host, port,
                         &events, peers);
}

/* --- up */

/* The name of a peer that proved the cookie. Atoms are for ever, and hidden
 * nodes may be short-lived: they must leave room for those that stay. */
static atom_t intern_peer(const char *name, const struct peer_link *link)
{
    size_t len = strlen(name);
    atom_t atom = atom_find(name, len);

    if (atom != ATOM_NONE) {
        return atom;
    }
    if ((link->flags & DIST_PUBLISHED) == 0 &&
        atom_count() >= limits.atoms / HIDDEN_ATOMS_SHARE) {
        METRIC_INC(atoms_refused);
        return ATOM_NONE;
    }
    return atom_intern(name, len);
}

/* Ends whatever else was under way to it. */
static void end_dialling(struct peer *peer, const struct peer_link *link)
{
    if (peer->dial != NULL && peer->dial != link->owner) {
        attempt_abandon(peer->dial, CNODE_CANCELED);
    }
    peer->dial = NULL;
    if (peer->lookup != NULL) {
        epmd_lookup_cancel(peer->lookup);
    }
}

struct peer *peers_attach(struct peers *peers, const char *name,
                          const struct peer_link *link)
{
    struct node *node = peers->node;
    atom_t atom = intern_peer(name, link);
    struct peer *peer;

    if (atom == ATOM_NONE) {
        return NULL;
    }
    peer = find_or_add(peers, atom);
    if (peer->state == PEER_UP) {
        return NULL;
    }
    end_dialling(peer, link);
    peer_move(peer, PEER_UP);
    peer->link = *link;
    peer->connection = ++peers->connections;
    peer->up_ms = loop_now_ms(node_loop(node));
    peer->broken = 0;
    peer->failures = peer->yields = 0;
    peer->is_barred = false;
    peer->creation = link->creation;
    peer->is_hidden = (link->flags & DIST_PUBLISHED) == 0;
    peers->up_count++;
    LOG_INFO("nodeup", F_STR("peer", name),
             F_STR("type", peer->is_hidden ? "hidden" : "visible"));
    remotes_nodeup(node, peer);
    backlog_send(&peer->backlog, node, atom);
    node->events->nodeup(node->owner, peer);

    peer = peers_find(peers, atom);
    return peer_is_up(peer) && peer->link.owner == link->owner ? peer : NULL;
}

/* --- down */

/* Everything that hung on the connection ends now; its socket closes later. */
void peers_detach(struct peer *peer, int reason)
{
    struct peers *peers = peer->peers;
    struct node *node = peers->node;
    struct peer_link link = peer->link;
    atom_t name = peer->name;

    CHECK(peer->state == PEER_UP);
    LOG_INFO("nodedown", F_STR("peer", atom_text(name)), F_ERR(reason));
    peer->link = (struct peer_link){0};
    peer_move(peer, PEER_IDLE);
    peers->up_count--;
    peer->is_barred = node->config.auto_connect == AUTO_CONNECT_ONCE;
    if (peer->keep && !peers->is_closing) {
        loop_timer_start(node_loop(node), &peer->timer, REDIAL_FIRST_MS);
    }
    remotes_nodedown(node, peer);
    leader_clear(node, &peer->leader);
    link.close(link.owner, reason);
    node->events->nodedown(node->owner, peer);

    peer = peers_find(peers, name);
    if (peer != NULL) {
        forget(peer);
    }
}

void peers_disconnect(struct peers *peers, atom_t name, int reason)
{
    struct peer *peer = peers_find(peers, name);

    if (peer_is_up(peer)) {
        peers_detach(peer, reason);
    }
}

/* --- closing */

bool peers_are_closed(const struct peers *peers)
{
    return peers->is_closing && peers->listener == NULL &&
           peers->lookup_count == 0 && list_is_empty(&peers->attempts);
}

void peers_check_closed(struct peers *peers)
{
    if (peers_are_closed(peers)) {
        node_peers_closed(peers->node);
    }
}

void peers_close(struct peers *peers)
{
    struct peer *peer;

    peers->is_closing = true;
    MAP_EACH(peer, &peers->by_name) {
        loop_timer_stop(node_loop(peers->node), &peer->timer);
        if (peer->lookup != NULL) {
            epmd_lookup_cancel(peer->lookup);
        }
    }
    if (peers->listener != NULL) {
        listener_close(peers->listener);
    }
    LIST_EACH(it, &peers->attempts) {
        conn_close(CONTAINER_OF(it, struct attempt, node)->conn, CNODE_STOPPED);
    }
}

/* --- sending */

/* Small frames and large messages are counted by themselves: what takes seconds
 * to send must not be the end of what takes none. */
bool peer_is_congested(const struct peer *peer, size_t size)
{
    const struct channel *channel = peer->link.channel;

    if (channel->queued_bytes > limits.send_queue_bytes) {
        METRIC_INC(sends_dropped);
        return true;
    }
    if (size > CHANNEL_FRAGMENT_BYTES &&
        channel->large_bytes > limits.large_queue_bytes) {
        METRIC_INC(large_sends_dropped);
        return true;
    }
    return false;
}

bool peer_local_host(const struct peer *peer, char text[ADDRESS_TEXT_MAX])
{
    return peer_is_up(peer) && peer->link.local_host != NULL &&
           peer->link.local_host(peer->link.owner, text);
}

struct channel *peer_channel(struct peer *peer)
{
    struct channel *channel = peer->link.channel;

    peer->link.flush(peer->link.owner);
    if (channel->queued_bytes > BREAK_QUEUES * limits.send_queue_bytes ||
        channel->large_bytes > BREAK_QUEUES * limits.large_queue_bytes) {
        peer_break(peer, CNODE_OVERLOADED); /* signals are never dropped */
    }
    return channel;
}

void peer_break(struct peer *peer, int reason)
{
    CHECK(peer->state == PEER_UP);
    if (peer->broken == 0) {
        peer->broken = reason;
        loop_timer_start(node_loop(peer->peers->node), &peer->timer, 0);
    }
}
