/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "dist/fragment.h"
#include <cnode/error.h>

static struct assembler assembler;
static struct assembly *done;
static struct limits defaults;

static const uint8_t control[] = {104, 1, 97, 1};
static uint8_t part[100000];

static int setup(void **state)
{
    (void)state;
    defaults = limits;
    assembler_init(&assembler);
    for (size_t i = 0; i < sizeof(part); i++) {
        part[i] = (uint8_t)i;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mem_fail_after(0);
    assembler_fini(&assembler);
    limits = defaults;
    return 0;
}

static int first(uint64_t sequence, uint64_t count, size_t size)
{
    return assembler_first(&assembler, sequence, count, control,
                           sizeof(control), part, size, &done);
}

static int next(uint64_t sequence, uint64_t number, size_t size)
{
    return assembler_next(&assembler, sequence, number, part, size, &done);
}

static void assert_idle(void)
{
    assert_int_equal(assembler.held_bytes, 0);
    assert_int_equal(assembler.by_sequence.count, 0);
}

static void parts_come_together_in_order(void **state)
{
    const uint8_t *bytes;

    (void)state;
    assert_int_equal(first(9, 3, 5), 0);
    assert_null(done);
    assert_int_equal(assembler.held_bytes, sizeof(control) + 5);
    assert_int_equal(next(9, 2, 6), 0);
    assert_null(done);
    assert_int_equal(next(9, 1, 7), 0);
    assert_non_null(done);
    assert_int_equal(done->control_size, sizeof(control));
    assert_false(done->over_limit);
    assert_int_equal(buf_size(&done->bytes), sizeof(control) + 18);
    bytes = buf_data(&done->bytes);
    assert_memory_equal(bytes, control, sizeof(control));
    assert_memory_equal(bytes + 4, part, 5);
    assert_memory_equal(bytes + 9, part, 6);
    assert_memory_equal(bytes + 15, part, 7);
    assembly_free(done);
    assert_idle();
}

static void a_single_fragment_is_done_at_once(void **state)
{
    (void)state;
    assert_int_equal(first(1, 1, 5), 0);
    assert_non_null(done);
    assert_int_equal(buf_size(&done->bytes), sizeof(control) + 5);
    assembly_free(done);
    assert_idle();
}

static void sequences_interleave(void **state)
{
    (void)state;
    assert_int_equal(first(1, 2, 1), 0);
    assert_int_equal(first(2, 2, 2), 0);
    assert_int_equal(first(UINT64_MAX, 2, 3), 0);
    assert_int_equal(next(2, 1, 2), 0);
    assert_int_equal(done->sequence, 2);
    assembly_free(done);
    assert_int_equal(next(1, 1, 1), 0);
    assert_int_equal(done->sequence, 1);
    assembly_free(done);
    assert_int_equal(next(UINT64_MAX, 1, 3), 0);
    assert_int_equal(buf_size(&done->bytes), sizeof(control) + 6);
    assembly_free(done);
    assert_idle();
}

static void a_finished_sequence_may_be_used_again(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(first(1, 2, 1), 0);
        assert_int_equal(next(1, 1, 1), 0);
        assert_non_null(done);
        assembly_free(done);
    }
    assert_idle();
}

static void an_unfinished_sequence_may_not_begin_again(void **state)
{
    (void)state;
    assert_int_equal(first(1, 2, 1), 0);
    assert_int_equal(first(1, 2, 1), CNODE_PROTOCOL);
}

static void a_gap_or_a_repetition_is_refused(void **state)
{
    (void)state;
    assert_int_equal(first(1, 5, 1), 0);
    assert_int_equal(next(1, 3, 1), CNODE_PROTOCOL);
    assert_int_equal(next(1, 5, 1), CNODE_PROTOCOL);
    assert_int_equal(next(1, 0, 1), CNODE_PROTOCOL);
    assert_null(done);
}

static void an_unknown_sequence_is_refused(void **state)
{
    (void)state;
    assert_int_equal(next(7, 1, 1), CNODE_PROTOCOL);
    assert_int_equal(first(1, 1, 1), 0);
    assembly_free(done);
    assert_int_equal(next(1, 1, 1), CNODE_PROTOCOL);
}

static void a_count_of_zero_is_refused(void **state)
{
    (void)state;
    assert_int_equal(first(1, 0, 1), CNODE_PROTOCOL);
    assert_idle();
}

static void a_huge_count_allocates_nothing(void **state)
{
    (void)state;
    assert_int_equal(first(1, UINT64_MAX, 10), 0);
    assert_int_equal(next(1, UINT64_MAX - 1, 10), 0);
    assert_int_equal(assembler.held_bytes, sizeof(control) + 20);
}

static void a_message_over_the_limit_is_swallowed_to_its_end(void **state)
{
    (void)state;
    limits.message_bytes = 150000;
    assert_int_equal(first(1, 4, 100000), 0);
    assert_int_equal(next(1, 3, 100000), 0);
    assert_int_equal(assembler.held_bytes,
                     sizeof(control) + ASSEMBLY_START_BYTES);
    assert_int_equal(next(1, 2, 100000), 0);
    assert_null(done);
    assert_int_equal(next(1, 1, 1), 0);
    assert_non_null(done);
    assert_true(done->over_limit);
    assert_int_equal(done->control_size, sizeof(control));
    assert_int_equal(buf_size(&done->bytes),
                     sizeof(control) + ASSEMBLY_START_BYTES);
    assert_memory_equal(buf_data(&done->bytes), control, sizeof(control));
    assert_memory_equal(buf_data(&done->bytes) + sizeof(control), part,
                        ASSEMBLY_START_BYTES);
    assembly_free(done);
    assert_idle();
}

static void a_first_part_over_the_limit_keeps_its_beginning(void **state)
{
    (void)state;
    limits.message_bytes = 1000;
    assert_int_equal(first(1, 1, 100000), 0);
    assert_true(done->over_limit);
    assert_int_equal(buf_size(&done->bytes),
                     sizeof(control) + ASSEMBLY_START_BYTES);
    assembly_free(done);
    assert_idle();
}

static void without_a_control_tuple_nothing_is_kept(void **state)
{
    (void)state;
    assert_int_equal(
        assembler_first(&assembler, 1, 2, part, 0, part, 1000, &done), 0);
    assert_int_equal(assembler.held_bytes, 0);
    assert_int_equal(next(1, 1, 1000), 0);
    assert_true(done->over_limit);
    assert_int_equal(done->control_size, 0);
    assert_int_equal(buf_size(&done->bytes), 0);
    assembly_free(done);
}

/* What is left to check when the last one comes is that one. */
static void each_fragment_is_checked_when_it_comes(void **state)
{
    enum { COUNT = 60, ELEMENTS = 1000 };
    uint8_t elements[2 * ELEMENTS];
    uint8_t head[] = {108, 0, 0, 0xEA, 0x60}; /* 60 000 small integers */
    struct assembly *assembly;

    (void)state;
    for (size_t i = 0; i < ELEMENTS; i++) {
        elements[2 * i] = 97;
    }
    assert_int_equal(assembler_first(&assembler, 1, COUNT + 2, control,
                                     sizeof(control), head, sizeof(head),
                                     &done),
                     0);
    assembly = map_get(&assembler.by_sequence, hash_u64(1), &(uint64_t){1});
    for (uint64_t n = COUNT + 1; n > 1; n--) {
        assert_int_equal(
            assembler_next(&assembler, 1, n, elements, sizeof(elements), &done),
            0);
        assert_int_equal(assembly->payload.validator.at,
                         buf_size(&assembly->bytes) - sizeof(control));
    }
    assert_int_equal(
        assembler_next(&assembler, 1, 1, (const uint8_t *)"j", 1, &done), 0);
    assert_ptr_equal(done, assembly);
    assert_int_equal(done->payload.rc, 1);
    assembly_free(done);
}

static void partial_bytes_are_bounded(void **state)
{
    uint64_t before = metric_read(METRIC_partials_over_limit);

    (void)state;
    limits.partial_bytes = 150000;
    assert_int_equal(first(1, 10, 100000), 0);
    assert_int_equal(first(2, 10, 100000), CNODE_TOO_LARGE);
    assert_int_equal(next(1, 9, 100000), CNODE_TOO_LARGE);
    assert_int_equal(metric_read(METRIC_partials_over_limit), before + 2);
}

static void partial_sequences_are_bounded(void **state)
{
    uint64_t before = metric_read(METRIC_partials_over_limit);

    (void)state;
    limits.partial_sequences = 3;
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(first(i, 2, 1), 0);
    }
    assert_int_equal(first(3, 2, 1), CNODE_TOO_LARGE);
    assert_int_equal(metric_read(METRIC_partials_over_limit), before + 1);
    assert_int_equal(next(0, 1, 1), 0);
    assembly_free(done);
    assert_int_equal(first(3, 2, 1), 0);
}

/* Each allocation in turn: the message is dropped as if it were too large. */
static void no_memory_drops_the_message_and_keeps_the_count(void **state)
{
    (void)state;
    for (unsigned nth = 1; nth <= 5; nth++) {
        mem_fail_after(nth);
        assert_int_equal(first(nth, 3, 50000), 0);
        assert_int_equal(next(nth, 2, 50000), 0);
        assert_int_equal(next(nth, 1, 100000), 0);
        mem_fail_after(0);
        assert_non_null(done);
        if (done->over_limit) {
            assert_true(buf_size(&done->bytes) <=
                        sizeof(control) + ASSEMBLY_START_BYTES);
        } else {
            assert_int_equal(buf_size(&done->bytes), sizeof(control) + 200000);
        }
        assembly_free(done);
        assert_idle();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(parts_come_together_in_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_single_fragment_is_done_at_once,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(sequences_interleave, setup, teardown),
        cmocka_unit_test_setup_teardown(a_finished_sequence_may_be_used_again,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            an_unfinished_sequence_may_not_begin_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_gap_or_a_repetition_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_unknown_sequence_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_count_of_zero_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_huge_count_allocates_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_message_over_the_limit_is_swallowed_to_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_first_part_over_the_limit_keeps_its_beginning, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_control_tuple_nothing_is_kept,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(each_fragment_is_checked_when_it_comes,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(partial_bytes_are_bounded, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(partial_sequences_are_bounded, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            no_memory_drops_the_message_and_keeps_the_count, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
