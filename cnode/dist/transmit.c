/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream is one sender with something unfinished; its parcels go out strictly
 * one after the other. A parcel is a large message, or some small frames that
 * came after one. Streams take turns: each turn writes one fragment, or the
 * small frames up to the next large message. A stream that has no parcels left
 * is gone, and its sender's next frame goes the direct way again.
 *
 * Payload bytes are never copied here: a slice points into the counted block,
 * whose reference is dropped when the last fragment has landed.
 */
#include "dist/transmit.h"

#include "base/hash.h"
#include "base/mem.h"
#include "dist/flags.h"
#include "dist/frame.h"
#include <cnode/error.h>

/* A gather holds no more of large messages: it is all of them that can stand
 * before a small one sent meanwhile. Of one message that is one fragment, as
 * its header comes on top of 64 KiB. */
enum { GATHER_BYTES = 2 * CHANNEL_FRAGMENT_BYTES };

struct stream {
    struct list node;  /* turns */
    struct pid sender; /* none: no order to keep, not in by_sender */
    struct list parcels;
};

struct parcel {
    struct list node;    /* parcels of a stream, then flown */
    struct buf head;     /* small frames; or all that precedes the first part */
    struct block *block; /* NULL: small frames only */
    const uint8_t *bytes; /* of the payload, not yet gathered */
    size_t size;
    size_t part_bytes; /* of one fragment */
    uint64_t sequence;
    uint64_t number; /* fragments left, this one included */
    bool is_begun;
};

static struct stream *stream_find(const struct transmitter *transmitter,
                                  struct pid sender);
static struct stream *stream_get(struct transmitter *transmitter,
                                 struct pid sender);
static void parcel_free(struct parcel *parcel);

static bool stream_has_sender(const void *item, const void *key)
{
    const struct stream *stream = item;
    const struct pid *sender = key;

    return pid_equal(stream->sender, *sender);
}

static uint64_t sender_hash(struct pid sender)
{
    return hash_u64((uint64_t)sender.serial << 32 | sender.id);
}

void transmitter_init(struct transmitter *transmitter, uint64_t flags)
{
    transmitter->flags = flags;
    list_init(&transmitter->turns);
    list_init(&transmitter->flown);
    map_init(&transmitter->by_sender, stream_has_sender);
    transmitter->next_sequence = 1;
}

void transmitter_fini(struct transmitter *transmitter)
{
    struct list *node;

    transmitter_landed(transmitter);
    while ((node = list_pop(&transmitter->turns)) != NULL) {
        struct stream *stream = CONTAINER_OF(node, struct stream, node);

        while ((node = list_pop(&stream->parcels)) != NULL) {
            parcel_free(CONTAINER_OF(node, struct parcel, node));
        }
        mem_free(stream);
    }
    map_fini(&transmitter->by_sender);
}

/* --- queueing */

static struct stream *stream_find(const struct transmitter *transmitter,
                                  struct pid sender)
{
    if (transmitter->by_sender.count == 0 || pid_is_none(sender)) {
        return NULL;
    }
    return map_get(&transmitter->by_sender, sender_hash(sender), &sender);
}

static struct stream *stream_get(struct transmitter *transmitter,
                                 struct pid sender)
{
    struct stream *stream = stream_find(transmitter, sender);

    if (stream == NULL) {
        stream = mem_alloc(sizeof(*stream));
        stream->sender = sender;
        list_init(&stream->parcels);
        list_push_back(&transmitter->turns, &stream->node);
        if (!pid_is_none(sender)) {
            map_add(&transmitter->by_sender, sender_hash(sender), stream);
        }
    }
    return stream;
}

static void stream_free(struct transmitter *transmitter, struct stream *stream)
{
    if (!pid_is_none(stream->sender)) {
        map_remove(&transmitter->by_sender, sender_hash(stream->sender),
                   &stream->sender);
    }
    list_remove(&stream->node);
    mem_free(stream);
}

static struct parcel *parcel_new(void)
{
    struct parcel *parcel = mem_zalloc(sizeof(*parcel));

    buf_init(&parcel->head, 0);
    return parcel;
}

static void parcel_free(struct parcel *parcel)
{
    buf_fini(&parcel->head);
    block_unref(parcel->block);
    mem_free(parcel);
}

/* All that precedes the first part of the payload. */
static void parcel_put_head(struct parcel *parcel, uint64_t flags,
                            const uint8_t *control, size_t control_size)
{
    uint8_t first[FRAME_LEN_BYTES + FRAME_FIRST_BYTES];

    if ((flags & DIST_FRAGMENTS) != 0) {
        frame_set_first(first, parcel->sequence, parcel->number,
                        control_size + parcel->part_bytes);
        buf_put(&parcel->head, first, sizeof(first));
        buf_put(&parcel->head, control, control_size);
        return;
    }
    frame_put_head(&parcel->head, flags);
    buf_put(&parcel->head, control, control_size);
    frame_put_payload_head(&parcel->head, flags);
    if (buf_error(&parcel->head) == 0) {
        set_u32(buf_data(&parcel->head),
                (uint32_t)(buf_size(&parcel->head) - FRAME_LEN_BYTES +
                           parcel->size));
    }
}

int transmitter_send(struct transmitter *transmitter, struct pid sender,
                     const uint8_t *control, size_t control_size,
                     struct block *block, const uint8_t *bytes, size_t size,
                     size_t *queued)
{
    bool is_cut = (transmitter->flags & DIST_FRAGMENTS) != 0;
    struct parcel *parcel = parcel_new();

    parcel->block = block;
    parcel->bytes = bytes;
    parcel->size = size;
    parcel->part_bytes =
        is_cut && size > CHANNEL_FRAGMENT_BYTES ? CHANNEL_FRAGMENT_BYTES : size;
    parcel->sequence = transmitter->next_sequence++;
    parcel->number = (size + parcel->part_bytes - 1) / parcel->part_bytes;
    parcel_put_head(parcel, transmitter->flags, control, control_size);
    if (buf_error(&parcel->head) != 0) {
        parcel_free(parcel);
        return CNODE_NOMEM;
    }
    *queued = buf_size(&parcel->head) + size +
              (parcel->number - 1) * (FRAME_LEN_BYTES + FRAME_NEXT_BYTES);
    list_push_back(&stream_get(transmitter, sender)->parcels, &parcel->node);
    return 0;
}

bool transmitter_has_sender(const struct transmitter *transmitter,
                            struct pid sender)
{
    return stream_find(transmitter, sender) != NULL;
}

int transmitter_follow(struct transmitter *transmitter, struct pid sender,
                       const uint8_t *frame, size_t size)
{
    struct stream *stream = stream_find(transmitter, sender);
    struct parcel *parcel;
    size_t before;

    CHECK(stream != NULL && !list_is_empty(&stream->parcels));
    parcel = CONTAINER_OF(stream->parcels.prev, struct parcel, node);
    if (parcel->block != NULL ||
        buf_size(&parcel->head) + size > CHANNEL_FRAGMENT_BYTES) {
        parcel = parcel_new();
        list_push_back(&stream->parcels, &parcel->node);
    }
    before = buf_size(&parcel->head);
    buf_put(&parcel->head, frame, size);
    if (buf_error(&parcel->head) == 0) {
        return 0;
    }
    parcel->head.error = 0;
    if (before == 0) {
        list_remove(&parcel->node);
        parcel_free(parcel);
    }
    return CNODE_NOMEM;
}

/* --- writing */

static void add_slice(struct transmitted *sum, struct channel_vec *vecs,
                      const uint8_t *bytes, size_t size)
{
    vecs[sum->vecs++] = (struct channel_vec){bytes, size};
    sum->bytes += size;
}

static size_t parcel_part(const struct parcel *parcel)
{
    return parcel->size < parcel->part_bytes ? parcel->size
                                             : parcel->part_bytes;
}

/* What parcel_gather() will add. */
static size_t parcel_next_bytes(const struct parcel *parcel)
{
    return parcel_part(parcel) + (parcel->is_begun
                                      ? FRAME_LEN_BYTES + FRAME_NEXT_BYTES
                                      : buf_size(&parcel->head));
}

/* Adds the next fragment, or the small frames, of a parcel: at most two slices.
 * True when that was the rest of it. */
static bool parcel_gather(struct parcel *parcel, struct transmitted *sum,
                          struct channel_vec *vecs, uint8_t head[32])
{
    size_t part = parcel_part(parcel);

    if (!parcel->is_begun) {
        parcel->is_begun = true;
        add_slice(sum, vecs, buf_data(&parcel->head), buf_size(&parcel->head));
        if (parcel->block == NULL) {
            return true;
        }
    } else {
        frame_set_next(head, parcel->sequence, parcel->number, part);
        add_slice(sum, vecs, head, FRAME_LEN_BYTES + FRAME_NEXT_BYTES);
    }
    add_slice(sum, vecs, parcel->bytes, part);
    sum->large_bytes += vecs[sum->vecs - 2].size + part;
    sum->fragments++;
    parcel->bytes += part;
    parcel->size -= part;
    parcel->number--;
    return parcel->number == 0;
}

struct transmitted transmitter_gather(struct transmitter *transmitter,
                                      struct channel_vec *vecs, int used,
                                      int max)
{
    struct transmitted sum = {.vecs = used};

    max = max < CHANNEL_VECS ? max : CHANNEL_VECS;
    while (!list_is_empty(&transmitter->turns) && sum.vecs + 2 <= max) {
        struct stream *stream =
            CONTAINER_OF(transmitter->turns.next, struct stream, node);
        struct parcel *parcel =
            CONTAINER_OF(stream->parcels.next, struct parcel, node);

        if (sum.bytes > 0 &&
            sum.bytes + parcel_next_bytes(parcel) > GATHER_BYTES) {
            break;
        }
        list_remove(&stream->node);
        if (parcel_gather(parcel, &sum, vecs, transmitter->heads[sum.vecs])) {
            list_remove(&parcel->node);
            list_push_back(&transmitter->flown, &parcel->node);
        }
        if (list_is_empty(&stream->parcels)) {
            stream_free(transmitter, stream);
        } else {
            list_push_back(&transmitter->turns, &stream->node);
        }
    }
    sum.vecs -= used;
    return sum;
}

void transmitter_landed(struct transmitter *transmitter)
{
    struct list *node;

    while ((node = list_pop(&transmitter->flown)) != NULL) {
        parcel_free(CONTAINER_OF(node, struct parcel, node));
    }
}

bool transmitter_has_output(const struct transmitter *transmitter)
{
    return !list_is_empty(&transmitter->turns);
}
