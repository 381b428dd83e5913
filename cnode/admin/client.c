/* SPDX-License-Identifier: Apache-2.0
 *
 *   LOOKUP -> DIALLING -> CALLING -> LEAVING -> (loop stops)
 *       \_________\___________________/
 *
 * The first outcome counts: client_leave() keeps it and closes what is open;
 * when that is closed the loop stops. One timer bounds the time until then.
 *
 * A node proper (node/node.h) is not needed for one call, and would not say why
 * a dial failed.
 */
#include "admin/client.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/trace.h"
#include "dist/conn.h"
#include "dist/epmd.h"
#include "dist/flags.h"
#include "term/build.h"
#include <cnode/error.h>

enum client_state {
    CLIENT_LOOKUP,
    CLIENT_DIALLING,
    CLIENT_CALLING,
    CLIENT_LEAVING
};

static const uint32_t client_moves[] = {
    [CLIENT_LOOKUP] = BIT(CLIENT_DIALLING) | BIT(CLIENT_LEAVING),
    [CLIENT_DIALLING] = BIT(CLIENT_CALLING) | BIT(CLIENT_LEAVING),
    [CLIENT_CALLING] = BIT(CLIENT_LEAVING),
    [CLIENT_LEAVING] = 0,
};

struct client {
    enum client_state state;
    const struct client_request *request;
    struct client_result *result;

    struct loop loop;
    struct timer deadline;
    struct epmd_lookup *lookup; /* while in LOOKUP */

    char name[NODE_NAME_MAX + 1];
    struct conn_config config;
    struct conn *conn; /* from DIALLING until it is closed */

    struct pid self;
    struct ref monitor; /* also the tag of the call, as in gen:call */
};

/* In the order of time. */
static void client_name(struct client *client);
static void on_address(void *owner, int rc, const struct sockaddr *address);
static const char *on_cookie(void *owner, const char *name);
static void on_up(void *owner, struct conn *conn);
static void on_signal(void *owner, struct conn *conn,
                      const struct control *control);
static void on_over_limit(void *owner, struct conn *conn,
                          const struct control *control, const uint8_t *start,
                          size_t size);
static void on_deadline(struct timer *timer);
static void client_leave(struct client *client, enum client_outcome outcome,
                         int rc);
static void on_closed(void *owner, struct conn *conn, int reason);

static const struct conn_events conn_events = {
    .cookie = on_cookie,
    .up = on_up,
    .signal = on_signal,
    .over_limit = on_over_limit,
    .closed = on_closed,
};

static void client_move(struct client *client, enum client_state to)
{
    CHECK(client_moves[client->state] & BIT(to));
    TRACE("client_move", client->state, to);
    client->state = to;
}

int client_call(const struct client_request *request,
                struct client_result *result)
{
    struct client client = {.request = request, .result = result};
    int rc = loop_init(&client.loop, NULL, NULL);

    if (rc != 0) {
        return rc;
    }
    *result = (struct client_result){.outcome = CLIENT_LOST};
    buf_init(&result->term, 0);
    client_name(&client);
    timer_init(&client.deadline, on_deadline);
    loop_timer_start(&client.loop, &client.deadline, request->timeout_ms);
    rc = epmd_lookup_open(&client.lookup, &client.loop,
                          &(struct epmd_where){.node = request->node,
                                               .host = request->host,
                                               .epmd_port = request->epmd_port,
                                               .port = request->port},
                          request->timeout_ms, on_address, &client);
    if (rc != 0) {
        client_leave(&client, CLIENT_NO_EPMD, rc);
    }
    loop_run(&client.loop);
    loop_timer_stop(&client.loop, &client.deadline);
    loop_fini(&client.loop);
    return 0;
}

void client_result_fini(struct client_result *result)
{
    buf_fini(&result->term);
}

static uint64_t random_u64(void)
{
    uint64_t value = 0;

    CHECK(getrandom(&value, sizeof(value), 0) == (ssize_t)sizeof(value));
    return value;
}

/* A host of the target's style, long or short: a BEAM does not talk to nodes of
 * the other one. Nobody dials it, so it need not be true, but a certificate of
 * ours must be for it. */
static const char *client_host(const struct client_request *request, char *room,
                               size_t size)
{
    const char *host = strchr(request->node, '@');
    bool is_long = host != NULL && strchr(host, '.') != NULL;

    if (request->self_host != NULL) {
        return request->self_host;
    }
    if (request->tls != NULL &&
        tls_context_own_host(request->tls, is_long, room, size)) {
        return room;
    }
    return is_long ? "127.0.0.1" : "localhost";
}

/* A name is one of few, as every node name a BEAM ever met stays in its atom
 * table, and by the process id another one for each that runs at the same time.
 */
static void client_name(struct client *client)
{
    char host[NODE_NAME_MAX - sizeof("cnode-call-0000")];
    uint32_t creation = (uint32_t)random_u64() | 1;
    atom_t node;

    (void)snprintf(client->name, sizeof(client->name), "cnode-call-%04x@%s",
                   (unsigned)getpid() & 0xffff,
                   client_host(client->request, host, sizeof(host)));
    node = atom_intern(client->name, strlen(client->name));
    client->config = (struct conn_config){
        .self = client->name,
        .flags = dist_flags_offered(true),
        .creation = creation,
        .setup_ms = client->request->timeout_ms,
        .ticktime_ms = 60000,
        .tls = client->request->tls,
    };
    client->self = (struct pid){.node = node, .id = 1, .creation = creation};
    client->monitor = (struct ref){
        .node = node, .creation = creation, .len = 3, .words = {1}};
}

static void on_address(void *owner, int rc, const struct sockaddr *address)
{
    struct client *client = owner;

    client->lookup = NULL;
    if (client->state == CLIENT_LEAVING) {
        loop_stop(&client->loop);
        return;
    }
    if (rc != 0) {
        client_leave(client, CLIENT_NO_EPMD, rc);
        return;
    }
    client_move(client, CLIENT_DIALLING);
    rc = conn_dial(&client->conn, &client->loop, &client->config,
                   client->request->node, address, &conn_events, client);
    if (rc != 0) {
        client_leave(client, CLIENT_NO_NODE, rc);
    }
}

static const char *on_cookie(void *owner, const char *name)
{
    const struct client *client = owner;

    (void)name;
    return client->request->cookie;
}

/* Monitor first: if nobody has the name, the answer to that comes at once. */
static void on_up(void *owner, struct conn *conn)
{
    struct client *client = owner;
    struct channel *channel = conn_channel(conn);
    atom_t name = client->request->name;
    struct payload payload;
    struct buf message;
    int rc;

    client_move(client, CLIENT_CALLING);
    control_put_monitor(channel_begin(channel), client->self, PID_NONE, name,
                        &client->monitor);
    rc = channel_end(channel, client->self, (struct payload){.bytes = NULL});

    buf_init(&message, 0);
    term_put_tuple(&message, 3);
    term_put_atom(&message, A_gen_call);
    term_format(&message, "{~p, ~r}", client->self, &client->monitor);
    client->request->put(client->request->owner, &message, client->self);
    payload = (struct payload){.bytes = buf_data(&message),
                               .size = buf_size(&message)};
    if (rc == 0) {
        rc = buf_error(&message);
    }
    if (rc == 0) {
        control_put_reg_send(channel_begin(channel), client->self, name);
        rc = channel_end(channel, client->self, payload);
    }
    buf_fini(&message);
    conn_flush_later(conn);
    if (rc != 0) {
        client_leave(client, CLIENT_LOST, rc);
    }
}

static void keep(struct client *client, struct cnode_term term)
{
    buf_put(&client->result->term, term.at, cnode_term_size(term));
}

static void on_signal(void *owner, struct conn *conn,
                      const struct control *control)
{
    struct client *client = owner;
    struct cnode_term answer;
    struct ref ref;

    (void)conn;
    if (client->state != CLIENT_CALLING) {
        return;
    }
    if (control->kind == CONTROL_SEND &&
        term_match(control->payload, "{~r, ~t}", &ref, &answer) &&
        ref_equal(&ref, &client->monitor)) {
        keep(client, answer);
        client_leave(client, CLIENT_REPLY, 0);
    } else if (control->kind == CONTROL_MONITOR_EXIT &&
               term_get_ref(control->ref, &ref) &&
               ref_equal(&ref, &client->monitor)) {
        keep(client, control->reason);
        client_leave(client, CLIENT_DOWN, 0);
    } /* else: what a node says to every peer */
}

static void on_over_limit(void *owner, struct conn *conn,
                          const struct control *control, const uint8_t *start,
                          size_t size)
{
    (void)conn;
    (void)control;
    (void)start;
    (void)size;
    client_leave(owner, CLIENT_TOO_LARGE, CNODE_TOO_LARGE);
}

static void on_deadline(struct timer *timer)
{
    struct client *client = CONTAINER_OF(timer, struct client, deadline);

    switch (client->state) {
    case CLIENT_LOOKUP:
        client_leave(client, CLIENT_NO_EPMD, CNODE_TIMEOUT);
        break;
    case CLIENT_DIALLING:
        client_leave(client, CLIENT_NO_NODE, CNODE_TIMEOUT);
        break;
    case CLIENT_CALLING:
        client_leave(client, CLIENT_TIMEOUT, CNODE_TIMEOUT);
        break;
    case CLIENT_LEAVING:
        break;
    }
}

static void client_leave(struct client *client, enum client_outcome outcome,
                         int rc)
{
    if (client->state == CLIENT_LEAVING) {
        return; /* the first outcome counts */
    }
    client_move(client, CLIENT_LEAVING);
    client->result->outcome = outcome;
    client->result->rc = rc;
    if (client->lookup != NULL) {
        epmd_lookup_cancel(client->lookup);
    } else if (client->conn != NULL) {
        conn_close(client->conn, CNODE_STOPPED);
    } else {
        loop_stop(&client->loop);
    }
}

static void on_closed(void *owner, struct conn *conn, int reason)
{
    struct client *client = owner;
    bool was_up = client->state == CLIENT_CALLING;

    (void)snprintf(client->result->why, sizeof(client->result->why), "%s",
                   conn_why(conn));
    client->conn = NULL;
    if (client->state == CLIENT_LEAVING) {
        loop_stop(&client->loop);
    } else {
        client_leave(client, was_up ? CLIENT_LOST : CLIENT_NO_NODE, reason);
    }
}
