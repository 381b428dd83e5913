/* SPDX-License-Identifier: Apache-2.0
 *
 * Counted bytes.
 */
#include "base/block.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/mem.h"

static void block_takes_the_rest_of_a_buffer_without_copying(void **state)
{
    struct buf buf;
    struct block *block;
    const uint8_t *bytes;

    (void)state;
    buf_init(&buf, 77);
    buf_put(&buf, "headtail", 8);
    buf_consume(&buf, 4);
    bytes = buf_data(&buf);
    block = block_from_buf(&buf);
    assert_non_null(block);
    assert_ptr_equal(block->bytes, bytes);
    assert_int_equal(block->size, 4);
    assert_memory_equal(block->bytes, "tail", 4);
    assert_int_equal(buf_size(&buf), 0);
    assert_int_equal(buf.max, 77);
    buf_put(&buf, "new", 3); /* memory of its own */
    assert_memory_equal(block->bytes, "tail", 4);
    block_unref(block);
    buf_fini(&buf);
}

static void empty_buffer_makes_an_empty_block(void **state)
{
    struct buf buf;
    struct block *block;

    (void)state;
    buf_init(&buf, 0);
    block = block_from_buf(&buf);
    assert_int_equal(block->size, 0);
    block_unref(block);
}

static void block_lives_until_the_last_unref(void **state)
{
    struct block *block = block_copy("abc", 3);

    (void)state;
    assert_ptr_equal(block_ref(block), block);
    assert_int_equal(block->refs, 2);
    block_unref(block);
    assert_memory_equal(block->bytes, "abc", 3);
    block_unref(block);
    block_unref(NULL);
}

static void out_of_memory_gives_null_and_keeps_the_buffer(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    buf_put(&buf, "abc", 3);
    mem_fail_after(1);
    assert_null(block_from_buf(&buf));
    assert_int_equal(buf_size(&buf), 3);
    mem_fail_after(1);
    assert_null(block_copy("abc", 3));
    assert_null(block_copy("abc", SIZE_MAX));
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_takes_the_rest_of_a_buffer_without_copying),
        cmocka_unit_test(empty_buffer_makes_an_empty_block),
        cmocka_unit_test(block_lives_until_the_last_unref),
        cmocka_unit_test(out_of_memory_gives_null_and_keeps_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
