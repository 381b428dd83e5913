/* SPDX-License-Identifier: Apache-2.0
 *
 * See attempt.h. In the order of a connection's life: made, greeted (the
 * acceptor's rule for simultaneous connects stands in on_named()), up, closed.
 */
#include "node/attempt.h"

#include <stdio.h>
#include <string.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "dist/flags.h"
#include "dist/tls.h"
#include "node/node.h"
#include "node/receive.h"
#include "node/wanted.h"

static const struct conn_events conn_events;
static void greeting_failed(struct attempt *attempt, int reason);

/* --- made */

static struct attempt *attempt_new(struct peers *peers, struct peer *peer)
{
    struct attempt *attempt = mem_zalloc(sizeof(*attempt));

    attempt->peers = peers;
    attempt->peer = peer;
    list_push_back(&peers->attempts, &attempt->node);
    peers->attempt_count++;
    return attempt;
}

static void attempt_free(struct attempt *attempt)
{
    list_remove(&attempt->node);
    attempt->peers->attempt_count--;
    mem_free(attempt);
}

int attempt_dial(struct attempt **out, struct peer *peer,
                 const struct sockaddr *address)
{
    struct peers *peers = peer->peers;
    struct attempt *attempt = attempt_new(peers, peer);
    int rc =
        conn_dial(&attempt->conn, node_loop(peers->node), &peers->conn_config,
                  atom_text(peer->name), address, &conn_events, attempt);

    if (rc != 0) {
        attempt_free(attempt);
        return rc;
    }
    *out = attempt;
    return 0;
}

/* How much of its address says from where it comes: all but the port. */
static size_t host_len(const struct attempt *attempt)
{
    const char *address = conn_address(attempt->conn);
    const char *port = strrchr(address, ':');

    return port != NULL ? (size_t)(port - address) : strlen(address);
}

static bool is_from(const struct attempt *attempt, const struct attempt *other)
{
    size_t len = host_len(other);

    return host_len(attempt) == len &&
           memcmp(conn_address(attempt->conn), conn_address(other->conn),
                  len) == 0;
}

/* Above a limit the oldest greeting ends, of the host of `host` or, when that
 * is NULL, of anybody. */
static void bound_greetings(struct peers *peers, const struct attempt *host,
                            uint64_t most)
{
    struct attempt *oldest = NULL;
    uint64_t count = 0;

    if (peers->greeting_count <= most) {
        return;
    }
    LIST_EACH(it, &peers->attempts) {
        struct attempt *attempt = CONTAINER_OF(it, struct attempt, node);

        if (attempt->is_greeting && (host == NULL || is_from(attempt, host))) {
            oldest = count++ == 0 ? attempt : oldest;
        }
    }
    if (count > most) {
        METRIC_INC(handshakes_pushed_out);
        greeting_failed(oldest, CNODE_LIMIT);
        attempt_abandon(oldest, CNODE_LIMIT);
    }
}

void attempt_accept(struct peers *peers, uv_stream_t *server)
{
    struct loop *loop = node_loop(peers->node);
    struct attempt *attempt;

    if (peers->node->creation == 0 || peers->node->is_leaving ||
        peers->is_closing || peers->attempt_count >= limits.connections) {
        listener_refuse(loop, server);
        return;
    }
    attempt = attempt_new(peers, NULL);
    if (conn_accept(&attempt->conn, loop, &peers->conn_config, server,
                    &conn_events, attempt) != 0) {
        attempt_free(attempt);
        return;
    }
    attempt->is_greeting = true;
    peers->greeting_count++;
    /* Strangers that connect and say nothing must not keep others out: an
     * honest handshake is done before as many have come after it. */
    bound_greetings(peers, attempt, limits.handshakes_per_address);
    bound_greetings(peers, NULL, limits.handshakes);
}

void attempt_abandon(struct attempt *attempt, int reason)
{
    attempt->peer = NULL;
    conn_close(attempt->conn, reason);
}

/* --- greeted */

bool attempt_is_coming(const struct peers *peers, const char *name)
{
    LIST_EACH(it, &peers->attempts) {
        struct attempt *attempt = CONTAINER_OF(it, struct attempt, node);

        if (attempt->is_welcome &&
            strcmp(conn_peer_name(attempt->conn), name) == 0) {
            return true;
        }
    }
    return false;
}

static struct peer *named_peer(const struct attempt *attempt)
{
    const char *name = conn_peer_name(attempt->conn);

    return peers_find(attempt->peers, atom_find(name, strlen(name)));
}

/* The acceptor's rule (protocol, "Status values"). While ours is only looked up
 * the peer knows nothing of it and its dial may go on, unless that was tried
 * before: anybody can say a name. */
static enum handshake_status answer(struct peer *peer, const char *self,
                                    const char *name)
{
    if (peer == NULL) {
        return HANDSHAKE_OK;
    }
    switch (peer->state) {
    case PEER_UP:
        return HANDSHAKE_ALIVE;
    case PEER_DIALLING:
        if (strcmp(self, name) > 0) {
            return HANDSHAKE_NOK;
        }
        peer_expect(peer);
        return HANDSHAKE_OK_SIMULTANEOUS;
    case PEER_LOOKUP:
        if (peer->yields < PEER_YIELDS_MOST) {
            peer_expect(peer);
        }
        return HANDSHAKE_OK;
    case PEER_IDLE:
    case PEER_EXPECTED:
        break;
    }
    return HANDSHAKE_OK;
}

static enum handshake_status on_named(void *owner, struct conn *conn,
                                      const char *name, uint64_t flags,
                                      uint32_t creation)
{
    struct attempt *attempt = owner;
    const char *self = atom_text(attempt->peers->node->name);
    enum handshake_status status;

    (void)conn, (void)flags, (void)creation;
    if (!peers_are_allowed(attempt->peers, name)) {
        METRIC_INC(nodes_not_allowed);
        return HANDSHAKE_NOT_ALLOWED;
    }
    status = answer(named_peer(attempt), self, name);
    attempt->is_welcome = status != HANDSHAKE_NOK;
    return status;
}

/* The same node connects again and proved the cookie: the old connection is
 * dead. All of its end is done before the new one begins. */
static void on_replace(void *owner, struct conn *conn)
{
    struct peer *peer = named_peer(owner);

    (void)conn;
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
    attempt->is_welcome = false;
    if (attempt->is_greeting) {
        attempt->is_greeting = false;
        attempt->peers->greeting_count--;
    }
}

static void flush_attempt(void *owner)
{
    conn_flush_later(((struct attempt *)owner)->conn);
}

static void close_attempt(void *owner, int reason)
{
    attempt_abandon(owner, reason);
}

static bool local_host_of_attempt(void *owner, char text[ADDRESS_TEXT_MAX])
{
    return conn_local_host(((struct attempt *)owner)->conn, text);
}

static void traffic_of_attempt(void *owner, uint64_t *in, uint64_t *out)
{
    conn_traffic(((struct attempt *)owner)->conn, in, out);
}

static void on_up(void *owner, struct conn *conn)
{
    struct attempt *attempt = owner;
    struct peer_link link = {.channel = conn_channel(conn),
                             .flush = flush_attempt,
                             .close = close_attempt,
                             .local_host = local_host_of_attempt,
                             .traffic = traffic_of_attempt,
                             .owner = attempt,
                             .flags = conn_peer_flags(conn),
                             .creation = conn_peer_creation(conn)};

    end_greeting(attempt);
    attempt->peer = peers_attach(attempt->peers, conn_peer_name(conn), &link);
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
        receive_control(attempt->peers->node, attempt->peer, control);
    }
}

static void on_over_limit(void *owner, struct conn *conn,
                          const struct control *control, const uint8_t *start,
                          size_t size)
{
    struct attempt *attempt = owner;

    (void)conn;
    if (attempt->peer != NULL) {
        receive_over_limit(attempt->peers->node, attempt->peer, control, start,
                           size);
    }
}

static bool on_is_wanted(void *owner, struct conn *conn,
                         const struct control *control)
{
    struct attempt *attempt = owner;

    (void)conn;
    return node_wants(attempt->peers->node, control);
}

/* --- closed */

/* Flags it would need. */
static void report_missing(const struct attempt *attempt)
{
    const struct conn *conn = attempt->conn;
    struct buf names;

    buf_init(&names, 0);
    dist_flags_put_names(&names, dist_flags_missing(conn_peer_flags(conn)));
    LOG_WARN("handshake_failed", F_STR("peer", conn_peer_name(conn)),
             F_STR("address", conn_address(conn)), F_ERR(CNODE_UNSUPPORTED),
             F_BYTES("missing", buf_data(&names), buf_size(&names)));
    buf_fini(&names);
}

/* The first time in a minute that it fails, or fails for that reason of TLS:
 * who mends one thing about certificates wants to see the next. */
static bool is_news(const struct attempt *attempt, int reason)
{
    struct peers *peers = attempt->peers;
    const char *name = conn_peer_name(attempt->conn);
    const char *who = name[0] != '\0' ? name : conn_address(attempt->conn);
    size_t len = name[0] != '\0' ? strlen(name) : host_len(attempt);
    char key[NODE_NAME_MAX + 16];
    int size = snprintf(key, sizeof(key), "%d %.*s",
                        tls_is_reason(reason) ? reason : 0, (int)len, who);

    return size > 0 && refusals_is_news(&peers->refusals, key, strlen(key),
                                        loop_now_ms(node_loop(peers->node)));
}

/* What operators should see, once a minute for each peer: not our own stop, and
 * not the loser of two connections. */
static void report(const struct attempt *attempt, int reason)
{
    const char *name = conn_peer_name(attempt->conn);
    const char *address = conn_address(attempt->conn);
    const char *why = conn_why(attempt->conn);

    if (reason == CNODE_STOPPED || reason == CNODE_EXISTS ||
        reason == CNODE_CANCELED || !is_news(attempt, reason)) {
        return;
    }
    if (reason == CNODE_UNSUPPORTED) {
        report_missing(attempt);
        return;
    }
    if (why[0] != '\0') {
        LOG_WARN("handshake_failed", F_STR("peer", name),
                 F_STR("address", address), F_ERR(reason), F_STR("why", why));
        return;
    }
    LOG_WARN("handshake_failed", F_STR("peer", name), F_STR("address", address),
             F_ERR(reason));
}

/* Nobody's dial any more; it may have been the one we waited for. */
static void greeting_failed(struct attempt *attempt, int reason)
{
    bool was_welcome = attempt->is_welcome;
    struct peer *peer;

    report(attempt, reason);
    end_greeting(attempt);
    peer = named_peer(attempt);
    if (was_welcome && peer != NULL && peer->state == PEER_EXPECTED &&
        !attempt_is_coming(attempt->peers, atom_text(peer->name))) {
        peer_not_expected(peer, reason);
    }
}

static void dial_ended(struct peer *peer, struct attempt *attempt, int reason)
{
    if (reason == CNODE_EXISTS) {
        peer_expect(peer); /* nok: the peer's own dial goes on */
        return;
    }
    if (tls_is_reason(reason)) {
        report(attempt, reason); /* the connection knows more than a code */
    } else if (!peer->keep &&
               (reason == CNODE_COOKIE || reason == CNODE_REFUSED ||
                reason == CNODE_UNSUPPORTED || reason == CNODE_PROTOCOL)) {
        report(attempt, reason); /* those to keep are reported by each dial */
    }
    peer_dial_failed(peer, reason);
}

static void on_closed(void *owner, struct conn *conn, int reason)
{
    struct attempt *attempt = owner;
    struct peers *peers = attempt->peers;
    struct peer *peer = attempt->peer;

    (void)conn;
    if (peer != NULL && peer->link.owner == attempt) {
        peers_detach(peer, reason);
    } else if (peer != NULL && peer->dial == attempt) {
        dial_ended(peer, attempt, reason);
    } else if (attempt->is_greeting) {
        greeting_failed(attempt, reason);
    }
    attempt_free(attempt);
    peers_check_closed(peers);
}

static const struct conn_events conn_events = {
    .named = on_named,
    .replace = on_replace,
    .cookie = on_cookie,
    .up = on_up,
    .signal = on_signal,
    .over_limit = on_over_limit,
    .is_wanted = on_is_wanted,
    .closed = on_closed,
};
