/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to a peer node.
 *
 *   CONNECTING -> (SECURING ->) HANDSHAKE -> UP -> CLOSING -> (closed event,
 *        \____________\____________\_________/                  freed)
 *
 * In: libuv reads to the end of one buffer; whole handshake packets, then whole
 * frames are consumed at its front, and the rest is moved there. The last
 * packet of a handshake and the first frames may share one read. Under TLS the
 * inlet deciphers in between, and the outlet the other way; nothing else here
 * knows of it but for the state before the handshake.
 *
 * Out: what a turn of the loop put on the channel is gathered and written at
 * the end of that turn, at once if the socket takes it. What it does not take
 * is left to libuv, and nothing more is gathered until that has landed.
 *
 * Failure: whatever goes wrong becomes the reason of conn_close(); the closed
 * event follows when libuv is done with the socket.
 */
#include "dist/conn.h"

#include <string.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "base/metric.h"
#include "base/trace.h"
#include "dist/address.h"
#include "dist/flags.h"
#include "dist/inlet.h"
#include "dist/outlet.h"
#include "dist/pace.h"
#include "dist/pulse.h"

enum conn_state {
    CONN_CONNECTING,
    CONN_SECURING, /* TLS shakes hands */
    CONN_HANDSHAKE,
    CONN_UP,
    CONN_CLOSING
};

static const uint32_t conn_moves[] = {
    [CONN_CONNECTING] =
        BIT(CONN_SECURING) | BIT(CONN_HANDSHAKE) | BIT(CONN_CLOSING),
    [CONN_SECURING] = BIT(CONN_HANDSHAKE) | BIT(CONN_CLOSING),
    [CONN_HANDSHAKE] = BIT(CONN_UP) | BIT(CONN_CLOSING),
    [CONN_UP] = BIT(CONN_CLOSING),
    [CONN_CLOSING] = 0,
};

struct conn {
    enum conn_state state;
    int reason; /* once closing */
    bool stop;  /* tells channel_feed() that we are closing */

    struct loop *loop;
    const struct conn_config *config;
    const struct conn_events *events;
    void *owner;

    uv_tcp_t tcp;
    uv_connect_t connecting;
    struct timer timer; /* deadline of a handshake step; then the pulse */
    char address[ADDRESS_TEXT_MAX];

    struct tls *tls;            /* NULL: plain */
    struct handshake handshake; /* afterwards keeps what we know of the peer */

    /* once up */
    bool has_channel;
    struct channel channel;
    struct pulse pulse;

    /* in */
    struct inlet in;

    /* out */
    struct flush_hook flush;
    struct outlet outlet;
};

/* In the order of time. */
static struct conn *conn_new(struct loop *loop,
                             const struct conn_config *config,
                             const struct conn_events *events, void *owner);
static void conn_use_tls(struct conn *conn, struct tls *tls);
static void conn_free(struct conn *conn);
static void on_abandoned(uv_handle_t *handle);
static void on_connected(uv_connect_t *req, int status);
static int conn_greet(struct conn *conn);
static void on_timer(struct timer *timer);
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static int conn_read(struct conn *conn);
static int conn_secure(struct conn *conn);
static int conn_consume(struct conn *conn);
static int conn_shake(struct conn *conn, size_t *used);
static enum handshake_status on_named(void *owner, const char *name,
                                      uint64_t flags, uint32_t creation);
static void on_replace(void *owner);
static const char *on_cookie(void *owner, const char *name);
static void conn_go_up(struct conn *conn);
static int conn_feed(struct conn *conn, size_t *used);
static void on_signal(void *owner, const struct control *control);
static void on_over_limit(void *owner, const struct control *control,
                          const uint8_t *start, size_t size);
static bool on_is_wanted(void *owner, const struct control *control);
static int conn_keep(struct conn *conn, size_t used);
static void conn_answer(struct conn *conn);
static void conn_pulse(struct conn *conn);
static void conn_next_pulse(struct conn *conn);
static void on_flush(struct flush_hook *hook);
static void conn_write(struct conn *conn);
static void on_landed(struct outlet *outlet, int status);
static void conn_farewell(struct conn *conn);
static void on_tcp_closed(uv_handle_t *handle);

static const struct handshake_events handshake_events = {
    .named = on_named,
    .replace = on_replace,
    .cookie = on_cookie,
};

static const struct channel_events channel_events = {
    .signal = on_signal,
    .over_limit = on_over_limit,
    .is_wanted = on_is_wanted,
};

static uv_stream_t *conn_stream(struct conn *conn)
{
    return (uv_stream_t *)&conn->tcp;
}

static void conn_move(struct conn *conn, enum conn_state to)
{
    CHECK(conn_moves[conn->state] & BIT(to));
    TRACE("conn_move", conn->state, to);
    conn->state = to;
}

/* --- open */

int conn_dial(struct conn **out, struct loop *loop,
              const struct conn_config *config, const char *peer,
              const struct sockaddr *address, const struct conn_events *events,
              void *owner)
{
    struct conn *conn = conn_new(loop, config, events, owner);
    int rc = handshake_dial(&conn->handshake, peer);

    if (rc < 0) {
        goto fail_handshake;
    }
    if (config->tls != NULL) {
        conn_use_tls(conn, tls_dial(config->tls, strchr(peer, '@') + 1));
    }
    rc = uv_tcp_init(&loop->uv, &conn->tcp);
    if (rc < 0) {
        goto fail_handshake;
    }
    conn->tcp.data = conn;
    conn->connecting.data = conn;
    address_text(address, conn->address);
    rc = uv_tcp_connect(&conn->connecting, &conn->tcp, address, on_connected);
    if (rc < 0) {
        uv_close((uv_handle_t *)&conn->tcp, on_abandoned);
        return rc;
    }
    conn->state = CONN_CONNECTING;
    loop_timer_start(loop, &conn->timer, config->setup_ms);
    *out = conn;
    return 0;

fail_handshake:
    conn_free(conn);
    return rc;
}

int conn_accept(struct conn **out, struct loop *loop,
                const struct conn_config *config, uv_stream_t *server,
                const struct conn_events *events, void *owner)
{
    struct conn *conn = conn_new(loop, config, events, owner);
    struct sockaddr_storage address;
    int size = sizeof(address);
    int rc = uv_tcp_init(&loop->uv, &conn->tcp);

    if (rc < 0) {
        conn_free(conn);
        return rc;
    }
    conn->tcp.data = conn;
    rc = uv_accept(server, conn_stream(conn));
    if (rc < 0) {
        goto fail_tcp;
    }
    /* Fails when the peer is gone already: the first read will tell. */
    if (uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&address, &size) ==
        0) {
        address_text((const struct sockaddr *)&address, conn->address);
    }
    (void)uv_tcp_nodelay(&conn->tcp, 1);
    if (config->tls != NULL) {
        conn_use_tls(conn, tls_accept(config->tls));
    }
    handshake_accept(&conn->handshake);
    conn->state = config->tls != NULL ? CONN_SECURING : CONN_HANDSHAKE;
    rc = uv_read_start(conn_stream(conn), on_alloc, on_read);
    if (rc < 0) {
        goto fail_tcp;
    }
    loop_timer_start(loop, &conn->timer, config->setup_ms);
    METRIC_INC(connections_accepted);
    *out = conn;
    return 0;

fail_tcp:
    uv_close((uv_handle_t *)&conn->tcp, on_abandoned);
    return rc;
}

static struct conn *conn_new(struct loop *loop,
                             const struct conn_config *config,
                             const struct conn_events *events, void *owner)
{
    struct conn *conn = mem_zalloc(sizeof(*conn));
    uint32_t random = 0;

    conn->loop = loop;
    conn->config = config;
    conn->events = events;
    conn->owner = owner;
    timer_init(&conn->timer, on_timer);
    inlet_init(&conn->in, NULL);
    outlet_init(&conn->outlet, conn_stream(conn), NULL);
    flush_hook_init(&conn->flush, on_flush);
    /* Without random bits a recorded digest could be played back: no way on. */
    CHECK(uv_random(NULL, NULL, &random, sizeof(random), 0, NULL) == 0);
    handshake_init(&conn->handshake, &handshake_events, conn, config->self,
                   config->flags, config->creation, random);
    if (config->tls != NULL) {
        handshake_widen(&conn->handshake);
    }
    return conn;
}

/* Before any byte is read or written. */
static void conn_use_tls(struct conn *conn, struct tls *tls)
{
    conn->tls = tls;
    inlet_init(&conn->in, tls);
    outlet_init(&conn->outlet, conn_stream(conn), tls);
}

static void conn_free(struct conn *conn)
{
    if (conn->has_channel) {
        channel_fini(&conn->channel);
    }
    handshake_fini(&conn->handshake);
    inlet_fini(&conn->in);
    outlet_fini(&conn->outlet);
    tls_free(conn->tls);
    mem_free(conn);
}

/* The open failed after libuv knew the handle; the caller knows already. */
static void on_abandoned(uv_handle_t *handle)
{
    conn_free(handle->data);
}

static void on_connected(uv_connect_t *req, int status)
{
    struct conn *conn = req->data;
    int rc = status;

    if (conn->state == CONN_CLOSING) {
        return;
    }
    if (rc == 0) {
        conn_move(conn, conn->tls != NULL ? CONN_SECURING : CONN_HANDSHAKE);
        (void)uv_tcp_nodelay(&conn->tcp, 1);
        loop_timer_start(conn->loop, &conn->timer, conn->config->setup_ms);
        rc = uv_read_start(conn_stream(conn), on_alloc, on_read);
    }
    if (rc == 0) {
        rc = conn_greet(conn);
    }
    if (rc < 0) {
        conn_close(conn, rc);
    }
}

/* Writes what the handshake has to say. */
static int conn_greet(struct conn *conn)
{
    return outlet_say(&conn->outlet, &conn->handshake.out);
}

static void on_timer(struct timer *timer)
{
    struct conn *conn = CONTAINER_OF(timer, struct conn, timer);

    if (conn->state == CONN_UP) {
        conn_pulse(conn);
    } else {
        conn_close(conn, CNODE_TIMEOUT);
    }
}

/* --- data in */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct conn *conn = handle->data;
    size_t room = 0;
    uint8_t *at = inlet_room(&conn->in, &room);

    (void)suggested;
    *buf = uv_buf_init((char *)at, (unsigned)room); /* 0: UV_ENOBUFS */
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *conn = stream->data;
    int rc;

    (void)buf;
    if (n == 0 || conn->state == CONN_CLOSING) {
        return; /* n == 0: nothing to read after all */
    }
    if (n < 0) {
        conn_close(conn, n == UV_EOF       ? CNODE_CLOSED
                         : n == UV_ENOBUFS ? CNODE_NOMEM
                                           : (int)n);
        return;
    }
    inlet_commit(&conn->in, (size_t)n);
    METRIC_ADD(bytes_in, (uint64_t)n);
    loop_traffic(conn->loop);
    rc = conn_read(conn);
    if (rc < 0) {
        conn_close(conn, rc);
    }
}

/* All that one read brought; under TLS that may take several rounds. */
static int conn_read(struct conn *conn)
{
    int rc = 0, more = inlet_next(&conn->in);

    while (more > 0 && rc == 0) {
        rc = conn_consume(conn);
        if (conn->state == CONN_CLOSING) {
            return 0;
        }
        more = rc == 0 ? inlet_next(&conn->in) : 0;
    }
    if (rc != 0 || more < 0) {
        return rc != 0 ? rc : more;
    }
    if (conn->state == CONN_SECURING) {
        return conn_secure(conn);
    }
    if (conn->tls != NULL && buf_size(&conn->tls->out) > 0) {
        conn_flush_later(conn); /* TLS has to say something */
    }
    return 0;
}

/* TLS goes on, or is done and the handshake is next. */
static int conn_secure(struct conn *conn)
{
    if (conn->tls->state == TLS_UP) {
        conn_move(conn, CONN_HANDSHAKE);
        loop_timer_start(conn->loop, &conn->timer, conn->config->setup_ms);
    }
    return conn_greet(conn);
}

static int conn_consume(struct conn *conn)
{
    size_t used = 0;
    int rc = 0;

    if (conn->state == CONN_SECURING) {
        rc = conn_secure(conn);
    }
    if (rc == 0 && conn->state == CONN_HANDSHAKE) {
        rc = conn_shake(conn, &used);
    }
    if (rc == 0 && conn->state == CONN_UP) {
        rc = conn_feed(conn, &used);
        conn_answer(conn);
    }
    if (rc == 0 && conn->state != CONN_CLOSING) {
        rc = conn_keep(conn, used);
    }
    return rc;
}

/* Feeds the handshake; when it is done the rest of the bytes belongs to the
 * channel. */
static int conn_shake(struct conn *conn, size_t *used)
{
    enum handshake_state before = conn->handshake.state;
    const struct read_buffer *in = &conn->in.plain;
    int rc = handshake_feed(&conn->handshake, in->bytes, in->size, used);

    if (rc < 0 || conn->state == CONN_CLOSING) {
        /* It was not let in because of its certificate? */
        return rc == CNODE_NOT_ALLOWED && conn->tls != NULL &&
                       conn->tls->error != 0
                   ? conn->tls->error
                   : rc;
    }
    rc = conn_greet(conn);
    if (rc < 0) {
        return rc;
    }
    if (conn->handshake.state == HANDSHAKE_DONE) {
        conn_go_up(conn);
    } else if (conn->handshake.state != before) {
        loop_timer_start(conn->loop, &conn->timer, conn->config->setup_ms);
    }
    return 0;
}

static enum handshake_status on_named(void *owner, const char *name,
                                      uint64_t flags, uint32_t creation)
{
    struct conn *conn = owner;

    if (conn->state == CONN_CLOSING ||
        (conn->tls != NULL && tls_check_name(conn->tls, name) != 0)) {
        return HANDSHAKE_NOT_ALLOWED;
    }
    return conn->events->named(conn->owner, conn, name, flags, creation);
}

static void on_replace(void *owner)
{
    struct conn *conn = owner;

    if (conn->state != CONN_CLOSING) {
        conn->events->replace(conn->owner, conn);
    }
}

static const char *on_cookie(void *owner, const char *name)
{
    struct conn *conn = owner;

    return conn->events->cookie(conn->owner, name);
}

static void conn_go_up(struct conn *conn)
{
    uint64_t both =
        (dist_flags_expand(conn->config->flags) | DIST_NATIVE_RECORDS) &
        conn->handshake.peer_flags;

    conn_move(conn, CONN_UP);
    METRIC_INC(handshakes_ok);
    channel_init(&conn->channel, both, &channel_events, conn);
    conn->has_channel = true;
    outlet_attach(&conn->outlet, &conn->channel, on_landed);
    if (conn->tls != NULL) {
        tls_trust(conn->tls);
    }
    conn->pulse.in = conn->in.bytes;
    conn->pulse.overhead = outlet_overhead(&conn->outlet);
    conn->pulse.written_ms = loop_now_ms(conn->loop); /* the handshake's */
    conn_next_pulse(conn);
    conn->events->up(conn->owner, conn); /* may close us */
}

static int conn_feed(struct conn *conn, size_t *used)
{
    const struct read_buffer *bytes = &conn->in.plain;
    size_t start = *used, taken = 0;
    uint64_t in = conn->channel.frames_in, out = conn->channel.frames_out;
    int rc = channel_feed(&conn->channel, bytes->bytes + start,
                          bytes->size - start, &taken, &conn->stop);
    uint64_t pause_ns = pace_pause_ns(conn->channel.frames_in - in,
                                      conn->channel.frames_out - out);

    *used = start + taken;
    if (pause_ns > conn->loop->pause_ns) {
        conn->loop->pause_ns = pause_ns;
    }
    return rc;
}

static void on_signal(void *owner, const struct control *control)
{
    struct conn *conn = owner;

    conn->events->signal(conn->owner, conn, control);
}

static void on_over_limit(void *owner, const struct control *control,
                          const uint8_t *start, size_t size)
{
    struct conn *conn = owner;

    conn->events->over_limit(conn->owner, conn, control, start, size);
}

static bool on_is_wanted(void *owner, const struct control *control)
{
    struct conn *conn = owner;

    return conn->events->is_wanted == NULL ||
           conn->events->is_wanted(conn->owner, conn, control);
}

/* Keeps the unconsumed bytes, with room to read the rest of their frame. */
static int conn_keep(struct conn *conn, size_t used)
{
    size_t rest = conn->in.plain.size - used;
    size_t frame = 0;
    int rc;

    if (conn->state == CONN_UP) { /* channel_feed() has checked its limit */
        frame = channel_frame_bytes(conn->in.plain.bytes + used, rest);
    }
    rc = inlet_take(&conn->in, used, frame);
    /* Not even a length in so many bytes: no handshake is that long. */
    return rc == CNODE_TOO_LARGE ? CNODE_PROTOCOL : rc;
}

/* --- ticks */

static void conn_tick(struct conn *conn)
{
    channel_tick(&conn->channel);
    conn_flush_later(conn);
}

/* What was just fed may have been answered already: then a flush is due. */
static void conn_answer(struct conn *conn)
{
    if (conn->state == CONN_UP && !channel_has_output(&conn->channel) &&
        pulse_answers(&conn->pulse, outlet_waiting(&conn->outlet),
                      loop_now_ms(conn->loop))) {
        conn_tick(conn);
    }
}

static void conn_pulse(struct conn *conn)
{
    enum pulse_verdict verdict =
        pulse_round(&conn->pulse, conn->in.bytes, outlet_taken(&conn->outlet),
                    outlet_waiting(&conn->outlet));

    if (verdict == PULSE_STALLED) {
        conn_close(conn, CNODE_STALLED);
        return;
    }
    if (verdict == PULSE_TICK) {
        conn_tick(conn);
    }
    if (conn->pulse.quiet_rounds > 0) {
        inlet_relax(&conn->in); /* an idle peer costs little */
    }
    conn_next_pulse(conn);
}

static void conn_next_pulse(struct conn *conn)
{
    uint64_t ms = conn->config->ticktime_ms / PULSES;

    loop_timer_start(conn->loop, &conn->timer, ms > 0 ? ms : 1);
}

/* --- data out */

void conn_flush_later(struct conn *conn)
{
    if (conn->state == CONN_UP) {
        loop_flush_later(conn->loop, &conn->flush);
    }
}

static void on_flush(struct flush_hook *hook)
{
    struct conn *conn = CONTAINER_OF(hook, struct conn, flush);

    if (conn->state == CONN_UP) {
        conn_write(conn);
    }
}

static void conn_write(struct conn *conn)
{
    int rc = outlet_write(&conn->outlet);

    pulse_wrote(&conn->pulse, outlet_taken(&conn->outlet),
                loop_now_ms(conn->loop));
    if (rc > 0) {
        conn_flush_later(conn); /* our share of this turn is used up */
    } else if (rc < 0) {
        conn_close(conn, rc);
    }
}

static void on_landed(struct outlet *outlet, int status)
{
    struct conn *conn = CONTAINER_OF(outlet, struct conn, outlet);

    if (conn->state == CONN_CLOSING) {
        return;
    }
    if (status < 0) {
        conn_close(conn, status);
        return;
    }
    conn_write(conn);
}

/* --- closing */

void conn_close(struct conn *conn, int reason)
{
    CHECK(reason < 0);
    if (conn->state == CONN_CLOSING) {
        return; /* the first reason wins */
    }
    conn_farewell(conn);
    if (conn->state == CONN_UP) {
        METRIC_INC(peers_lost);
    } else {
        METRIC_INC(handshakes_failed);
    }
    if (reason == CNODE_STALLED) {
        METRIC_INC(peers_stalled);
    }
    if (conn->state == CONN_SECURING) {
        reason = tls_end_reason(conn->tls, reason);
    }
    conn_move(conn, CONN_CLOSING);
    conn->reason = reason;
    conn->stop = true;
    loop_timer_stop(conn->loop, &conn->timer);
    flush_hook_cancel(&conn->flush);
    uv_close((uv_handle_t *)&conn->tcp, on_tcp_closed);
}

/* Last words, as far as the socket takes them at once: the refusal that a
 * failed handshake left, or what was queued before a clean stop. */
static void conn_farewell(struct conn *conn)
{
    if (conn->state == CONN_HANDSHAKE || conn->state == CONN_SECURING) {
        (void)conn_greet(conn);
    } else if (conn->state == CONN_UP) {
        outlet_farewell(&conn->outlet);
    }
}

static void on_tcp_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;

    conn->events->closed(conn->owner, conn, conn->reason);
    conn_free(conn);
}

/* --- what is known */

struct channel *conn_channel(struct conn *conn)
{
    CHECK(conn->has_channel);
    return &conn->channel;
}

const char *conn_peer_name(const struct conn *conn)
{
    return conn->handshake.peer;
}

uint64_t conn_peer_flags(const struct conn *conn)
{
    return conn->handshake.peer_flags;
}

uint32_t conn_peer_creation(const struct conn *conn)
{
    return conn->handshake.peer_creation;
}

const char *conn_address(const struct conn *conn)
{
    return conn->address;
}

bool conn_local_host(const struct conn *conn, char text[ADDRESS_TEXT_MAX])
{
    struct sockaddr_storage address;
    int size = sizeof(address);

    if (uv_tcp_getsockname(&conn->tcp, (struct sockaddr *)&address, &size) !=
        0) {
        return false;
    }
    return address_host((const struct sockaddr *)&address, text);
}

void conn_traffic(const struct conn *conn, uint64_t *in, uint64_t *out)
{
    *in = conn->in.bytes;
    *out = outlet_taken(&conn->outlet);
}

const char *conn_why(const struct conn *conn)
{
    return conn->tls != NULL ? conn->tls->why : "";
}
