/* SPDX-License-Identifier: Apache-2.0
 *
 * One byte form per value.
 */
#include "term/canonical.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <ei.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "support/term/terms.h"
#include "term/build.h"
#include "term/validate.h"

#define NODE "77036e4068" /* 'n@h' */

static void assert_canonical(const char *hex, const char *canonical)
{
    struct buf buf = bytes_of_hex(hex), wanted = bytes_of_hex(canonical), out;

    buf_init(&out, 0);
    assert_int_equal(term_put_canonical(&out, term_in(&buf)), 0);
    assert_hex(&out, canonical);
    assert_int_equal(term_is_canonical(term_in(&buf)),
                     term_same_bytes(term_in(&buf), term_in(&wanted)));
    assert_true(term_is_canonical(term_in(&out)));
    buf_fini(&buf);
    buf_fini(&wanted);
    buf_fini(&out);
}

static const struct {
    const char *hex, *canonical;
} encodings[] = {
    {"6105", "6105"},
    {"6200000005", "6105"},
    {"6200000100", "6200000100"},
    {"6e010005", "6105"},
    {"6e0101 05", "62fffffffb"},
    {"6e000103", "6100"},
    {"6e030001 0000", "6101"},
    {"6e0400ffffff7f", "627fffffff"},
    {"6e040100000080", "6280000000"},
    {"6e040000000080", "6e040000000080"},
    {"6e04ff01000080", "6e040101000080"},
    {"6f0000000500 0100000001", "6e05000100000001"},
    {"632d322e35303030303030303030303030303030303030652b30300000000000",
     "46c004000000000000"},
    {"7600026f6b", "77026f6b"},
    {"640001e9", "7702c3a9"},
    {"7301e9", "7702c3a9"},
    {"6900000001 6105", "68016105"},
    {"6c00000002 6101 6102 6a", "6b00020102"},
    {"6c00000002 6101 62000000ff 6a", "6b000201ff"},
    {"6c00000002 6101 770161 6a", "6c00000002 6101 770161 6a"},
    {"6c00000001 6101 6c00000001 6102 6a", "6b00020102"},
    {"6c00000001 6101 6b00020203", "6b0003010203"},
    {"6c00000001 770161 6b00020203", "6c00000003 770161 6102 6103 6a"},
    {"6c00000001 6101 6102", "6c00000001 6101 6102"},
    {"6c00000001 6101 6c00000001 6102 6103", "6c00000002 6101 6102 6103"},
    {"4d00000002 08 0102", "6d00000002 0102"},
    {"4d00000001 03 ff", "4d00000001 03 e0"},
    {"7400000002 770162 6101 770161 6102",
     "7400000002 770161 6102 770162 6101"},
    {"7400000003 6103 6a 6101 6a 6102 6a", "7400000003 61016a 61026a 61036a"},
    {"7400000002 7400000002 61026a 61016a 6101 6a 6a",
     "7400000002 6a6a 7400000002 61016a 61026a 6101"},
    {"67" NODE "000000010000000203", "58" NODE "000000010000000200000003"},
    {"59" NODE "0000000100000003", "78" NODE "000000000000000100000003"},
    {"66" NODE "0000000103", "78" NODE "000000000000000100000003"},
    {"720001" NODE "0300000001", "5a0001" NODE "0000000300000001"},
    {"65" NODE "0000000103", "5a0001" NODE "0000000300000001"},
    {"5a0003" NODE "00000003000000010000000200000000",
     "5a0003" NODE "00000003000000010000000200000000"},
    {"7176000161 760001626200000002", "717701617701626102"},
    {"70 0000003e 01 00000000000000000000000000000000 00000001 00000001"
     " 770161 6101 620000ffff 58" NODE "000000010000000200000003 6200000007",
     "70 0000003b 01 00000000000000000000000000000000 00000001 00000001"
     " 770161 6101 620000ffff 58" NODE "000000010000000200000003 6107"},
    {"43 00000001 00 77016d 770172 7600 0161 6200000001",
     "43 00000001 00 77016d 770172 770161 6101"},
};

static void every_encoding_of_a_value_becomes_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
        assert_canonical(encodings[i].hex, encodings[i].canonical);
    }
}

static void numbers_of_two_types_stay_apart(void **state)
{
    struct buf integer = bytes_of_text("1"), number = bytes_of_text("1.0");

    (void)state;
    assert_true(term_is_canonical(term_in(&integer)));
    assert_true(term_is_canonical(term_in(&number)));
    assert_false(term_same_bytes(term_in(&integer), term_in(&number)));
    buf_fini(&integer);
    buf_fini(&number);
}

static void long_lists_of_bytes_stay_lists(void **state)
{
    struct buf buf, out;

    (void)state;
    for (uint32_t n = 65535; n <= 65536; n++) {
        buf_init(&buf, 0);
        buf_init(&out, 0);
        term_put_list(&buf, n);
        for (uint32_t i = 0; i < n; i++) {
            term_put_int(&buf, i & 255);
        }
        term_put_nil(&buf);
        assert_int_equal(term_is_canonical(term_in(&buf)), n > 65535);
        assert_int_equal(term_put_canonical(&out, term_in(&buf)), 0);
        assert_int_equal(buf_data(&out)[0], n > 65535 ? 108 : 107);
        buf_fini(&buf);
        buf_fini(&out);
    }
}

/* The same term by ei, whose integers and lists are encoded otherwise. */
static void canonical_forms_of_ours_and_of_ei_are_equal(void **state)
{
    uint64_t random = random_seed();
    size_t size;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct buf ours, a, b;
        ei_x_buff theirs;
        struct cnode_term other;
        buf_init(&ours, 0);
        buf_init(&a, 0);
        buf_init(&b, 0);
        ei_x_new(&theirs);
        random_term(&random, &ours, &theirs, 4);
        other = term_at(theirs.buff, (size_t)theirs.index);
        assert_int_equal(term_put_canonical(&a, term_in(&ours)), 0);
        assert_int_equal(term_put_canonical(&b, other), 0);
        assert_true(term_same_bytes(term_in(&a), term_in(&b)));
        assert_int_equal(term_validate(buf_data(&a), buf_size(&a), 100, &size),
                         0);
        assert_int_equal(size, buf_size(&a));
        assert_true(term_is_canonical(term_in(&a)));
        assert_int_equal(term_is_canonical(term_in(&ours)),
                         term_same_bytes(term_in(&ours), term_in(&a)));
        buf_fini(&ours);
        buf_fini(&a);
        buf_fini(&b);
        ei_x_free(&theirs);
    }
}

static void nested_maps_are_sorted_at_every_level(void **state)
{
    struct buf buf, out;

    (void)state;
    buf_init(&buf, 0);
    buf_init(&out, 0);
    for (int i = 0; i < 100; i++) {
        term_put_map(&buf, 2);
        term_put_int(&buf, 2);
        term_put_int(&buf, 0);
        term_put_int(&buf, 1);
    }
    term_put_nil(&buf);
    assert_false(term_is_canonical(term_in(&buf)));
    assert_int_equal(term_put_canonical(&out, term_in(&buf)), 0);
    assert_int_equal(buf_size(&out), buf_size(&buf));
    for (size_t at = 0; at < 700; at += 7) { /* the nested one is first */
        assert_memory_equal(buf_data(&out) + at, "\x74\0\0\0\2\x61\1", 7);
    }
    buf_fini(&buf);
    buf_fini(&out);
}

static void hostile_nesting_is_too_large_and_not_slow(void **state)
{
    enum { LEVELS = 9000, BYTES = 1 << 20 };
    uint8_t *bytes = mem_alloc(BYTES);
    struct buf buf, out;

    (void)state;
    memset(bytes, 7, BYTES);
    buf_init(&buf, 0);
    buf_init(&out, 0);
    for (int i = 0; i < LEVELS; i++) {
        term_put_map(&buf, 2);
        term_put_int(&buf, 2);
        term_put_int(&buf, 0);
        term_put_int(&buf, 1);
    }
    term_put_binary(&buf, bytes, BYTES);
    buf_put(&out, "before", 6);
    assert_int_equal(term_put_canonical(&out, term_in(&buf)), CNODE_TOO_LARGE);
    assert_int_equal(buf_size(&out), 6);
    buf_fini(&buf);
    buf_fini(&out);
    mem_free(bytes);
}

static void out_of_memory_appends_nothing(void **state)
{
    struct buf buf = bytes_of_text("#{b => 1, a => #{d => 2, c => 3}}"), out;
    int rc;

    (void)state;
    for (unsigned n = 1; n < 20; n++) {
        buf_init(&out, 0);
        mem_fail_after(n);
        rc = term_put_canonical(&out, term_in(&buf));
        mem_fail_after(0);
        assert_true(rc == 0 || (rc == CNODE_NOMEM && buf_size(&out) == 0));
        assert_true(n > 1 || rc != 0);
        buf_fini(&out);
    }
    assert_int_equal(rc, 0);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_encoding_of_a_value_becomes_one),
        cmocka_unit_test(numbers_of_two_types_stay_apart),
        cmocka_unit_test(long_lists_of_bytes_stay_lists),
        cmocka_unit_test(canonical_forms_of_ours_and_of_ei_are_equal),
        cmocka_unit_test(nested_maps_are_sorted_at_every_level),
        cmocka_unit_test(hostile_nesting_is_too_large_and_not_slow),
        cmocka_unit_test(out_of_memory_appends_nothing),
    };

    atom_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
