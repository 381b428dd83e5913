/* SPDX-License-Identifier: Apache-2.0
 *
 * See raw_peer.h.
 */
#include "support/dist/raw_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dist/flags.h"
#include "support/loop_until.h"
#include "support/raw_socket.h"

static const char *raw_cookie(void *owner, const char *name)
{
    (void)owner, (void)name;
    return "apple";
}

static const struct handshake_events raw_events = {.cookie = raw_cookie};

void raw_peer_init(struct raw_peer *peer)
{
    memset(peer, 0, sizeof(*peer));
    peer->fd = -1;
    handshake_init(&peer->handshake, &raw_events, peer, A_NAME,
                   dist_flags_offered(false), 11, 12345);
    assert_int_equal(handshake_dial(&peer->handshake, B_NAME), 0);
}

void raw_peer_dial(struct raw_peer *peer, struct conn_pair *f)
{
    raw_peer_init(peer);
    peer->fd = raw_connect(listener_port(f->listener));
}

void raw_peer_fini(struct raw_peer *peer)
{
    if (peer->has_channel) {
        channel_fini(&peer->channel);
    }
    handshake_fini(&peer->handshake);
    raw_close(peer->fd);
}

bool raw_peer_think(struct raw_peer *peer)
{
    size_t used = 0;

    if (buf_size(&peer->handshake.out) == 0) {
        (void)raw_read(peer->fd, peer->in, &peer->in_size, sizeof(peer->in));
        assert_int_equal(
            handshake_feed(&peer->handshake, peer->in, peer->in_size, &used),
            0);
        peer->in_size -= used;
        memmove(peer->in, peer->in + used, peer->in_size);
    }
    return buf_size(&peer->handshake.out) > 0;
}

void raw_peer_say(struct raw_peer *peer, size_t size)
{
    assert_int_equal(raw_write(peer->fd, buf_data(&peer->handshake.out), size),
                     size);
    buf_consume(&peer->handshake.out, size);
}

void raw_peer_before_last(struct raw_peer *peer, struct conn_pair *f)
{
    while (peer->handshake.state != HANDSHAKE_ACK) {
        if (raw_peer_think(peer) && peer->handshake.state != HANDSHAKE_ACK) {
            raw_peer_say(peer, buf_size(&peer->handshake.out));
        }
        loop_turn(&f->loop, 1);
    }
    raw_peer_open_channel(peer);
}

void raw_peer_open_channel(struct raw_peer *peer)
{
    channel_init(&peer->channel,
                 peer->handshake.peer_flags & dist_flags_offered(false), NULL,
                 NULL);
    peer->has_channel = true;
}

void raw_peer_up(struct raw_peer *peer, struct conn_pair *f)
{
    raw_peer_dial(peer, f);
    raw_peer_before_last(peer, f);
    raw_peer_say(peer, buf_size(&peer->handshake.out));
    LOOP_UNTIL(&f->loop, f->b.up == 1);
}
