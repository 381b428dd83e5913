/* SPDX-License-Identifier: Apache-2.0
 *
 * Atoms, numbers, binaries and identifiers in all their encodings.
 */
#include "term/view.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "support/term/terms.h"

#define NODE "77036e4068" /* 'n@h' */

static void integers_are_read_from_any_width(void **state)
{
    static const struct {
        const char *hex;
        bool is_int, is_uint;
        int64_t i;
        uint64_t u;
    } rows[] = {
        {"6100", true, true, 0, 0},
        {"61ff", true, true, 255, 255},
        {"62ffffffff", true, false, -1, 0},
        {"6280000000", true, false, INT32_MIN, 0},
        {"627fffffff", true, true, INT32_MAX, INT32_MAX},
        {"6e000105", true, true, 0, 0}, /* no digits; the rest is not ours */
        {"6e010005", true, true, 5, 5},
        {"6e0a0005000000000000000000", true, true, 5, 5},
        {"6e0800ffffffffffffff7f", true, true, INT64_MAX, INT64_MAX},
        {"6e08000000000000000080", false, true, 0, (uint64_t)INT64_MAX + 1},
        {"6e08010000000000000080", true, false, INT64_MIN, 0},
        {"6e08010100000000000080", false, false, 0, 0},
        {"6e0800ffffffffffffffff", false, true, 0, UINT64_MAX},
        {"6e0900000000000000000001", false, false, 0, 0},
        {"6f00000001000a", true, true, 10, 10},
        {"463ff0000000000000", false, false, 0, 0},
    };

    (void)state;
    for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
        struct buf buf = bytes_of_hex(rows[row].hex);
        int64_t i = 0;
        uint64_t u = 0;
        assert_int_equal(cnode_get_int(term_in(&buf), &i), rows[row].is_int);
        assert_int_equal(cnode_get_uint(term_in(&buf), &u), rows[row].is_uint);
        assert_true(i == rows[row].i);
        assert_true(u == rows[row].u);
        buf_fini(&buf);
    }
}

static void floats_are_read_from_bits_and_from_text(void **state)
{
    struct buf bits = bytes_of_hex("46c004000000000000");
    struct buf text =
        bytes_of_hex("632d322e35303030303030303030303030303030303030"
                     "652b30300000000000");
    double value;

    (void)state;
    assert_true(cnode_get_float(term_in(&bits), &value));
    assert_true(value == -2.5);
    value = 0;
    assert_true(cnode_get_float(term_in(&text), &value));
    assert_true(value == -2.5);
    buf_fini(&bits);
    buf_fini(&text);
}

static void atom_is_the_same_in_every_encoding(void **state)
{
    static const char *const encodings[] = {"77026f6b", "7600026f6b",
                                            "6400026f6b", "73026f6b"};
    const char *text;
    size_t len;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
        struct buf buf = bytes_of_hex(encodings[i]);
        assert_true(cnode_is_atom(term_in(&buf), "ok"));
        assert_true(term_is_atom(term_in(&buf), A_ok));
        assert_false(term_is_atom(term_in(&buf), A_error));
        assert_false(term_is_atom(term_in(&buf), ATOM_NONE));
        assert_false(cnode_is_atom(term_in(&buf), "o"));
        assert_false(cnode_is_atom(term_in(&buf), "okay"));
        assert_int_equal(term_atom(term_in(&buf)), A_ok);
        assert_true(cnode_get_atom(term_in(&buf), &text, &len));
        assert_int_equal(len, 2);
        assert_memory_equal(text, "ok", 2);
        buf_fini(&buf);
    }
}

static void latin1_atom_equals_its_utf8(void **state)
{
    struct buf buf = bytes_of_hex("640001e9");
    uint8_t scratch[510];
    const char *text;
    size_t len;
    atom_t known;

    (void)state;
    assert_true(cnode_is_atom(term_in(&buf), "\xc3\xa9"));
    assert_int_equal(term_atom(term_in(&buf)), ATOM_NONE);
    known = atom_intern("\xc3\xa9", 2);
    assert_int_equal(term_atom(term_in(&buf)), known);
    assert_false(cnode_get_atom(term_in(&buf), &text, &len));
    assert_true(term_get_atom_text(term_in(&buf), scratch, &text, &len));
    assert_int_equal(len, 2);
    buf_fini(&buf);
}

static void empty_atom_is_an_atom(void **state)
{
    struct buf buf = bytes_of_hex("7700");

    (void)state;
    assert_true(term_is_atom(term_in(&buf), A_empty));
    assert_int_equal(term_atom(term_in(&buf)), A_empty);
    assert_false(term_is_atom(term_in(&buf), ATOM_NONE));
    buf_fini(&buf);
}

static void booleans_are_two_atoms(void **state)
{
    struct buf yes = bytes_of_text("true"), no = bytes_of_text("false");
    struct buf other = bytes_of_text("maybe_not");
    bool value = false;

    (void)state;
    assert_true(cnode_get_bool(term_in(&yes), &value) && value);
    assert_true(cnode_get_bool(term_in(&no), &value) && !value);
    assert_false(cnode_get_bool(term_in(&other), &value));
    buf_fini(&yes);
    buf_fini(&no);
    buf_fini(&other);
}

static void bytes_of_whole_bit_strings_only(void **state)
{
    struct buf binary = bytes_of_text("<<\"abc\">>");
    struct buf whole = bytes_of_hex("4d00000001 08 f0");
    struct buf part = bytes_of_text("<<1:7>>");
    const char *bytes;
    size_t len;

    (void)state;
    assert_true(cnode_get_bytes(term_in(&binary), &bytes, &len));
    assert_int_equal(len, 3);
    assert_memory_equal(bytes, "abc", 3);
    assert_true(cnode_get_bytes(term_in(&whole), &bytes, &len));
    assert_int_equal(len, 1);
    assert_int_equal(cnode_type(term_in(&whole)), CNODE_TYPE_BINARY);
    assert_false(cnode_get_bytes(term_in(&part), &bytes, &len));
    buf_fini(&binary);
    buf_fini(&whole);
    buf_fini(&part);
}

static void pids_are_read_from_both_encodings(void **state)
{
    static const char *const encodings[] = {
        "58" NODE "000000010000000200000003", "67" NODE "000000010000000203"};
    atom_t node = atom_intern("n@h", 3);
    const char *text;
    size_t len;
    struct pid pid;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
        struct buf buf = bytes_of_hex(encodings[i]);
        assert_true(term_get_pid(term_in(&buf), &pid));
        assert_true(pid_equal(pid, (struct pid){node, 1, 2, 3}));
        assert_true(term_get_node(term_in(&buf), &text, &len));
        assert_int_equal(len, 3);
        assert_memory_equal(text, "n@h", 3);
        buf_fini(&buf);
    }
}

static void pid_of_an_unknown_node_has_none(void **state)
{
    struct buf buf = bytes_of_hex("5877047840797a000000010000000200000003");
    struct pid pid;

    (void)state;
    assert_true(term_get_pid(term_in(&buf), &pid));
    assert_true(pid_is_none(pid));
    buf_fini(&buf);
}

static void references_are_read_from_all_encodings(void **state)
{
    static const struct {
        const char *hex;
        uint32_t len;
    } rows[] = {
        {"5a0003" NODE "00000003 000000010000000200000004", 3},
        {"720003" NODE "03 000000010000000200000004", 3},
        {"65" NODE "0000000103", 1},
        {"5a0005" NODE "00000003 0000000100000002000000040000000500000006", 5},
    };
    static const uint32_t words[] = {1, 2, 4, 5, 6};
    struct ref ref;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf buf = bytes_of_hex(rows[i].hex);
        assert_true(term_get_ref(term_in(&buf), &ref));
        assert_int_equal(ref.node, atom_intern("n@h", 3));
        assert_int_equal(ref.creation, 3);
        assert_int_equal(ref.len, rows[i].len);
        for (uint32_t word = 0; word < REF_MAX_WORDS; word++) {
            assert_int_equal(ref.words[word], word < ref.len ? words[word] : 0);
        }
        buf_fini(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_from_any_width),
        cmocka_unit_test(floats_are_read_from_bits_and_from_text),
        cmocka_unit_test(atom_is_the_same_in_every_encoding),
        cmocka_unit_test(latin1_atom_equals_its_utf8),
        cmocka_unit_test(empty_atom_is_an_atom),
        cmocka_unit_test(booleans_are_two_atoms),
        cmocka_unit_test(bytes_of_whole_bit_strings_only),
        cmocka_unit_test(pids_are_read_from_both_encodings),
        cmocka_unit_test(pid_of_an_unknown_node_has_none),
        cmocka_unit_test(references_are_read_from_all_encodings),
    };

    atom_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
