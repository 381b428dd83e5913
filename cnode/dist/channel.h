/* SPDX-License-Identifier: Apache-2.0
 *
 * One established connection, without its socket: bytes in become signals,
 * signals out become bytes. Calls frame, fragment and control in that order.
 * Pure; belongs to one scheduler.
 *
 * In: the owner reads into a buffer and feeds it; whole frames are consumed and
 * handed up as views into that buffer. Out: small frames are written straight
 * into `out`; a payload above 64 KiB stays where it is and is cut into
 * fragments while it is written, taking turns with everything else. What a
 * process sent after its own unfinished message waits behind it (order between
 * two processes is never broken).
 */
#ifndef CNODE_DIST_CHANNEL_H
#define CNODE_DIST_CHANNEL_H

#include "dist/control.h"
#include "dist/fragment.h"
#include "dist/transmit.h"

struct channel;

struct channel_events {
    /* One signal; its terms die on return. May send on any channel. Must not
     * free the channel (closing is asynchronous, STYLE 4). */
    void (*signal)(void *owner, const struct control *control);
    /* A well-framed message over a limit (size or depth) was dropped. The
     * control tuple is valid, its payload is not set; `start` are the first
     * bytes of it, unvalidated (enough to find the From of a call), maybe none.
     */
    void (*over_limit)(void *owner, const struct control *control,
                       const uint8_t *start, size_t size);
    /* The payload is no term. Would anybody have read it? false: the message is
     * dropped and the connection stays, as on a BEAM. NULL: yes. */
    bool (*is_wanted)(void *owner, const struct control *control);
};

struct channel {
    uint64_t flags; /* negotiated: both sides understand them; and
                       NATIVE_RECORDS if the peer does */
    const struct channel_events *events;
    void *owner;

    struct assembler assembler; /* in */

    struct buf out;    /* frames to write, in order */
    struct buf flying; /* the part of it being written */
    size_t frame_at;   /* offset in out of the frame being built */
    bool is_building;  /* between channel_begin and _end or _abort */
    bool is_flying;    /* between channel_gather and channel_landed */
    struct transmitter transmitter; /* large payloads, taking turns */
    size_t queued_bytes; /* small frames accepted and not yet landed */
    size_t large_bytes;  /* the same of large messages: headers and payload */
    size_t flying_bytes, flying_large_bytes; /* what of them was gathered */

    uint64_t frames_in, frames_out;
};

void channel_init(struct channel *channel, uint64_t flags,
                  const struct channel_events *events, void *owner);
void channel_fini(struct channel *channel);

/* Consumes whole frames from the front of the bytes; *used says how many bytes.
 * 0, or why the connection must be closed (CNODE_PROTOCOL, CNODE_MALFORMED,
 * CNODE_TOO_LARGE); nothing may be fed after that. A signal callback may ask to
 * stop (the connection closes): channel_feed returns after the current frame
 * when `*stop` becomes true (NULL: never). */
MUST_USE int channel_feed(struct channel *channel, const uint8_t *bytes,
                          size_t len, size_t *used, const bool *stop);
/* How long a buffer must be for the frame at `bytes`, its length included; 0 if
 * not known yet. Ask channel_feed first: it refuses lengths over the limit. */
size_t channel_frame_bytes(const uint8_t *bytes, size_t len);

/* --- sending: channel_begin, one control_put_*, channel_end */

/* The message bytes. With `block` set they lie in that block, which is then
 * counted instead of copied when the message is large. */
struct payload {
    const uint8_t *bytes; /* NULL: none */
    size_t size;
    struct block *block;
};

struct buf *channel_begin(struct channel *channel);
/* Finishes the frame. `sender`: for order; PID_NONE when no process sent it.
 * 0; CNODE_NOMEM, or CNODE_TOO_LARGE for what no peer would take: nothing is
 * sent then. */
int channel_end(struct channel *channel, struct pid sender,
                struct payload payload);
/* Undoes channel_begin. */
void channel_abort(struct channel *channel);

void channel_tick(struct channel *channel); /* queues a zero-length frame */

/* --- writing */

/* The next bytes to write, at most `max` (3 or more) slices: small frames
 * first, then at most 128 KiB of large messages. Must be followed by
 * channel_landed() before it is called again. 0: nothing to write. */
int channel_gather(struct channel *channel, struct channel_vec *vecs, int max);
/* All that was gathered is written. */
void channel_landed(struct channel *channel);
bool channel_has_output(const struct channel *channel);

#endif
