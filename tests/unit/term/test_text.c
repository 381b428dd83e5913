/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading terms as people write them, and what is said about mistakes.
 */
#include "term/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "support/term/terms.h"

static void text_becomes_the_bytes_of_otp(void **state)
{
    static const struct {
        const char *text, *hex;
    } rows[] = {
        {"123", "617b"},
        {"-1", "62ffffffff"},
        {"+7", "6107"},
        {"16#ff", "61ff"},
        {"2#1010", "610a"},
        {"36#zZ", "62 0000050f"},
        {"1_000", "62000003e8"},
        {"$a", "6161"},
        {"$\\n", "610a"},
        {"-9223372036854775808", "6e08010000000000000080"},
        {"18446744073709551616", "6e0900000000000000000001"},
        {"-16#1_0000_0000_0000_0000_0000", "6e0b010000000000000000000001"},
        {"1.5", "463ff8000000000000"},
        {"-1.5e2", "46c062c00000000000"},
        {"increment", "7709696e6372656d656e74"},
        {"Elixir.A.B", "770a456c697869722e412e42"},
        {"c1@127.0.0.1", "770c6331403132372e302e302e31"},
        {"'Up'", "77025570"},
        {"''", "7700"},
        {"'a\\'b\\x{e9}\\101'", "7706 61 27 62 c3a9 41"},
        {"{add, 5}", "6802 7703616464 6105"},
        {"{}", "6800"},
        {" [ ] ", "6a"},
        {"[1,2]", "6b00020102"},
        {"[1,256]", "6c00000002 6101 6200000100 6a"},
        {"[a|b]", "6c00000001 770161 770162"},
        {"\"ab\"", "6b00026162"},
        {"\"\"", "6a"},
        {"\"\xc3\xa9\"", "6b0001e9"},
        {"\"\xe2\x82\xac\"", "6c00000001 62000020ac 6a"},
        {"<<>>", "6d00000000"},
        {"<<\"ab\", 1, 16#ff>>", "6d00000004 6162 01ff"},
        {"<<\"\xc3\xa9\">>", "6d00000001 e9"},
        {"<<\"\xc3\xa9\"/utf8>>", "6d00000002 c3a9"},
        {"<<1,5:3>>", "4d00000002 03 01a0"},
        {"#{}", "7400000000"},
        {"#{a => 1, <<>> => [b]}",
         "7400000002 770161 6101 6d00000000 6c00000001 770162 6a"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf buf = bytes_of_text(rows[i].text);
        assert_hex(&buf, rows[i].hex);
        buf_fini(&buf);
    }
}

static void strings_may_be_binaries(void **state)
{
    const char *what;
    size_t where;
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    assert_int_equal(
        term_parse(&buf, "\"gr\xc3\xbcn\"", 7, true, &where, &what), 0);
    assert_hex(&buf, "6d00000005 67 72 c3bc 6e");
    buf_fini(&buf);
}

static const struct {
    const char *text;
    size_t where;
    const char *what;
} mistakes[] = {
    {"", 0, "a term"},
    {"  ", 2, "a term"},
    {"{a", 2, "\",\" or \"}\""},
    {"{a]", 2, "\",\" or \"}\""},
    {"[a}", 2, "\",\", \"|\" or \"]\""},
    {"[a|b,c]", 4, "\"]\""},
    {"{a,}", 3, "a term"},
    {"a b", 2, "the end of the term"},
    {"{a, Var}", 4,
     "a term: variables are not allowed, quote atoms that start with an "
     "upper-case letter"},
    {"_", 0,
     "a term: variables are not allowed, quote atoms that start with an "
     "upper-case letter"},
    {"#a", 1, "\"{\" after \"#\""},
    {"#{a}", 3, "\"=>\""},
    {"[#{a => 1, b => #{}, a => 2}, c]", 28, "every key of a map once"},
    {"#{b => #{a => 1, a => 2}}", 25, "every key of a map once"},
    {"'abc", 4, "the closing \"'\""},
    {"\"abc", 4, "the closing \"\"\""},
    {"'a\\xZZ'", 2, "a character or an escape"},
    {"1#1", 0, "a base of 2..36"},
    {"37#1", 0, "a base of 2..36"},
    {"16#g", 0, "digits of that base"},
    {"-", 0, "digits"},
    {"1.0e", 0, "digits of an exponent"},
    {"1.0e999", 0, "a float that is not infinite"},
    {"<<300>>", 2, "a byte"},
    {"<<1:9>>", 4, "a size of 1..8 bits"},
    {"<<1", 3, "\",\" or \">>\""},
    {"<<1:3,2>>", 5, "\",\" or \">>\""},
    {"<<\"\xe2\x82\xac\">>", 7, "/utf8 after characters above 255"},
    {"~i", 0, "a term"},
    {"\xff", 0, "a term"},
};

static void mistakes_are_placed_and_explained(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
        const char *what = "";
        size_t where = 0, len = strlen(mistakes[i].text);
        char *exact = mem_alloc(len); /* asan sees reads beyond */
        struct buf buf;

        memcpy(exact, mistakes[i].text, len);
        buf_init(&buf, 0);
        buf_put_u8(&buf, 7);
        if (term_parse(&buf, exact, len, false, &where, &what) !=
            CNODE_SYNTAX) {
            fail_msg("%s is accepted", mistakes[i].text);
        }
        assert_string_equal(what, mistakes[i].what);
        assert_int_equal(where, mistakes[i].where);
        assert_hex(&buf, "07");
        buf_fini(&buf);
        mem_free(exact);
    }
}

static void atoms_have_at_most_255_characters(void **state)
{
    char text[300];
    const char *what;
    size_t where;
    struct buf buf;

    (void)state;
    memset(text, 'x', sizeof(text));
    buf_init(&buf, 0);
    assert_int_equal(term_parse(&buf, text, 255, false, &where, &what), 0);
    assert_int_equal(term_parse(&buf, text, 256, false, &where, &what),
                     CNODE_SYNTAX);
    text[0] = text[257] = '\'';
    assert_int_equal(term_parse(&buf, text, 258, false, &where, &what),
                     CNODE_SYNTAX);
    text[256] = '\'';
    assert_int_equal(term_parse(&buf, text, 257, false, &where, &what), 0);
    buf_fini(&buf);
}

static void long_tuple_gets_the_long_head(void **state)
{
    char text[700];
    struct cnode_term element;
    uint32_t arity;
    struct buf buf;

    (void)state;
    text[0] = '{';
    for (int n = 1; n <= 300; n++) {
        memcpy(text + 2 * n - 1, "7,", 2);
    }
    memcpy(text + 600, "}", 2);
    buf = bytes_of_text(text);
    assert_int_equal(buf_data(&buf)[0], 105);
    assert_true(cnode_get_tuple(term_in(&buf), &arity, &element));
    assert_int_equal(arity, 300);
    assert_int_equal(cnode_term_size(term_in(&buf)), buf_size(&buf));
    assert_term_text(element, "7");
    buf_fini(&buf);
}

static void nesting_is_limited_and_memory_may_run_out(void **state)
{
    size_t len = 30000, where;
    char *text = mem_alloc(2 * len);
    const char *what;
    struct buf buf;

    (void)state;
    limits.term_depth = 10000;
    memset(text, '[', len);
    memset(text + len, ']', len);
    buf_init(&buf, 0);
    assert_int_equal(term_parse(&buf, text, 2 * len, false, &where, &what),
                     CNODE_TOO_DEEP);
    assert_int_equal(
        term_parse(&buf, text + len - 5000, 10000, false, &where, &what), 0);
    for (unsigned n = 1; n < 12; n++) {
        buf_fini(&buf);
        mem_fail_after(n);
        assert_int_equal(
            term_parse(&buf, text + len - 5000, 10000, false, &where, &what),
            CNODE_NOMEM);
    }
    mem_fail_after(0);
    buf_fini(&buf);
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_the_bytes_of_otp),
        cmocka_unit_test(strings_may_be_binaries),
        cmocka_unit_test(mistakes_are_placed_and_explained),
        cmocka_unit_test(atoms_have_at_most_255_characters),
        cmocka_unit_test(long_tuple_gets_the_long_head),
        cmocka_unit_test(nesting_is_limited_and_memory_may_run_out),
    };

    atom_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
