/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening, --set, and what the mistakes look like.
 */
#include "base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include <cnode/error.h>

/* All lines of mistakes so far, as a C string. */
static const char *errors(struct config *config)
{
    static char text[8192];
    size_t size = buf_size(&config->errors);

    assert_true(size < sizeof(text));
    if (size > 0) {
        memcpy(text, buf_data(&config->errors), size);
    }
    text[size] = '\0';
    return text;
}

static void good_text_gives_the_tree(void **state)
{
    struct config config;

    (void)state;
    assert_int_equal(config_parse(&config, "etc/cnode.json", "{\"a\": 1}"), 0);
    assert_string_equal(config.path, "etc/cnode.json");
    assert_string_equal(config.dir, "etc");
    assert_int_equal(json_integer_value(json_object_get(config.root, "a")), 1);
    assert_int_equal(config.error_count, 0);
    config_fini(&config);
}

static void syntax_error_has_file_line_and_column(void **state)
{
    struct config config;

    (void)state;
    assert_int_equal(
        config_parse(&config, "cnode.json", "{\n  \"a\": 1,\n  b\n"),
        CNODE_CONFIG);
    assert_int_equal(config.error_count, 1);
    assert_memory_equal(errors(&config), "cnode.json:3:3: ", 16);
    assert_int_equal(config_set(&config, "a=1"), CNODE_CONFIG);
    assert_int_equal(config.error_count, 1); /* that one stands alone */
    config_fini(&config);
}

static void duplicate_key_is_a_mistake(void **state)
{
    struct config config;

    (void)state;
    assert_int_equal(
        config_parse(&config, "cnode.json", "{\"a\": 1,\n \"a\": 2}"),
        CNODE_CONFIG);
    assert_non_null(strstr(errors(&config), "cnode.json:2:"));
    assert_non_null(strstr(errors(&config), "duplicate"));
    config_fini(&config);
}

static void top_must_be_an_object(void **state)
{
    struct config config;

    (void)state;
    assert_int_equal(config_parse(&config, "cnode.json", "\n\n[1]"),
                     CNODE_CONFIG);
    assert_string_equal(errors(&config), "cnode.json:3: expected an object\n");
    config_fini(&config);
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    struct config config;

    (void)state;
    assert_int_equal(config_parse(&config, "x", "{\"a\": \x1b[31m}"),
                     CNODE_CONFIG);
    assert_null(strchr(errors(&config), '\x1b'));
    config_fini(&config);
    assert_int_equal(config_parse(&config, "x", "{}"), 0);
    config_error(&config, "a\nb", "bad %s", "\x1b[31m\n");
    assert_string_equal(errors(&config), "x:1: a?b: bad ?[31m?\n");
    config_fini(&config);
}

static void syntax_errors_speak_of_the_file(void **state)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "x:1:1: expected an object, the file is empty\n"},
        {" \n\n", "x:3:1: expected an object, the file is empty\n"},
        {"{\"a\\u0000\": 1}", "x:1:10: the character \\u0000 is not allowed\n"},
        {"{\"a\": \"\\u0000\"}",
         "x:1:14: the character \\u0000 is not allowed\n"},
        {"[1]", "x:1: expected an object\n"},
        {"x", "x:1:1: expected an object\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config config;

        assert_int_equal(config_parse(&config, "x", rows[i].text),
                         CNODE_CONFIG);
        assert_string_equal(errors(&config), rows[i].error);
        config_fini(&config);
    }
}

static void missing_file_says_why(void **state)
{
    struct config config;

    (void)state;
    assert_int_equal(config_open(&config, "/nonexistent/cnode.json"),
                     CNODE_CONFIG);
    assert_string_equal(errors(&config), "/nonexistent/cnode.json: cannot be "
                                         "read: No such file or directory\n");
    assert_int_equal(config_set(&config, "a=1"), CNODE_CONFIG);
    config_error(&config, "a", "no text to look for the line");
    config_fini(&config);
    assert_int_equal(config_open(&config, "/"), CNODE_CONFIG);
    assert_non_null(strstr(errors(&config), "Is a directory"));
    config_fini(&config);
}

/* A temporary file with `size` bytes; its name in `path`. */
static void write_file(char path[32], const char *bytes, size_t size)
{
    int fd;

    (void)snprintf(path, 32, "/tmp/cnode-test-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

static void file_is_read_whole(void **state)
{
    enum { SIZE = 100000 };
    char *text = mem_alloc(SIZE);
    struct config config;
    char path[32];

    (void)state;
    memset(text, ' ', SIZE);
    text[0] = '{';
    memcpy(text + SIZE - 9, "\"end\": 1}", 9);
    write_file(path, text, SIZE);
    assert_int_equal(config_open(&config, path), 0);
    assert_non_null(json_object_get(config.root, "end"));
    assert_string_equal(config.dir, "/tmp");
    config_fini(&config);
    unlink(path);
    mem_free(text);
}

static void file_above_the_limit_is_refused(void **state)
{
    enum { SIZE = 16 * 1024 * 1024 + 1 };
    char *text = mem_alloc(SIZE);
    struct config config;
    char path[32];

    (void)state;
    memset(text, ' ', SIZE);
    write_file(path, text, SIZE);
    assert_int_equal(config_open(&config, path), CNODE_CONFIG);
    assert_non_null(strstr(errors(&config), ": larger than 16 MiB\n"));
    config_fini(&config);
    unlink(path);
    mem_free(text);
}

static void nul_in_a_file_is_a_syntax_error(void **state)
{
    struct config config;
    char path[32];

    (void)state;
    write_file(path, "{\"a\"\0: 1}", 10);
    assert_int_equal(config_open(&config, path), CNODE_CONFIG);
    assert_int_equal(config.error_count, 1);
    config_fini(&config);
    unlink(path);
}

static void mistakes_are_counted_and_shown_up_to_a_hundred(void **state)
{
    struct config config;
    const char *last;

    (void)state;
    assert_int_equal(config_parse(&config, "x", "{}"), 0);
    for (unsigned i = 0; i < 1000; i++) {
        config_error(&config, "a", "wrong");
    }
    assert_int_equal(config.error_count, 1000);
    last = strstr(errors(&config), "further mistakes are not shown\n");
    assert_non_null(last);
    assert_null(strchr(strchr(last, '\n') + 1, '\n')); /* the last line */
    config_fini(&config);
}

/* --- --set ---------------------------------------------------------------- */

static void set_takes_json_or_a_string(void **state)
{
    struct config config;
    json_t *node;

    (void)state;
    assert_int_equal(config_parse(&config, "x", "{\"node\": {\"a\": 1}}"), 0);
    assert_int_equal(config_set(&config, "node.a=2"), 0);
    assert_int_equal(config_set(&config, "node.b=c1@host"), 0);
    assert_int_equal(config_set(&config, "node.c=\"true\""), 0);
    assert_int_equal(config_set(&config, "node.d=true"), 0);
    assert_int_equal(config_set(&config, "node.e=[1, {\"x\": 2}]"), 0);
    assert_int_equal(config_set(&config, "node.f="), 0);
    assert_int_equal(config_set(&config, "node.g=a=b"), 0);
    node = json_object_get(config.root, "node");
    assert_int_equal(json_integer_value(json_object_get(node, "a")), 2);
    assert_string_equal(json_string_value(json_object_get(node, "b")),
                        "c1@host");
    assert_string_equal(json_string_value(json_object_get(node, "c")), "true");
    assert_true(json_is_true(json_object_get(node, "d")));
    assert_int_equal(json_array_size(json_object_get(node, "e")), 2);
    assert_string_equal(json_string_value(json_object_get(node, "f")), "");
    assert_string_equal(json_string_value(json_object_get(node, "g")), "a=b");
    config_fini(&config);
}

static void set_makes_missing_objects(void **state)
{
    struct config config;
    json_t *pool;

    (void)state;
    assert_int_equal(config_parse(&config, "x", "{\"a\": [1, 2]}"), 0);
    assert_int_equal(config_set(&config, "pools.Elixir\\.P.worker.max=3"), 0);
    pool = json_object_get(json_object_get(config.root, "pools"), "Elixir.P");
    assert_int_equal(json_integer_value(json_object_get(
                         json_object_get(pool, "worker"), "max")),
                     3);
    assert_int_equal(config_set(&config, "a[1]=7"), 0);
    assert_int_equal(json_integer_value(
                         json_array_get(json_object_get(config.root, "a"), 1)),
                     7);
    config_fini(&config);
}

static void set_adds_to_the_end_of_an_array(void **state)
{
    struct config config;
    json_t *b;

    (void)state;
    assert_int_equal(config_parse(&config, "x", "{\"a\": [1]}"), 0);
    assert_int_equal(config_set(&config, "a[1]=7"), 0);
    assert_int_equal(json_array_size(json_object_get(config.root, "a")), 2);
    assert_int_equal(config_set(&config, "b.c[0]=8"), 0);
    assert_int_equal(config_set(&config, "b.c[1]=9"), 0);
    b = json_object_get(json_object_get(config.root, "b"), "c");
    assert_int_equal(json_integer_value(json_array_get(b, 1)), 9);
    config_fini(&config);
}

#define TEN "a.a.a.a.a.a.a.a.a.a."
static const char too_deep[] = TEN TEN TEN TEN "a=1";

static void set_refuses_places_that_cannot_be(void **state)
{
    static const char *const wrong[] = {
        "",         "=1",        "node",     "a[3]=1", "a.b=1",
        "a[0].b=1", "node[0]=1", "a[x]=1",   "b[1]=1", "c.d[0].e=1",
        "a=\xff",   "\xff=1",    "\xff.x=1", too_deep,
    };
    struct config config;

    (void)state;
    assert_int_equal(
        config_parse(&config, "x", "{\"a\": [1, 2], \"node\": {}}"), 0);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(config_set(&config, wrong[i]), CNODE_CONFIG);
        assert_int_equal(config.error_count, i + 1);
    }
    assert_memory_equal(errors(&config), "--set: ", 7);
    assert_int_equal(json_object_size(config.root), 2); /* as it was */
    assert_int_equal(json_array_size(json_object_get(config.root, "a")), 2);
    config_fini(&config);
}

static void mistakes_in_set_values_say_so(void **state)
{
    struct config config;

    (void)state;
    assert_int_equal(config_parse(&config, "x", "{\"a\":\n {\"b\": 1}}"), 0);
    assert_int_equal(config_set(&config, "a.b=many"), 0);
    assert_int_equal(config_set(&config, "new.pool.max=1"), 0);
    config_error(&config, "a.b", "1");
    config_error(&config, "a.b.c", "2");
    config_error(&config, "a", "3");
    config_error(&config, "a.bb", "4");
    config_error(&config, "new.pool.min", "5"); /* exists by --set only */
    assert_string_equal(errors(&config), "--set: a.b: 1\n"
                                         "--set: a.b.c: 2\n"
                                         "x:2: a: 3\n"
                                         "x:2: a.bb: 4\n"
                                         "--set: new.pool.min: 5\n");
    config_fini(&config);
}

static void paths_of_files_start_at_the_configuration(void **state)
{
    static const struct {
        const char *config, *name, *file;
    } cases[] = {
        {"etc/x.json", "a/b.so", "etc/a/b.so"},
        {"x.json", "b.so", "./b.so"},
        {"/x.json", "b.so", "//b.so"},
        {"/etc/x.json", "/lib/b.so", "/lib/b.so"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config config;
        char *file;

        assert_int_equal(config_parse(&config, cases[i].config, "{}"), 0);
        file = config_file(&config, cases[i].name);
        assert_string_equal(file, cases[i].file);
        mem_free(file);
        config_fini(&config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_text_gives_the_tree),
        cmocka_unit_test(syntax_error_has_file_line_and_column),
        cmocka_unit_test(duplicate_key_is_a_mistake),
        cmocka_unit_test(top_must_be_an_object),
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(syntax_errors_speak_of_the_file),
        cmocka_unit_test(missing_file_says_why),
        cmocka_unit_test(file_is_read_whole),
        cmocka_unit_test(file_above_the_limit_is_refused),
        cmocka_unit_test(nul_in_a_file_is_a_syntax_error),
        cmocka_unit_test(mistakes_are_counted_and_shown_up_to_a_hundred),
        cmocka_unit_test(set_takes_json_or_a_string),
        cmocka_unit_test(set_makes_missing_objects),
        cmocka_unit_test(set_adds_to_the_end_of_an_array),
        cmocka_unit_test(set_refuses_places_that_cannot_be),
        cmocka_unit_test(mistakes_in_set_values_say_so),
        cmocka_unit_test(paths_of_files_start_at_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
