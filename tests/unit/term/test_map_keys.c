/* SPDX-License-Identifier: Apache-2.0
 *
 * A key twice is found wherever and however it is written, nothing else is
 * taken for one, and hostile terms cost a bounded time.
 */
#include "term/map_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "support/term/terms.h"
#include "term/build.h"

static int check_hex(const char *hex)
{
    struct buf buf = bytes_of_hex(hex);
    int rc = term_check_keys(buf_data(&buf), buf_size(&buf));

    assert_int_equal(cnode_term_size(term_in(&buf)), buf_size(&buf));
    buf_fini(&buf);
    return rc;
}

#define A "770161"
#define B "770162"

static const char *const twice[] = {
    "7400000002" A "6101" A "6102",
    "7400000003" A "6101" B "6101" A "6102",
    "68026a"
    "7400000002" A "6a" A "6a", /* behind another */
    "6c00000001"
    "7400000002" A "6a" A "6a"
    "6a", /* in a list */
    "6c000000016a"
    "7400000002" A "6a" A "6a",                /* as its tail */
    "7400000001" A "7400000002" A "6a" A "6a", /* as a value */
    "7400000001"
    "7400000002" A "6a" A "6a"
    "6a",                                      /* as a key */
    "7400000002" A "7400000001" A "6a" A "6a", /* around another map */
    "7400000002"
    "6101"
    "6a"
    "6200000001"
    "6a", /* 1 and 1 */
    "7400000002" A "6a"
    "76000161"
    "6a", /* atoms */
    "7400000002"
    "6b000161"
    "6a"
    "6c0000000161616a"
    "6a", /* strings */
    "7400000002"
    "7400000002" A "6a" B "6a"
    "6a" /* maps in another order */
    "7400000002" B "6a" A "6a"
    "6a",
    "4300000001"
    "00" A A A "7400000002" A "6a" A "6a", /* in a record */
    "70 00000041 00 00000000000000000000000000000000 00000000 00000001" /* fun
                                                                         */
    " 770161 6100 6100 58"
    "770161"
    "000000000000000000000000"
    " 7400000002" A "6a" A "6a",
};

static void key_that_comes_twice_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(twice); i++) {
        assert_int_equal(check_hex(twice[i]), CNODE_MALFORMED);
    }
}

static const char *const once[] = {
    A,
    "7400000000",
    "7400000001" A A,
    "7400000002" A "6101" B "6101",
    "7400000002" A A B A, /* values may be equal */
    "7400000002"
    "6101"
    "6a"
    "463ff0000000000000"
    "6a", /* 1 and 1.0 */
    "7400000002" A "6a"
    "6d0000000161"
    "6a", /* an atom and a binary */
    "7400000002"
    "6801" A "6a" A "6a", /* the same inside */
    "7400000002" A "7400000001" A "6a" B "7400000001" A "6a",
    "6802"
    "7400000001" A "6a"
    "7400000001" A "6a",
};

static void different_keys_are_not_taken_for_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(once); i++) {
        assert_int_equal(check_hex(once[i]), 0);
    }
}

/* n pairs Number => [], the last key being `last`. */
static int check_numbers(uint32_t n, int64_t last)
{
    struct buf buf;
    int rc;

    buf_init(&buf, 0);
    term_put_map(&buf, n);
    for (uint32_t i = 0; i < n; i++) {
        term_put_int(&buf, i + 1 < n ? (int64_t)i * 1000 : last);
        term_put_nil(&buf);
    }
    rc = term_check_keys(buf_data(&buf), buf_size(&buf));
    buf_fini(&buf);
    return rc;
}

static void maps_of_any_size_are_looked_at(void **state)
{
    (void)state;
    for (uint32_t n = 2; n < 2000; n += 1 + n / 7) {
        assert_int_equal(check_numbers(n, -1), 0);
        assert_int_equal(check_numbers(n, 0), CNODE_MALFORMED);
        assert_int_equal(check_numbers(n, (int64_t)(n - 2) * 1000),
                         CNODE_MALFORMED);
    }
}

static void more_pairs_than_the_limit_are_too_large(void **state)
{
    uint64_t before = limits.map_pairs;

    (void)state;
    limits.map_pairs = 100;
    assert_int_equal(check_numbers(100, -1), 0);
    assert_int_equal(check_numbers(101, -1), CNODE_TOO_LARGE);
    limits.map_pairs = before;
}

/* #{#{#{... => [], a => []} => [], a => []} => [], a => []} around a binary of
 * `bytes`, `depth` times. */
static int check_nested_keys(uint32_t depth, uint32_t bytes)
{
    struct buf buf;
    int rc;

    buf_init(&buf, 0);
    for (uint32_t i = 0; i < depth; i++) {
        term_put_map(&buf, 2);
    }
    buf_put_u8(&buf, 109);
    buf_put_u32(&buf, bytes);
    (void)memset(buf_reserve(&buf, bytes), 0, bytes);
    buf_commit(&buf, bytes);
    for (uint32_t i = 0; i < depth; i++) {
        term_put_nil(&buf);
        term_put_atom_text(&buf, "a", 1);
        term_put_nil(&buf);
    }
    rc = term_check_keys(buf_data(&buf), buf_size(&buf));
    buf_fini(&buf);
    return rc;
}

static void keys_nested_into_keys_cost_a_bounded_time(void **state)
{
    (void)state;
    assert_int_equal(check_nested_keys(4, 1000), 0);
    assert_int_equal(check_nested_keys(100, 1000), 0);
    assert_int_equal(check_nested_keys(5000, 1 << 20), CNODE_TOO_LARGE);
}

static void no_memory_is_an_error_and_no_leak(void **state)
{
    unsigned failed = 0;

    (void)state;
    for (unsigned n = 1; n < 20; n++) {
        struct buf buf = bytes_of_text(
            "{#{1=>1,2=>2,3=>3,4=>4,5=>5,6=>6,7=>7,8=>8,9=>9,10=>10,11=>11,"
            "12=>12,13=>13,14=>14,15=>15,16=>16,17=>17,#{b=>1,a=>2}=>18}}");
        int rc;

        mem_fail_after(n);
        rc = term_check_keys(buf_data(&buf), buf_size(&buf));
        mem_fail_after(0);
        assert_true(rc == 0 || rc == CNODE_NOMEM);
        failed += rc != 0;
        buf_fini(&buf);
    }
    assert_true(failed > 0 && failed < 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_that_comes_twice_is_found),
        cmocka_unit_test(different_keys_are_not_taken_for_one),
        cmocka_unit_test(maps_of_any_size_are_looked_at),
        cmocka_unit_test(more_pairs_than_the_limit_are_too_large),
        cmocka_unit_test(keys_nested_into_keys_cost_a_bounded_time),
        cmocka_unit_test(no_memory_is_an_error_and_no_leak),
    };

    atom_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
