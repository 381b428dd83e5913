/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dist/flags.h"
#include "dist/transmit.h"
#include "support/random.h"
#include <cnode/error.h>

enum { PART = CHANNEL_FRAGMENT_BYTES };

static struct transmitter transmitter;
static const struct pid a = {1, 1, 0, 0}, b = {1, 2, 0, 0};
static struct channel_vec vecs[CHANNEL_VECS];

static int setup(void **state)
{
    (void)state;
    transmitter_init(&transmitter, DIST_FRAGMENTS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mem_fail_after(0);
    transmitter_fini(&transmitter);
    return 0;
}

static size_t transmit(struct pid sender, size_t size)
{
    static uint8_t zeros[10 * PART];
    struct block *block = block_copy(zeros, size);
    size_t queued = 0;

    assert_non_null(block);
    assert_int_equal(transmitter_send(&transmitter, sender,
                                      (const uint8_t *)"control", 7, block,
                                      block->bytes, size, &queued),
                     0);
    return queued;
}

static struct transmitted gather(int used, int max)
{
    struct transmitted sum = transmitter_gather(&transmitter, vecs, used, max);

    transmitter_landed(&transmitter);
    return sum;
}

static size_t gather_rest(void)
{
    struct transmitted sum;
    size_t bytes = 0;

    do {
        sum = gather(0, CHANNEL_VECS);
        bytes += sum.bytes;
    } while (sum.vecs > 0);
    assert_false(transmitter_has_output(&transmitter));
    return bytes;
}

static void what_is_queued_is_what_is_gathered(void **state)
{
    static const size_t sizes[] = {PART + 1,     2 * PART - 1, 2 * PART,
                                   2 * PART + 1, 10 * PART,    1};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t queued = transmit(a, sizes[i]);

        assert_true(transmitter_has_output(&transmitter));
        assert_int_equal(gather_rest(), queued);
    }
}

static void a_gather_is_bounded_in_bytes_and_slices(void **state)
{
    struct transmitted sum;

    (void)state;
    transmit(a, 10 * PART);
    sum = gather(0, CHANNEL_VECS);
    assert_int_equal(sum.fragments, 1);
    assert_int_equal(sum.vecs, 2);
    sum = gather(1, 3);
    assert_int_equal(sum.vecs, 2);
    assert_int_equal(sum.fragments, 1);
    sum = gather(2, 3);
    assert_int_equal(sum.vecs, 0);
    transmitter_fini(&transmitter);
    (void)setup(NULL);
    for (uint32_t i = 1; i <= 100; i++) { /* one byte each */
        transmit((struct pid){1, i, 0, 0}, 1);
    }
    sum = gather(0, 100); /* never more than there are heads */
    assert_int_equal(sum.vecs, CHANNEL_VECS);
    assert_int_equal(sum.fragments, CHANNEL_VECS / 2);
}

/* Of large messages of any size and number: no gather holds more than 128 KiB,
 * and none that could hold more ends early. */
static void no_gather_holds_more_than_128_kib(void **state)
{
    uint64_t random = random_seed();
    size_t most = 0;

    (void)state;
    for (uint32_t i = 1; i <= 300; i++) {
        struct pid from = {1, 1 + i % 7, 0, 0};
        size_t size = random_below(&random, 4) == 0 ? 10 * PART : 3 * PART / 2;

        transmit(from, 1 + random_below(&random, (uint32_t)size));
        for (uint32_t n = random_below(&random, 60); n > 0; n--) {
            assert_int_equal(transmitter_follow(&transmitter, from,
                                                (const uint8_t[9000]){0}, 9000),
                             0);
        }
    }
    while (transmitter_has_output(&transmitter)) {
        struct transmitted sum = gather(0, CHANNEL_VECS);

        assert_in_range(sum.bytes, 1, 2 * PART);
        most = most < sum.bytes ? sum.bytes : most;
    }
    assert_in_range(most, 3 * PART / 2, 2 * PART);
}

static void senders_take_turns(void **state)
{
    uint64_t sequences[2];

    (void)state;
    transmit(a, 4 * PART);
    transmit(b, 4 * PART);
    for (int turn = 0; turn < 8; turn++) {
        struct transmitted sum =
            transmitter_gather(&transmitter, vecs, 0, CHANNEL_VECS);
        uint64_t sequence = get_u64(vecs[0].bytes + 6);

        assert_int_equal(sum.fragments, 1);
        if (turn < 2) {
            sequences[turn] = sequence;
        }
        assert_int_equal(sequence, sequences[turn % 2]);
        transmitter_landed(&transmitter);
    }
    assert_true(sequences[0] != sequences[1]);
    assert_false(transmitter_has_output(&transmitter));
}

static void frames_follow_the_message_of_their_sender_only(void **state)
{
    struct transmitted sum;

    (void)state;
    assert_false(transmitter_has_sender(&transmitter, a));
    transmit(a, PART + 1);
    assert_true(transmitter_has_sender(&transmitter, a));
    assert_false(transmitter_has_sender(&transmitter, b));
    assert_int_equal(
        transmitter_follow(&transmitter, a, (const uint8_t *)"one", 3), 0);
    assert_int_equal(
        transmitter_follow(&transmitter, a, (const uint8_t *)"two", 3), 0);
    sum = transmitter_gather(&transmitter, vecs, 0, CHANNEL_VECS);
    assert_int_equal(sum.fragments, 2);
    assert_int_equal(sum.vecs, 5);
    assert_int_equal(vecs[4].size, 6);
    assert_memory_equal(vecs[4].bytes, "onetwo", 6);
    assert_false(transmitter_has_sender(&transmitter, a));
    transmitter_landed(&transmitter);
}

static void what_has_no_sender_is_never_waited_for(void **state)
{
    (void)state;
    transmit(PID_NONE, PART + 1);
    transmit(PID_NONE, PART + 1);
    assert_false(transmitter_has_sender(&transmitter, PID_NONE));
    assert_true(gather_rest() > 2 * PART);
}

static void a_following_frame_without_memory_changes_nothing(void **state)
{
    static const uint8_t frame[1000];

    (void)state;
    transmit(a, PART + 1);
    mem_fail_after(1);
    assert_int_equal(transmitter_follow(&transmitter, a, frame, 1000),
                     CNODE_NOMEM);
    assert_int_equal(transmitter_follow(&transmitter, a, frame, 10), 0);
    mem_fail_after(1);
    assert_int_equal(transmitter_follow(&transmitter, a, frame, 1000),
                     CNODE_NOMEM);
    assert_int_equal(transmitter_follow(&transmitter, a, frame, 5), 0);
    assert_int_equal(gather_rest(), 4 + 19 + 7 + PART + 4 + 18 + 1 + 10 + 5);
}

static void a_message_without_memory_gives_its_block_back(void **state)
{
    struct block *block = block_copy("x", 1);
    size_t queued = 0;

    (void)state;
    block_ref(block);
    mem_fail_after(1);
    assert_int_equal(transmitter_send(&transmitter, a, (const uint8_t *)"c", 1,
                                      block, block->bytes, 1, &queued),
                     CNODE_NOMEM);
    assert_int_equal(block->refs, 1);
    assert_false(transmitter_has_output(&transmitter));
    block_unref(block);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_queued_is_what_is_gathered),
        TEST(a_gather_is_bounded_in_bytes_and_slices),
        TEST(no_gather_holds_more_than_128_kib),
        TEST(senders_take_turns),
        TEST(frames_follow_the_message_of_their_sender_only),
        TEST(what_has_no_sender_is_never_waited_for),
        TEST(a_following_frame_without_memory_changes_nothing),
        TEST(a_message_without_memory_gives_its_block_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
