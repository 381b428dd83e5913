/* SPDX-License-Identifier: Apache-2.0
 *
 * The listening socket: bind, listen, hand each waiting connection up. A
 * connection that could not even be taken (no file descriptors left) is closed
 * by libuv and counted here.
 */
#include "dist/listener.h"

#include <cnode/error.h>

#include "base/mem.h"
#include "base/metric.h"
#include "dist/address.h"

enum { BACKLOG = 128 };

struct listener {
    uv_tcp_t tcp;
    uint16_t port;
    const struct listener_events *events;
    void *owner;
};

static int listener_bind(struct listener *listener, const char *host,
                         uint16_t port);
static void on_abandoned(uv_handle_t *handle);
static void on_incoming(uv_stream_t *server, int status);
static void on_tcp_closed(uv_handle_t *handle);

int listener_open(struct listener **out, struct loop *loop, const char *host,
                  uint16_t port, const struct listener_events *events,
                  void *owner)
{
    struct listener *listener = mem_zalloc(sizeof(*listener));
    int rc = uv_tcp_init(&loop->uv, &listener->tcp);

    if (rc < 0) {
        mem_free(listener);
        return rc;
    }
    listener->tcp.data = listener;
    listener->events = events;
    listener->owner = owner;
    rc = listener_bind(listener, host, port);
    if (rc < 0) {
        uv_close((uv_handle_t *)&listener->tcp, on_abandoned);
        return rc;
    }
    *out = listener;
    return 0;
}

static int listener_bind(struct listener *listener, const char *host,
                         uint16_t port)
{
    struct sockaddr_storage address;
    int size = sizeof(address);
    int rc;

    if (!address_parse(host, port, &address)) {
        return CNODE_EINVALID;
    }
    rc = uv_tcp_bind(&listener->tcp, (const struct sockaddr *)&address, 0);
    if (rc < 0) {
        return rc;
    }
    rc = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_incoming);
    if (rc < 0) {
        return rc;
    }
    rc = uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&address, &size);
    if (rc < 0) {
        return rc;
    }
    listener->port = address_port(&address);
    return 0;
}

/* The open failed after libuv knew the handle; the caller knows already. */
static void on_abandoned(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static void on_incoming(uv_stream_t *server, int status)
{
    struct listener *listener = server->data;

    if (uv_is_closing((uv_handle_t *)server)) {
        return;
    }
    if (status < 0) {
        METRIC_INC(connections_refused);
        return;
    }
    listener->events->incoming(listener->owner, server);
}

static void on_refused(uv_handle_t *handle)
{
    mem_free(handle);
}

void listener_refuse(struct loop *loop, uv_stream_t *server)
{
    uv_tcp_t *tcp = mem_alloc(sizeof(*tcp));

    /* Cannot fail: it makes no socket yet. */
    CHECK(uv_tcp_init(&loop->uv, tcp) == 0);
    /* May fail when the connection is gone again: the same to us. */
    (void)uv_accept(server, (uv_stream_t *)tcp);
    uv_close((uv_handle_t *)tcp, on_refused);
    METRIC_INC(connections_refused);
}

uint16_t listener_port(const struct listener *listener)
{
    return listener->port;
}

void listener_close(struct listener *listener)
{
    if (!uv_is_closing((uv_handle_t *)&listener->tcp)) {
        uv_close((uv_handle_t *)&listener->tcp, on_tcp_closed);
    }
}

static void on_tcp_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;

    listener->events->closed(listener->owner);
    mem_free(listener);
}
