/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the cookie comes from, and when a file of it is refused.
 */
#include "admin/cookie.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <cnode/error.h>

static char home[64], path[96];
static char cookie[COOKIE_MAX + 1];
static struct buf error;

static int setup(void **state)
{
    (void)state;
    strcpy(home, "/tmp/cnode-cookie-XXXXXX");
    assert_non_null(mkdtemp(home));
    (void)snprintf(path, sizeof(path), "%s/.erlang.cookie", home);
    buf_init(&error, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)rmdir(home);
    buf_fini(&error);
    return 0;
}

static void write_file(const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void assert_says(const char *expected)
{
    const char *line;

    buf_put_u8(&error, 0);
    line = (const char *)buf_data(&error);
    assert_non_null(strstr(line, expected));
    assert_string_equal(strchr(line, '\n'), "\n"); /* one line */
}

static void the_option_goes_before_the_environment(void **state)
{
    struct cookie_sources sources = {
        .option = "a", .environment = "b", .file = path, .home = home};

    (void)state;
    write_file("c", 0400);
    assert_int_equal(cookie_read(&sources, cookie, &error), 0);
    assert_string_equal(cookie, "a");
    sources.option = NULL;
    assert_int_equal(cookie_read(&sources, cookie, &error), 0);
    assert_string_equal(cookie, "b");
    sources.environment = NULL;
    assert_false(cookie_is_by_default(&sources));
    assert_int_equal(cookie_read(&sources, cookie, &error), 0);
    assert_string_equal(cookie, "c");
}

static void the_file_in_home_is_the_last_resort(void **state)
{
    struct cookie_sources sources = {.home = home};

    (void)state;
    write_file("MONSTER\n", 0400);
    assert_true(cookie_is_by_default(&sources));
    assert_int_equal(cookie_read(&sources, cookie, &error), 0);
    assert_string_equal(cookie, "MONSTER");
}

static void line_ends_are_trimmed(void **state)
{
    struct cookie_sources sources = {.file = path};

    (void)state;
    write_file("with space \r\n\n", 0600);
    assert_int_equal(cookie_read(&sources, cookie, &error), 0);
    assert_string_equal(cookie, "with space ");
}

static void a_missing_file_says_what_to_do(void **state)
{
    struct cookie_sources sources = {.home = home};

    (void)state;
    assert_int_equal(cookie_read(&sources, cookie, &error), CNODE_COOKIE);
    assert_says("give --cookie-file FILE, or set CNODE_COOKIE");
}

static void without_home_there_is_no_file(void **state)
{
    struct cookie_sources sources = {.home = NULL};

    (void)state;
    assert_int_equal(cookie_read(&sources, cookie, &error), CNODE_COOKIE);
    assert_says("HOME is not set");
}

static void a_file_others_can_access_is_refused(void **state)
{
    static const mode_t modes[] = {0440, 0404, 0620, 0602, 0601, 0610};
    struct cookie_sources sources = {.file = path};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        write_file("secret", modes[i]);
        buf_clear(&error);
        assert_int_equal(cookie_read(&sources, cookie, &error), CNODE_COOKIE);
        assert_says("chmod 400");
        assert_null(strstr((const char *)buf_data(&error), "secret"));
    }
}

static void a_folder_is_refused(void **state)
{
    struct cookie_sources sources = {.file = home};

    (void)state;
    assert_int_equal(cookie_read(&sources, cookie, &error), CNODE_COOKIE);
    assert_says("regular file");
}

static void what_is_no_cookie_is_refused(void **state)
{
    static const char *const texts[] = {"", "\n", "a\nb", "tab\t", "\xc3\xa9"};
    struct cookie_sources sources = {.file = path};
    char text[COOKIE_MAX + 2];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        write_file(texts[i], 0400);
        assert_int_equal(cookie_read(&sources, cookie, &error), CNODE_COOKIE);
        assert_int_equal(unlink(path), 0);
    }
    memset(text, 'x', sizeof(text));
    text[COOKIE_MAX + 1] = '\0';
    write_file(text, 0400);
    assert_int_equal(cookie_read(&sources, cookie, &error), CNODE_COOKIE);
    assert_int_equal(unlink(path), 0);
    text[COOKIE_MAX] = '\0';
    write_file(text, 0400);
    assert_int_equal(cookie_read(&sources, cookie, &error), 0);
    assert_string_equal(cookie, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_option_goes_before_the_environment,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_file_in_home_is_the_last_resort,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(line_ends_are_trimmed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_file_says_what_to_do, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(without_home_there_is_no_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_others_can_access_is_refused,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_cookie_is_refused, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
