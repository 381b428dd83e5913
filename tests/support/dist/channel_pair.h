/* SPDX-License-Identifier: Apache-2.0
 *
 * Two channels back to back, for tests: what `pair.out` gathers goes to
 * `pair.wire`, from which `pair.in` is fed; what comes out there is seen.
 */
#ifndef CNODE_TEST_SUPPORT_DIST_CHANNEL_PAIR_H
#define CNODE_TEST_SUPPORT_DIST_CHANNEL_PAIR_H

#include "base/limits.h"
#include "dist/channel.h"

enum { PAIR_SEEN_MAX = 4096 };

/* A signal, or a message that was over a limit. */
struct pair_seen {
    enum control_kind kind;
    struct pid from;
    size_t payload_bytes;
    uint8_t mark; /* last byte of the payload */
    bool over_limit;
    size_t start_bytes;
};

struct pair {
    struct channel out, in;
    struct buf wire;
    struct pid ours, other, theirs; /* two senders, and who they send to */
    struct pair_seen seen[PAIR_SEEN_MAX];
    unsigned seen_count;
    bool stop, stop_at_signal;
    struct limits limits; /* put back by teardown */
};

extern struct pair pair;
extern const struct channel_events pair_events;

/* For cmocka: channels with all the flags we offer. */
int pair_setup(void **state);
int pair_teardown(void **state);
void pair_open(uint64_t flags);
void pair_close(void);

/* A binary of `size` bytes, the last of which is `mark`; the caller's. */
struct block *pair_message(size_t size, uint8_t mark);
/* Sends such a message to `theirs`; what channel_end() says. */
int pair_send(struct pid from, size_t size, uint8_t mark);

/* One gather to the wire; its bytes. */
size_t pair_gather(void);
/* Gathers until nothing is left. */
void pair_gather_all(void);
/* Feeds the wire; what channel_feed() says. */
int pair_feed(void);

/* The tuple of a send of the peer to us, and a payload; the caller's. */
struct buf pair_body(const void *payload, size_t size);
/* Puts a whole frame with that body on the wire. */
void pair_put_frame(const void *body, size_t size);

#endif
