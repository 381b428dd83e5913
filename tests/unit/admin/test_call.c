/* SPDX-License-Identifier: Apache-2.0
 *
 * `cnode call` without the network: arguments, the request, and what is said
 * when there is no reply.
 */
#include "admin/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "term/build.h"
#include <cnode/error.h>

static struct call call;
static struct cli cli;
static struct buf out;
static const char *words[4];

static int setup(void **state)
{
    (void)state;
    buf_init(&out, 0);
    memset(&call, 0, sizeof(call));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    call_fini(&call);
    buf_fini(&out);
    return 0;
}

static const char *text(void)
{
    buf_put_u8(&out, 0);
    return (const char *)buf_data(&out);
}

static int read_call(const char *timeout, const char *a, const char *b,
                     const char *c, const char *d)
{
    words[0] = a;
    words[1] = b;
    words[2] = c;
    words[3] = d;
    cli =
        (struct cli){.timeout = timeout, .args = {words, d == NULL ? 3u : 4u}};
    return call_read(&call, &cli, &out);
}

static void assert_request(const char *expected)
{
    struct buf term;
    struct buf printed;
    struct pid self = {.node = atom_intern("c@h", 3), .id = 1, .creation = 4};

    buf_init(&term, 0);
    buf_init(&printed, 0);
    call_put_request(&call, &term, self, 1234);
    assert_int_equal(buf_error(&term), 0);
    term_print(&printed, term_at(buf_data(&term), buf_size(&term)), 0);
    buf_put_u8(&printed, 0);
    assert_string_equal(buf_data(&printed), expected);
    buf_fini(&term);
    buf_fini(&printed);
}

static void a_worker_is_called_through_an_envelope(void **state)
{
    (void)state;
    assert_int_equal(read_call("250ms", "c1@127.0.0.1", "Elixir.Demo", "123",
                               "{add, \"x\"}"),
                     0);
    assert_true(call.is_pooled);
    assert_int_equal(call.target.timeout_ms, 250);
    assert_request("{msg_envelope,{<c@h.1.0>,1234},call,"
                   "{ref,'Elixir.Demo.Worker',123},"
                   "{settings,nil,true,nil,nil,nil,250},"
                   "{s,{add,<<\"x\">>},nil,nil}}");
}

static void a_service_is_called_with_the_bare_term(void **state)
{
    (void)state;
    assert_int_equal(read_call(NULL, "c1@127.0.0.1", "echo", "[1|2]", NULL), 0);
    assert_false(call.is_pooled);
    assert_int_equal(call.target.timeout_ms, 5000);
    assert_request("[1|2]");
}

static void a_node_may_be_said_to_be_elsewhere(void **state)
{
    (void)state;
    assert_int_equal(read_call(NULL, "c@h", "echo", "x", NULL), 0);
    assert_int_equal(call.target.address.port, 0);
    call_fini(&call);
    cli.at = "10.0.0.5:9100";
    assert_int_equal(call_read(&call, &cli, &out), 0);
    assert_string_equal(call.target.address.host, "10.0.0.5");
    assert_int_equal(call.target.address.port, 9100);
    call_fini(&call);
    cli.at = "9100";
    assert_int_equal(call_read(&call, &cli, &out), CNODE_EINVALID);
    assert_non_null(strstr(text(), "--at: expected host:port"));
}

static void mistakes_in_terms_are_marked(void **state)
{
    (void)state;
    assert_int_equal(read_call(NULL, "a@h", "p", "1", "{add, }"),
                     CNODE_EINVALID);
    assert_string_equal(text(),
                        "cnode: TERM is not an Erlang term: expected a term\n"
                        "    {add, }\n"
                        "          ^\n");
    call_fini(&call);
    buf_clear(&out);
    assert_int_equal(read_call(NULL, "a@h", "p", "{", "x"), CNODE_EINVALID);
    assert_int_equal(strncmp(text(), "cnode: ID is not", 16), 0);
}

static void the_caret_counts_characters_of_its_line(void **state)
{
    (void)state;
    call_put_caret(&out, "one\ntw\xc3\xb6 three\nfour", 9);
    assert_string_equal(text(), "    tw\xc3\xb6 three\n"
                                "        ^\n");
}

static void of_a_long_line_a_part_is_shown(void **state)
{
    char line[40001];

    (void)state;
    memset(line, '[', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    call_put_caret(&out, line, 20000);
    assert_true(buf_size(&out) < 300);
    assert_non_null(strstr(text(), "[["));
    assert_non_null(strchr(text(), '^'));
}

static void a_term_too_deep_is_not_called_a_mistake_of_syntax(void **state)
{
    char deep[40001];

    (void)state;
    limits.term_depth = 10000;
    memset(deep, '[', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    assert_int_equal(read_call(NULL, "a@h", "p", "1", deep), CNODE_EINVALID);
    assert_string_equal(text(), "cnode: TERM: nested deeper than the limit\n");
}

static void other_arguments_are_checked(void **state)
{
    char name[ATOM_MAX_CHARS + 2];

    (void)state;
    assert_int_equal(read_call(NULL, "nohost", "p", "1", NULL), CNODE_EINVALID);
    call_fini(&call);
    assert_int_equal(read_call("5", "a@h", "p", "1", NULL), CNODE_EINVALID);
    call_fini(&call);
    assert_int_equal(read_call("0s", "a@h", "p", "1", NULL), CNODE_EINVALID);
    call_fini(&call);
    memset(name, 'x', sizeof(name));
    name[ATOM_MAX_CHARS + 1] = '\0';
    assert_int_equal(read_call(NULL, "a@h", name, "1", NULL), CNODE_EINVALID);
}

/* The line for one outcome; `reason`: a term, or NULL. */
static const char *failure(enum client_outcome outcome, int rc,
                           const char *reason)
{
    struct client_result result = {.outcome = outcome, .rc = rc};

    buf_init(&result.term, 0);
    if (reason != NULL) {
        term_format(&result.term, reason);
    }
    buf_clear(&out);
    target_put_failure(&out, &call.target, call.pool, call.id_text, &result);
    client_result_fini(&result);
    return text();
}

static void each_failure_is_one_clear_line(void **state)
{
    (void)state;
    assert_int_equal(read_call("2s", "a@h", "Demo", "1", "x"), 0);
    assert_string_equal(failure(CLIENT_DOWN, 0, "noproc"),
                        "cnode: a@h: no pool has the name Demo, did you mean "
                        "Elixir.Demo?\n");
    assert_string_equal(failure(CLIENT_DOWN, 0, "{shutdown, x}"),
                        "cnode: a@h: worker 1 of Demo ended before it replied: "
                        "{shutdown,x}\n");
    assert_string_equal(failure(CLIENT_TIMEOUT, CNODE_TIMEOUT, NULL),
                        "cnode: a@h: no reply within 2s\n");
    assert_string_equal(failure(CLIENT_NO_NODE, CNODE_CLOSED, NULL),
                        "cnode: a@h: the connection was closed during the "
                        "handshake (another cookie?)\n");
    assert_string_equal(failure(CLIENT_NO_NODE, CNODE_COOKIE, NULL),
                        "cnode: a@h: cannot connect: the cookies of the two "
                        "nodes differ\n");
    assert_string_equal(failure(CLIENT_LOST, CNODE_CLOSED, NULL),
                        "cnode: a@h: the connection was lost before a reply "
                        "came: closed by the peer\n");
    assert_non_null(strstr(failure(CLIENT_NO_EPMD, CNODE_NOT_REGISTERED, NULL),
                           "no node of that name is registered"));
}

static void names_that_are_elixirs_already_get_no_advice(void **state)
{
    (void)state;
    assert_int_equal(read_call(NULL, "a@h", "Elixir.Demo", "1", "x"), 0);
    assert_string_equal(failure(CLIENT_DOWN, 0, "noproc"),
                        "cnode: a@h: no pool has the name Elixir.Demo\n");
    call_fini(&call);
    assert_int_equal(read_call(NULL, "a@h", "echo", "x", NULL), 0);
    assert_string_equal(failure(CLIENT_DOWN, 0, "noproc"),
                        "cnode: a@h: no process has the name echo\n");
}

static int start(void **state)
{
    (void)state;
    atom_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_worker_is_called_through_an_envelope,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_service_is_called_with_the_bare_term,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_node_may_be_said_to_be_elsewhere,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(mistakes_in_terms_are_marked, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_caret_counts_characters_of_its_line,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_long_line_a_part_is_shown, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_term_too_deep_is_not_called_a_mistake_of_syntax, setup, teardown),
        cmocka_unit_test_setup_teardown(other_arguments_are_checked, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(each_failure_is_one_clear_line, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            names_that_are_elixirs_already_get_no_advice, setup, teardown),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
