/* SPDX-License-Identifier: Apache-2.0
 *
 * A term that comes in pieces gets the verdict that it gets as a whole.
 */
#include "term/growing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "support/random.h"
#include "support/term/terms.h"
#include "term/build.h"
#include <cnode/error.h>

static uint64_t seed_of_pieces;

/* In pieces of random size, each time at another address. */
static int in_pieces(const struct buf *buf, size_t *size)
{
    struct growing growing;
    size_t len = buf_size(buf), there = 0;
    int rc = 0;

    growing_init(&growing, 100);
    while (rc == 0 && there < len) {
        uint8_t *copy;

        there += 1 + random_below(&seed_of_pieces, (uint32_t)(len - there));
        copy = mem_alloc(there);
        memcpy(copy, buf_data(buf), there);
        rc = growing_step(&growing, copy, there);
        mem_free(copy);
    }
    *size = growing_size(&growing);
    growing_fini(&growing);
    return rc == 1 ? 0 : rc == 0 ? CNODE_TRUNCATED : rc;
}

static void assert_same_verdict(const char *hex, int expected)
{
    struct buf buf = bytes_of_hex(hex);
    size_t whole = 0, size = 0;

    assert_int_equal(term_validate(buf_data(&buf), buf_size(&buf), 100, &whole),
                     expected);
    for (int round = 0; round < 50; round++) {
        assert_int_equal(in_pieces(&buf, &size), expected);
        if (expected == 0) {
            assert_int_equal(size, whole);
        }
    }
    buf_fini(&buf);
}

static void the_verdict_is_that_of_the_whole(void **state)
{
    (void)state;
    assert_same_verdict("6a", 0);
    assert_same_verdict("6d00000005 68656c6c6f", 0);
    assert_same_verdict("6c000000026101610268026103 6a6a", 0);
    assert_same_verdict("7400000002 6101610261036104", 0);
    assert_same_verdict("7400000002 6101610261016104", CNODE_MALFORMED);
    /* in a map in a list in a key */
    assert_same_verdict("7400000001 6c00000001 7400000002 6101610261016104 6a"
                        "6105",
                        CNODE_MALFORMED);
    /* 1 and the same as a bignum */
    assert_same_verdict("7400000002 61016102 6e010001 6104", CNODE_MALFORMED);
    assert_same_verdict("6802 61", CNODE_TRUNCATED);
    assert_same_verdict("6802 6101 fa", CNODE_MALFORMED);
    assert_same_verdict("6802 6101 6b0000", CNODE_UNHANDLED);
    assert_same_verdict("6d00000005 68656c", CNODE_TRUNCATED);
}

/* A list of maps of `keys` keys; `same`: the last has a key twice. */
static struct buf maps(uint32_t count, uint32_t keys, bool same)
{
    struct buf buf;

    buf_init(&buf, 0);
    buf_put_u8(&buf, 108);
    buf_put_u32(&buf, count);
    for (uint32_t i = 0; i < count; i++) {
        buf_put_u8(&buf, 116);
        buf_put_u32(&buf, keys);
        for (uint32_t key = 0; key < keys; key++) {
            bool is_last = i + 1 == count && key + 1 == keys;

            term_put_int(&buf, same && is_last ? 0 : key);
            term_put_int(&buf, i);
        }
    }
    buf_put_u8(&buf, 106);
    return buf;
}

static void maps_are_looked_at_as_they_come(void **state)
{
    (void)state;
    for (uint32_t keys = 2; keys < 40; keys += 7) {
        for (int same = 0; same <= 1; same++) {
            struct buf buf = maps(50, keys, same != 0);
            size_t size;

            for (int round = 0; round < 20; round++) {
                assert_int_equal(in_pieces(&buf, &size),
                                 same ? CNODE_MALFORMED : 0);
            }
            buf_fini(&buf);
        }
    }
}

static void limits_hold(void **state)
{
    uint64_t saved = limits.map_pairs;
    struct buf buf = maps(50, 30, false);
    size_t size;

    (void)state;
    limits.map_pairs = 1000; /* of 1500 */
    for (int round = 0; round < 20; round++) {
        assert_int_equal(in_pieces(&buf, &size), CNODE_TOO_LARGE);
    }
    limits.map_pairs = saved;
    buf_fini(&buf);
    buf_init(&buf, 0);
    for (int i = 0; i < 101; i++) {
        buf_put(&buf, (const uint8_t[]){104, 1}, 2);
    }
    buf_put_u8(&buf, 106);
    assert_int_equal(in_pieces(&buf, &size), CNODE_TOO_DEEP);
    buf_fini(&buf);
}

/* Keys nested into keys: what looks like too much at first is not in the end.
 */
static void keys_in_keys_get_the_verdict_of_the_whole(void **state)
{
    struct buf buf;
    size_t size, whole;
    int expected;

    (void)state;
    buf_init(&buf, 0);
    for (int i = 0; i < 60; i++) {
        buf_put(&buf, (const uint8_t[]){116, 0, 0, 0, 1}, 5);
    }
    buf_put_u8(&buf, 109);
    buf_put_u32(&buf, 100000);
    memset(buf_reserve(&buf, 100000), 'x', 100000);
    buf_commit(&buf, 100000);
    for (int i = 0; i < 60; i++) {
        term_put_int(&buf, i);
    }
    expected = term_validate(buf_data(&buf), buf_size(&buf), 100, &whole);
    for (int round = 0; round < 20; round++) {
        assert_int_equal(in_pieces(&buf, &size), expected);
    }
    buf_fini(&buf);
}

static void an_error_is_for_good(void **state)
{
    struct growing growing;

    (void)state;
    growing_init(&growing, 100);
    assert_int_equal(growing_step(&growing, (const uint8_t *)"\xfa", 1),
                     CNODE_MALFORMED);
    assert_int_equal(growing_step(&growing, (const uint8_t *)"\x6a", 1),
                     CNODE_MALFORMED);
    growing_fini(&growing);
}

static int seed(void **state)
{
    (void)state;
    seed_of_pieces = random_seed();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_verdict_is_that_of_the_whole),
        cmocka_unit_test(maps_are_looked_at_as_they_come),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(keys_in_keys_get_the_verdict_of_the_whole),
        cmocka_unit_test(an_error_is_for_good),
    };

    return cmocka_run_group_tests(tests, seed, NULL);
}
