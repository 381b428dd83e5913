/* SPDX-License-Identifier: Apache-2.0
 *
 * The way out of channel.c: signals to frames; the way in is in
 * test_channel_feed.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/metric.h"
#include "dist/channel.h"
#include "dist/flags.h"
#include "support/dist/channel_pair.h"
#include "support/random.h"
#include "term/records.h"

static void a_large_message_goes_in_fragments(void **state)
{
    const uint8_t *at;
    size_t size = 3 * CHANNEL_FRAGMENT_BYTES + 17;
    uint64_t number = 4;

    (void)state;
    assert_int_equal(pair_send(pair.ours, size - 5, 'z'), 0);
    assert_int_equal(pair.out.frames_out, 0);
    pair_gather_all();
    assert_int_equal(pair.out.frames_out, 4);
    at = buf_data(&pair.wire);
    while (at < buf_data(&pair.wire) + buf_size(&pair.wire)) {
        assert_int_equal(at[4], 131);
        assert_int_equal(at[5], number == 4 ? 69 : 70);
        assert_int_equal(get_u64(at + 14), number);
        assert_true(get_u32(at) < CHANNEL_FRAGMENT_BYTES + 200);
        at += 4 + get_u32(at);
        number--;
    }
    assert_int_equal(number, 0);
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 1);
    assert_int_equal(pair.seen[0].payload_bytes, size);
    assert_int_equal(pair.seen[0].mark, 'z');
}

static void without_fragments_a_large_message_is_one_frame(void **state)
{
    (void)state;
    pair_close();
    pair_open(dist_flags_offered(false) & ~DIST_FRAGMENTS);
    assert_int_equal(pair_send(pair.ours, 1000000, 'z'), 0);
    assert_int_equal(pair_send(pair.ours, 10, 'y'), 0);
    pair_gather_all();
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 2);
    assert_int_equal(pair.in.frames_in, 2);
    assert_int_equal(pair.seen[0].payload_bytes, 1000005);
    assert_int_equal(pair.seen[1].mark, 'y');
}

static void the_largest_unfragmented_payload_is_64_kib(void **state)
{
    (void)state;
    assert_int_equal(pair_send(pair.ours, CHANNEL_FRAGMENT_BYTES - 5, 'a'), 0);
    pair_gather_all();
    assert_int_equal(buf_data(&pair.wire)[5], 68);
    buf_clear(&pair.wire);
    assert_int_equal(pair_send(pair.ours, CHANNEL_FRAGMENT_BYTES - 4, 'a'), 0);
    pair_gather_all();
    assert_int_equal(buf_data(&pair.wire)[5], 69);
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen[0].payload_bytes, CHANNEL_FRAGMENT_BYTES + 1);
}

static void a_large_block_is_counted_until_it_landed(void **state)
{
    struct block *block = pair_message(200000, 'a');
    struct channel_vec vecs[CHANNEL_VECS];
    int n;

    (void)state;
    control_put_send(channel_begin(&pair.out), pair.out.flags, pair.ours,
                     pair.theirs);
    assert_int_equal(
        channel_end(&pair.out, pair.ours,
                    (struct payload){block->bytes, block->size, block}),
        0);
    assert_int_equal(block->refs, 2);
    while ((n = channel_gather(&pair.out, vecs, CHANNEL_VECS)) > 0) {
        const uint8_t *part = vecs[1].bytes;

        assert_in_range(n, 2, CHANNEL_VECS);
        assert_true(part >= block->bytes && part < block->bytes + block->size);
        assert_int_equal(block->refs, 2);
        channel_landed(&pair.out);
    }
    assert_int_equal(block->refs, 1);
    assert_int_equal(pair.out.queued_bytes, 0);
    block_unref(block);
}

static void a_large_payload_without_block_is_copied(void **state)
{
    struct block *block = pair_message(200000, 'q');

    (void)state;
    control_put_send(channel_begin(&pair.out), pair.out.flags, pair.ours,
                     pair.theirs);
    assert_int_equal(
        channel_end(&pair.out, pair.ours,
                    (struct payload){block->bytes, block->size, NULL}),
        0);
    memset(block->bytes, 0, block->size);
    block_unref(block);
    pair_gather_all();
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen[0].payload_bytes, 200005);
    assert_int_equal(pair.seen[0].mark, 'q');
}

static void others_overtake_a_large_message(void **state)
{
    (void)state;
    assert_int_equal(pair_send(pair.ours, 1000000, 'a'), 0);
    assert_true(pair_gather() > 0);
    assert_int_equal(pair_send(pair.other, 10, 'b'), 0);
    channel_tick(&pair.out);
    assert_true(pair_gather() < 150000);
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 1);
    assert_int_equal(pair.seen[0].mark, 'b');
    pair_gather_all();
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 2);
    assert_int_equal(pair.seen[1].mark, 'a');
}

/* Of a 100 MB message, what is emitted between the moment when a small one of
 * somebody else is sent and that one; at any moment. What a gather took is on
 * its way to the socket then. */
static void
at_most_128_kib_of_a_large_message_stand_before_a_small_one(void **state)
{
    struct channel_vec vecs[CHANNEL_VECS];
    size_t most = 0;
    unsigned smalls = 0;
    int n;

    (void)state;
    assert_int_equal(pair_send(pair.ours, 100000000, 'a'), 0);
    while ((n = channel_gather(&pair.out, vecs, CHANNEL_VECS)) > 0) {
        size_t before = 0;

        for (int i = 0; i < n; i++) {
            before += vecs[i].size;
            buf_put(&pair.wire, vecs[i].bytes, vecs[i].size);
        }
        if (smalls < 100 && pair.out.frames_out % 7 == 0) {
            smalls++;
            assert_int_equal(pair_send(pair.other, 10, 'b'), 0);
            most = before > most ? before : most;
            channel_landed(&pair.out);
            n = channel_gather(&pair.out, vecs, CHANNEL_VECS);
            assert_true(n > 0 && vecs[0].size < 200);
            buf_put(&pair.wire, vecs[0].bytes, vecs[0].size);
            assert_int_equal(pair_feed(), 0);
            /* the way in: it is there, while the large one still comes */
            assert_int_equal(pair.seen_count, smalls);
            assert_int_equal(pair.seen[smalls - 1].mark, 'b');
            for (int i = 1; i < n; i++) {
                buf_put(&pair.wire, vecs[i].bytes, vecs[i].size);
            }
        }
        assert_int_equal(pair_feed(), 0);
        channel_landed(&pair.out);
    }
    assert_int_equal(smalls, 100);
    assert_in_range(most, CHANNEL_FRAGMENT_BYTES, 2 * CHANNEL_FRAGMENT_BYTES);
    assert_int_equal(pair.seen_count, smalls + 1);
    assert_int_equal(pair.seen[smalls].payload_bytes, 100000005);
}

static void a_sender_never_overtakes_itself(void **state)
{
    (void)state;
    assert_int_equal(pair_send(pair.ours, 10, 1), 0);
    assert_int_equal(pair_send(pair.ours, 1000000, 2), 0);
    assert_int_equal(pair_send(pair.ours, 10, 3), 0);
    assert_int_equal(pair_send(pair.ours, 10, 4), 0);
    assert_int_equal(pair_send(pair.ours, 100000, 5), 0);
    assert_true(pair_gather() > 0);
    assert_int_equal(pair_send(pair.ours, 10, 6), 0);
    assert_int_equal(pair_send(pair.other, 10, 100), 0);
    pair_gather_all();
    assert_int_equal(pair_send(pair.ours, 10, 7), 0);
    pair_gather_all();
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 8);
    for (unsigned i = 0, mark = 1; i < pair.seen_count; i++) {
        if (pid_equal(pair.seen[i].from, pair.ours)) {
            assert_int_equal(pair.seen[i].mark, mark++);
        } else {
            assert_int_equal(i, 1);
        }
    }
}

static void what_no_process_sent_never_waits(void **state)
{
    struct buf *buf;

    (void)state;
    assert_int_equal(pair_send(pair.ours, 1000000, 1), 0);
    assert_true(pair_gather() > 0);
    buf = channel_begin(&pair.out);
    control_put_link(buf, pair.ours, pair.theirs);
    assert_int_equal(channel_end(&pair.out, PID_NONE, (struct payload){0}), 0);
    assert_true(pair_gather() > 0);
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 1);
    assert_int_equal(pair.seen[0].kind, CONTROL_LINK);
    pair_gather_all();
}

/* Small and large; the peer of OTP 29 gets them as they are. */
static void native_records_become_tuples_for_older_peers(void **state)
{
    static const uint8_t head[] = {67,  0,   0, 0,   1,   0, 119, 1,
                                   'm', 119, 1, 'r', 119, 1, 'a', 109};
    uint64_t replaced = metric_read(METRIC_records_replaced);

    (void)state;
    records_note();
    for (int i = 0; i < 4; i++) {
        uint32_t size = i < 2 ? 100 : 100000;
        bool is_new = i % 2 != 0;
        struct buf message;

        pair_close();
        pair_open(dist_flags_offered(false) |
                  (is_new ? DIST_NATIVE_RECORDS : 0));
        buf_init(&message, 0);
        buf_put(&message, head, sizeof(head));
        buf_put_u32(&message, size);
        memset(buf_reserve(&message, size), 'x', size);
        buf_commit(&message, size);
        control_put_send(channel_begin(&pair.out), pair.out.flags, pair.ours,
                         pair.theirs);
        assert_int_equal(
            channel_end(
                &pair.out, pair.ours,
                (struct payload){buf_data(&message), buf_size(&message), NULL}),
            0);
        pair_gather_all();
        assert_int_equal(pair_feed(), 0);
        assert_int_equal(pair.seen_count, 1);
        /* {r, <<"xx...">>} is shorter */
        assert_int_equal(pair.seen[0].payload_bytes,
                         is_new ? buf_size(&message)
                                : 5 + 3 + 5 + (size_t)size);
        buf_fini(&message);
    }
    assert_int_equal(metric_read(METRIC_records_replaced), replaced + 2);
}

static void an_aborted_frame_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(pair_send(pair.ours, 10, 1), 0);
    control_put_link(channel_begin(&pair.out), pair.ours, pair.theirs);
    channel_abort(&pair.out);
    assert_int_equal(pair_send(pair.ours, 10, 2), 0);
    pair_gather_all();
    assert_int_equal(pair_feed(), 0);
    assert_int_equal(pair.seen_count, 2);
    assert_int_equal(pair.seen[1].mark, 2);
}

/* Each allocation in turn fails: all or nothing of a message is sent. */
static void no_memory_sends_nothing_of_the_frame(void **state)
{
    static const size_t sizes[] = {10, 5000, 60000, 70000, 300000};
    unsigned failed = 0;

    (void)state;
    for (unsigned nth = 1; nth <= 4; nth++) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            struct block *block = pair_message(sizes[i], 'm');
            struct payload payload = {block->bytes, block->size, NULL};
            unsigned expected = 2;
            int rc;

            pair_close();
            pair_open(dist_flags_offered(false));
            assert_int_equal(pair_send(pair.ours, 70000, 1), 0);
            mem_fail_after(nth);
            control_put_send(channel_begin(&pair.out), pair.out.flags,
                             pair.ours, pair.theirs);
            rc = channel_end(&pair.out, pair.ours, payload);
            mem_fail_after(0);
            if (rc != 0) {
                assert_int_equal(rc, CNODE_NOMEM);
                expected--;
                failed++;
            }
            pair_gather_all();
            assert_int_equal(pair_feed(), 0);
            assert_int_equal(pair.seen_count, expected);
            block_unref(block);
        }
    }
    assert_true(failed > 5);
}

static void fini_frees_what_was_not_written(void **state)
{
    struct channel_vec vecs[CHANNEL_VECS];
    struct block *block = pair_message(500000, 'a');

    (void)state;
    control_put_send(channel_begin(&pair.out), pair.out.flags, pair.ours,
                     pair.theirs);
    assert_int_equal(
        channel_end(&pair.out, pair.ours,
                    (struct payload){block->bytes, block->size, block}),
        0);
    assert_int_equal(pair_send(pair.ours, 10, 'b'), 0);
    assert_int_equal(pair_send(pair.other, 70000, 'c'), 0);
    assert_true(channel_gather(&pair.out, vecs, CHANNEL_VECS) > 0);
    channel_fini(&pair.out);
    assert_int_equal(block->refs, 1);
    block_unref(block);
    channel_init(&pair.out, 0, &pair_events, &pair.out);
}

/* Senders send messages of any size, numbered; gathers and feeds of any size.
 */
static void random_traffic_keeps_every_sender_in_order(void **state)
{
    uint64_t random = random_seed();
    uint8_t sent[8] = {0}, got[8] = {0};
    unsigned checked = 0;

    (void)state;
    for (int round = 0; round < 1500; round++) {
        uint32_t i = random_below(&random, 8);
        struct pid from = {pair.ours.node, i, 0, 5};
        size_t size =
            random_below(&random, random_below(&random, 8) == 0 ? 400000 : 300);

        assert_int_equal(pair_send(from, size + 1, ++sent[i]), 0);
        if (random_below(&random, 3) == 0) {
            (void)pair_gather();
        }
        if (random_below(&random, 5) == 0 || round == 1499) {
            if (round == 1499) {
                pair_gather_all();
            }
            assert_int_equal(pair_feed(), 0);
            for (; checked < pair.seen_count; checked++) {
                uint8_t *next = &got[pair.seen[checked].from.id];

                assert_int_equal(pair.seen[checked].mark, (uint8_t)(*next + 1));
                (*next)++;
            }
        }
    }
    assert_int_equal(pair.seen_count, 1500);
    assert_memory_equal(sent, got, sizeof(sent));
    assert_int_equal(pair.out.frames_out, pair.in.frames_in);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, pair_setup, pair_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_large_message_goes_in_fragments),
        TEST(without_fragments_a_large_message_is_one_frame),
        TEST(the_largest_unfragmented_payload_is_64_kib),
        TEST(a_large_block_is_counted_until_it_landed),
        TEST(a_large_payload_without_block_is_copied),
        TEST(others_overtake_a_large_message),
        TEST(at_most_128_kib_of_a_large_message_stand_before_a_small_one),
        TEST(a_sender_never_overtakes_itself),
        TEST(what_no_process_sent_never_waits),
        TEST(native_records_become_tuples_for_older_peers),
        TEST(an_aborted_frame_leaves_nothing),
        TEST(no_memory_sends_nothing_of_the_frame),
        TEST(fini_frees_what_was_not_written),
        TEST(random_traffic_keeps_every_sender_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
