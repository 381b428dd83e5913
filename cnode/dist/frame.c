/* SPDX-License-Identifier: Apache-2.0
 *
 * Two framings, chosen by one negotiated flag. With FRAGMENTS each frame has a
 * distribution header and the terms in it have no version byte; without, it is
 * the old "pass through" with version bytes. A frame of the other framing is a
 * broken peer.
 */
#include "dist/frame.h"

#include "dist/flags.h"
#include <cnode/error.h>

enum {
    VERSION = 131,
    PASS_THROUGH = 112,
    HEADER_WHOLE = 68,
    HEADER_FIRST = 69,
    HEADER_NEXT = 70,
};

static int decode_pass_through(const uint8_t *bytes, size_t len,
                               struct frame *frame);
static int decode_fragment(enum frame_kind kind, const uint8_t *bytes,
                           size_t len, struct frame *frame);

int frame_decode(uint64_t flags, const uint8_t *bytes, size_t len,
                 struct frame *frame)
{
    if (len == 0) {
        *frame = (struct frame){.kind = FRAME_TICK};
        return 0;
    }
    if ((flags & DIST_FRAGMENTS) == 0) {
        return decode_pass_through(bytes, len, frame);
    }
    if (len < 3 || bytes[0] != VERSION) {
        return CNODE_PROTOCOL;
    }
    switch (bytes[1]) {
    case HEADER_WHOLE:
        *frame = (struct frame){
            .kind = FRAME_WHOLE, .body = bytes + 3, .size = len - 3};
        return bytes[2] == 0 ? 0 : CNODE_PROTOCOL;
    case HEADER_FIRST:
        return decode_fragment(FRAME_FIRST, bytes, len, frame);
    case HEADER_NEXT:
        return decode_fragment(FRAME_NEXT, bytes, len, frame);
    default:
        return CNODE_PROTOCOL;
    }
}

static int decode_pass_through(const uint8_t *bytes, size_t len,
                               struct frame *frame)
{
    if (len < 2 || bytes[0] != PASS_THROUGH || bytes[1] != VERSION) {
        return CNODE_PROTOCOL;
    }
    *frame =
        (struct frame){.kind = FRAME_WHOLE, .body = bytes + 2, .size = len - 2};
    return 0;
}

static int decode_fragment(enum frame_kind kind, const uint8_t *bytes,
                           size_t len, struct frame *frame)
{
    size_t head = kind == FRAME_FIRST ? FRAME_FIRST_BYTES : FRAME_NEXT_BYTES;

    if (len < head) {
        return CNODE_PROTOCOL;
    }
    if (kind == FRAME_FIRST && bytes[18] != 0) {
        return CNODE_PROTOCOL; /* atom cache references */
    }
    *frame = (struct frame){
        .kind = kind,
        .sequence = get_u64(bytes + 2),
        .number = get_u64(bytes + 10),
        .body = bytes + head,
        .size = len - head,
    };
    return 0;
}

bool frame_skip_payload_head(uint64_t flags, const uint8_t **bytes, size_t *len)
{
    if ((flags & DIST_FRAGMENTS) != 0) {
        return true;
    }
    if (*len == 0 || (*bytes)[0] != VERSION) {
        return false;
    }
    *bytes += 1;
    *len -= 1;
    return true;
}

void frame_put_head(struct buf *buf, uint64_t flags)
{
    static const uint8_t header[] = {0, 0, 0, 0, VERSION, HEADER_WHOLE, 0};
    static const uint8_t pass_through[] = {0, 0, 0, 0, PASS_THROUGH, VERSION};

    if ((flags & DIST_FRAGMENTS) != 0) {
        buf_put(buf, header, sizeof(header));
    } else {
        buf_put(buf, pass_through, sizeof(pass_through));
    }
}

size_t frame_head_bytes(uint64_t flags)
{
    return FRAME_LEN_BYTES + ((flags & DIST_FRAGMENTS) != 0 ? 3 : 2);
}

void frame_put_payload_head(struct buf *buf, uint64_t flags)
{
    if ((flags & DIST_FRAGMENTS) == 0) {
        buf_put_u8(buf, VERSION);
    }
}

static void set_fragment(uint8_t *head, uint8_t kind, uint64_t sequence,
                         uint64_t number, size_t size)
{
    set_u32(head, (uint32_t)size);
    head[4] = VERSION;
    head[5] = kind;
    set_u64(head + 6, sequence);
    set_u64(head + 14, number);
}

void frame_set_first(uint8_t head[FRAME_LEN_BYTES + FRAME_FIRST_BYTES],
                     uint64_t sequence, uint64_t number, size_t body)
{
    set_fragment(head, HEADER_FIRST, sequence, number,
                 FRAME_FIRST_BYTES + body);
    head[22] = 0; /* atom cache references */
}

void frame_set_next(uint8_t head[FRAME_LEN_BYTES + FRAME_NEXT_BYTES],
                    uint64_t sequence, uint64_t number, size_t body)
{
    set_fragment(head, HEADER_NEXT, sequence, number, FRAME_NEXT_BYTES + body);
}
