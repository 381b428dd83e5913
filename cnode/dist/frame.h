/* SPDX-License-Identifier: Apache-2.0
 *
 * The outermost layer after the handshake (erts "Distribution Protocol", 4.4):
 * a length, then a header that says whether the body is a whole message or one
 * fragment of it. Pure.
 *
 *     0:32                                        tick
 *     Len:32, 131, 68, 0, Control [, Payload]     whole
 *     Len:32, 131, 69, Seq:64, Number:64, 0, Control, Part    first of Number
 *     Len:32, 131, 70, Seq:64, Number:64, Part    following, counting down to 1
 *     Len:32, 112, 131, Control [, 131, Payload]  whole, without FRAGMENTS
 *
 * The byte 0 is the number of atom cache references: the cache is not
 * negotiated, so there are none.
 */
#ifndef CNODE_DIST_FRAME_H
#define CNODE_DIST_FRAME_H

#include "base/buf.h"

enum frame_kind { FRAME_TICK, FRAME_WHOLE, FRAME_FIRST, FRAME_NEXT };

enum {
    FRAME_LEN_BYTES = 4,    /* the length in front of a frame */
    FRAME_FIRST_BYTES = 19, /* header of a first fragment */
    FRAME_NEXT_BYTES = 18,  /* header of a following one */
};

/* A BEAM closes the connection at lengths of 2 GiB - 4 and more. */
#define FRAME_BYTES_MAX ((size_t)0x7ffffff0)

struct frame {
    enum frame_kind kind;
    uint64_t sequence, number; /* fragments only */
    const uint8_t *body;       /* what follows the header */
    size_t size;
};

/* Reads the header of a frame whose bytes (after the length) are all there.
 * `flags`: what was negotiated. 0 or CNODE_PROTOCOL. */
MUST_USE int frame_decode(uint64_t flags, const uint8_t *bytes, size_t len,
                          struct frame *frame);

/* Steps over what stands in front of the payload: nothing, or a version byte
 * without FRAGMENTS. False when it is not there. */
bool frame_skip_payload_head(uint64_t flags, const uint8_t **bytes,
                             size_t *len);

/* Begins a whole frame (the length is set later) and the payload in it. */
void frame_put_head(struct buf *buf, uint64_t flags);
void frame_put_payload_head(struct buf *buf, uint64_t flags);
size_t frame_head_bytes(uint64_t flags); /* what frame_put_head() appends */

/* Fills in the length and header of a fragment; `body` bytes follow. */
void frame_set_first(uint8_t head[FRAME_LEN_BYTES + FRAME_FIRST_BYTES],
                     uint64_t sequence, uint64_t number, size_t body);
void frame_set_next(uint8_t head[FRAME_LEN_BYTES + FRAME_NEXT_BYTES],
                    uint64_t sequence, uint64_t number, size_t body);

#endif
