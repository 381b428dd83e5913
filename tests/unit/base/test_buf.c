/* SPDX-License-Identifier: Apache-2.0
 *
 * Appending, consuming, limits and sticky errors.
 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/mem.h"
#include <cnode/error.h>

static void empty_buffer_has_no_bytes_and_no_error(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    assert_int_equal(buf_size(&buf), 0);
    assert_null(buf_data(&buf));
    buf_put(&buf, "", 0);
    buf_put(&buf, NULL, 0);
    buf_consume(&buf, 0);
    buf_truncate(&buf, 0);
    assert_int_equal(buf_error(&buf), 0);
    buf_fini(&buf);
}

static void bytes_come_out_as_they_went_in(void **state)
{
    struct buf buf;
    uint32_t put = 0, taken = 0;

    (void)state;
    buf_init(&buf, 0);
    for (unsigned round = 0; round < 2000; round++) {
        for (unsigned i = 0; i < round % 37; i++) {
            buf_put_u32(&buf, put++);
        }
        while (buf_size(&buf) >= 4 + round % 300) {
            assert_int_equal(get_u32(buf_data(&buf)), taken++);
            buf_consume(&buf, 4);
        }
    }
    assert_int_equal(buf_error(&buf), 0);
    assert_true(taken > 10000);
    assert_true(buf.cap < 8192); /* consumed bytes are reclaimed */
    buf_fini(&buf);
}

static void integers_are_big_endian(void **state)
{
    static const uint8_t wanted[] = {1, 1, 2, 1, 2, 3, 4, 1,
                                     2, 3, 4, 5, 6, 7, 8};
    uint8_t at[8];
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    buf_put_u8(&buf, 1);
    buf_put_u16(&buf, 0x0102);
    buf_put_u32(&buf, 0x01020304);
    buf_put_u64(&buf, UINT64_C(0x0102030405060708));
    assert_int_equal(buf_size(&buf), sizeof(wanted));
    assert_memory_equal(buf_data(&buf), wanted, sizeof(wanted));
    buf_fini(&buf);

    set_u16(at, 0xfffe);
    assert_int_equal(get_u16(at), 0xfffe);
    set_u32(at, 0xfffefdfc);
    assert_int_equal(get_u32(at), 0xfffefdfc);
    set_u64(at, UINT64_C(0xfffefdfcfbfaf9f8));
    assert_true(get_u64(at) == UINT64_C(0xfffefdfcfbfaf9f8));
}

static void limit_holds_to_the_byte_and_error_sticks(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 10);
    buf_put(&buf, "0123456789", 10);
    assert_int_equal(buf_error(&buf), 0);
    buf_put_u8(&buf, 'x');
    assert_int_equal(buf_error(&buf), CNODE_TOO_LARGE);
    buf_consume(&buf, 5);
    buf_put_u8(&buf, 'x'); /* there is room, but the error sticks */
    assert_int_equal(buf_size(&buf), 5);
    buf_clear(&buf);
    assert_int_equal(buf_error(&buf), 0);
    buf_put_u8(&buf, 'x');
    assert_int_equal(buf_size(&buf), 1);
    buf_fini(&buf);
}

static void limit_counts_unconsumed_bytes_only(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    for (unsigned i = 0; i < 1000; i++) {
        buf_put(&buf, "0123456789012345678901234567890123456789", 40);
        buf_consume(&buf, i == 0 ? 0 : 40);
    }
    assert_int_equal(buf_error(&buf), 0);
    assert_int_equal(buf_size(&buf), 40);
    buf_fini(&buf);
}

static void bounded_buffer_takes_its_limit_again_and_again(void **state)
{
    uint8_t in = 0, out = 0;
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    for (size_t round = 1; round < 500; round++) {
        while (buf_size(&buf) < 1000) {
            buf_put_u8(&buf, in++);
        }
        assert_int_equal(buf_error(&buf), 0);
        assert_true(buf.cap <= 1000);
        for (size_t i = 0; i < round; i++) {
            assert_int_equal(buf_data(&buf)[i], out++);
        }
        buf_consume(&buf, round);
    }
    buf_put(&buf, buf_data(&buf), 500);
    assert_int_equal(buf_error(&buf), CNODE_TOO_LARGE);
    buf_fini(&buf);
}

static void absurd_sizes_are_too_large(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    buf_put_u8(&buf, 1);
    assert_null(buf_reserve(&buf, SIZE_MAX));
    assert_int_equal(buf_error(&buf), CNODE_TOO_LARGE);
    buf_fini(&buf);
}

static void failed_allocation_keeps_the_bytes(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    buf_put(&buf, "abc", 3);
    mem_fail_after(1);
    assert_null(buf_reserve(&buf, 100000));
    assert_int_equal(buf_error(&buf), CNODE_NOMEM);
    assert_int_equal(buf_size(&buf), 3);
    assert_memory_equal(buf_data(&buf), "abc", 3);
    buf_fini(&buf);
}

static void reserve_and_commit_append(void **state)
{
    struct buf buf;
    uint8_t *room;

    (void)state;
    buf_init(&buf, 0);
    room = buf_reserve(&buf, 1000);
    memset(room, 'a', 1000);
    assert_int_equal(buf_size(&buf), 0); /* not before the commit */
    buf_commit(&buf, 600);
    assert_int_equal(buf_size(&buf), 600);
    buf_truncate(&buf, 2);
    assert_int_equal(buf_size(&buf), 2);
    buf_fini(&buf);
}

static void exact_fit_needs_no_growth(void **state)
{
    struct buf buf;
    size_t cap;

    (void)state;
    buf_init(&buf, 0);
    buf_put_u8(&buf, 0);
    cap = buf.cap;
    assert_non_null(buf_reserve(&buf, cap - 1));
    assert_int_equal(buf.cap, cap);
    buf_fini(&buf);
}

static void printf_appends_short_and_long_text(void **state)
{
    static char long_text[3000];
    struct buf buf;

    (void)state;
    memset(long_text, 'y', sizeof(long_text) - 1);
    buf_init(&buf, 4 + sizeof(long_text) - 1); /* exactly */
    buf_printf(&buf, "%s=%d", "a", 42);
    buf_printf(&buf, "%s", long_text);
    assert_int_equal(buf_error(&buf), 0);
    assert_int_equal(buf_size(&buf), 4 + sizeof(long_text) - 1);
    assert_memory_equal(buf_data(&buf), "a=42yyyy", 8);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_buffer_has_no_bytes_and_no_error),
        cmocka_unit_test(bytes_come_out_as_they_went_in),
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(limit_holds_to_the_byte_and_error_sticks),
        cmocka_unit_test(limit_counts_unconsumed_bytes_only),
        cmocka_unit_test(bounded_buffer_takes_its_limit_again_and_again),
        cmocka_unit_test(absurd_sizes_are_too_large),
        cmocka_unit_test(failed_allocation_keeps_the_bytes),
        cmocka_unit_test(reserve_and_commit_append),
        cmocka_unit_test(exact_fit_needs_no_growth),
        cmocka_unit_test(printf_appends_short_and_long_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
