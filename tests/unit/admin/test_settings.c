/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of node, runtime, limits and log, and how options overrule
 * it.
 */
#include "admin/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include <cnode/error.h>

static struct settings settings;
static struct cli cli;

static int setup(void **state)
{
    (void)state;
    cli = (struct cli){.config = "etc/c.json"};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    settings_fini(&settings);
    return 0;
}

/* All lines of mistakes. */
static const char *parse(const char *text)
{
    int rc = settings_parse(&settings, &cli, text);

    assert_true((rc == 0) || settings.config.error_count > 0);
    buf_put_u8(&settings.config.errors, 0);
    return (const char *)buf_data(&settings.config.errors);
}

static void only_the_name_is_required(void **state)
{
    (void)state;
    assert_string_equal(parse("{}"),
                        "etc/c.json:1: node.name: missing, expected a full "
                        "node name such as \"c1@127.0.0.1\" (or give "
                        "--name)\n");
}

static void defaults_are_those_of_the_design(void **state)
{
    struct node_config config;

    (void)state;
    assert_string_equal(parse("{\"node\": {\"name\": \"a@h\"}}"), "");
    settings_node_config(&settings, "cookie", &config);
    assert_string_equal(config.name, "a@h");
    assert_string_equal(config.cookie, "cookie");
    assert_string_equal(config.listen_host, "0.0.0.0");
    assert_int_equal(config.listen_port, 0);
    assert_true(config.start_epmd);
    assert_false(config.hidden);
    assert_int_equal(config.setup_ms, 7000);
    assert_int_equal(config.ticktime_ms, 60000);
    assert_in_range(config.schedulers, 1, 16);
    assert_int_equal(config.busy_poll_ns, 50000);
    assert_int_equal(config.callback_budget_ns, 100000000);
    assert_int_equal(config.callback_limit_ns, 60000000000);
    assert_int_equal(config.link_profile, LINK_PROFILE_LATENCY);
    assert_int_equal(settings.node.stop_ns, 5000000000);
    assert_int_equal(settings.log.level, LOG_LEVEL_INFO);
    assert_int_equal(settings.log.format, LOG_FORMAT_LOGFMT);
    assert_int_equal(settings.limits.atoms, 100000);
    assert_int_equal(settings.join.count, 0);
}

static void every_key_is_read(void **state)
{
    struct node_config config;

    (void)state;
    assert_string_equal(
        parse("{\"node\": {\"name\": \"a@h\", \"cookie_file\": \"cookie\","
              " \"join\": [\"b@h\", \"c@h\"], \"hidden\": true,"
              " \"listen\": \"::1\", \"port\": 9100, \"epmd_port\": 4370,"
              " \"start_epmd\": false, \"ticktime\": \"8s\","
              " \"setup_time\": \"500ms\", \"link_profile\": \"off\","
              " \"stop_timeout\": \"1m\", \"cookies\": {\"b@h\": \"x\"}},"
              " \"runtime\": {\"schedulers\": 64, \"busy_poll\": \"0s\","
              " \"callback_budget\": \"1s\", \"callback_limit\": \"0s\"},"
              " \"limits\": {\"frame_bytes\": \"1MiB\", \"atoms\": 5000},"
              " \"log\": {\"level\": \"error\", \"format\": \"json\"}}"),
        "");
    settings_node_config(&settings, "cookie", &config);
    assert_true(config.hidden);
    assert_string_equal(config.listen_host, "::1");
    assert_int_equal(config.listen_port, 9100);
    assert_int_equal(config.epmd_port, 4370);
    assert_false(config.start_epmd);
    assert_int_equal(config.ticktime_ms, 8000);
    assert_int_equal(config.setup_ms, 500);
    assert_int_equal(config.link_profile, LINK_PROFILE_OFF);
    assert_int_equal(config.schedulers, 64);
    assert_int_equal(config.busy_poll_ns, 0);
    assert_int_equal(config.callback_budget_ns, 1000000000);
    assert_int_equal(config.callback_limit_ns, 0);
    assert_int_equal(settings.node.stop_ns, 60000000000);
    assert_string_equal(settings.node.cookie_file, "etc/cookie");
    assert_string_equal(settings_cookie_for(&settings, "b@h"), "x");
    assert_null(settings_cookie_for(&settings, "c@h"));
    assert_int_equal(settings.join.count, 2);
    assert_int_equal(settings.limits.frame_bytes, 1048576);
    assert_int_equal(settings.limits.atoms, 5000);
    assert_int_equal(settings.log.level, LOG_LEVEL_ERROR);
    assert_int_equal(settings.log.format, LOG_FORMAT_JSON);
}

static void each_node_is_joined_once_and_never_itself(void **state)
{
    (void)state;
    assert_string_equal(
        parse("{\"node\": {\"name\": \"a@h\",\n \"join\": [\"a@h\", \"b@h\","
              " \"c@h\", \"b@h\"]}}"),
        "etc/c.json:2: node.join[3]: expected each node once, got \"b@h\" "
        "again\n");
    assert_int_equal(settings.join.count, 2);
}

static void options_overrule_the_file(void **state)
{
    const char *join[] = {"d@h", "b@h"}; /* b again, which is fine */
    const char *set[] = {"node.port=9200", "log.level=debug"};

    (void)state;
    cli.name = "z@h";
    cli.cookie_file = "here";
    cli.is_hidden = true;
    cli.join = (struct cli_list){join, 2};
    cli.set = (struct cli_list){set, 2};
    assert_string_equal(parse("{\"node\": {\"name\": \"a@h\", \"port\": 1,"
                              " \"join\": [\"b@h\"]}}"),
                        "");
    assert_string_equal(settings.node.name, "z@h");
    assert_string_equal(settings.node.cookie_file, "here");
    assert_true(settings.node.hidden);
    assert_int_equal(settings.node.port, 9200);
    assert_int_equal(settings.log.level, LOG_LEVEL_DEBUG);
    assert_int_equal(settings.join.count, 2);
    assert_string_equal(settings.join.items[0], "b@h");
    assert_string_equal(settings.join.items[1], "d@h");
}

static void the_node_does_not_join_itself(void **state)
{
    (void)state;
    assert_string_equal(parse("{\"node\": {\"name\": \"a@h\","
                              " \"join\": [\"a@h\", \"b@h\"]}}"),
                        "");
    assert_int_equal(settings.join.count, 1);
    assert_string_equal(settings.join.items[0], "b@h");
}

static void names_without_host_are_mistakes(void **state)
{
    const char *join[] = {"x"};

    (void)state;
    assert_string_equal(parse("{\"node\": {\"name\": \"c1\"}}"),
                        "etc/c.json:1: node.name: expected a full node name "
                        "such as \"c1@127.0.0.1\", got \"c1\"\n");
    settings_fini(&settings);
    cli.name = "foo";
    cli.join = (struct cli_list){join, 1};
    assert_string_equal(parse("{\"node\": {\"name\": \"a@h\"}}"),
                        "--name: expected a full node name such as "
                        "\"c1@127.0.0.1\", got \"foo\"\n"
                        "--join: expected a full node name such as "
                        "\"c1@127.0.0.1\", got \"x\"\n");
}

static void every_mistake_is_reported_with_its_line(void **state)
{
    const char *lines;

    (void)state;
    lines = parse("{\n"
                  "  \"node\": {\"name\": \"a@h\", \"hiden\": true,\n"
                  "    \"join\": [\"b@h\", 3, \"x\"],\n"
                  "    \"listen\": \"localhost\"},\n"
                  "  \"runtime\": {\"schedulers\": 65},\n"
                  "  \"limits\": {\"atms\": 1},\n"
                  "  \"log\": 3,\n"
                  "  \"nodes\": {}\n"
                  "}\n");
    assert_int_equal(settings.config.error_count, 8);
    assert_non_null(strstr(lines, "etc/c.json:2: node.hiden: unknown key, did "
                                  "you mean \"hidden\"?\n"));
    assert_non_null(strstr(lines, "etc/c.json:3: node.join[1]: expected"));
    assert_non_null(strstr(lines, "etc/c.json:3: node.join[2]: expected"));
    assert_non_null(strstr(lines, "etc/c.json:4: node.listen: expected an IP "
                                  "address"));
    assert_non_null(strstr(lines, "etc/c.json:5: runtime.schedulers: expected "
                                  "1..64 or \"auto\"\n"));
    assert_non_null(strstr(lines, "etc/c.json:6: limits.atms: unknown key, did "
                                  "you mean \"atoms\"?\n"));
    assert_non_null(strstr(lines, "etc/c.json:7: log: expected an object"));
    assert_non_null(strstr(lines, "etc/c.json:8: nodes: unknown key, did you "
                                  "mean \"node\"?\n"));
}

static void wrong_cookies_are_not_shown(void **state)
{
    const char *lines;

    (void)state;
    lines =
        parse("{\"node\": {\"name\": \"a@h\", \"cookies\":"
              " {\"b@h\": \"s\\u00e9cret\", \"x\": \"y\", \"c@h\": \"\"}}}");
    assert_int_equal(settings.config.error_count, 3);
    assert_null(strstr(lines, "cret"));
    assert_non_null(strstr(lines, "node.cookies.b@h: expected a cookie"));
    assert_non_null(strstr(lines, "node.cookies.c@h: expected a cookie"));
    assert_non_null(strstr(lines, "node.cookies.x: expected a full node name"));
}

static void a_syntax_error_is_reported_alone(void **state)
{
    (void)state;
    assert_string_equal(parse("{\"node\": {\"name\": \"c1\"},\n}"),
                        "etc/c.json:2:1: string or '}' expected near '}'\n");
}

static void a_missing_file_is_one_mistake(void **state)
{
    (void)state;
    cli.config = "/nowhere/c.json";
    assert_int_equal(settings_load(&settings, &cli), CNODE_CONFIG);
    assert_int_equal(settings.config.error_count, 1);
}

static void the_defaults_of_all_sections_are_in_range(void **state)
{
    struct settings_section sections[SETTINGS_SECTION_COUNT];

    (void)state;
    assert_string_equal(parse("{\"node\": {\"name\": \"a@h\"}}"), "");
    settings_sections(&settings, sections);
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        for (size_t k = 0; k < sections[i].count; k++) {
            const struct config_key *key = &sections[i].keys[k];
            uint64_t value;
            assert_non_null(key->doc);
            if ((key->type != CONFIG_UINT && key->type != CONFIG_DURATION &&
                 key->type != CONFIG_SIZE) ||
                strcmp(key->name, "epmd_port") == 0) {
                continue;
            }
            value = *(const uint64_t *)(const void *)((const char *)sections[i]
                                                          .defaults +
                                                      key->offset);
            assert_in_range(value, key->least, key->most);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_the_name_is_required, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(defaults_are_those_of_the_design, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_key_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(
            each_node_is_joined_once_and_never_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(options_overrule_the_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_node_does_not_join_itself, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(names_without_host_are_mistakes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_mistake_is_reported_with_its_line,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_cookies_are_not_shown, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_syntax_error_is_reported_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_missing_file_is_one_mistake, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            the_defaults_of_all_sections_are_in_range, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
