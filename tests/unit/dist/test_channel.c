/* SPDX-License-Identifier: Apache-2.0
 *
 * Two channels back to back: what one gathers the other is fed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "dist/channel.h"
#include "dist/flags.h"

enum { SEEN_MAX = 4096 };

/* What came out of the receiving channel. */
struct seen {
    enum control_kind kind;
    struct pid from;
    size_t payload_bytes;
    uint8_t mark; /* last byte of the payload */
    bool over_limit;
    size_t start_bytes;
};

static struct seen seen[SEEN_MAX];
static unsigned seen_count;
static bool stop;
static bool stop_at_signal;

static struct channel out, in;
static struct buf wire;
static struct pid ours, other, theirs;
static struct limits defaults;

static void record(const struct control *control, bool over_limit,
                   size_t start_bytes)
{
    struct seen *it = &seen[seen_count++];

    assert_true(seen_count < SEEN_MAX);
    *it = (struct seen){.kind = control->kind,
                        .over_limit = over_limit,
                        .start_bytes = start_bytes};
    (void)term_get_pid(control->from, &it->from);
    if (!term_is_none(control->payload)) {
        it->payload_bytes = cnode_term_size(control->payload);
        it->mark = control->payload.at[it->payload_bytes - 1];
    }
}

static void on_signal(void *owner, const struct control *control)
{
    assert_ptr_equal(owner, &in);
    record(control, false, 0);
    stop = stop_at_signal;
}

static void on_over_limit(void *owner, const struct control *control,
                          const uint8_t *start, size_t size)
{
    assert_ptr_equal(owner, &in);
    assert_true(size == 0 || start != NULL);
    assert_true(term_is_none(control->payload));
    record(control, true, size);
}

static const struct channel_events events = {.signal = on_signal,
                                             .over_limit = on_over_limit};

static void open_channels(uint64_t flags)
{
    channel_init(&out, flags, &events, &out);
    channel_init(&in, flags, &events, &in);
}

static void close_channels(void)
{
    channel_fini(&out);
    channel_fini(&in);
    buf_clear(&wire);
    seen_count = 0;
}

static int setup(void **state)
{
    (void)state;
    atom_init();
    hash_seed(1, 2);
    defaults = limits;
    ours = (struct pid){atom_intern("c@host", 6), 1, 0, 5};
    other = (struct pid){ours.node, 2, 0, 5};
    theirs = (struct pid){atom_intern("b@host", 6), 9, 0, 6};
    seen_count = 0;
    stop = stop_at_signal = false;
    buf_init(&wire, 0);
    open_channels(dist_flags_offered(false));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mem_fail_after(0);
    limits = defaults;
    close_channels();
    buf_fini(&wire);
    return 0;
}

/* A binary of `size` bytes, the last of which is `mark`. */
static struct block *message(size_t size, uint8_t mark)
{
    struct buf buf;
    struct block *block;

    buf_init(&buf, 0);
    buf_put_u8(&buf, 109);
    buf_put_u32(&buf, (uint32_t)size);
    memset(buf_reserve(&buf, size), 'x', size);
    buf_commit(&buf, size);
    buf_data(&buf)[buf_size(&buf) - 1] = mark;
    block = block_from_buf(&buf);
    assert_non_null(block);
    return block;
}

static int send_message(struct pid from, size_t size, uint8_t mark)
{
    struct block *block = message(size, mark);
    int rc;

    control_put_send(channel_begin(&out), out.flags, from, theirs);
    rc = channel_end(&out, from,
                     (struct payload){block->bytes, block->size, block});
    block_unref(block);
    return rc;
}

/* One gather to the wire. Returns its bytes. */
static size_t gather(void)
{
    struct channel_vec vecs[CHANNEL_VECS];
    size_t before = buf_size(&wire);
    int n = channel_gather(&out, vecs, CHANNEL_VECS);

    assert_in_range(n, 0, CHANNEL_VECS);
    for (int i = 0; i < n; i++) {
        assert_true(vecs[i].size > 0);
        buf_put(&wire, vecs[i].bytes, vecs[i].size);
    }
    if (n > 0) {
        channel_landed(&out);
    }
    return buf_size(&wire) - before;
}

static void gather_all(void)
{
    while (gather() > 0) {
    }
    assert_false(channel_has_output(&out));
    assert_int_equal(out.queued_bytes, 0);
}

static int feed_wire(void)
{
    size_t used = 0;
    int rc = channel_feed(&in, buf_data(&wire), buf_size(&wire), &used, &stop);

    buf_consume(&wire, used);
    return rc;
}

/* A frame made by hand: header, then the terms. */
static void put_frame(const uint8_t *body, size_t size)
{
    buf_put_u32(&wire, (uint32_t)(size + 3));
    buf_put(&wire, "\x83\x44\x00", 3);
    buf_put(&wire, body, size);
}

/* {22, Theirs, Ours}, as a peer sends it. */
static void put_send_control(struct buf *buf)
{
    control_put_send(buf, DIST_SEND_SENDER, theirs, ours);
}

static struct buf body_of(const void *payload, size_t size)
{
    struct buf body;

    buf_init(&body, 0);
    put_send_control(&body);
    buf_put(&body, payload, size);
    return body;
}

/* --- in */

static void a_signal_arrives_in_both_framings(void **state)
{
    static const uint64_t dropped[] = {0, DIST_FRAGMENTS};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(dropped); i++) {
        close_channels();
        open_channels(dist_flags_offered(false) & ~dropped[i]);
        assert_int_equal(send_message(ours, 10, 'a'), 0);
        control_put_link(channel_begin(&out), ours, theirs);
        assert_int_equal(channel_end(&out, ours, (struct payload){0}), 0);
        gather_all();
        assert_int_equal(feed_wire(), 0);
        assert_int_equal(buf_size(&wire), 0);
        assert_int_equal(seen_count, 2);
        assert_int_equal(seen[0].kind, CONTROL_SEND);
        assert_true(pid_equal(seen[0].from, ours));
        assert_int_equal(seen[0].payload_bytes, 15);
        assert_int_equal(seen[0].mark, 'a');
        assert_int_equal(seen[1].kind, CONTROL_LINK);
    }
}

static void frames_may_come_byte_by_byte(void **state)
{
    size_t used, at = 0, len = 0;

    (void)state;
    for (uint8_t i = 0; i < 3; i++) {
        assert_int_equal(send_message(ours, 10, i), 0);
    }
    gather_all();
    while (len < buf_size(&wire)) {
        len++;
        assert_int_equal(
            channel_feed(&in, buf_data(&wire) + at, len - at, &used, NULL), 0);
        at += used;
    }
    assert_int_equal(at, len);
    assert_int_equal(seen_count, 3);
    assert_int_equal(seen[2].mark, 2);
    assert_int_equal(in.frames_in, 3);
}

static void the_length_of_a_frame_is_known_from_four_bytes(void **state)
{
    const uint8_t bytes[] = {0, 0, 1, 2, 9};

    (void)state;
    assert_int_equal(channel_frame_bytes(bytes, 3), 0);
    assert_int_equal(channel_frame_bytes(bytes, 4), 4 + 258);
    assert_int_equal(channel_frame_bytes(bytes, 5), 4 + 258);
}

static void a_tick_is_counted_and_nothing_else(void **state)
{
    (void)state;
    channel_tick(&out);
    assert_int_equal(out.queued_bytes, 4);
    gather_all();
    assert_int_equal(out.frames_out, 1);
    assert_int_equal(buf_size(&wire), 4);
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(in.frames_in, 1);
    assert_int_equal(seen_count, 0);
}

static void trailing_bytes_are_ignored(void **state)
{
    const uint8_t payload[] = {97, 1, 'j', 'u', 'n', 'k'};
    struct buf body = body_of(payload, sizeof(payload));

    (void)state;
    put_frame(buf_data(&body), buf_size(&body));
    buf_clear(&body);
    control_put_link(&body, theirs, ours);
    buf_put(&body, "junk", 4);
    put_frame(buf_data(&body), buf_size(&body));
    buf_fini(&body);
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 2);
    assert_int_equal(seen[0].payload_bytes, 2);
    assert_int_equal(seen[1].kind, CONTROL_LINK);
}

static void a_missing_payload_breaks_the_protocol(void **state)
{
    struct buf body = body_of(NULL, 0);

    (void)state;
    put_frame(buf_data(&body), buf_size(&body));
    buf_fini(&body);
    assert_int_equal(feed_wire(), CNODE_PROTOCOL);
    assert_int_equal(seen_count, 0);
}

static void every_cut_message_is_refused(void **state)
{
    const uint8_t payload[] = {104, 2, 97, 1, 107, 0, 2, 'a', 'b'};
    struct buf body = body_of(payload, sizeof(payload));
    size_t size = buf_size(&body);
    uint64_t before = metric_read(METRIC_messages_malformed);

    (void)state;
    for (size_t len = 0; len < size; len++) {
        /* a buffer of exactly that length, for the sanitizer */
        uint8_t *frame = malloc(len + 7);
        size_t used;
        int rc;

        buf_clear(&wire);
        put_frame(buf_data(&body), len);
        memcpy(frame, buf_data(&wire), len + 7);
        rc = channel_feed(&in, frame, len + 7, &used, NULL);
        assert_int_equal(rc, len == size - sizeof(payload) ? CNODE_PROTOCOL
                                                           : CNODE_MALFORMED);
        assert_int_equal(used, 0);
        free(frame);
    }
    assert_int_equal(seen_count, 0);
    assert_int_equal(metric_read(METRIC_messages_malformed) - before, size - 1);
    buf_clear(&wire);
    put_frame(buf_data(&body), size);
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 1);
    buf_fini(&body);
}

static void what_is_before_a_broken_frame_is_delivered(void **state)
{
    const uint8_t no_tuple[] = {97, 1};

    (void)state;
    assert_int_equal(send_message(ours, 10, 'a'), 0);
    gather_all();
    put_frame(no_tuple, sizeof(no_tuple));
    assert_int_equal(feed_wire(), CNODE_PROTOCOL);
    assert_int_equal(seen_count, 1);
    assert_int_equal(buf_size(&wire), 7 + sizeof(no_tuple));
}

static void an_unknown_operation_is_skipped_and_counted(void **state)
{
    const uint8_t unknown[] = {104, 2, 97, 99, 97, 1, 131, 200};
    uint64_t before = metric_read(METRIC_signals_dropped);

    (void)state;
    put_frame(unknown, sizeof(unknown));
    assert_int_equal(send_message(ours, 10, 'a'), 0);
    gather_all();
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 1);
    assert_int_equal(metric_read(METRIC_signals_dropped) - before, 1);
}

static void a_frame_over_the_limit_is_refused_by_its_length(void **state)
{
    size_t used;

    (void)state;
    limits.frame_bytes = 100;
    buf_put_u32(&wire, 101);
    assert_int_equal(
        channel_feed(&in, buf_data(&wire), buf_size(&wire), &used, NULL),
        CNODE_TOO_LARGE);
    buf_clear(&wire);
    buf_put_u32(&wire, UINT32_MAX);
    assert_int_equal(
        channel_feed(&in, buf_data(&wire), buf_size(&wire), &used, NULL),
        CNODE_TOO_LARGE);
    buf_clear(&wire);
    buf_put_u32(&wire, 100);
    assert_int_equal(
        channel_feed(&in, buf_data(&wire), buf_size(&wire), &used, NULL), 0);
    assert_int_equal(used, 0);
}

static void a_message_over_the_limit_is_dropped_and_told(void **state)
{
    uint64_t before = metric_read(METRIC_messages_over_limit);

    (void)state;
    limits.message_bytes = 1000;
    assert_int_equal(send_message(ours, 2000, 'a'), 0);
    assert_int_equal(send_message(ours, 200000, 'b'), 0);
    assert_int_equal(send_message(ours, 10, 'c'), 0);
    gather_all();
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 3);
    assert_true(seen[0].over_limit);
    assert_int_equal(seen[0].start_bytes, 2005);
    assert_true(seen[1].over_limit);
    assert_true(pid_equal(seen[1].from, ours));
    assert_int_equal(seen[1].start_bytes, ASSEMBLY_START_BYTES);
    assert_false(seen[2].over_limit);
    assert_int_equal(metric_read(METRIC_messages_over_limit) - before, 2);
}

static void put_nested(struct buf *buf, unsigned levels)
{
    for (unsigned i = 0; i < levels; i++) {
        term_put_tuple(buf, 1);
    }
    term_put_nil(buf);
}

static void a_message_too_deep_is_dropped_and_told(void **state)
{
    struct buf body = body_of(NULL, 0);
    size_t control = buf_size(&body);

    (void)state;
    limits.term_depth = 20;
    put_nested(&body, 20);
    put_frame(buf_data(&body), buf_size(&body));
    buf_truncate(&body, control);
    put_nested(&body, 21);
    put_frame(buf_data(&body), buf_size(&body));
    buf_fini(&body);
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 2);
    assert_false(seen[0].over_limit);
    assert_true(seen[1].over_limit);
    assert_int_equal(seen[1].kind, CONTROL_SEND);
    assert_true(seen[1].start_bytes > 0);
}

/* {3, From, To, Reason} with a reason that is too deep. */
static void put_deep_exit(struct buf *body)
{
    buf_init(body, 0);
    term_put_tuple(body, 4);
    term_put_int(body, 3);
    term_put_pid(body, theirs);
    term_put_pid(body, ours);
    put_nested(body, 1000);
}

static void a_control_tuple_too_deep_is_dropped(void **state)
{
    struct buf body;
    uint64_t before = metric_read(METRIC_messages_over_limit);

    (void)state;
    limits.term_depth = 20;
    put_deep_exit(&body);
    put_frame(buf_data(&body), buf_size(&body));
    buf_fini(&body);
    assert_int_equal(send_message(ours, 10, 'a'), 0);
    gather_all();
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 1);
    assert_int_equal(metric_read(METRIC_messages_over_limit) - before, 1);
}

static void feeding_stops_when_the_owner_says_so(void **state)
{
    (void)state;
    stop_at_signal = true;
    assert_int_equal(send_message(ours, 10, 'a'), 0);
    assert_int_equal(send_message(ours, 10, 'b'), 0);
    gather_all();
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 1);
    assert_true(buf_size(&wire) > 0);
    stop = stop_at_signal = false;
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 2);
}

/* --- fragments in */

static void put_fragment(uint8_t kind, uint64_t sequence, uint64_t number,
                         const void *body, size_t size)
{
    buf_put_u32(&wire, (uint32_t)((kind == 69 ? 19 : 18) + size));
    buf_put_u8(&wire, 131);
    buf_put_u8(&wire, kind);
    buf_put_u64(&wire, sequence);
    buf_put_u64(&wire, number);
    if (kind == 69) {
        buf_put_u8(&wire, 0);
    }
    buf_put(&wire, body, size);
}

static void put_first(uint64_t sequence, uint64_t count, const void *part,
                      size_t size)
{
    struct buf body = body_of(part, size);

    put_fragment(69, sequence, count, buf_data(&body), buf_size(&body));
    buf_fini(&body);
}

static void fragments_of_a_peer_are_put_together(void **state)
{
    (void)state;
    put_first(1, 3, "\x6b\x00", 2);
    put_first(2, 1, "\x61\x07", 2);
    put_fragment(70, 1, 2, "\x03", 1);
    put_fragment(70, 1, 1, "abc", 3);
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 2);
    assert_int_equal(seen[0].mark, 7);
    assert_int_equal(seen[1].payload_bytes, 6);
    assert_int_equal(seen[1].mark, 'c');
    assert_int_equal(in.assembler.held_bytes, 0);
}

static void orphans_and_gaps_break_the_protocol(void **state)
{
    (void)state;
    put_fragment(70, 1, 1, "x", 1);
    assert_int_equal(feed_wire(), CNODE_PROTOCOL);
    buf_clear(&wire);
    put_first(1, 3, "x", 1);
    put_fragment(70, 1, 1, "x", 1);
    assert_int_equal(feed_wire(), CNODE_PROTOCOL);
    buf_clear(&wire);
    put_first(1, 3, "x", 1);
    assert_int_equal(feed_wire(), CNODE_PROTOCOL);
    buf_clear(&wire);
    put_first(2, 0, "x", 1);
    assert_int_equal(feed_wire(), CNODE_PROTOCOL);
    assert_int_equal(seen_count, 0);
}

static void a_fragmented_message_is_checked_when_it_is_whole(void **state)
{
    (void)state;
    put_first(1, 2, "\x68", 1);
    assert_int_equal(feed_wire(), 0);
    put_fragment(70, 1, 1, "\x01\xff", 2);
    assert_int_equal(feed_wire(), CNODE_MALFORMED);
    assert_int_equal(seen_count, 0);
}

static void a_first_fragment_must_hold_the_whole_control_tuple(void **state)
{
    struct buf body = body_of(NULL, 0);

    (void)state;
    put_fragment(69, 1, 2, buf_data(&body), buf_size(&body) - 1);
    buf_fini(&body);
    assert_int_equal(feed_wire(), CNODE_MALFORMED);
}

static void a_fragmented_control_tuple_too_deep_is_swallowed(void **state)
{
    struct buf body;

    (void)state;
    limits.term_depth = 20;
    put_deep_exit(&body);
    put_fragment(69, 1, 2, buf_data(&body), buf_size(&body));
    buf_fini(&body);
    put_fragment(70, 1, 1, "x", 1);
    assert_int_equal(send_message(ours, 10, 'a'), 0);
    gather_all();
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 1);
}

/* --- out */

static void a_large_message_goes_in_fragments(void **state)
{
    const uint8_t *at;
    size_t size = 3 * CHANNEL_FRAGMENT_BYTES + 17;
    uint64_t number = 4;

    (void)state;
    assert_int_equal(send_message(ours, size - 5, 'z'), 0);
    assert_int_equal(out.frames_out, 0);
    gather_all();
    assert_int_equal(out.frames_out, 4);
    at = buf_data(&wire);
    while (at < buf_data(&wire) + buf_size(&wire)) {
        assert_int_equal(at[4], 131);
        assert_int_equal(at[5], number == 4 ? 69 : 70);
        assert_int_equal(get_u64(at + 14), number);
        assert_true(get_u32(at) < CHANNEL_FRAGMENT_BYTES + 200);
        at += 4 + get_u32(at);
        number--;
    }
    assert_int_equal(number, 0);
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 1);
    assert_int_equal(seen[0].payload_bytes, size);
    assert_int_equal(seen[0].mark, 'z');
}

static void without_fragments_a_large_message_is_one_frame(void **state)
{
    (void)state;
    close_channels();
    open_channels(dist_flags_offered(false) & ~DIST_FRAGMENTS);
    assert_int_equal(send_message(ours, 1000000, 'z'), 0);
    assert_int_equal(send_message(ours, 10, 'y'), 0);
    gather_all();
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 2);
    assert_int_equal(in.frames_in, 2);
    assert_int_equal(seen[0].payload_bytes, 1000005);
    assert_int_equal(seen[1].mark, 'y');
}

static void the_largest_unfragmented_payload_is_64_kib(void **state)
{
    (void)state;
    assert_int_equal(send_message(ours, CHANNEL_FRAGMENT_BYTES - 5, 'a'), 0);
    gather_all();
    assert_int_equal(buf_data(&wire)[5], 68);
    buf_clear(&wire);
    assert_int_equal(send_message(ours, CHANNEL_FRAGMENT_BYTES - 4, 'a'), 0);
    gather_all();
    assert_int_equal(buf_data(&wire)[5], 69);
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen[0].payload_bytes, CHANNEL_FRAGMENT_BYTES + 1);
}

static void a_large_block_is_counted_until_it_landed(void **state)
{
    struct block *block = message(200000, 'a');
    struct channel_vec vecs[CHANNEL_VECS];
    int n;

    (void)state;
    control_put_send(channel_begin(&out), out.flags, ours, theirs);
    assert_int_equal(
        channel_end(&out, ours,
                    (struct payload){block->bytes, block->size, block}),
        0);
    assert_int_equal(block->refs, 2);
    while ((n = channel_gather(&out, vecs, CHANNEL_VECS)) > 0) {
        const uint8_t *part = vecs[1].bytes;

        assert_in_range(n, 2, CHANNEL_VECS);
        assert_true(part >= block->bytes && part < block->bytes + block->size);
        assert_int_equal(block->refs, 2);
        channel_landed(&out);
    }
    assert_int_equal(block->refs, 1);
    assert_int_equal(out.queued_bytes, 0);
    block_unref(block);
}

static void a_large_payload_without_block_is_copied(void **state)
{
    struct block *block = message(200000, 'q');

    (void)state;
    control_put_send(channel_begin(&out), out.flags, ours, theirs);
    assert_int_equal(
        channel_end(&out, ours,
                    (struct payload){block->bytes, block->size, NULL}),
        0);
    memset(block->bytes, 0, block->size);
    block_unref(block);
    gather_all();
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen[0].payload_bytes, 200005);
    assert_int_equal(seen[0].mark, 'q');
}

static void others_overtake_a_large_message(void **state)
{
    (void)state;
    assert_int_equal(send_message(ours, 1000000, 'a'), 0);
    assert_true(gather() > 0);
    assert_int_equal(send_message(other, 10, 'b'), 0);
    channel_tick(&out);
    assert_true(gather() < 150000);
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 1);
    assert_int_equal(seen[0].mark, 'b');
    gather_all();
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 2);
    assert_int_equal(seen[1].mark, 'a');
}

static void a_sender_never_overtakes_itself(void **state)
{
    (void)state;
    assert_int_equal(send_message(ours, 10, 1), 0);
    assert_int_equal(send_message(ours, 1000000, 2), 0);
    assert_int_equal(send_message(ours, 10, 3), 0);
    assert_int_equal(send_message(ours, 10, 4), 0);
    assert_int_equal(send_message(ours, 100000, 5), 0);
    assert_true(gather() > 0);
    assert_int_equal(send_message(ours, 10, 6), 0);
    assert_int_equal(send_message(other, 10, 100), 0);
    gather_all();
    assert_int_equal(send_message(ours, 10, 7), 0);
    gather_all();
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 8);
    for (unsigned i = 0, mark = 1; i < seen_count; i++) {
        if (pid_equal(seen[i].from, ours)) {
            assert_int_equal(seen[i].mark, mark++);
        } else {
            assert_int_equal(i, 1);
        }
    }
}

static void what_no_process_sent_never_waits(void **state)
{
    struct buf *buf;

    (void)state;
    assert_int_equal(send_message(ours, 1000000, 1), 0);
    assert_true(gather() > 0);
    buf = channel_begin(&out);
    control_put_link(buf, ours, theirs);
    assert_int_equal(channel_end(&out, PID_NONE, (struct payload){0}), 0);
    assert_true(gather() > 0);
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 1);
    assert_int_equal(seen[0].kind, CONTROL_LINK);
    gather_all();
}

static void an_aborted_frame_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(send_message(ours, 10, 1), 0);
    control_put_link(channel_begin(&out), ours, theirs);
    channel_abort(&out);
    assert_int_equal(send_message(ours, 10, 2), 0);
    gather_all();
    assert_int_equal(feed_wire(), 0);
    assert_int_equal(seen_count, 2);
    assert_int_equal(seen[1].mark, 2);
}

/* Each allocation in turn fails: all or nothing of a message is sent. */
static void no_memory_sends_nothing_of_the_frame(void **state)
{
    static const size_t sizes[] = {10, 5000, 60000, 70000, 300000};
    unsigned failed = 0;

    (void)state;
    for (unsigned nth = 1; nth <= 4; nth++) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            struct block *block = message(sizes[i], 'm');
            struct payload payload = {block->bytes, block->size, NULL};
            unsigned expected = 2;
            int rc;

            close_channels();
            open_channels(dist_flags_offered(false));
            assert_int_equal(send_message(ours, 70000, 1), 0);
            mem_fail_after(nth);
            control_put_send(channel_begin(&out), out.flags, ours, theirs);
            rc = channel_end(&out, ours, payload);
            mem_fail_after(0);
            if (rc != 0) {
                assert_int_equal(rc, CNODE_NOMEM);
                expected--;
                failed++;
            }
            gather_all();
            assert_int_equal(feed_wire(), 0);
            assert_int_equal(seen_count, expected);
            block_unref(block);
        }
    }
    assert_true(failed > 5);
}

static void fini_frees_what_was_not_written(void **state)
{
    struct channel_vec vecs[CHANNEL_VECS];
    struct block *block = message(500000, 'a');

    (void)state;
    control_put_send(channel_begin(&out), out.flags, ours, theirs);
    assert_int_equal(
        channel_end(&out, ours,
                    (struct payload){block->bytes, block->size, block}),
        0);
    assert_int_equal(send_message(ours, 10, 'b'), 0);
    assert_int_equal(send_message(other, 70000, 'c'), 0);
    assert_true(channel_gather(&out, vecs, CHANNEL_VECS) > 0);
    channel_fini(&out);
    assert_int_equal(block->refs, 1);
    block_unref(block);
    channel_init(&out, 0, &events, &out);
}

/* Senders send messages of any size, numbered; gathers and feeds of any size.
 */
static void random_traffic_keeps_every_sender_in_order(void **state)
{
    const char *given = getenv("CNODE_TEST_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 4711;
    uint8_t sent[8] = {0}, got[8] = {0};
    unsigned checked = 0;

    (void)state;
    print_message("seed %u\n", seed);
    srandom(seed);
    for (int round = 0; round < 1500; round++) {
        unsigned i = (unsigned)random() % 8;
        struct pid from = {ours.node, i, 0, 5};
        size_t size = random() % 8 == 0 ? (size_t)random() % 400000
                                        : (size_t)random() % 300;

        assert_int_equal(send_message(from, size + 1, ++sent[i]), 0);
        if (random() % 3 == 0) {
            (void)gather();
        }
        if (random() % 5 == 0 || round == 1499) {
            if (round == 1499) {
                gather_all();
            }
            assert_int_equal(feed_wire(), 0);
            for (; checked < seen_count; checked++) {
                uint8_t *next = &got[seen[checked].from.id];

                assert_int_equal(seen[checked].mark, (uint8_t)(*next + 1));
                (*next)++;
            }
        }
    }
    assert_int_equal(seen_count, 1500);
    assert_memory_equal(sent, got, sizeof(sent));
    assert_int_equal(out.frames_out, in.frames_in);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_signal_arrives_in_both_framings),
        TEST(frames_may_come_byte_by_byte),
        TEST(the_length_of_a_frame_is_known_from_four_bytes),
        TEST(a_tick_is_counted_and_nothing_else),
        TEST(trailing_bytes_are_ignored),
        TEST(a_missing_payload_breaks_the_protocol),
        TEST(every_cut_message_is_refused),
        TEST(what_is_before_a_broken_frame_is_delivered),
        TEST(an_unknown_operation_is_skipped_and_counted),
        TEST(a_frame_over_the_limit_is_refused_by_its_length),
        TEST(a_message_over_the_limit_is_dropped_and_told),
        TEST(a_message_too_deep_is_dropped_and_told),
        TEST(a_control_tuple_too_deep_is_dropped),
        TEST(feeding_stops_when_the_owner_says_so),
        TEST(fragments_of_a_peer_are_put_together),
        TEST(orphans_and_gaps_break_the_protocol),
        TEST(a_fragmented_message_is_checked_when_it_is_whole),
        TEST(a_first_fragment_must_hold_the_whole_control_tuple),
        TEST(a_fragmented_control_tuple_too_deep_is_swallowed),
        TEST(a_large_message_goes_in_fragments),
        TEST(without_fragments_a_large_message_is_one_frame),
        TEST(the_largest_unfragmented_payload_is_64_kib),
        TEST(a_large_block_is_counted_until_it_landed),
        TEST(a_large_payload_without_block_is_copied),
        TEST(others_overtake_a_large_message),
        TEST(a_sender_never_overtakes_itself),
        TEST(what_no_process_sent_never_waits),
        TEST(an_aborted_frame_leaves_nothing),
        TEST(no_memory_sends_nothing_of_the_frame),
        TEST(fini_frees_what_was_not_written),
        TEST(random_traffic_keeps_every_sender_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
