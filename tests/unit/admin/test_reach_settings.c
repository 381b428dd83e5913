/* SPDX-License-Identifier: Apache-2.0
 *
 * node.epmd, node.static, node.peer_port, node.allow, node.auto_connect.
 */
#include "admin/reach_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <cnode/error.h>

static struct settings settings;
static struct cli cli;

static int setup(void **state)
{
    (void)state;
    cli = (struct cli){.config = "c.json", .name = "me@h"};
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

    assert_true(rc == 0 || settings.config.error_count > 0);
    buf_put_u8(&settings.config.errors, 0);
    return (const char *)buf_data(&settings.config.errors);
}

static void by_default_epmd_is_asked_and_everybody_is_allowed(void **state)
{
    struct node_config config;
    struct node_address address;

    (void)state;
    assert_string_equal(parse("{}"), "");
    settings_node_config(&settings, "cookie", &config);
    assert_false(config.without_epmd);
    assert_int_equal(config.peer_port, 0);
    assert_int_equal(config.auto_connect, AUTO_CONNECT_ALWAYS);
    assert_true(reach_settings_is_allowed(&settings, "who@ever"));
    assert_false(reach_settings_address(&settings, "who@ever", &address));
}

static void every_key_is_read(void **state)
{
    struct node_config config;
    struct node_address address;

    (void)state;
    assert_string_equal(
        parse("{\"node\": {\"epmd\": false, \"port\": 9100,"
              " \"peer_port\": 9101, \"auto_connect\": \"once\","
              " \"static\": {\"a@h\": \"10.0.0.5:9102\", \"b@h\": \"[::1]:7\"},"
              " \"allow\": [\"a@h\", \"c@d\", \"other.host\"]}}"),
        "");
    settings_node_config(&settings, "cookie", &config);
    assert_true(config.without_epmd);
    assert_int_equal(config.peer_port, 9101);
    assert_int_equal(config.auto_connect, AUTO_CONNECT_ONCE);
    assert_true(reach_settings_address(&settings, "a@h", &address));
    assert_string_equal(address.host, "10.0.0.5");
    assert_int_equal(address.port, 9102);
    assert_true(reach_settings_address(&settings, "b@h", &address));
    assert_string_equal(address.host, "::1");
    assert_int_equal(address.port, 7);
    assert_false(reach_settings_address(&settings, "c@d", &address));
    assert_true(reach_settings_is_allowed(&settings, "a@h"));
    assert_false(reach_settings_is_allowed(&settings, "b@h"));
    assert_true(reach_settings_is_allowed(&settings, "c@d"));
    assert_true(reach_settings_is_allowed(&settings, "any@other.host"));
    assert_false(reach_settings_is_allowed(&settings, "any@sub.other.host"));
}

static void an_empty_list_allows_nobody(void **state)
{
    (void)state;
    assert_string_equal(parse("{\"node\": {\"allow\": []}}"), "");
    assert_false(reach_settings_is_allowed(&settings, "a@h"));
}

static void each_mistake_has_its_place(void **state)
{
    static const struct {
        const char *text, *mistake;
    } cases[] = {
        {"{\"node\": {\"allow\": [\"a@h\", 1]}}", "node.allow[1]: expected a"},
        {"{\"node\": {\"allow\": [\"a@b@c\"]}}", "node.allow[0]: expected a"},
        {"{\"node\": {\"allow\": [\"\"]}}", "node.allow[0]: expected a"},
        {"{\"node\": {\"allow\": [\"a@h\"], \"join\": [\"b@h\"]}}",
         "node.allow: expected \"b@h\" to be in it"},
        {"{\"node\": {\"static\": {\"a\": \"h:1\"}}}", "expected a full node"},
        {"{\"node\": {\"static\": {\"a@h\": \"h\"}}}", "expected host:port"},
        {"{\"node\": {\"static\": {\"a@h\": 1}}}", "expected host:port"},
        {"{\"node\": {\"auto_connect\": \"twice\"}}", "node.auto_connect"},
        {"{\"node\": {\"epmd\": false}}", "node.epmd: expected node.port"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_non_null(strstr(parse(cases[i].text), cases[i].mistake));
        settings_fini(&settings);
    }
    assert_string_equal(parse("{}"), "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(by_default_epmd_is_asked_and_everybody_is_allowed),
        T(every_key_is_read),
        T(an_empty_list_allows_nobody),
        T(each_mistake_has_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
