/* SPDX-License-Identifier: Apache-2.0
 *
 * The scopes of pg and syn in the configuration.
 */
#include "admin/scope_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/settings.h"

static struct settings settings;

static int teardown(void **state)
{
    (void)state;
    settings_fini(&settings);
    return 0;
}

/* All lines of mistakes. */
static const char *parse(const char *keys)
{
    const struct cli cli = {.config = "c.json"};
    char text[2048];
    int rc;

    (void)snprintf(text, sizeof(text), "{\"node\": {\"name\": \"a@h\"}%s}",
                   keys);
    rc = settings_parse(&settings, &cli, text);
    assert_true((rc == 0) || settings.config.error_count > 0);
    buf_put_u8(&settings.config.errors, 0);
    return (const char *)buf_data(&settings.config.errors);
}

static void by_default_there_is_the_scope_of_otp_and_none_of_syn(void **state)
{
    struct cluster_config cluster;
    struct syn_config syn;

    (void)state;
    assert_string_equal(parse(""), "");
    settings_cluster_config(&settings, &cluster);
    assert_int_equal(cluster.pg_scope_count, 1);
    assert_string_equal(cluster.pg_scopes[0], "pg");
    settings_syn_config(&settings, &syn);
    assert_int_equal(syn.scope_count, 0);
    assert_false(syn.is_strict);
}

static void scopes_are_named(void **state)
{
    struct cluster_config cluster;
    struct syn_config syn;

    (void)state;
    assert_string_equal(
        parse(", \"pg\": {\"scopes\": []}, \"syn\": {\"strict_mode\": true, "
              "\"scopes\": [\"users\", \"Elixir.MyApp\", \"gr\xc3\xbcn\"]}"),
        "");
    settings_cluster_config(&settings, &cluster);
    assert_int_equal(cluster.pg_scope_count, 0);
    settings_syn_config(&settings, &syn);
    assert_int_equal(syn.scope_count, 3);
    assert_string_equal(syn.scopes[1], "Elixir.MyApp");
    assert_true(syn.is_strict);
}

#define EXPECTED ": expected the name of a scope, each once\n"

static void what_is_no_scope_is_a_mistake(void **state)
{
    (void)state;
    assert_string_equal(
        parse(", \"pg\": {\"scopes\": [17, \"a\", \"a\", \"\"]}"),
        "c.json:1: pg.scopes[0]" EXPECTED "c.json:1: pg.scopes[2]" EXPECTED
        "c.json:1: pg.scopes[3]" EXPECTED);
}

/* syn makes names of tables of it, by way of Latin-1. */
static void a_scope_that_no_syn_could_have_is_a_mistake(void **state)
{
    char name[256], keys[1024];

    (void)state;
    memset(name, 'x', 255);
    name[235] = '\0';
    (void)snprintf(keys, sizeof(keys),
                   ", \"syn\": {\"scopes\": [\"%s\", \"%s\", "
                   "\"\xe4\xbd\xa0\"]}",
                   name, name + 1);
    assert_string_equal(parse(keys), "c.json:1: syn.scopes[0]" EXPECTED
                                     "c.json:1: syn.scopes[2]" EXPECTED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(by_default_there_is_the_scope_of_otp_and_none_of_syn),
        TEST(scopes_are_named),
        TEST(what_is_no_scope_is_a_mistake),
        TEST(a_scope_that_no_syn_could_have_is_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
