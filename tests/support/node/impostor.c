/* SPDX-License-Identifier: Apache-2.0
 *
 * See impostor.h.
 */
#include "support/node/impostor.h"

#include <string.h>

#include "dist/flags.h"
#include "support/node/wire_lines.h"
#include "support/raw_socket.h"

static const char *on_cookie(void *owner, const char *name)
{
    struct impostor *impostor = owner;

    (void)name;
    return impostor->cookie;
}

static const struct handshake_events handshake_events = {.cookie = on_cookie};

static void on_wire_signal(void *owner, const struct control *control)
{
    struct impostor *impostor = owner;

    wire_line(&impostor->lines, control);
}

static void on_wire_over_limit(void *owner, const struct control *control,
                               const uint8_t *start, size_t size)
{
    (void)owner, (void)control, (void)start, (void)size;
}

static const struct channel_events wire_events = {
    .signal = on_wire_signal, .over_limit = on_wire_over_limit};

static void flush(struct impostor *impostor)
{
    struct buf *out = &impostor->handshake.out;

    buf_consume(out, raw_write(impostor->fd, buf_data(out), buf_size(out)));
}

void impostor_dial(struct impostor *impostor, uint16_t port, const char *self,
                   const char *peer, const char *cookie, uint32_t creation)
{
    memset(impostor, 0, sizeof(*impostor));
    impostor->cookie = cookie;
    impostor->fd = raw_connect(port);
    buf_init(&impostor->lines, 0);
    handshake_init(&impostor->handshake, &handshake_events, impostor, self,
                   dist_flags_offered(false), creation, 4711);
    CHECK(handshake_dial(&impostor->handshake, peer) == 0);
    flush(impostor);
}

/* What is left belongs to the channel once the handshake is done. */
static size_t shake(struct impostor *impostor)
{
    struct handshake *h = &impostor->handshake;
    size_t used = 0;

    impostor->rc = handshake_feed(h, impostor->in, impostor->in_size, &used);
    flush(impostor);
    if (h->state == HANDSHAKE_DONE) {
        channel_init(&impostor->wire, dist_flags_offered(false) & h->peer_flags,
                     &wire_events, impostor);
        impostor->has_wire = true;
    }
    return used;
}

void impostor_poll(struct impostor *impostor)
{
    size_t used = 0, more = 0;

    if (impostor->is_closed) {
        return;
    }
    impostor->is_closed = raw_read(impostor->fd, impostor->in,
                                   &impostor->in_size, sizeof(impostor->in));
    if (!impostor->has_wire) {
        used = shake(impostor);
    }
    if (impostor->has_wire) {
        CHECK(channel_feed(&impostor->wire, impostor->in + used,
                           impostor->in_size - used, &more, NULL) == 0);
    }
    used += more;
    impostor->in_size -= used;
    memmove(impostor->in, impostor->in + used, impostor->in_size);
}

void impostor_send(struct impostor *impostor, const char *payload,
                   const char *control, ...)
{
    struct buf frame;
    va_list args;

    buf_init(&frame, 0);
    va_start(args, control);
    wire_frame(&frame, payload, control, args);
    va_end(args);
    CHECK(raw_write(impostor->fd, buf_data(&frame), buf_size(&frame)) ==
          buf_size(&frame));
    buf_fini(&frame);
}

const char *impostor_got(struct impostor *impostor)
{
    buf_put_u8(&impostor->lines, 0);
    buf_truncate(&impostor->lines, buf_size(&impostor->lines) - 1);
    return (const char *)buf_data(&impostor->lines);
}

void impostor_close(struct impostor *impostor)
{
    raw_close(impostor->fd);
    impostor->fd = -1;
    handshake_fini(&impostor->handshake);
    if (impostor->has_wire) {
        channel_fini(&impostor->wire);
    }
    buf_fini(&impostor->lines);
}
