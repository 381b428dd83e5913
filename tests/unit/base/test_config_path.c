/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON paths and the lines they lead to.
 */
#include "base/config_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static const char text[] =
    "{\n"                                          /* 1 */
    "  \"node\": {\"name\": \"c1@h\",\n"           /* 2 */
    "    \"join\": [\n"                            /* 3 */
    "      \"a@h\",\n"                             /* 4 */
    "      {\"x\": [[1, 2],\n"                     /* 5 */
    "         3]} ]},\n"                           /* 6 */
    "  \"skip }]\\\"\": \"{[\\\\\",\n"             /* 7 */
    "  \"Elixir.MyPool\": {\n"                     /* 8 */
    "    \"worker\": {\"max\":\n"                  /* 9 */
    "      \"many\"},\n"                           /* 10 */
    "    \"\\u0057\\u00e4\\ud83d\\ude00\\n\": 1\n" /* 11 */
    "  },\n"                                       /* 12 */
    "  \"[0]\": null\n"                            /* 13 */
    "}\n";

static void line_of_a_value_is_where_it_starts(void **state)
{
    (void)state;
    assert_int_equal(config_line(text, ""), 1);
    assert_int_equal(config_line(text, "node"), 2);
    assert_int_equal(config_line(text, "node.name"), 2);
    assert_int_equal(config_line(text, "node.join"), 3);
    assert_int_equal(config_line(text, "node.join[0]"), 4);
    assert_int_equal(config_line(text, "node.join[1]"), 5);
    assert_int_equal(config_line(text, "node.join[1].x[0][1]"), 5);
    assert_int_equal(config_line(text, "node.join[1].x[1]"), 6);
    assert_int_equal(config_line(text, "Elixir\\.MyPool"), 8);
    assert_int_equal(config_line(text, "Elixir\\.MyPool.worker.max"), 10);
}

static void keys_are_compared_unescaped(void **state)
{
    (void)state;
    assert_int_equal(config_line(text, "skip }]\""), 7);
    assert_int_equal(
        config_line(text, "Elixir\\.MyPool.W\xc3\xa4\xf0\x9f\x98\x80\n"), 11);
    assert_int_equal(config_line(text, "\\[0]"), 13);
}

static void missing_values_have_the_line_of_their_parent(void **state)
{
    (void)state;
    assert_int_equal(config_line(text, "nobody"), 1);
    assert_int_equal(config_line(text, "node.nobody.at.all"), 2);
    assert_int_equal(config_line(text, "node.join[2]"), 3);
    assert_int_equal(config_line(text, "node.join.name"), 3);
    assert_int_equal(config_line(text, "node.join[1].x[5]"), 5);
    assert_int_equal(config_line(text, "Elixir\\.MyPool.worker.max.x"), 10);
    assert_int_equal(config_line(text, "node[0]"), 2);
    assert_int_equal(config_line(text, "node.join[x]"), 3);
}

static void any_text_will_do(void **state)
{
    static const char *const broken[] = {
        "",
        "{",
        "{\"a",
        "{\"a\\",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":[",
        "{\"a\":[[",
        "{\"a\":]",
        "[,,,]",
        "[",
        "{\"\\u",
        "{\"\\u12",
        "{\"\\ud800",
        "{\"\\ud800\\u",
        "{\"\\",
        "{\"a\" 1}",
        "}}}",
        "]]",
        "{\"a\":\"",
        "\"",
        "{\"a\":{\"b\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        char *exact = mem_strdup(broken[i]); /* reading on is seen by ASan */
        assert_int_equal(config_line(exact, "a"), 1);
        assert_int_equal(config_line(exact, "a[3].b"), 1);
        assert_int_equal(config_line(exact, "[2]"), 1);
        mem_free(exact);
    }
}

static void deep_texts_need_no_stack(void **state)
{
    enum { DEPTH = 1000000 };
    char *deep = mem_alloc(2 * DEPTH + 20);

    (void)state;
    memset(deep, '[', DEPTH);
    memset(deep + DEPTH, ']', DEPTH);
    deep[2 * DEPTH] = '\0';
    deep[0] = '{';
    memcpy(deep + 1, "\"a\":", 4);
    memcpy(deep + 2 * DEPTH - 10, ",\n\"b\":1}", 9);
    assert_int_equal(config_line(deep, "a[0][0][0]"), 1);
    mem_free(deep);
}

static void joined_keys_are_found_again(void **state)
{
    static const char *const keys[] = {"a",   "",    "a.b", "[0]", "a\\",
                                       "x=y", "\\.", "[",   "..",  "a b"};

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char *path = config_join("top", keys[i]);
        char *full = config_index(path, 17);
        struct config_path walk;
        struct config_segment segment;

        config_path_init(&walk, full);
        assert_true(config_path_next(&walk, &segment));
        assert_string_equal(segment.key, "top");
        mem_free(segment.key);
        assert_true(config_path_next(&walk, &segment));
        assert_string_equal(segment.key, keys[i]);
        mem_free(segment.key);
        assert_true(config_path_next(&walk, &segment));
        assert_null(segment.key);
        assert_int_equal(segment.index, 17);
        assert_true(walk.is_end);
        assert_false(config_path_next(&walk, &segment));
        mem_free(full);
        mem_free(path);
    }
}

static void malformed_indexes_end_the_walk(void **state)
{
    static const char *const paths[] = {
        "[", "[]", "[x]", "[1", "[1]x", "[-1]", "[99999999999999999999]"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct config_path walk;
        struct config_segment segment;

        config_path_init(&walk, paths[i]);
        assert_false(config_path_next(&walk, &segment));
        assert_false(walk.is_end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_of_a_value_is_where_it_starts),
        cmocka_unit_test(keys_are_compared_unescaped),
        cmocka_unit_test(missing_values_have_the_line_of_their_parent),
        cmocka_unit_test(any_text_will_do),
        cmocka_unit_test(deep_texts_need_no_stack),
        cmocka_unit_test(joined_keys_are_found_again),
        cmocka_unit_test(malformed_indexes_end_the_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
