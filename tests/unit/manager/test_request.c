/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked of a manager, in all the forms in which it comes. */
#include "manager/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "term/build.h"

static struct buf buf;
static const struct pid somebody = {
    .node = A_node, .id = 3, .serial = 4, .creation = 5};

static int setup(void **state)
{
    (void)state;
    atom_init();
    buf_init(&buf, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&buf);
    return 0;
}

static struct request parse(const char *format, ...)
{
    struct request request;
    va_list args;

    buf_clear(&buf);
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    assert_int_equal(buf_error(&buf), 0);
    request_parse(term_at(buf_data(&buf), buf_size(&buf)), &request);
    return request;
}

#define ENVELOPE(call, options)                                                \
    "{msg_envelope, {nil, 1}, call, {ref, m, n@h}, {settings, nil, true, nil," \
    " nil, nil, 60000}, {s, " call ", nil, " options "}}"

static void a_configuration_in_all_forms(void **state)
{
    static const char *const forms[] = {
        "configuration",
        "{s, configuration, ctx, nil}",
        ENVELOPE("configuration", "nil"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        assert_int_equal(parse(forms[i]).kind, REQUEST_CONFIGURATION);
    }
    assert_true(term_is_none(parse(forms[0]).recipient));
    assert_true(cnode_is_atom(parse(forms[2]).recipient, "n@h"));
}

static void a_report_in_all_forms(void **state)
{
    static const struct {
        const char *form;
        bool rebuild, has_subscriber;
    } rows[] = {
        {"health_report", false, false},
        {"{health_report, nil}", false, false},
        {"{health_report, ~p}", false, true},
        {"{health_report, ~p, [{rebuild, true}]}", true, true},
        {"{health_report, ~p, #{rebuild => true}}", true, true},
        {"{s, {health_report, ~p}, nil, [{rebuild, true}]}", true, true},
        {"{s, {health_report, ~p}, nil, #{rebuild => false}}", false, true},
        {ENVELOPE("{health_report, ~p}", "[{a, 1}, {rebuild, true}]"), true,
         true},
        {ENVELOPE("{health_report, ~p}", "nil"), false, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct request request = parse(rows[i].form, somebody);

        assert_int_equal(request.kind, REQUEST_HEALTH_REPORT);
        assert_int_equal(request.rebuild, rows[i].rebuild);
        assert_int_equal(!pid_is_none(request.subscriber),
                         rows[i].has_subscriber);
    }
}

static void strange_options_are_none(void **state)
{
    static const char *const forms[] = {
        "{s, {health_report, nil}, nil, [a | b]}",
        "{s, {health_report, nil}, nil, [rebuild]}",
        "{s, {health_report, nil}, nil, <<\"rebuild\">>}",
        "{s, {health_report, nil}, nil, #{rebuild => yes}}",
        "{health_report, [nobody], {rebuild, true}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct request request = parse(forms[i]);

        assert_int_equal(request.kind, REQUEST_HEALTH_REPORT);
        assert_false(request.rebuild);
        assert_true(pid_is_none(request.subscriber));
    }
}

static void the_rest_is_told_apart(void **state)
{
    (void)state;
    assert_int_equal(parse("{s, heart_beat, nil, nil}").kind,
                     REQUEST_HEART_BEAT);
    assert_int_equal(parse("{s, {update_health_report, #{}}, nil, nil}").kind,
                     REQUEST_UPDATE_HEALTH_REPORT);
    assert_int_equal(parse("{s, {configuration, 1}, nil, nil}").kind,
                     REQUEST_OTHER);
    assert_int_equal(parse("{health_report, 1, 2, 3}").kind, REQUEST_OTHER);
    assert_int_equal(parse("[]").kind, REQUEST_OTHER);
    assert_int_equal(parse("{}").kind, REQUEST_OTHER);
    assert_int_equal(parse("{msg_envelope, 1, 2, 3, 4, 5}").kind,
                     REQUEST_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_configuration_in_all_forms, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_report_in_all_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(strange_options_are_none, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_rest_is_told_apart, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
