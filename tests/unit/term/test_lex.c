/* SPDX-License-Identifier: Apache-2.0
 *
 * Words, characters and numbers of Erlang's syntax.
 */
#include "term/lex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

static size_t word(const char *text)
{
    return (size_t)(lex_word(text, text + strlen(text)) - text);
}

static void words_end_where_an_atom_ends(void **state)
{
    (void)state;
    assert_int_equal(word("abc_1@h, x"), 7);
    assert_int_equal(word("Elixir.A.B}"), 10);
    assert_int_equal(word("ok."), 2);
    assert_int_equal(word("a..b"), 1);
    assert_int_equal(word(".a"), 0);
    assert_int_equal(word("\xc3\xb1u x"), 3);
    assert_int_equal(word("\xc3\x97"), 0); /* the sign for times */
    assert_int_equal(word("\xc3"), 0);
    assert_int_equal(word(""), 0);
}

static void upper_case_is_a_variable_but_for_elixir(void **state)
{
    (void)state;
    assert_true(lex_is_variable("Var", 3));
    assert_true(lex_is_variable("_", 1));
    assert_true(lex_is_variable("Elixir", 6));
    assert_true(lex_is_variable("\xc3\x9c", 2));
    assert_false(lex_is_variable("\xc3\xbc", 2));
    assert_false(lex_is_variable("Elixir.A", 8));
    assert_false(lex_is_variable("elixir", 6));
}

static void escapes_are_decoded(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        uint32_t point;
    } rows[] = {
        {"a", 1, 'a'},
        {"\\n", 2, '\n'},
        {"\\s", 2, ' '},
        {"\\e", 2, 27},
        {"\\d", 2, 127},
        {"\\'", 2, '\''},
        {"\\\\", 2, '\\'},
        {"\\7", 2, 7},
        {"\\1012", 4, 'A'},
        {"\\x41", 4, 'A'},
        {"\\x{1F600}", 9, 0x1F600},
        {"\\^A", 3, 1},
        {"\xc3\xa9", 2, 233},
        {"\\\xc3\xa9", 3, 233},
        {"\\q", 2, 'q'},
    };
    uint32_t point;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *end = rows[i].text + strlen(rows[i].text);
        assert_int_equal(lex_char(rows[i].text, end, &point), rows[i].size);
        assert_int_equal(point, rows[i].point);
    }
}

static void wrong_escapes_are_refused(void **state)
{
    static const char *const wrong[] = {
        "",       "\\",        "\\x",          "\\x4", "\\x{}",  "\\x{110000}",
        "\\x{41", "\\x{D800}", "\\x{1234567}", "\xff", "\\\xff", "\xc3",
    };
    uint32_t point;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(
            lex_char(wrong[i], wrong[i] + strlen(wrong[i]), &point), 0);
    }
}

static void numbers_are_of_the_kind_they_fit_in(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        enum lex_number_kind kind;
    } rows[] = {
        {"12,", 2, LEX_INT},
        {"18446744073709551615", 20, LEX_INT},
        {"18446744073709551616", 20, LEX_BIG},
        {"1_000_", 5, LEX_INT},
        {"1.5.", 3, LEX_FLOAT},
        {"1.", 1, LEX_INT},
        {"1.e5", 1, LEX_INT},
        {"16#FfG", 5, LEX_INT},
        {"-1.5E+3x", 7, LEX_FLOAT},
        {"$\\x{41}9", 7, LEX_INT},
    };
    struct lex_number number;
    const char *what;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *text = rows[i].text;
        const char *end = lex_number(text, text + strlen(text), &number, &what);
        assert_non_null(end);
        assert_int_equal(end - text, rows[i].size);
        assert_int_equal(number.kind, rows[i].kind);
    }
}

static void float_of_too_many_digits_is_refused(void **state)
{
    struct lex_number number;
    const char *what = NULL;
    char text[1000];

    (void)state;
    memset(text, '1', sizeof(text));
    text[300] = '.';
    assert_non_null(lex_number(text, text + 400, &number, &what));
    assert_null(lex_number(text, text + 401, &number, &what));
    assert_string_equal(what, "a float with fewer digits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_end_where_an_atom_ends),
        cmocka_unit_test(upper_case_is_a_variable_but_for_elixir),
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(wrong_escapes_are_refused),
        cmocka_unit_test(numbers_are_of_the_kind_they_fit_in),
        cmocka_unit_test(float_of_too_many_digits_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
