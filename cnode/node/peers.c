/* SPDX-License-Identifier: Apache-2.0
 *
 * See peers.h. Every connection, dialled or accepted, is an `attempt` until and
 * after it is up; its closed event is the one place where it is freed. A peer
 * points to the attempt that counts for it; an attempt that lost its peer only
 * waits to be closed.
 */
#include "node/peers.h"

#include <string.h>

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "dist/flags.h"
#include "node/node.h"

enum {
    LOOKUP_MS = 5000,
    REDIAL_FIRST_MS = 100,
    REDIAL_MOST_MS = 10000,
    REPORT_MS = 60000,
};

struct attempt {
    struct list node; /* peers.attempts */
    struct peers *peers;
    struct peer *peer; /* NULL: accepted and not up, or superseded */
    struct conn *conn;
    bool is_greeting;  /* counts in greeting_count */
};

/* One thing sent while the peer was being dialled. */
struct outgoing {
    struct list node;
    bool is_signal;
    struct signal signal; /* is_signal */
    struct pid from;      /* else */
    struct dest dest;
    struct block *message;
};

static int dial(struct peer *peer);
static void on_lookup(void *owner, int rc, const struct sockaddr *address);
static const struct conn_events conn_events;

static struct attempt *attempt_new(struct peers *peers, struct peer *peer);
static void peer_dial_failed(struct peer *peer, int reason);

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

static void drop_waiting(struct peer *peer);

void peers_fini(struct peers *peers)
{
    struct peer *peer;

    CHECK(list_is_empty(&peers->attempts));
    MAP_EACH(peer, &peers->by_name)
    {
        drop_waiting(peer);
        mem_free(peer);
    }
    map_fini(&peers->by_name);
}

struct peer *peers_find(const struct peers *peers, atom_t name)
{
    return map_get(&peers->by_name, hash_u64(name), &name);
}

static void forget(struct peer *peer);

static void on_redial(struct timer *timer)
{
    struct peer *peer = CONTAINER_OF(timer, struct peer, redial);

    if (dial(peer) != 0) {
        forget(peer);
    }
}

static struct peer *find_or_add(struct peers *peers, atom_t name)
{
    struct peer *peer = peers_find(peers, name);

    if (peer == NULL) {
        peer = mem_zalloc(sizeof(*peer));
        peer->peers = peers;
        peer->name = name;
        timer_init(&peer->redial, on_redial);
        list_init(&peer->waiting);
        map_add(&peers->by_name, hash_u64(name), peer);
    }
    return peer;
}

/* Forgets a peer nobody needs, so that short-lived nodes leave nothing. */
static void forget(struct peer *peer)
{
    atom_t name = peer->name;

    if (peer->state != PEER_IDLE || peer->keep || peer->lookup != NULL ||
        timer_is_active(&peer->redial)) {
        return;
    }
    map_remove(&peer->peers->by_name, hash_u64(name), &name);
    drop_waiting(peer);
    mem_free(peer);
}

static void check_closed(struct peers *peers)
{
    if (peers_are_closed(peers)) {
        node_peers_closed(peers->node);
    }
}

bool peers_are_closed(const struct peers *peers)
{
    return peers->is_closing && peers->listener == NULL &&
           peers->lookup_count == 0 && list_is_empty(&peers->attempts);
}

/* --- what to log: each refused peer once a minute */

static void report(struct peers *peers, const struct attempt *attempt, int rc)
{
    const char *name = conn_peer_name(attempt->conn);
    const char *address = conn_address(attempt->conn);
    const char *port = strrchr(address, ':');
    size_t len = port != NULL ? (size_t)(port - address) : strlen(address);
    uint64_t who = name[0] != '\0' ? hash_bytes(name, strlen(name))
                                   : hash_bytes(address, len);
    struct report *slot = &peers->reports[who % REPORTS];
    uint64_t now = node_loop(peers->node)->now_ms;

    if (slot->who == who && now < slot->until_ms) {
        return;
    }
    *slot = (struct report){.who = who, .until_ms = now + REPORT_MS};
    LOG_WARN("handshake_failed", F_STR("peer", name),
             F_STR("address", address), F_ERR(rc));
}

/* --- dialling */

int peers_join(struct peers *peers, const char *name)
{
    atom_t atom;
    struct peer *peer;

    if (!node_name_is_valid(name)) {
        return CNODE_BAD_NAME;
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

    if (peer != NULL && peer->state == PEER_UP) {
        return peer;
    }
    if (name == ATOM_NONE || name == peers->node->name || peers->is_closing ||
        !node_name_is_valid(atom_text(name))) {
        return NULL;
    }
    peer = find_or_add(peers, name);
    if (peer->state != PEER_IDLE) {
        return peer;
    }
    loop_timer_stop(node_loop(peers->node), &peer->redial);
    if (dial(peer) != 0) {
        forget(peer);
        return NULL;
    }
    return peer;
}

static int dial(struct peer *peer)
{
    struct peers *peers = peer->peers;
    struct node *node = peers->node;
    int rc;

    CHECK(peer->state == PEER_IDLE);
    if (peers->is_closing) {
        return CNODE_STOPPED;
    }
    rc = epmd_lookup_open(&peer->lookup, node_loop(node),
                          node->config.epmd_port, atom_text(peer->name), 0,
                          LOOKUP_MS, on_lookup, peer);
    if (rc != 0) {
        peer_dial_failed(peer, rc);
        return rc;
    }
    peers->lookup_count++;
    peer->state = PEER_LOOKUP;
    return 0;
}

static void on_lookup(void *owner, int rc, const struct sockaddr *address)
{
    struct peer *peer = owner;
    struct peers *peers = peer->peers;
    struct attempt *attempt;

    peers->lookup_count--;
    peer->lookup = NULL;
    if (peer->state != PEER_LOOKUP) { /* it called us meanwhile */
        if (peer->state == PEER_IDLE) {
            forget(peer);
        }
        check_closed(peers);
        return;
    }
    if (rc != 0 || peers->is_closing) {
        peer_dial_failed(peer, rc != 0 ? rc : CNODE_STOPPED);
        forget(peer);
        check_closed(peers);
        return;
    }
    attempt = attempt_new(peers, peer);
    rc = conn_dial(&attempt->conn, node_loop(peers->node),
                   &peers->conn_config, atom_text(peer->name), address,
                   &conn_events, attempt);
    if (rc != 0) {
        list_remove(&attempt->node);
        peers->attempt_count--;
        mem_free(attempt);
        peer_dial_failed(peer, rc);
        forget(peer);
        return;
    }
    peer->state = PEER_DIALLING;
    peer->dial = attempt;
}

/* What waited is lost; whoever watches or is linked is told. */
static void peer_dial_failed(struct peer *peer, int reason)
{
    struct peers *peers = peer->peers;
    struct node *node = peers->node;
    uint64_t delay = REDIAL_FIRST_MS;

    peer->state = PEER_IDLE;
    peer->dial = NULL;
    peer->failures++;
    drop_waiting(peer);
    monitor_peer_down(node, peer->name);
    link_peer_down(node, peer->name);
    if (peers->is_closing) {
        return;
    }
    if (node->events->dial_failed != NULL) {
        node->events->dial_failed(node->owner, peer->name, reason);
    }
    if (!peer->keep) {
        return;
    }
    for (uint32_t i = 1; i < peer->failures && delay < REDIAL_MOST_MS; i++) {
        delay *= 2;
    }
    delay = delay < REDIAL_MOST_MS ? delay : REDIAL_MOST_MS;
    loop_timer_start(node_loop(node), &peer->redial, delay);
    if (peer->failures == 1 || (peer->failures & (peer->failures - 1)) == 0) {
        LOG_WARN("connect_failed", F_STR("peer", atom_text(peer->name)),
                 F_UINT("tries", peer->failures), F_ERR(reason));
    }
}

/* --- accepting */

static struct attempt *attempt_new(struct peers *peers, struct peer *peer)
{
    struct attempt *attempt = mem_zalloc(sizeof(*attempt));

    attempt->peers = peers;
    attempt->peer = peer;
    list_push_back(&peers->attempts, &attempt->node);
    peers->attempt_count++;
    return attempt;
}

static void on_incoming(void *owner, uv_stream_t *server)
{
    struct peers *peers = owner;
    struct attempt *attempt = attempt_new(peers, NULL);
    int rc = conn_accept(&attempt->conn, node_loop(peers->node),
                         &peers->conn_config, server, &conn_events, attempt);

    if (rc != 0) {
        list_remove(&attempt->node);
        peers->attempt_count--;
        mem_free(attempt);
        return;
    }
    if (peers->node->creation == 0 || peers->is_closing ||
        peers->attempt_count > limits.connections ||
        peers->greeting_count >= limits.handshakes) {
        METRIC_INC(connections_refused);
        conn_close(attempt->conn, CNODE_LIMIT);
        return;
    }
    attempt->is_greeting = true;
    peers->greeting_count++;
}

static void on_listener_closed(void *owner)
{
    struct peers *peers = owner;

    peers->listener = NULL;
    check_closed(peers);
}

int peers_listen(struct peers *peers, const char *host, uint16_t port)
{
    static const struct listener_events events = {
        .incoming = on_incoming, .closed = on_listener_closed};

    return listener_open(&peers->listener, node_loop(peers->node), host, port,
                         &events, peers);
}

/* Its connection wins over our dial. What waits, waits on; should nothing come of
 * it, we dial again. */
static void await_incoming(struct peer *peer)
{
    struct node *node = peer->peers->node;

    peer->dial = NULL;
    peer->state = PEER_IDLE;
    loop_timer_start(node_loop(node), &peer->redial, node->config.setup_ms);
}

/* The acceptor's rule (protocol, "Status values"). */
static enum handshake_status on_named(void *owner, struct conn *conn,
                                      const char *name, uint64_t flags,
                                      uint32_t creation)
{
    struct attempt *attempt = owner;
    struct peers *peers = attempt->peers;
    const char *self = atom_text(peers->node->name);
    struct peer *peer = peers_find(peers, atom_find(name, strlen(name)));

    (void)conn, (void)flags, (void)creation;
    if (strcmp(name, self) == 0) {
        return HANDSHAKE_NOT_ALLOWED;
    }
    if (peer == NULL) {
        return HANDSHAKE_OK;
    }
    if (peer->state == PEER_UP) {
        return HANDSHAKE_ALIVE;
    }
    if (peer->state != PEER_DIALLING) {
        return HANDSHAKE_OK;
    }
    if (strcmp(self, name) > 0) {
        return HANDSHAKE_NOK;
    }
    peer->dial->peer = NULL; /* ours gives way */
    conn_close(peer->dial->conn, CNODE_CANCELED);
    await_incoming(peer);
    return HANDSHAKE_OK_SIMULTANEOUS;
}

/* The same node connects again and proved the cookie: the old connection is
 * dead. All of its end is done before the new one begins. */
static void on_replace(void *owner, struct conn *conn)
{
    struct attempt *attempt = owner;
    const char *name = conn_peer_name(conn);
    struct peer *peer =
        peers_find(attempt->peers, atom_find(name, strlen(name)));

    if (peer_is_up(peer)) {
        peers_detach(peer, CNODE_CLOSED);
    }
}

static const char *on_cookie(void *owner, const char *name)
{
    struct attempt *attempt = owner;
    struct node *node = attempt->peers->node;
    const char *cookie = NULL;

    if (node->config.cookie_for != NULL) {
        cookie = node->config.cookie_for(node->owner, name);
    }
    return cookie != NULL ? cookie : node->config.cookie;
}

/* --- up */

static void end_greeting(struct attempt *attempt)
{
    if (attempt->is_greeting) {
        attempt->is_greeting = false;
        attempt->peers->greeting_count--;
    }
}

static void send_waiting(struct peer *peer);

struct peer *peers_attach(struct peers *peers, const char *name,
                          const struct peer_link *link)
{
    struct node *node = peers->node;
    atom_t atom = atom_intern(name, strlen(name));
    struct peer *peer;

    if (atom == ATOM_NONE) {
        return NULL;
    }
    peer = find_or_add(peers, atom);
    if (peer->state == PEER_UP) {
        return NULL;
    }
    if (peer->dial != NULL && peer->dial != link->owner) {
        peer->dial->peer = NULL;
        conn_close(peer->dial->conn, CNODE_CANCELED);
    }
    if (peer->lookup != NULL) {
        epmd_lookup_cancel(peer->lookup);
    }
    loop_timer_stop(node_loop(node), &peer->redial);
    peer->dial = NULL;
    peer->link = *link;
    peer->state = PEER_UP;
    peer->failures = 0;
    peer->creation = link->creation;
    peer->is_hidden = (link->flags & DIST_PUBLISHED) == 0;
    peers->up_count++;
    LOG_INFO("nodeup", F_STR("peer", name),
             F_STR("type", peer->is_hidden ? "hidden" : "visible"));
    send_waiting(peer);
    node->events->nodeup(node->owner, peer);
    return peer;
}

static void flush_attempt(void *owner)
{
    conn_flush_later(((struct attempt *)owner)->conn);
}

static void close_attempt(void *owner, int reason)
{
    struct attempt *attempt = owner;

    attempt->peer = NULL;
    conn_close(attempt->conn, reason);
}

static void on_up(void *owner, struct conn *conn)
{
    struct attempt *attempt = owner;
    struct peer_link link = {.channel = conn_channel(conn),
                             .flush = flush_attempt,
                             .close = close_attempt,
                             .owner = attempt,
                             .flags = conn_peer_flags(conn),
                             .creation = conn_peer_creation(conn)};

    end_greeting(attempt);
    attempt->peer =
        peers_attach(attempt->peers, conn_peer_name(conn), &link);
    if (attempt->peer == NULL) {
        conn_close(conn, CNODE_EXISTS);
    }
}

static void on_signal(void *owner, struct conn *conn,
                      const struct control *control)
{
    struct attempt *attempt = owner;

    (void)conn;
    if (attempt->peer != NULL) {
        route_control(attempt->peers->node, attempt->peer, control);
    }
}

static void on_over_limit(void *owner, struct conn *conn,
                          const struct control *control, const uint8_t *start,
                          size_t size)
{
    struct attempt *attempt = owner;

    (void)conn;
    if (attempt->peer != NULL) {
        route_over_limit(attempt->peers->node, attempt->peer, control, start,
                         size);
    }
}

/* --- down */

/* Everything that hung on the connection ends now; its socket closes later. */
void peers_detach(struct peer *peer, int reason)
{
    struct peers *peers = peer->peers;
    struct node *node = peers->node;
    struct peer_link link = peer->link;

    CHECK(peer->state == PEER_UP);
    LOG_INFO("nodedown", F_STR("peer", atom_text(peer->name)), F_ERR(reason));
    peer->link = (struct peer_link){0};
    peer->state = PEER_IDLE;
    peers->up_count--;
    monitor_peer_down(node, peer->name);
    link_peer_down(node, peer->name);
    node->events->nodedown(node->owner, peer);
    if (peer->keep && !peers->is_closing) {
        loop_timer_start(node_loop(node), &peer->redial, REDIAL_FIRST_MS);
    }
    forget(peer);
    link.close(link.owner, reason);
}

void peers_disconnect(struct peers *peers, atom_t name, int reason)
{
    struct peer *peer = peers_find(peers, name);

    if (peer_is_up(peer)) {
        peers_detach(peer, reason);
    }
}

static void on_closed(void *owner, struct conn *conn, int reason)
{
    struct attempt *attempt = owner;
    struct peers *peers = attempt->peers;
    struct peer *peer = attempt->peer;

    if (attempt->is_greeting && reason != CNODE_STOPPED &&
        reason != CNODE_EXISTS) {
        report(peers, attempt, reason);
    }
    end_greeting(attempt);
    if (peer != NULL && peer->link.owner == attempt) {
        peers_detach(peer, reason);
    } else if (peer != NULL && peer->dial == attempt) {
        if (reason == CNODE_EXISTS) {
            await_incoming(peer);
        } else {
            if (reason == CNODE_COOKIE || reason == CNODE_REFUSED ||
                reason == CNODE_PROTOCOL) {
                report(peers, attempt, reason);
            }
            peer_dial_failed(peer, reason);
            forget(peer);
        }
    }
    (void)conn;
    list_remove(&attempt->node);
    peers->attempt_count--;
    mem_free(attempt);
    check_closed(peers);
}

static const struct conn_events conn_events = {
    .named = on_named,
    .replace = on_replace,
    .cookie = on_cookie,
    .up = on_up,
    .signal = on_signal,
    .over_limit = on_over_limit,
    .closed = on_closed,
};

void peers_close(struct peers *peers)
{
    struct peer *peer;

    peers->is_closing = true;
    MAP_EACH(peer, &peers->by_name)
    {
        loop_timer_stop(node_loop(peers->node), &peer->redial);
        if (peer->lookup != NULL) {
            epmd_lookup_cancel(peer->lookup);
        }
    }
    if (peers->listener != NULL) {
        listener_close(peers->listener);
    }
    LIST_EACH(it, &peers->attempts)
    {
        conn_close(CONTAINER_OF(it, struct attempt, node)->conn,
                   CNODE_STOPPED);
    }
}

/* --- sending */

bool peer_is_congested(const struct peer *peer)
{
    return peer->link.channel->queued_bytes > limits.send_queue_bytes;
}

struct channel *peer_channel(struct peer *peer)
{
    peer->link.flush(peer->link.owner);
    return peer->link.channel;
}

static int wait_in_line(struct peer *peer, struct outgoing *outgoing,
                        size_t bytes)
{
    if (peer->waiting_bytes + bytes > limits.send_queue_bytes) {
        METRIC_INC(sends_dropped);
        block_unref(outgoing->message);
        mem_free(outgoing);
        return CNODE_OVERLOADED;
    }
    peer->waiting_bytes += bytes;
    list_push_back(&peer->waiting, &outgoing->node);
    return 0;
}

int peer_send_later(struct peer *peer, struct pid from,
                    const struct dest *dest, struct payload message)
{
    struct outgoing *outgoing = mem_zalloc(sizeof(*outgoing));
    size_t alias = dest->kind == DEST_ALIAS ? cnode_term_size(dest->alias) : 0;
    struct buf buf;

    buf_init(&buf, 0);
    buf_put(&buf, message.bytes, message.size);
    if (alias > 0) {
        buf_put(&buf, dest->alias.at, alias);
    }
    outgoing->message = buf_error(&buf) == 0 ? block_from_buf(&buf) : NULL;
    buf_fini(&buf);
    if (outgoing->message == NULL) {
        mem_free(outgoing);
        return CNODE_NOMEM;
    }
    outgoing->from = from;
    outgoing->dest = *dest;
    outgoing->dest.alias =
        alias == 0 ? TERM_NONE
                   : term_at(outgoing->message->bytes + message.size, alias);
    return wait_in_line(peer, outgoing,
                        outgoing->message->size + sizeof(*outgoing));
}

int peer_signal_later(struct peer *peer, const struct signal *signal)
{
    struct outgoing *outgoing = mem_zalloc(sizeof(*outgoing));

    outgoing->is_signal = true;
    outgoing->signal = *signal;
    if (!term_is_none(signal->term)) {
        size_t size = cnode_term_size(signal->term);

        outgoing->message = block_copy(signal->term.at, size);
        if (outgoing->message == NULL) {
            mem_free(outgoing);
            return CNODE_NOMEM;
        }
        outgoing->signal.term = term_at(outgoing->message->bytes, size);
    }
    return wait_in_line(peer, outgoing, sizeof(*outgoing));
}

static void send_waiting(struct peer *peer)
{
    struct node *node = peer->peers->node;
    struct list *it;

    while ((it = list_pop(&peer->waiting)) != NULL) {
        struct outgoing *out = CONTAINER_OF(it, struct outgoing, node);

        if (out->is_signal) {
            (void)route_signal(node, &out->signal, peer->name);
        } else {
            size_t size = out->message->size;

            if (out->dest.kind == DEST_ALIAS) {
                size -= cnode_term_size(out->dest.alias);
            }
            (void)route_send(node, out->from, &out->dest,
                             (struct payload){.bytes = out->message->bytes,
                                              .size = size,
                                              .block = out->message});
        }
        block_unref(out->message);
        mem_free(out);
    }
    peer->waiting_bytes = 0;
}

static void drop_waiting(struct peer *peer)
{
    struct list *it;

    while ((it = list_pop(&peer->waiting)) != NULL) {
        struct outgoing *out = CONTAINER_OF(it, struct outgoing, node);

        if (!out->is_signal) {
            METRIC_INC(dead_letters);
        }
        block_unref(out->message);
        mem_free(out);
    }
    peer->waiting_bytes = 0;
}
