/* SPDX-License-Identifier: Apache-2.0
 *
 * A peer on a plain socket that dials the acceptor of a conn_pair, played by
 * the test a step at a time. It uses the pure handshake and channel.
 */
#ifndef CNODE_TEST_SUPPORT_DIST_RAW_PEER_H
#define CNODE_TEST_SUPPORT_DIST_RAW_PEER_H

#include "support/dist/conn_pair.h"

struct raw_peer {
    int fd;
    struct handshake handshake;
    struct channel channel;
    bool has_channel;
    uint8_t in[4096];
    size_t in_size;
};

/* Its first packet is ready to be said; there is no socket yet. */
void raw_peer_init(struct raw_peer *peer);
/* The same, connected. */
void raw_peer_dial(struct raw_peer *peer, struct conn_pair *f);
void raw_peer_fini(struct raw_peer *peer);

/* The next thing this peer has to say; false when it waits or is done. */
bool raw_peer_think(struct raw_peer *peer);
/* Says the next `size` bytes of it. */
void raw_peer_say(struct raw_peer *peer, size_t size);
/* Up to and including the last packet of this side, which is left unsaid. */
void raw_peer_before_last(struct raw_peer *peer, struct conn_pair *f);
/* The handshake is over: the channel may be used. */
void raw_peer_open_channel(struct raw_peer *peer);
/* All of it. */
void raw_peer_up(struct raw_peer *peer, struct conn_pair *f);

#endif
