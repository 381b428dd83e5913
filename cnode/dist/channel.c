/* SPDX-License-Identifier: Apache-2.0
 *
 * In: frame.c finds the frame and its kind, fragment.c holds what is not whole
 * yet, control.c reads the tuple; then the owner gets the signal. The terms are
 * views into the bytes that were fed, or into the assembly, which is freed when
 * the owner is done.
 *
 * Out: the control tuple is written straight behind the frame's head in `out`;
 * channel_end() adds a small payload and sets the length. A large one goes to
 * transmit.c with the tuple, and the head in `out` is taken back.
 *
 * How it fails: bytes that break the protocol end feeding with an error, and
 * the owner closes. What is only too large or too deep is dropped and told to
 * the owner; an operation of a later OTP is counted and skipped.
 */
#include "dist/channel.h"

#include "base/limits.h"
#include "base/metric.h"
#include "dist/flags.h"
#include "dist/frame.h"
#include "term/records.h"
#include "term/validate.h"
#include <cnode/error.h>

enum { FLYING_KEEP_BYTES = 1048576 }; /* a larger write buffer is given back */

static int feed_frame(struct channel *channel, const uint8_t *bytes,
                      size_t len);
static int feed_first(struct channel *channel, const struct frame *frame);
static int feed_next(struct channel *channel, const struct frame *frame);
static int feed_assembly(struct channel *channel, struct assembly *assembly);
static int feed_message(struct channel *channel, const uint8_t *bytes,
                        size_t len);
static int end_frame(struct channel *channel, struct pid sender,
                     struct payload payload);
static int end_large(struct channel *channel, struct pid sender,
                     struct payload payload);

void channel_init(struct channel *channel, uint64_t flags,
                  const struct channel_events *events, void *owner)
{
    memset(channel, 0, sizeof(*channel));
    channel->flags = flags;
    channel->events = events;
    channel->owner = owner;
    assembler_init(&channel->assembler);
    buf_init(&channel->out, 0);
    buf_init(&channel->flying, 0);
    transmitter_init(&channel->transmitter, flags);
}

void channel_fini(struct channel *channel)
{
    assembler_fini(&channel->assembler);
    transmitter_fini(&channel->transmitter);
    buf_fini(&channel->out);
    buf_fini(&channel->flying);
    channel->queued_bytes = channel->large_bytes = 0;
}

/* --- in */

size_t channel_frame_bytes(const uint8_t *bytes, size_t len)
{
    return len < FRAME_LEN_BYTES ? 0 : FRAME_LEN_BYTES + (size_t)get_u32(bytes);
}

int channel_feed(struct channel *channel, const uint8_t *bytes, size_t len,
                 size_t *used, const bool *stop)
{
    size_t at = 0;
    int rc = 0;

    while (len - at >= FRAME_LEN_BYTES) {
        size_t size = get_u32(bytes + at);

        if (size > limits.frame_bytes) {
            METRIC_INC(frames_over_limit);
            rc = CNODE_TOO_LARGE;
            break;
        }
        if (len - at - FRAME_LEN_BYTES < size) {
            break;
        }
        channel->frames_in++;
        METRIC_INC(frames_in);
        rc = feed_frame(channel, bytes + at + FRAME_LEN_BYTES, size);
        if (rc != 0) {
            break;
        }
        at += FRAME_LEN_BYTES + size;
        if (stop != NULL && *stop) {
            break;
        }
    }
    *used = at;
    return rc;
}

static int feed_frame(struct channel *channel, const uint8_t *bytes, size_t len)
{
    struct frame frame;
    int rc = frame_decode(channel->flags, bytes, len, &frame);

    if (rc != 0) {
        return rc;
    }
    switch (frame.kind) {
    case FRAME_WHOLE:
        return feed_message(channel, frame.body, frame.size);
    case FRAME_FIRST:
        return feed_first(channel, &frame);
    case FRAME_NEXT:
        return feed_next(channel, &frame);
    case FRAME_TICK:
    default:
        return 0;
    }
}

/* 0; CNODE_TOO_DEEP (or too many pairs in its maps, or a form that is not
 * read); CNODE_MALFORMED. */
static int verdict_of(int rc)
{
    if (rc == CNODE_TOO_LARGE || rc == CNODE_UNHANDLED) {
        return CNODE_TOO_DEEP;
    }
    if (rc != 0 && rc != CNODE_TOO_DEEP) {
        METRIC_INC(messages_malformed);
        return rc == CNODE_TRUNCATED ? CNODE_MALFORMED : rc;
    }
    return rc;
}

/* One term at the start of the bytes. */
static int check_term(const uint8_t *bytes, size_t len, size_t *size)
{
    return verdict_of(
        term_validate(bytes, len, (uint32_t)limits.term_depth, size));
}

static int feed_first(struct channel *channel, const struct frame *frame)
{
    struct assembly *assembly;
    size_t size = 0;
    int rc = check_term(frame->body, frame->size, &size);

    if (rc == CNODE_TOO_DEEP) {
        size = 0; /* where the payload begins is unknown: swallow all of it */
    } else if (rc != 0) {
        return rc;
    }
    rc = assembler_first(&channel->assembler, frame->sequence, frame->number,
                         frame->body, size, frame->body + size,
                         frame->size - size, &assembly);
    return rc != 0 || assembly == NULL ? rc : feed_assembly(channel, assembly);
}

static int feed_next(struct channel *channel, const struct frame *frame)
{
    struct assembly *assembly;
    int rc = assembler_next(&channel->assembler, frame->sequence, frame->number,
                            frame->body, frame->size, &assembly);

    return rc != 0 || assembly == NULL ? rc : feed_assembly(channel, assembly);
}

static void drop_over_limit(struct channel *channel,
                            const struct control *control, const uint8_t *start,
                            size_t size)
{
    METRIC_INC(messages_over_limit);
    channel->events->over_limit(channel->owner, control, start, size);
}

/* 0 and the control tuple; CNODE_UNHANDLED when the message is to be skipped,
 * else why the connection must end. */
static int decode_control(struct cnode_term tuple, struct control *control)
{
    int rc = control_decode(tuple, control);

    if (rc == 0 || rc == CNODE_UNHANDLED) {
        METRIC_INC(signals_in);
    }
    if (rc == CNODE_UNHANDLED) {
        METRIC_INC(signals_dropped);
    }
    return rc;
}

/* Garbage where a payload should be. */
static int drop_unread(struct channel *channel, const struct control *control,
                       int rc)
{
    if (channel->events->is_wanted == NULL ||
        channel->events->is_wanted(channel->owner, control)) {
        return rc;
    }
    METRIC_INC(dead_letters);
    return CNODE_UNHANDLED;
}

/* The payload, of which `rc` is what checking it said, goes into `control`. 0;
 * CNODE_UNHANDLED when it was dropped. */
static int take_payload(struct channel *channel, struct control *control,
                        const uint8_t *bytes, size_t len, size_t size, int rc)
{
    if (rc == CNODE_TOO_DEEP) {
        drop_over_limit(channel, control, bytes, len);
        return CNODE_UNHANDLED;
    }
    if (rc != 0) {
        return drop_unread(channel, control, rc);
    }
    control_set_payload(control, term_at(bytes, size));
    return 0;
}

/* Reads the payload behind the control tuple. */
static int feed_payload(struct channel *channel, struct control *control,
                        const uint8_t *bytes, size_t len)
{
    size_t size = 0;
    int rc;

    if (!frame_skip_payload_head(channel->flags, &bytes, &len) || len == 0) {
        return drop_unread(channel, control, CNODE_PROTOCOL);
    }
    if (len > limits.message_bytes) {
        drop_over_limit(channel, control, bytes, len);
        return CNODE_UNHANDLED;
    }
    rc = check_term(bytes, len, &size);
    return take_payload(channel, control, bytes, len, size, rc);
}

/* A message put together from fragments, all of it checked by now. */
static int feed_whole(struct channel *channel, struct assembly *assembly)
{
    const uint8_t *bytes = buf_data(&assembly->bytes);
    size_t len = buf_size(&assembly->bytes), size = assembly->control_size;
    const struct growing *payload = &assembly->payload;
    struct control control;
    int rc = decode_control(term_at(bytes, size), &control);

    if (rc == 0 && assembly->over_limit && control.has_payload) {
        drop_over_limit(channel, &control, bytes + size, len - size);
        return 0;
    }
    if (rc == 0 && control.has_payload) {
        int checked = payload->rc == 1   ? 0
                      : payload->rc == 0 ? CNODE_TRUNCATED
                                         : payload->rc;
        rc = take_payload(channel, &control, bytes + size, len - size,
                          growing_size(payload), verdict_of(checked));
    }
    if (rc == 0) {
        control.whole = &assembly->bytes;
        channel->events->signal(channel->owner, &control);
    }
    return rc == CNODE_UNHANDLED ? 0 : rc;
}

/* Frees it. */
static int feed_assembly(struct channel *channel, struct assembly *assembly)
{
    int rc = 0;

    if (assembly->over_limit && assembly->control_size == 0) {
        METRIC_INC(messages_over_limit);
    } else {
        rc = feed_whole(channel, assembly);
    }
    assembly_free(assembly);
    return rc;
}

/* A whole message: control tuple and payload. What follows them is ignored, as
 * the BEAM does. */
static int feed_message(struct channel *channel, const uint8_t *bytes,
                        size_t len)
{
    struct control control;
    size_t size;
    int rc = check_term(bytes, len, &size);

    if (rc == CNODE_TOO_DEEP) {
        METRIC_INC(messages_over_limit); /* a reason inside the tuple */
        return 0;
    }
    if (rc != 0) {
        return rc;
    }
    rc = decode_control(term_at(bytes, size), &control);
    if (rc == 0 && control.has_payload) {
        rc = feed_payload(channel, &control, bytes + size, len - size);
    }
    if (rc == 0) {
        channel->events->signal(channel->owner, &control);
    }
    return rc == CNODE_UNHANDLED ? 0 : rc;
}

/* --- sending */

struct buf *channel_begin(struct channel *channel)
{
    CHECK(!channel->is_building);
    channel->is_building = true;
    channel->frame_at = buf_size(&channel->out);
    frame_put_head(&channel->out, channel->flags);
    return &channel->out;
}

void channel_abort(struct channel *channel)
{
    CHECK(channel->is_building);
    channel->is_building = false;
    buf_truncate(&channel->out, channel->frame_at);
    channel->out.error = 0; /* it was this frame's */
}

static int abort_with(struct channel *channel, int rc)
{
    channel_abort(channel);
    return rc;
}

/* To a peer that would end the connection over a native record. */
static bool is_too_new(const struct channel *channel, struct payload payload)
{
    return (channel->flags & DIST_NATIVE_RECORDS) == 0 &&
           payload.bytes != NULL && records_may_be_about() &&
           term_has_records(term_at(payload.bytes, payload.size));
}

static struct block *without_records(struct payload payload, int *rc)
{
    struct block *block = NULL;
    struct buf buf;

    buf_init(&buf, 0);
    *rc = term_put_without_records(&buf, term_at(payload.bytes, payload.size));
    if (*rc == 0) {
        block = block_from_buf(&buf);
        *rc = block == NULL ? CNODE_NOMEM : 0;
    }
    buf_fini(&buf);
    return block;
}

int channel_end(struct channel *channel, struct pid sender,
                struct payload payload)
{
    struct block *older;
    int rc;

    if (!is_too_new(channel, payload)) {
        return end_frame(channel, sender, payload);
    }
    older = without_records(payload, &rc);
    if (rc != 0) {
        return abort_with(channel, rc);
    }
    METRIC_INC(records_replaced);
    rc = end_frame(channel, sender,
                   (struct payload){older->bytes, older->size, older});
    block_unref(older);
    return rc;
}

static int end_frame(struct channel *channel, struct pid sender,
                     struct payload payload)
{
    struct buf *out = &channel->out;
    uint8_t *frame;
    size_t size;

    CHECK(channel->is_building);
    if (payload.size > CHANNEL_FRAGMENT_BYTES) {
        return end_large(channel, sender, payload);
    }
    if (payload.bytes != NULL) {
        frame_put_payload_head(out, channel->flags);
        buf_put(out, payload.bytes, payload.size);
    }
    if (buf_error(out) != 0) {
        return abort_with(channel, buf_error(out));
    }
    frame = buf_data(out) + channel->frame_at;
    size = buf_size(out) - channel->frame_at;
    if (size > FRAME_BYTES_MAX) {
        return abort_with(channel, CNODE_TOO_LARGE);
    }
    set_u32(frame, (uint32_t)(size - FRAME_LEN_BYTES));
    if (transmitter_has_sender(&channel->transmitter, sender)) {
        int rc = transmitter_follow(&channel->transmitter, sender, frame, size);
        channel_abort(channel);
        if (rc != 0) {
            return rc;
        }
    }
    channel->is_building = false;
    channel->queued_bytes += size;
    channel->frames_out++;
    METRIC_INC(frames_out);
    return 0;
}

/* The tuple moves to the transmitter, the payload stays where it is. */
static int end_large(struct channel *channel, struct pid sender,
                     struct payload payload)
{
    size_t skip = channel->frame_at + frame_head_bytes(channel->flags);
    struct block *block;
    const uint8_t *bytes = payload.bytes;
    size_t queued = 0;
    int rc;

    if (buf_error(&channel->out) != 0) {
        return abort_with(channel, buf_error(&channel->out));
    }
    if ((channel->flags & DIST_FRAGMENTS) == 0 &&
        payload.size > FRAME_BYTES_MAX) {
        return abort_with(channel, CNODE_TOO_LARGE);
    }
    if (payload.block != NULL) {
        block = block_ref(payload.block);
    } else {
        block = block_copy(payload.bytes, payload.size);
        if (block == NULL) {
            return abort_with(channel, CNODE_NOMEM);
        }
        bytes = block->bytes;
    }
    rc = transmitter_send(
        &channel->transmitter, sender, buf_data(&channel->out) + skip,
        buf_size(&channel->out) - skip, block, bytes, payload.size, &queued);
    channel->large_bytes += queued;
    return abort_with(channel, rc);
}

void channel_tick(struct channel *channel)
{
    CHECK(!channel->is_building);
    buf_put_u32(&channel->out, 0);
    if (buf_error(&channel->out) != 0) {
        channel->out.error = 0; /* no memory for a tick: the next one is due */
        return;
    }
    channel->queued_bytes += FRAME_LEN_BYTES;
    channel->frames_out++;
    METRIC_INC(frames_out);
}

/* --- writing */

int channel_gather(struct channel *channel, struct channel_vec *vecs, int max)
{
    struct transmitted large;
    struct buf empty = channel->flying;
    int n = 0;

    CHECK(!channel->is_flying && !channel->is_building && max >= 3);
    channel->flying_bytes = buf_size(&channel->out);
    if (channel->flying_bytes > 0) {
        channel->flying = channel->out;
        channel->out = empty;
        vecs[n++] = (struct channel_vec){buf_data(&channel->flying),
                                         channel->flying_bytes};
    }
    large = transmitter_gather(&channel->transmitter, vecs, n, max);
    channel->flying_bytes += large.bytes - large.large_bytes;
    channel->flying_large_bytes = large.large_bytes;
    channel->frames_out += large.fragments;
    METRIC_ADD(frames_out, large.fragments);
    n += large.vecs;
    channel->is_flying = n > 0;
    return n;
}

void channel_landed(struct channel *channel)
{
    CHECK(channel->is_flying);
    channel->is_flying = false;
    channel->queued_bytes -= channel->flying_bytes;
    channel->large_bytes -= channel->flying_large_bytes;
    channel->flying_bytes = channel->flying_large_bytes = 0;
    if (channel->flying.cap > FLYING_KEEP_BYTES) {
        buf_fini(&channel->flying);
    } else {
        buf_clear(&channel->flying);
    }
    transmitter_landed(&channel->transmitter);
}

bool channel_has_output(const struct channel *channel)
{
    return buf_size(&channel->out) > 0 ||
           transmitter_has_output(&channel->transmitter);
}
