/* SPDX-License-Identifier: Apache-2.0
 *
 * The other end of a distribution connection on a raw socket: speaks the
 * handshake, then does what the test says. Nothing in it runs by itself:
 * impostor_poll() between the turns of the loop under test.
 */
#ifndef CNODE_SUPPORT_IMPOSTOR_H
#define CNODE_SUPPORT_IMPOSTOR_H

#include "dist/channel.h"
#include "dist/handshake.h"

struct impostor {
    int fd;
    const char *cookie;
    struct handshake handshake;
    int rc;              /* of the handshake, as the impostor sees it */
    bool is_closed;      /* by the node under test */
    struct channel wire; /* once the handshake is done */
    bool has_wire;
    struct buf lines;
    uint8_t in[65536];
    size_t in_size;
};

/* Connects to `port` of loopback and says its name. */
void impostor_dial(struct impostor *impostor, uint16_t port, const char *self,
                   const char *peer, const char *cookie, uint32_t creation);
/* Takes what waits on the socket and answers as far as the handshake goes. */
void impostor_poll(struct impostor *impostor);
static inline bool impostor_is_up(const struct impostor *impostor)
{
    return impostor->has_wire && !impostor->is_closed;
}
/* As fake_peer_send() and fake_peer_got(). */
void impostor_send(struct impostor *impostor, const char *payload,
                   const char *control, ...);
const char *impostor_got(struct impostor *impostor);
void impostor_close(struct impostor *impostor);

#endif
