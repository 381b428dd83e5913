/* SPDX-License-Identifier: Apache-2.0
 *
 * cnode_admin on virtual time: requests taken apart, the limit on questions
 * under way, and a node that ends while some are.
 */
#include "manager/ask.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/metric.h"
#include "manager/ask_cursor.h"
#include "manager/ask_query.h"
#include "support/pool/world.h"
#include "term/build.h"
#include "term/text.h"

static struct world world;
static struct ask ask;
static struct limits before;

static int setup(void **state)
{
    (void)state;
    before = limits;
    world_prepare(&world, "{'pools': {'P': {'behaviour': 'script', "
                          "'supervisors': {'segments': 4}}},"
                          " 'services': {'svc': {'behaviour': 'script'}}}");
    assert_int_equal(ask_start(&ask, &world.node, &world.pools, NULL), 0);
    world_begin(&world);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ask_stop(&ask);
    world_close(&world);
    ask_fini(&ask);
    limits = before;
    return 0;
}

static const char *call(const char *request)
{
    return world_call(&world, "cnode_admin", request);
}

/* As a call whose answer is not awaited yet. */
static void feed(const char *request)
{
    struct ref ref = {.node = world.caller.node,
                      .creation = world.caller.creation,
                      .len = 3,
                      .words = {++world.calls, 0, 0}};
    const char *expected;
    struct buf buf, term;
    size_t where;

    buf_init(&buf, 0);
    buf_init(&term, 0);
    assert_int_equal(
        term_parse(&term, request, strlen(request), true, &where, &expected),
        0);
    term_format(&buf, "{'$gen_call', {~p, [alias | ~r]}, ~t}", world.caller,
                &ref, term_at(buf_data(&term), buf_size(&term)));
    buf_fini(&term);
    world_feed(&world, &buf, "{6, ~p, '', cnode_admin}", world.caller);
}

/* --- requests */

static int run_nothing(const struct ask_query *query)
{
    (void)query;
    return 0;
}

static const struct ask_row test_rows[] = {
    {"bare", ASK_NODE, 0, 1, run_nothing},
    {"about", ASK_POOL, 0, 2, run_nothing},
    {"maybe", ASK_MAYBE_POOL, 0, 1, run_nothing},
};

static int parse(struct ask_query *query, const char *text)
{
    static struct buf buf;
    const char *expected;
    size_t where;

    *query = (struct ask_query){.ask = &ask};
    buf_fini(&buf);
    buf_init(&buf, 0);
    assert_int_equal(
        term_parse(&buf, text, strlen(text), true, &where, &expected), 0);
    return ask_query_parse(query, term_at(buf_data(&buf), buf_size(&buf)),
                           test_rows, ARRAY_LEN(test_rows));
}

static void a_request_is_taken_apart(void **state)
{
    struct ask_query query;

    (void)state;
    assert_int_equal(parse(&query, "bare"), 0);
    assert_int_equal(query.arg_count, 0);
    assert_int_equal(parse(&query, "{bare}"), 0);
    assert_int_equal(parse(&query, "{bare, 1}"), 0);
    assert_int_equal(query.arg_count, 1);
    assert_null(query.pool);
    assert_int_equal(parse(&query, "{about, 'P', 1, 2}"), 0);
    assert_int_equal(query.arg_count, 2);
    assert_ptr_equal(query.pool, world_pool(&world));
    assert_int_equal(parse(&query, "{about, 'Q'}"), 0);
    assert_null(query.pool);
    assert_int_equal(parse(&query, "maybe"), 0);
    assert_null(query.pool);
    assert_int_equal(parse(&query, "{maybe, 'P', 1}"), 0);
    assert_int_equal(query.arg_count, 1);
}

static void what_is_none_is_refused(void **state)
{
    static const char *const unknown[] = {
        "x", "{x}", "{}", "[]", "1", "#{bare => 1}", "{{bare}}", "<<1>>"};
    static const char *const bad[] = {"{bare, 1, 2}", "about", "{about}",
                                      "{about, 'P', 1, 2, 3}",
                                      "{maybe, 'P', 1, 2}"};
    struct ask_query query;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        assert_int_equal(parse(&query, unknown[i]), CNODE_NOT_FOUND);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(parse(&query, bad[i]), CNODE_EINVALID);
    }
}

static void a_cursor_is_of_its_walk_only(void **state)
{
    struct ask_cursor cursor = {.part = 3, .number = 70000}, read = {0};
    uint8_t bytes[ASK_CURSOR_BYTES];

    (void)state;
    ask_cursor_put(&cursor, 17, bytes);
    assert_true(ask_cursor_get(&read, 17, bytes, sizeof(bytes)));
    assert_int_equal(read.part, 3);
    assert_int_equal(read.number, 70000);
    assert_false(ask_cursor_get(&read, 18, bytes, sizeof(bytes)));
    assert_false(ask_cursor_get(&read, 17, bytes, sizeof(bytes) - 1));
}

/* --- answers */

static void a_restarting_worker_has_no_pid_and_keeps_its_place(void **state)
{
    (void)state;
    assert_string_equal(world_ask(&world, "1", "ping"), "pong");
    script_knobs.fail_inits = 1;
    (void)world_ask(&world, "1", "'crash!'");
    (void)call("{alive, 'P', 1}");
    assert_string_equal(call("{alive, 'P', 1}"), "{ok,false}");
    assert_string_equal(call("{whereis, 'P', 1}"), "{ok,undefined}");
    assert_non_null(strstr(call("{workers, 'P'}"), "status => restarting"));
    world_advance(&world, 1000);
    assert_string_equal(call("{alive, 'P', 1}"), "{ok,true}");
    assert_non_null(strstr(call("{workers, 'P'}"), "status => init"));
}

static void too_many_questions_at_once_are_refused(void **state)
{
    uint64_t refused = metric_read(METRIC_asks_refused);
    const char *got;

    (void)state;
    limits.asks = 2;
    for (int i = 0; i < 3; i++) {
        feed("{alive, 'P', 1}");
    }
    got = world_got(&world);
    assert_non_null(strstr(got, "{error,overloaded}"));
    assert_int_equal(metric_read(METRIC_asks_refused), refused + 1);
    assert_int_equal(ask.under_way, 0);
    assert_string_equal(call("{alive, 'P', 1}"), "{ok,false}");
}

static void dead_letters_are_given_the_newest_first(void **state)
{
    const char *got;

    (void)state;
    assert_string_equal(call("dead_letters"),
                        "{ok,#{letters => [],total => 0,dropped => 0}}");
    for (int i = 0; i < 4; i++) {
        char line[256];

        (void)snprintf(line, sizeof(line),
                       "{msg_envelope, nil, cast, {ref, 'P.Worker', %d}, nil, "
                       "x}",
                       i);
        world_cast(&world, "P", line);
        world_advance(&world, 0);
    }
    got = call("{dead_letters, #{limit => 2}}");
    assert_non_null(strstr(got, "total => 4,dropped => 0"));
    assert_non_null(
        strstr(call("{dead_letters, [{pool, 'P'}]}"), "total => 4"));
    assert_string_equal(call("{dead_letters, [{pool, 'Q'}]}"),
                        "{error,unknown_pool}");
    assert_string_equal(call("{dead_letters, [{limit, 0}]}"),
                        "{error,{bad_request,{dead_letters,[{limit,0}]}}}");
}

/* Freed without an answer: asan would tell. */
static void a_node_that_ends_forgets_who_waits(void **state)
{
    (void)state;
    feed("{alive, 'P', 1}");
    feed("{workers, 'P'}");
    feed("status");
    assert_int_equal(ask.under_way, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_is_taken_apart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_none_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_cursor_is_of_its_walk_only, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_restarting_worker_has_no_pid_and_keeps_its_place, setup,
            teardown),
        cmocka_unit_test_setup_teardown(too_many_questions_at_once_are_refused,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(dead_letters_are_given_the_newest_first,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_node_that_ends_forgets_who_waits,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
