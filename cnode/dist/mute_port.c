/* SPDX-License-Identifier: Apache-2.0
 *
 * See mute_port.h. There is a listener or a connection, for a moment both; it
 * is over when there is neither.
 */
#include "dist/mute_port.h"

#include "base/mem.h"
#include "dist/listener.h"

enum { READ_BYTES = 512 };

struct mute_port {
    struct loop *loop;
    struct listener *listener; /* NULL: closed */
    uint16_t number;
    struct timer timer; /* until somebody has come */
    uv_tcp_t tcp;
    bool has_tcp; /* until it is closed */
    char read[READ_BYTES];
    mute_port_closed_fn closed;
    void *owner;
};

/* In the order of time. */
static void on_incoming(void *owner, uv_stream_t *server);
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf);
static void on_late(struct timer *timer);
static void on_listener_closed(void *owner);
static void on_tcp_closed(uv_handle_t *handle);

static const struct listener_events listener_events = {
    .incoming = on_incoming, .closed = on_listener_closed};

int mute_port_open(struct mute_port **out, struct loop *loop, const char *host,
                   uint16_t number, uint64_t wait_ms,
                   mute_port_closed_fn closed, void *owner)
{
    struct mute_port *port = mem_zalloc(sizeof(*port));
    int rc;

    port->loop = loop;
    port->closed = closed;
    port->owner = owner;
    timer_init(&port->timer, on_late);
    rc = listener_open(&port->listener, loop, host, number, &listener_events,
                       port);
    if (rc != 0) {
        mem_free(port);
        return rc;
    }
    port->number = listener_port(port->listener);
    loop_timer_start(loop, &port->timer, wait_ms);
    *out = port;
    return 0;
}

uint16_t mute_port_number(const struct mute_port *port)
{
    return port->number;
}

/* The one that it was opened for; whoever came after it finds nobody. */
static void on_incoming(void *owner, uv_stream_t *server)
{
    struct mute_port *port = owner;

    loop_timer_stop(port->loop, &port->timer);
    /* Cannot fail: it makes no socket yet. */
    CHECK(uv_tcp_init(&port->loop->uv, &port->tcp) == 0);
    port->tcp.data = port;
    port->has_tcp = true;
    if (uv_accept(server, (uv_stream_t *)&port->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&port->tcp, on_alloc, on_read) != 0) {
        mute_port_close(port);
        return;
    }
    listener_close(port->listener);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct mute_port *port = handle->data;

    (void)suggested;
    *buf = uv_buf_init(port->read, sizeof(port->read));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    (void)buf;
    if (size < 0) {
        mute_port_close(stream->data);
    }
}

static void on_late(struct timer *timer)
{
    mute_port_close(CONTAINER_OF(timer, struct mute_port, timer));
}

void mute_port_close(struct mute_port *port)
{
    loop_timer_stop(port->loop, &port->timer);
    if (port->listener != NULL) {
        listener_close(port->listener);
    }
    if (port->has_tcp && !uv_is_closing((uv_handle_t *)&port->tcp)) {
        uv_close((uv_handle_t *)&port->tcp, on_tcp_closed);
    }
}

static void look_whether_over(struct mute_port *port)
{
    if (port->listener == NULL && !port->has_tcp) {
        port->closed(port->owner);
        mem_free(port);
    }
}

static void on_listener_closed(void *owner)
{
    struct mute_port *port = owner;

    port->listener = NULL;
    look_whether_over(port);
}

static void on_tcp_closed(uv_handle_t *handle)
{
    struct mute_port *port = handle->data;

    port->has_tcp = false;
    look_whether_over(port);
}
