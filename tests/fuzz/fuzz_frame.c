/* SPDX-License-Identifier: Apache-2.0
 *
 * What a peer sends after the handshake. The first byte chooses framing and
 * limits, the second how large the pieces are in which the rest arrives. In one
 * piece or in many, the outcome must be the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/limits.h"
#include "dist/channel.h"
#include "dist/flags.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    unsigned signals, dropped;
    uint64_t frames;
    size_t term_bytes;
    int rc;
};

/* Reads every byte of a term, as a user would. */
static size_t term_bytes(struct cnode_term term)
{
    return term_is_none(term) ? 0 : cnode_term_size(term);
}

static void on_signal(void *owner, const struct control *control)
{
    struct outcome *outcome = owner;
    struct buf copy;

    outcome->signals++;
    outcome->term_bytes += term_bytes(control->from) + term_bytes(control->to) +
                           term_bytes(control->ref) +
                           term_bytes(control->reason) +
                           term_bytes(control->opts);
    CHECK(control->has_payload == !term_is_none(control->payload));
    buf_init(&copy, 0);
    if (control->has_payload) {
        term_put_copy(&copy, control->payload);
    }
    outcome->term_bytes += buf_size(&copy);
    buf_fini(&copy);
}

static void on_over_limit(void *owner, const struct control *control,
                          const uint8_t *start, size_t size)
{
    struct outcome *outcome = owner;

    CHECK(control->has_payload && term_is_none(control->payload));
    outcome->dropped++;
    for (size_t i = 0; i < size; i++) {
        outcome->term_bytes += start[i] != 0;
    }
}

/* As good as random, and the same for the same bytes. */
static bool on_is_wanted(void *owner, const struct control *control)
{
    (void)owner;
    CHECK(control->has_payload && term_is_none(control->payload));
    return control->kind == CONTROL_SEND;
}

static const struct channel_events events = {.signal = on_signal,
                                             .over_limit = on_over_limit,
                                             .is_wanted = on_is_wanted};

/* Keeps what is not consumed and adds the next piece, as a connection does; the
 * buffer has exactly the size of its bytes, so that a read beyond is seen. */
static struct outcome feed(uint64_t flags, const uint8_t *data, size_t size,
                           size_t piece)
{
    struct outcome outcome = {0};
    struct channel channel;
    size_t at = 0, len = 0;

    channel_init(&channel, flags, &events, &outcome);
    while (outcome.rc == 0 && at + len < size) {
        uint8_t *bytes;
        size_t used;

        len = size - at - len < piece ? size - at : len + piece;
        bytes = malloc(len);
        CHECK(bytes != NULL);
        memcpy(bytes, data + at, len);
        outcome.rc = channel_feed(&channel, bytes, len, &used, NULL);
        CHECK(used <= len);
        free(bytes);
        at += used;
        len -= used;
    }
    outcome.frames = channel.frames_in;
    CHECK(channel.assembler.held_bytes <= limits.partial_bytes);
    channel_fini(&channel);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, pieces;
    uint64_t flags = dist_flags_offered(false);

    if (size < 2) {
        return 0;
    }
    atom_init();
    hash_seed(1, 2);
    limits.partial_sequences = 8;
    limits.partial_bytes = 16384;
    limits.frame_bytes = 65536;
    limits.term_depth = (data[0] & 2) != 0 ? 16 : 1000;
    limits.message_bytes = (data[0] & 4) != 0 ? 64 : 65536;
    if ((data[0] & 1) != 0) {
        flags &= ~DIST_FRAGMENTS;
    }
    whole = feed(flags, data + 2, size - 2, size);
    pieces = feed(flags, data + 2, size - 2, (size_t)data[1] + 1);
    CHECK(whole.signals == pieces.signals);
    CHECK(whole.dropped == pieces.dropped);
    CHECK(whole.frames == pieces.frames);
    CHECK(whole.term_bytes == pieces.term_bytes);
    CHECK(whole.rc == pieces.rc);
    return 0;
}
