/* SPDX-License-Identifier: Apache-2.0
 *
 * Patterns: what they match, what they store, and that wrong ones do neither.
 */
#include "term/match.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/log.h"
#include "support/term/terms.h"
#include "term/build.h"

static bool matches(const char *text, const char *pattern)
{
    struct buf buf = bytes_of_text(text);
    bool matched = term_match(term_in(&buf), pattern);

    buf_fini(&buf);
    return matched;
}

static void literals_match_themselves_only(void **state)
{
    static const char *const terms[] = {
        "ok",
        "'$gen_call'",
        "'Elixir.A'",
        "''",
        "1",
        "-1",
        "255",
        "256",
        "-2147483649",
        "18446744073709551615",
        "1.5",
        "-1.5",
        "{}",
        "{a}",
        "{a,b}",
        "{{a},b}",
        "{a,{b,{c}}}",
        "[]",
        "[a]",
        "[a,b]",
        "[1,2]",
        "[[1],[2]]",
        "[a|b]",
        "[1|b]",
        "\"text\"",
        "<<>>",
        "<<\"text\">>",
        "<<\"Gr\\xfc\\xdf\"/utf8>>",
        "<<\"Gr\\xfc\\xdf\">>",
        "[[]]",
        "{[],[]}",
        "{[1,2],[a],x}",
        "[1000,1001]",
        "{\"ab\",c}",
        "[{\"ab\"},\"c\"]",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        for (size_t j = 0; j < ARRAY_LEN(terms); j++) {
            if (matches(terms[i], terms[j]) != (i == j)) {
                fail_msg("%s against %s", terms[i], terms[j]);
            }
        }
        assert_true(matches(terms[i], " _ "));
    }
    assert_true(matches("Elixir.A", "Elixir.A"));
    assert_true(matches("[97,98]", "\"ab\""));
    assert_true(matches("\"ab\"", "[$a, $b]"));
    assert_true(matches("[1000,1001]", "\"\\x{3e8}\\x{3e9}\""));
}

static void directives_store_what_they_match(void **state)
{
    struct buf buf = bytes_of_text(
        "{-5,18446744073709551615,2.5,hello,<<\"bytes\">>,{x,[1]},"
        "hibernate,unheard_of}");
    int64_t i = 0;
    uint64_t u = 0;
    double f = 0;
    const char *atom, *bytes;
    size_t atom_size, bytes_size;
    struct cnode_term any;
    atom_t known, unknown = A_ok;

    (void)state;
    assert_true(term_match(term_in(&buf), "{~i,~u,~f,~a,~b,~t,~A,~A}", &i, &u,
                           &f, &atom, &atom_size, &bytes, &bytes_size, &any,
                           &known, &unknown));
    assert_int_equal(i, -5);
    assert_true(u == UINT64_MAX);
    assert_true(f == 2.5);
    assert_int_equal(atom_size, 5);
    assert_memory_equal(atom, "hello", 5);
    assert_int_equal(bytes_size, 5);
    assert_memory_equal(bytes, "bytes", 5);
    assert_term_text(any, "{x,[1]}");
    assert_int_equal(known, A_hibernate);
    assert_int_equal(unknown, ATOM_NONE);
    buf_fini(&buf);
}

static void identifiers_are_stored_as_values(void **state)
{
    struct pid pid = {atom_intern("n@h", 3), 7, 8, 9}, pid_out = PID_NONE;
    struct ref ref = {pid.node, 9, 3, {1, 2, 3}}, ref_out = {0};
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    term_format(&buf, "{~p, [alias | ~r]}", pid, &ref);
    assert_true(
        term_match(term_in(&buf), "{~p, [alias | ~r]}", &pid_out, &ref_out));
    assert_true(pid_equal(pid, pid_out));
    assert_true(ref_equal(&ref, &ref_out));
    assert_false(term_match(term_in(&buf), "{~r, _}", &ref_out));
    buf_fini(&buf);
}

static void nothing_is_stored_unless_all_matches(void **state)
{
    struct buf buf = bytes_of_text("{1,2,three}");
    int64_t a = 77, b = 77, c = 77;

    (void)state;
    assert_false(term_match(term_in(&buf), "{~i, ~i, ~i}", &a, &b, &c));
    assert_false(term_match(term_in(&buf), "{~i, ~i}", &a, &b));
    assert_false(term_match(term_in(&buf), "{~i, ~i, three, _}", &a, &b));
    assert_int_equal(a, 77);
    assert_int_equal(b, 77);
    assert_int_equal(c, 77);
    buf_fini(&buf);
}

static void tails_match_as_far_as_a_view_can(void **state)
{
    struct buf one = bytes_of_text("[a|b]");
    struct buf two = bytes_of_text("[a,b]");
    struct buf text = bytes_of_text("{[1],\"ab\",[a,b],end_}");
    struct cnode_term head, tail;
    int64_t i;

    (void)state;
    assert_true(term_match(term_in(&one), "[~t | ~t]", &head, &tail));
    assert_term_text(tail, "b");
    assert_false(term_match(term_in(&two), "[~t | ~t]", &head, &tail));
    assert_true(term_match(term_in(&two), "[~t | _]", &head));
    assert_true(term_match(term_in(&two), "[_, ~t | ~t]", &head, &tail));
    assert_term_text(head, "b");
    assert_term_text(tail, "[]");
    assert_true(term_match(term_in(&text), "{[~i | ~t], [~t | _], [_|_], end_}",
                           &i, &tail, &head));
    assert_int_equal(i, 1);
    assert_term_text(tail, "[]");
    assert_term_text(head, "97");
    buf_fini(&one);
    buf_fini(&two);
    buf_fini(&text);
}

static void tail_that_is_a_list_again_is_one_list(void **state)
{
    /* [a | [b | "cd"]], as no BEAM writes it */
    struct buf buf = bytes_of_hex("68026c000000017701616c000000017701626b0002"
                                  "6364770178");
    int64_t c;

    (void)state;
    assert_true(term_match(term_in(&buf), "{[a, b, ~i, $d], x}", &c));
    assert_int_equal(c, 'c');
    assert_false(term_match(term_in(&buf), "{[a, b, $c, $d, _], x}"));
    assert_false(term_match(term_in(&buf), "{[a, b, $c], x}"));
    assert_false(term_match(term_in(&buf), "{[a], x}"));
    assert_true(term_match(term_in(&buf), "{[a | _], x}"));
    buf_fini(&buf);
}

static unsigned reports;

static void count_report(const char *line, size_t len, void *user)
{
    (void)line;
    (void)len;
    (void)user;
    reports++;
}

static void wrong_patterns_never_match_and_are_logged(void **state)
{
    static const char *const wrong[] = {
        "",     "{a",   "{a}}", "{a]",     "[a}", "{a,}",     "{a b}",
        "X",    "_x",   "~",    "~z",      "#{}", "{a | b}",  "[a | b | c]",
        "'a",   "<<a",  "a b",  "\"a",     "@",   "<<\"a\">", "[a | [], b]",
        "1e5.", "16#g", "$",    "'\\xZZ'",
    };
    static const char *const terms[] = {"a", "{a}",       "[a]", "\"a\"",
                                        "1", "<<\"a\">>", "[]"};

    (void)state;
    log_capture(count_report, NULL);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        for (size_t j = 0; j < ARRAY_LEN(terms); j++) {
            assert_false(matches(terms[j], wrong[i]));
        }
    }
    log_capture(NULL, NULL);
    assert_true(reports > 0);
    assert_false(term_match(TERM_NONE, "_"));
}

static void nested_deeper_than_patterns_go_is_wrong(void **state)
{
    (void)state;
    assert_true(matches("{{{{{{{{{{{{{{{{a}}}}}}}}}}}}}}}}",
                        "{{{{{{{{{{{{{{{{a}}}}}}}}}}}}}}}}"));
    log_capture(count_report, NULL);
    assert_false(matches("{{{{{{{{{{{{{{{{{a}}}}}}}}}}}}}}}}}",
                         "{{{{{{{{{{{{{{{{{a}}}}}}}}}}}}}}}}}"));
    log_capture(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_match_themselves_only),
        cmocka_unit_test(directives_store_what_they_match),
        cmocka_unit_test(identifiers_are_stored_as_values),
        cmocka_unit_test(nothing_is_stored_unless_all_matches),
        cmocka_unit_test(tails_match_as_far_as_a_view_can),
        cmocka_unit_test(tail_that_is_a_list_again_is_one_list),
        cmocka_unit_test(wrong_patterns_never_match_and_are_logged),
        cmocka_unit_test(nested_deeper_than_patterns_go_is_wrong),
    };

    atom_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
