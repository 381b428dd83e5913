/* SPDX-License-Identifier: Apache-2.0
 *
 * node.tls of the configuration, and what `cnode call` makes of it and of its
 * own options.
 */
#include "admin/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/mem.h"
#include "support/dist/certs.h"

static struct settings settings;
static struct tls_context *context;

/* All lines of mistakes. */
static const char *read_config(const char *tls)
{
    struct cli cli = {.config = "etc/c.json"};
    char text[1024];
    int rc;

    (void)snprintf(text, sizeof(text),
                   "{\"node\": {\"name\": \"a@h\",\n\"tls\": %s}}", tls);
    rc = settings_parse(&settings, &cli, text);
    if (rc == 0 && settings.config.error_count == 0) {
        rc = settings_open_tls(&settings, &context);
    }
    assert_true(rc == 0 || settings.config.error_count > 0);
    buf_put_u8(&settings.config.errors, 0);
    return (const char *)buf_data(&settings.config.errors);
}

static void forget(void)
{
    tls_context_free(context);
    context = NULL;
    settings_fini(&settings);
}

static void assert_mistake(const char *tls, const char *words)
{
    const char *text = read_config(tls);

    if (strstr(text, words) == NULL) {
        fail_msg("no \"%s\" in: %s", words, text);
    }
    assert_null(context);
    forget();
}

static void without_the_key_it_is_tcp(void **state)
{
    struct cli cli = {.config = "c.json"};

    (void)state;
    assert_int_equal(
        settings_parse(&settings, &cli, "{\"node\": {\"name\": \"a@h\"}}"), 0);
    assert_int_equal(settings_open_tls(&settings, &context), 0);
    assert_null(context);
    forget();
}

static void every_key_is_read(void **state)
{
    char tls[1024];

    (void)state;
    (void)cert_options();
    (void)snprintf(
        tls, sizeof(tls), "{\"cert\": \"%s\", \"key\": \"%s\", \"ca\": \"%s\"}",
        cert_path("node.pem"), cert_path("node.key"), cert_path("ca.pem"));
    assert_string_equal(read_config(tls), "");
    assert_int_equal(context->options.versions, TLS_1_2 | TLS_1_3);
    assert_int_equal(context->options.verify, TLS_VERIFY_BOTH);
    assert_true(context->options.match_name);
    forget();

    (void)snprintf(tls, sizeof(tls),
                   "{\"cert\": \"%s\", \"key\": \"%s\", \"verify\": \"none\","
                   "\"versions\": [\"1.3\"], \"match_name\": false}",
                   cert_path("node.pem"), cert_path("node.key"));
    assert_string_equal(read_config(tls), "");
    assert_int_equal(context->options.versions, TLS_1_3);
    assert_int_equal(context->options.verify, TLS_VERIFY_NONE);
    assert_false(context->options.match_name);
    forget();
}

static void mistakes_are_told_with_their_line(void **state)
{
    (void)state;
    assert_mistake("{}", "etc/c.json:2: node.tls.cert: ");
    assert_mistake("{\"cert\": \"c\"}", "etc/c.json:2: node.tls.ca: missing");
    assert_mistake("{\"cert\": \"c\", \"ca\": \"ca\"}",
                   "etc/c.json:2: node.tls.cert: cannot read etc/c: ");
    assert_mistake("{\"cert\": \"c\", \"ca\": \"ca\", \"versions\": []}",
                   "node.tls.versions: expected \"1.2\", \"1.3\" or both");
    assert_mistake("{\"cert\": \"c\", \"ca\": \"ca\", \"versions\": [1.3]}",
                   "node.tls.versions[0]: expected \"1.2\" or \"1.3\"");
    assert_mistake("{\"cert\": \"c\", \"ca\": \"a\", \"verify\": true}",
                   "node.tls.verify: expected \"both\"");
    assert_mistake("{\"crt\": \"c\"}",
                   "node.tls.crt: unknown key, did you mean \"cert\"?");
    assert_mistake("true", "node.tls: expected an object");
}

/* --- cnode call */

static int access_with(struct access *access, const struct cli *cli,
                       const char *words)
{
    struct buf error;
    int rc;

    buf_init(&error, 0);
    rc = access_read(access, cli, &error);
    buf_put_u8(&error, 0);
    if (strstr((const char *)buf_data(&error), words) == NULL ||
        (rc == 0) != (buf_size(&error) == 1)) {
        fail_msg("%d and no \"%s\" in: %s", rc, words,
                 (const char *)buf_data(&error));
    }
    buf_fini(&error);
    return rc;
}

static void call_takes_what_its_options_leave_open_from_the_file(void **state)
{
    struct access access;
    struct cli cli = {.command = CLI_CALL};

    (void)state;
    (void)cert_options();
    cli.config =
        cert_write("call.json",
                   "{\"node\": {\"name\": \"a@localhost\", \"epmd_port\": 4444,"
                   "\"tls\": {\"cert\": \"node.pem\", \"key\": \"node.key\","
                   " \"ca\": \"ca.pem\"}}}");
    cli.cookie = "pear";
    assert_int_equal(access_with(&access, &cli, ""), 0);
    assert_string_equal(access.cookie, "pear");
    assert_int_equal(access.epmd_port, 4444);
    assert_string_equal(access.host, "localhost");
    assert_non_null(access.tls);
    access_fini(&access);

    cli.tls_ca = cert_path("ca.pem"); /* in place of all of node.tls */
    assert_int_equal(access_with(&access, &cli, ""), 0);
    assert_non_null(access.tls);
    assert_null(access.host);
    access_fini(&access);

    cli.config = cert_write("call.json", "{\"node\": {}}"); /* no name */
    cli.tls_ca = NULL;
    assert_int_equal(access_with(&access, &cli, ""), 0);
    assert_null(access.tls);
    access_fini(&access);
}

static void call_says_what_is_wrong_with_its_files(void **state)
{
    struct access access;
    struct cli cli = {.command = CLI_CALL, .cookie = "pear"};

    (void)state;
    cli.tls_key = "x";
    assert_int_equal(access_with(&access, &cli, "--tls-key without --tls-cert"),
                     CNODE_CONFIG);
    access_fini(&access);
    cli.tls_cert = "/nowhere";
    assert_int_equal(
        access_with(&access, &cli, "cnode: --tls-cert: cannot read /nowhere: "),
        CNODE_CONFIG);
    access_fini(&access);
    cli.config = cert_write("call.json", "{\"node\": {\"nmae\": \"a@h\"}}");
    assert_int_equal(access_with(&access, &cli, "did you mean \"name\"?"),
                     CNODE_CONFIG);
    access_fini(&access);
    cli.config = "/nowhere.json";
    assert_int_equal(access_with(&access, &cli, "/nowhere.json"), CNODE_CONFIG);
    access_fini(&access);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_key_it_is_tcp),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(mistakes_are_told_with_their_line),
        cmocka_unit_test(call_takes_what_its_options_leave_open_from_the_file),
        cmocka_unit_test(call_says_what_is_wrong_with_its_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
