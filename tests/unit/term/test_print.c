/* SPDX-License-Identifier: Apache-2.0
 *
 * Printing: as the Erlang shell prints, cut where asked, and readable again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/term/terms.h"
#include "term/text.h"

/* text that comes back as it is */
static const char *const shell_terms[] = {
    "0",
    "-255",
    "18446744073709551616",
    "-123456789012345678901234567890123456789012345678901234567890",
    "1000000000000000000000000000000000000000",
    "1.0",
    "-0.0",
    "0.1",
    "0.001",
    "1.0e-5",
    "12345.678",
    "123456789.0",
    "1.0e5",
    "9.007199254740992e15",
    "1.0e22",
    "1.5e300",
    "5.0e-324",
    "1.7976931348623157e308",
    "a@b",
    "''",
    "'A'",
    "'_a'",
    "'a b'",
    "'end'",
    "'a\\nb'",
    "'a\\001b\\''",
    "'del\\d'",
    "'x\\200'",
    "\xc3\xb1u",
    "'\xc3\x9cn\xc3\xaf'",
    "'\xe6\x97\xa5'",
    "'Elixir.A'",
    "{}",
    "{a,{b},[]}",
    "[a|b]",
    "[a,b,c|{d}]",
    "[1,2,256]",
    "[0,1]",
    "\"abc\\n\\\"\\\\\"",
    "\"abc\xc3\xa9\"",
    "<<>>",
    "<<1,2,3>>",
    "<<\"abc\">>",
    "<<\"\xc3\xa9\"/utf8>>",
    "<<1,2,3:4>>",
    "<<1:1>>",
    "#{}",
    "#{a => 1,{b} => #{c => \"d\"}}",
};

static void terms_print_as_in_the_shell(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shell_terms); i++) {
        struct buf buf = bytes_of_text(shell_terms[i]);
        assert_term_text(term_in(&buf), shell_terms[i]);
        buf_fini(&buf);
    }
}

#define NODE "77036e4068" /* 'n@h' */

static void what_has_no_syntax_prints_by_its_numbers(void **state)
{
    static const struct {
        const char *hex, *text;
    } rows[] = {
        {"58" NODE "000000500000000100000003", "<n@h.80.1>"},
        {"78" NODE "000000010000000100000003", "#Port<n@h.4294967297>"},
        {"66" NODE "0000000103", "#Port<n@h.1>"},
        {"5a0003" NODE "00000003000000010000000200000003", "#Ref<n@h.3.2.1>"},
        {"717704657268 6c 77036162736101", "fun erhl:abs/1"},
        {"70 0000003b 01 00000000000000000000000000000000 00000001 00000001"
         " 770161 6105 620000ffff 58" NODE "000000010000000200000003 6107",
         "#Fun<a.5.65535>"},
        {"43 00000002 00 77016d 770172 770161 770162 6101 6802610261036a",
         "#m:r{a = 1,b = {2,3}}"},
        {"43 00000000 00 77016d 770172", "#m:r{}"},
        {"6c00000001 6180 6c00000001 6102 6b00026162", "[128,2,97,98]"},
        {"640001e9", "\xc3\xa9"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf buf = bytes_of_hex(rows[i].hex);
        assert_term_text(term_in(&buf), rows[i].text);
        buf_fini(&buf);
    }
}

static void long_integers_print_in_hexadecimal(void **state)
{
    struct buf buf, out, again;

    (void)state;
    buf_init(&buf, 0);
    buf_init(&out, 0);
    buf_put_u8(&buf, 111);
    buf_put_u32(&buf, 3000);
    buf_put_u8(&buf, 1);
    for (int i = 0; i < 3000; i++) {
        buf_put_u8(&buf, (uint8_t)(i | 1));
    }
    term_print(&out, term_in(&buf), 0);
    assert_int_equal(buf_size(&out), 4 + 6000);
    assert_memory_equal(buf_data(&out), "-16#B7", 6);
    buf_put_u8(&out, 0);
    again = bytes_of_text((const char *)buf_data(&out));
    assert_true(term_same_bytes(term_in(&again), term_in(&buf)));
    buf_fini(&buf);
    buf_fini(&out);
    buf_fini(&again);
}

static void long_text_is_cut_between_characters(void **state)
{
    struct buf buf = bytes_of_text("{abc,[1,2|def],\"\xc3\xa9\xc3\xa9\"}");
    struct buf whole, cut;

    (void)state;
    buf_init(&whole, 0);
    term_print(&whole, term_in(&buf), 0);
    for (size_t max = 1; max < 40; max++) {
        buf_init(&cut, 0);
        buf_put(&cut, "x", 1);
        term_print(&cut, term_in(&buf), max);
        if (max >= buf_size(&whole)) {
            assert_int_equal(buf_size(&cut), 1 + buf_size(&whole));
        } else {
            size_t kept = buf_size(&cut) - 1 - 3;
            assert_true(kept == max || kept == max - 1);
            assert_memory_equal(buf_data(&cut) + 1, buf_data(&whole), kept);
            assert_memory_equal(buf_data(&cut) + 1 + kept, "...", 3);
            assert_true((buf_data(&whole)[kept] & 0xC0) != 0x80);
        }
        buf_fini(&cut);
    }
    buf_fini(&whole);
    buf_fini(&buf);
}

static void random_floats_read_back_the_same(void **state)
{
    uint64_t random = random_seed();
    struct buf buf, out, again;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        buf_init(&buf, 0);
        buf_init(&out, 0);
        buf_put_u8(&buf, 70);
        buf_put_u64(&buf, random_u64(&random));
        if ((buf_data(&buf)[1] & 0x7f) == 0x7f) {
            buf_data(&buf)[1] ^= 1; /* finite */
        }
        term_print(&out, term_in(&buf), 0);
        buf_put_u8(&out, 0);
        again = bytes_of_text((const char *)buf_data(&out));
        assert_true(term_same_bytes(term_in(&again), term_in(&buf)));
        buf_fini(&buf);
        buf_fini(&out);
        buf_fini(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_print_as_in_the_shell),
        cmocka_unit_test(what_has_no_syntax_prints_by_its_numbers),
        cmocka_unit_test(long_integers_print_in_hexadecimal),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(random_floats_read_back_the_same),
    };

    atom_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
