/* SPDX-License-Identifier: Apache-2.0
 *
 * The help texts fit a terminal and leave nothing out.
 */
#include "admin/help.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <cnode/cnode.h>

static struct buf out;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static const char *text(void)
{
    buf_put_u8(&out, 0);
    return (const char *)buf_data(&out);
}

static void assert_width(const char *lines, size_t width)
{
    while (*lines != '\0') {
        size_t len = strcspn(lines, "\n");
        assert_true(len <= width);
        assert_int_equal(lines[len], '\n');
        assert_true(len == 0 || lines[len - 1] != ' ');
        lines += len + 1;
    }
}

static void every_text_fits_80_columns(void **state)
{
    (void)state;
    help_put_overview(&out);
    for (int i = 0; i < CLI_COMMAND_COUNT; i++) {
        help_put_command(&out, (enum cli_command)i);
    }
    assert_width(text(), 80);
}

static void the_overview_names_every_command(void **state)
{
    const char *overview;

    (void)state;
    help_put_overview(&out);
    overview = text();
    for (int i = 0; i < CLI_COMMAND_COUNT; i++) {
        assert_non_null(strstr(overview, cli_commands[i].name));
        assert_non_null(strstr(overview, cli_commands[i].summary));
    }
}

static void a_command_shows_its_options_and_no_others(void **state)
{
    const char *help;

    (void)state;
    help_put_command(&out, CLI_CALL);
    help = text();
    assert_non_null(strstr(help, "cnode call NODE POOL ID TERM"));
    assert_non_null(strstr(help, "cnode call NODE SERVICE TERM"));
    assert_non_null(strstr(help, "--timeout TIME"));
    assert_non_null(strstr(help, "--cookie-file FILE"));
    assert_null(strstr(help, "--join"));
}

static void words_are_wrapped_and_indented(void **state)
{
    (void)state;
    help_put_wrapped(&out, "one two three four", 0, 2, 9);
    assert_string_equal(text(), "one two\n  three\n  four\n");
}

static void a_long_word_stays_whole(void **state)
{
    (void)state;
    help_put_wrapped(&out, "a extraordinarily b", 4, 1, 8);
    assert_string_equal(text(), "a\n extraordinarily\n b\n");
}

static void the_version_is_that_of_the_header(void **state)
{
    (void)state;
    help_put_version(&out);
    assert_non_null(strstr(text(), "cnode " CNODE_VERSION "\nstores: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_text_fits_80_columns, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_overview_names_every_command, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_command_shows_its_options_and_no_others, setup, teardown),
        cmocka_unit_test_setup_teardown(words_are_wrapped_and_indented, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_long_word_stays_whole, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_version_is_that_of_the_header,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
