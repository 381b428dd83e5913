/* SPDX-License-Identifier: Apache-2.0
 *
 * The way in of channel.c: frames to signals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/metric.h"
#include "dist/channel.h"
#include "dist/flags.h"
#include "support/dist/channel_pair.h"

static void a_signal_arrives_in_both_framings(void **state)
{
    static const uint64_t dropped[] = {0, DIST_FRAGMENTS};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(dropped); i++) {
        pair_close();
        pair_open(dist_flags_offered(false) & ~dropped[i]);
        assert_int_equal(pair_send(pair.ours, 10, 'a'), 0);
        control_put_link(channel_begin(&pair.out), pair.ours, pair.theirs);
        assert_int_equal(channel_end(&pair.out, pair.ours, (struct payload){0}),
                         0);
        pair_gather_all();
        assert_int_equal(pair_feed(), 0);
        assert_int_equal(buf_size(&pair.wire), 0);
        assert_int_equal(pair.seen_count, 2);
        assert_int_equal(pair.seen[0].kind, CONTROL_SEND);
        assert_true(pid_equal(pair.seen[0].from, pair.ours));
        assert_int_equal(pair.seen[0].payload_bytes, 15);
        assert_int_equal(pair.seen[0].mark, 'a');
        assert_int_equal(pair.seen[1].kind, CONTROL_LINK);
    }
}

static void frames_may_come_byte_by_byte(void **state)
{
    size_t used, at = 0, len = 0;

    (void)state;
    for (uint8_t i = 0; i < 3; i++) {
        assert_int_equal(pair_send(pair.ours, 10, i), 0);
    }
    pair_gather_all();
    while (len < buf_size(&pair.wire)) {
        len++;
        assert_int_equal(channel_feed(&pair.in, buf_data(&pair.wire) + at,
                                      len - at, &used, NULL),
                         0);
        at += used;
    }
    assert_int_equal(at, len);
    assert_int_equal(pair.seen_count, 3);
    assert_int_equal(pair.seen[2].mark, 2);
    assert_int_equal(pair.in.frames_in, 3);
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
    channel_tick(&pair.out);
    assert_int_equal(pair.out.queued_bytes, 4);
    pair_gather_all();
    assert_int_equal(pair.out.frames_out, 1);
    assert_int_equal(buf_size(&pair.wire), 4);
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.in.frames_in, 1);
    assert_int_equal(pair.seen_count, 0);
}

static void trailing_bytes_are_ignored(void **state)
{
    const uint8_t payload[] = {97, 1, 'j', 'u', 'n', 'k'};
    struct buf body = pair_body(payload, sizeof(payload));

    (void)state;
    pair_put_frame(buf_data(&body), buf_size(&body));
    buf_clear(&body);
    control_put_link(&body, pair.theirs, pair.ours);
    buf_put(&body, "junk", 4);
    pair_put_frame(buf_data(&body), buf_size(&body));
    buf_fini(&body);
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 2);
    assert_int_equal(pair.seen[0].payload_bytes, 2);
    assert_int_equal(pair.seen[1].kind, CONTROL_LINK);
}

static void a_missing_payload_breaks_the_protocol(void **state)
{
    struct buf body = pair_body(NULL, 0);

    (void)state;
    pair_put_frame(buf_data(&body), buf_size(&body));
    buf_fini(&body);
    assert_int_equal(pair_feed(), CNODE_PROTOCOL);
    assert_int_equal(pair.seen_count, 0);
}

static void every_cut_message_is_refused(void **state)
{
    const uint8_t payload[] = {104, 2, 97, 1, 107, 0, 2, 'a', 'b'};
    struct buf body = pair_body(payload, sizeof(payload));
    size_t size = buf_size(&body);
    uint64_t before = metric_read(METRIC_messages_malformed);

    (void)state;
    for (size_t len = 0; len < size; len++) {
        /* a buffer of exactly that length, for the sanitizer */
        uint8_t *frame = malloc(len + 7);
        size_t used;
        int rc;

        buf_clear(&pair.wire);
        pair_put_frame(buf_data(&body), len);
        memcpy(frame, buf_data(&pair.wire), len + 7);
        rc = channel_feed(&pair.in, frame, len + 7, &used, NULL);
        assert_int_equal(rc, len == size - sizeof(payload) ? CNODE_PROTOCOL
                                                           : CNODE_MALFORMED);
        assert_int_equal(used, 0);
        free(frame);
    }
    assert_int_equal(pair.seen_count, 0);
    assert_int_equal(metric_read(METRIC_messages_malformed) - before, size - 1);
    buf_clear(&pair.wire);
    pair_put_frame(buf_data(&body), size);
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 1);
    buf_fini(&body);
}

static void what_is_before_a_broken_frame_is_delivered(void **state)
{
    const uint8_t no_tuple[] = {97, 1};

    (void)state;
    assert_int_equal(pair_send(pair.ours, 10, 'a'), 0);
    pair_gather_all();
    pair_put_frame(no_tuple, sizeof(no_tuple));
    assert_int_equal(pair_feed(), CNODE_PROTOCOL);
    assert_int_equal(pair.seen_count, 1);
    assert_int_equal(buf_size(&pair.wire), 7 + sizeof(no_tuple));
}

static void an_unknown_operation_is_skipped_and_counted(void **state)
{
    const uint8_t unknown[] = {104, 2, 97, 99, 97, 1, 131, 200};
    uint64_t before = metric_read(METRIC_signals_dropped);

    (void)state;
    pair_put_frame(unknown, sizeof(unknown));
    assert_int_equal(pair_send(pair.ours, 10, 'a'), 0);
    pair_gather_all();
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 1);
    assert_int_equal(metric_read(METRIC_signals_dropped) - before, 1);
}

static bool nobody_wants(void *owner, const struct control *control)
{
    (void)owner;
    return control->kind != CONTROL_SEND;
}

/* Garbage ends the connection only if somebody would have read it. */
static void garbage_that_nobody_wants_is_dropped(void **state)
{
    static const char *const garbage[] = {"\xfa", "\x68\x02\x61", ""};
    struct channel_events events = pair_events;
    uint64_t dead = metric_read(METRIC_dead_letters);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
        struct buf body = pair_body(garbage[i], strlen(garbage[i]));

        pair.in.events = &pair_events;
        pair_put_frame(buf_data(&body), buf_size(&body));
        assert_int_not_equal(pair_feed(), 0);
        buf_clear(&pair.wire);
        events.is_wanted = nobody_wants;
        pair.in.events = &events;
        pair_put_frame(buf_data(&body), buf_size(&body));
        assert_int_equal(pair_feed(), 0);
        buf_fini(&body);
    }
    pair.in.events = &pair_events;
    assert_int_equal(pair_send(pair.ours, 10, 'z'), 0);
    pair_gather_all();
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 1);
    assert_int_equal(metric_read(METRIC_dead_letters), dead + 3);
}

static void a_frame_over_the_limit_is_refused_by_its_length(void **state)
{
    uint64_t before = metric_read(METRIC_frames_over_limit);
    size_t used;

    (void)state;
    limits.frame_bytes = 100;
    buf_put_u32(&pair.wire, 101);
    assert_int_equal(channel_feed(&pair.in, buf_data(&pair.wire),
                                  buf_size(&pair.wire), &used, NULL),
                     CNODE_TOO_LARGE);
    assert_int_equal(metric_read(METRIC_frames_over_limit), before + 1);
    buf_clear(&pair.wire);
    buf_put_u32(&pair.wire, UINT32_MAX);
    assert_int_equal(channel_feed(&pair.in, buf_data(&pair.wire),
                                  buf_size(&pair.wire), &used, NULL),
                     CNODE_TOO_LARGE);
    buf_clear(&pair.wire);
    buf_put_u32(&pair.wire, 100);
    assert_int_equal(channel_feed(&pair.in, buf_data(&pair.wire),
                                  buf_size(&pair.wire), &used, NULL),
                     0);
    assert_int_equal(used, 0);
}

static void a_message_over_the_limit_is_dropped_and_told(void **state)
{
    uint64_t before = metric_read(METRIC_messages_over_limit);

    (void)state;
    limits.message_bytes = 1000;
    assert_int_equal(pair_send(pair.ours, 2000, 'a'), 0);
    assert_int_equal(pair_send(pair.ours, 200000, 'b'), 0);
    assert_int_equal(pair_send(pair.ours, 10, 'c'), 0);
    pair_gather_all();
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 3);
    assert_true(pair.seen[0].over_limit);
    assert_int_equal(pair.seen[0].start_bytes, 2005);
    assert_true(pair.seen[1].over_limit);
    assert_true(pid_equal(pair.seen[1].from, pair.ours));
    assert_int_equal(pair.seen[1].start_bytes, ASSEMBLY_START_BYTES);
    assert_false(pair.seen[2].over_limit);
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
    struct buf body = pair_body(NULL, 0);
    size_t control = buf_size(&body);

    (void)state;
    limits.term_depth = 20;
    put_nested(&body, 20);
    pair_put_frame(buf_data(&body), buf_size(&body));
    buf_truncate(&body, control);
    put_nested(&body, 21);
    pair_put_frame(buf_data(&body), buf_size(&body));
    buf_fini(&body);
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 2);
    assert_false(pair.seen[0].over_limit);
    assert_true(pair.seen[1].over_limit);
    assert_int_equal(pair.seen[1].kind, CONTROL_SEND);
    assert_true(pair.seen[1].start_bytes > 0);
}

/* A map of n pairs I => [], the last key being `last`. */
static void put_map(struct buf *buf, uint32_t n, uint32_t last)
{
    term_put_map(buf, n);
    for (uint32_t i = 0; i < n; i++) {
        term_put_int(buf, i + 1 < n ? i : last);
        term_put_nil(buf);
    }
}

static void a_map_with_a_key_twice_is_malformed(void **state)
{
    struct buf body = pair_body(NULL, 0);
    size_t control = buf_size(&body);

    (void)state;
    put_map(&body, 3, 2);
    pair_put_frame(buf_data(&body), buf_size(&body));
    assert_int_equal(pair_feed(), 0);
    buf_truncate(&body, control);
    put_map(&body, 3, 1);
    pair_put_frame(buf_data(&body), buf_size(&body));
    buf_fini(&body);
    assert_int_equal(pair_feed(), CNODE_MALFORMED);
    assert_int_equal(pair.seen_count, 1);
}

static void a_map_over_the_limit_is_dropped_and_told(void **state)
{
    struct buf body = pair_body(NULL, 0);

    (void)state;
    limits.map_pairs = 100;
    put_map(&body, 101, 100);
    pair_put_frame(buf_data(&body), buf_size(&body));
    buf_fini(&body);
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 1);
    assert_true(pair.seen[0].over_limit);
}

/* {3, From, To, Reason} with a reason that is too deep. */
static void put_deep_exit(struct buf *body)
{
    buf_init(body, 0);
    term_put_tuple(body, 4);
    term_put_int(body, 3);
    term_put_pid(body, pair.theirs);
    term_put_pid(body, pair.ours);
    put_nested(body, 1000);
}

static void a_control_tuple_too_deep_is_dropped(void **state)
{
    struct buf body;
    uint64_t before = metric_read(METRIC_messages_over_limit);

    (void)state;
    limits.term_depth = 20;
    put_deep_exit(&body);
    pair_put_frame(buf_data(&body), buf_size(&body));
    buf_fini(&body);
    assert_int_equal(pair_send(pair.ours, 10, 'a'), 0);
    pair_gather_all();
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 1);
    assert_int_equal(metric_read(METRIC_messages_over_limit) - before, 1);
}

static void feeding_stops_when_the_owner_says_so(void **state)
{
    (void)state;
    pair.stop_at_signal = true;
    assert_int_equal(pair_send(pair.ours, 10, 'a'), 0);
    assert_int_equal(pair_send(pair.ours, 10, 'b'), 0);
    pair_gather_all();
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 1);
    assert_true(buf_size(&pair.wire) > 0);
    pair.stop = pair.stop_at_signal = false;
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 2);
}

/* --- fragments in */

static void put_fragment(uint8_t kind, uint64_t sequence, uint64_t number,
                         const void *body, size_t size)
{
    buf_put_u32(&pair.wire, (uint32_t)((kind == 69 ? 19 : 18) + size));
    buf_put_u8(&pair.wire, 131);
    buf_put_u8(&pair.wire, kind);
    buf_put_u64(&pair.wire, sequence);
    buf_put_u64(&pair.wire, number);
    if (kind == 69) {
        buf_put_u8(&pair.wire, 0);
    }
    buf_put(&pair.wire, body, size);
}

static void put_first(uint64_t sequence, uint64_t count, const void *part,
                      size_t size)
{
    struct buf body = pair_body(part, size);

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
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 2);
    assert_int_equal(pair.seen[0].mark, 7);
    assert_int_equal(pair.seen[1].payload_bytes, 6);
    assert_int_equal(pair.seen[1].mark, 'c');
    assert_int_equal(pair.in.assembler.held_bytes, 0);
}

static void orphans_and_gaps_break_the_protocol(void **state)
{
    (void)state;
    put_fragment(70, 1, 1, "x", 1);
    assert_int_equal(pair_feed(), CNODE_PROTOCOL);
    buf_clear(&pair.wire);
    put_first(1, 3, "x", 1);
    put_fragment(70, 1, 1, "x", 1);
    assert_int_equal(pair_feed(), CNODE_PROTOCOL);
    buf_clear(&pair.wire);
    put_first(1, 3, "x", 1);
    assert_int_equal(pair_feed(), CNODE_PROTOCOL);
    buf_clear(&pair.wire);
    put_first(2, 0, "x", 1);
    assert_int_equal(pair_feed(), CNODE_PROTOCOL);
    assert_int_equal(pair.seen_count, 0);
}

static void a_fragmented_message_is_checked_when_it_is_whole(void **state)
{
    (void)state;
    put_first(1, 2, "\x68", 1);
    assert_int_equal(pair_feed(), 0);
    put_fragment(70, 1, 1, "\x01\xff", 2);
    assert_int_equal(pair_feed(), CNODE_MALFORMED);
    assert_int_equal(pair.seen_count, 0);
}

static void a_first_fragment_must_hold_the_whole_control_tuple(void **state)
{
    struct buf body = pair_body(NULL, 0);

    (void)state;
    put_fragment(69, 1, 2, buf_data(&body), buf_size(&body) - 1);
    buf_fini(&body);
    assert_int_equal(pair_feed(), CNODE_MALFORMED);
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
    assert_int_equal(pair_send(pair.ours, 10, 'a'), 0);
    pair_gather_all();
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, pair_setup, pair_teardown)

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
        TEST(garbage_that_nobody_wants_is_dropped),
        TEST(a_frame_over_the_limit_is_refused_by_its_length),
        TEST(a_message_over_the_limit_is_dropped_and_told),
        TEST(a_message_too_deep_is_dropped_and_told),
        TEST(a_map_with_a_key_twice_is_malformed),
        TEST(a_map_over_the_limit_is_dropped_and_told),
        TEST(a_control_tuple_too_deep_is_dropped),
        TEST(feeding_stops_when_the_owner_says_so),
        TEST(fragments_of_a_peer_are_put_together),
        TEST(orphans_and_gaps_break_the_protocol),
        TEST(a_fragmented_message_is_checked_when_it_is_whole),
        TEST(a_first_fragment_must_hold_the_whole_control_tuple),
        TEST(a_fragmented_control_tuple_too_deep_is_swallowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
