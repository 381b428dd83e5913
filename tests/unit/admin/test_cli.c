/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: what is accepted, and what is said about the rest.
 */
#include "admin/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <cnode/error.h>

enum { WORDS_MAX = 16, LINE_MAX_BYTES = 256 };

static struct cli cli;

static int setup(void **state)
{
    (void)state;
    memset(&cli, 0, sizeof(cli));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cli_fini(&cli);
    return 0;
}

/* Parses the NULL-terminated words behind the program's name. */
static int parse(const char *const *words)
{
    const char *argv[WORDS_MAX] = {"cnode"};
    int argc = 1;

    while (words[argc - 1] != NULL) {
        argv[argc] = words[argc - 1];
        argc++;
    }
    return cli_parse(&cli, argc, argv);
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

#define ASSERT_MISTAKE(expected, ...)                                          \
    do {                                                                       \
        static char line_[LINE_MAX_BYTES];                                     \
        assert_int_equal(PARSE(__VA_ARGS__), CNODE_EINVALID);                  \
        buf_put_u8(&cli.errors, 0);                                            \
        strncpy(line_, (const char *)buf_data(&cli.errors),                    \
                sizeof(line_) - 1);                                            \
        cli_fini(&cli);                                                        \
        memset(&cli, 0, sizeof(cli));                                          \
        assert_string_equal(line_, expected "\n");                             \
    } while (0)

static void options_are_read_in_both_forms(void **state)
{
    (void)state;
    assert_int_equal(PARSE("start", "--config", "a.json", "--name=x@y",
                           "--hidden", "--cookie", "c"),
                     0);
    assert_int_equal(cli.command, CLI_START);
    assert_string_equal(cli.config, "a.json");
    assert_string_equal(cli.name, "x@y");
    assert_string_equal(cli.cookie, "c");
    assert_true(cli.is_hidden);
    assert_null(cli.cookie_file);
}

static void options_may_stand_anywhere(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--timeout", "1s", "call", "n@h", "--cookie=c",
                           "pool", "1", "get"),
                     0);
    assert_int_equal(cli.command, CLI_CALL);
    assert_string_equal(cli.timeout, "1s");
    assert_int_equal(cli.args.count, 4);
    assert_string_equal(cli.args.items[0], "n@h");
    assert_string_equal(cli.args.items[3], "get");
}

static void lists_add_up_and_of_others_the_last_counts(void **state)
{
    (void)state;
    assert_int_equal(PARSE("start", "--config", "a", "--config", "b", "--join",
                           "a@h", "--join=b@h", "--set", "node.port=1"),
                     0);
    assert_string_equal(cli.config, "b");
    assert_int_equal(cli.join.count, 2);
    assert_string_equal(cli.join.items[1], "b@h");
    assert_int_equal(cli.set.count, 1);
    assert_string_equal(cli.set.items[0], "node.port=1");
}

static void negative_numbers_are_arguments(void **state)
{
    (void)state;
    assert_int_equal(PARSE("call", "n@h", "pool", "-5", "-1.5"), 0);
    assert_string_equal(cli.args.items[2], "-5");
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    assert_int_equal(PARSE("call", "--", "n@h", "pool", "--hidden"), 0);
    assert_string_equal(cli.args.items[2], "--hidden");
    assert_false(cli.is_hidden);
}

static void help_is_an_option_of_every_command(void **state)
{
    (void)state;
    assert_int_equal(PARSE("start", "--help"), 0); /* without --config */
    assert_true(cli.wants_help);
    assert_int_equal(cli.command, CLI_START);
    cli_fini(&cli);
    assert_int_equal(PARSE("call", "-h"), 0);
    assert_true(cli.wants_help);
    cli_fini(&cli);
    assert_int_equal(PARSE("--help"), 0);
    assert_true(cli.wants_help);
    assert_false(cli.has_command);
}

static void version_is_an_option_too(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--version"), 0);
    assert_int_equal(cli.command, CLI_VERSION);
}

static void unknown_names_get_the_nearest(void **state)
{
    (void)state;
    ASSERT_MISTAKE("cnode: unknown command strat, did you mean start? "
                   "(see cnode help)",
                   "strat");
    ASSERT_MISTAKE("cnode: unknown command xyzzy (see cnode help)", "xyzzy");
    ASSERT_MISTAKE("cnode: unknown option --nmae=x, did you mean --name? "
                   "(see cnode help start)",
                   "start", "--nmae=x");
    ASSERT_MISTAKE("cnode: unknown option -x (see cnode help start)", "start",
                   "-x");
    ASSERT_MISTAKE("cnode: unknown option --version (see cnode help start)",
                   "start", "--version");
}

static void values_are_demanded_and_refused(void **state)
{
    (void)state;
    ASSERT_MISTAKE("cnode: --name needs a value: --name NAME "
                   "(see cnode help start)",
                   "start", "--config", "a", "--name");
    ASSERT_MISTAKE("cnode: --name needs a value: --name NAME "
                   "(see cnode help start)",
                   "start", "--name=");
    ASSERT_MISTAKE("cnode: --hidden takes no value (see cnode help start)",
                   "start", "--hidden=yes");
}

static void what_does_not_fit_the_command_is_refused(void **state)
{
    (void)state;
    ASSERT_MISTAKE("cnode: which command? (see cnode help)", "--hidden");
    ASSERT_MISTAKE("cnode: call does not take --join (see cnode help call)",
                   "call", "n@h", "pool", "1", "--join", "a@b");
    ASSERT_MISTAKE("cnode: call takes 3 to 4 arguments, got 2 "
                   "(see cnode help call)",
                   "call", "n@h", "pool");
    ASSERT_MISTAKE("cnode: check takes options only, got \"a.json\" "
                   "(see cnode help check)",
                   "check", "a.json");
    ASSERT_MISTAKE("cnode: start: --config FILE is missing "
                   "(see cnode help start)",
                   "start");
    ASSERT_MISTAKE("cnode: --cookie and --cookie-file exclude each other "
                   "(see cnode help start)",
                   "start", "--config", "a", "--cookie", "c", "--cookie-file",
                   "f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(options_are_read_in_both_forms, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(options_may_stand_anywhere, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            lists_add_up_and_of_others_the_last_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(negative_numbers_are_arguments, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(two_dashes_end_the_options, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(help_is_an_option_of_every_command,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(version_is_an_option_too, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(unknown_names_get_the_nearest, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(values_are_demanded_and_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            what_does_not_fit_the_command_is_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
