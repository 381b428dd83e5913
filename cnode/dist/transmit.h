/* SPDX-License-Identifier: Apache-2.0
 *
 * Large messages on their way out: cut into fragments while they are written,
 * taking turns by sender. What a sender sends after its own unfinished message
 * waits behind it here. Pure; part of a channel.
 */
#ifndef CNODE_DIST_TRANSMIT_H
#define CNODE_DIST_TRANSMIT_H

#include "base/block.h"
#include "base/list.h"
#include "base/map.h"
#include "term/ident.h"

enum {
    CHANNEL_FRAGMENT_BYTES = 65536, /* payload bytes of one fragment */
    CHANNEL_VECS = 8,               /* slices of one gather at most */
};

struct channel_vec {
    const uint8_t *bytes;
    size_t size;
};

struct transmitter {
    uint64_t flags;       /* negotiated */
    struct list turns;    /* struct stream: senders, the next one first */
    struct map by_sender; /* the same, those of a process */
    struct list flown; /* struct parcel: written to its end with this gather */
    uint64_t next_sequence;
    uint8_t heads[CHANNEL_VECS][32]; /* fragment headers of this gather */
};

/* What was gathered. */
struct transmitted {
    int vecs;
    size_t bytes;
    size_t large_bytes; /* of them in large messages, not frames behind one */
    uint64_t fragments;
};

void transmitter_init(struct transmitter *transmitter, uint64_t flags);
void transmitter_fini(struct transmitter *transmitter);

/* A message in fragments (without FRAGMENTS: in one frame). `control`: the
 * control tuple; `block`: a reference that is taken, also on failure; the
 * payload lies in it. 0 and *queued, the bytes on the wire; or CNODE_NOMEM. */
MUST_USE int transmitter_send(struct transmitter *transmitter,
                              struct pid sender, const uint8_t *control,
                              size_t control_size, struct block *block,
                              const uint8_t *bytes, size_t size,
                              size_t *queued);

/* True when frames of that sender must wait. */
bool transmitter_has_sender(const struct transmitter *transmitter,
                            struct pid sender);

/* A finished frame that waits behind what its sender is sending (has_sender was
 * true). 0 or CNODE_NOMEM. */
MUST_USE int transmitter_follow(struct transmitter *transmitter,
                                struct pid sender, const uint8_t *frame,
                                size_t size);

/* Adds slices to `vecs` (`used` of `max` are taken already), at most 128 KiB
 * (without FRAGMENTS a message is one piece). They are valid until
 * transmitter_landed(). */
struct transmitted transmitter_gather(struct transmitter *transmitter,
                                      struct channel_vec *vecs, int used,
                                      int max);
void transmitter_landed(struct transmitter *transmitter);
bool transmitter_has_output(const struct transmitter *transmitter);

#endif
