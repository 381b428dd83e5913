/* SPDX-License-Identifier: Apache-2.0
 *
 * Envelopes and child specs of every shape.
 */
#include "pool/envelope.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "pool/child_spec.h"
#include "term/build.h"
#include "term/text.h"

static struct buf bytes, out;

static int setup(void **state)
{
    (void)state;
    atom_init();
    assert_true(atom_intern("P.Worker", 8) != ATOM_NONE);
    buf_init(&bytes, 0);
    buf_init(&out, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&bytes);
    buf_fini(&out);
    return 0;
}

static struct cnode_term term_of(const char *text)
{
    buf_clear(&bytes);
    term_format(&bytes, text);
    assert_int_equal(buf_error(&bytes), 0);
    return term_at(buf_data(&bytes), buf_size(&bytes));
}

static void assert_term(struct cnode_term term, const char *text)
{
    buf_clear(&out);
    term_print(&out, term, 0);
    buf_put_u8(&out, 0);
    assert_string_equal((const char *)buf_data(&out), text);
}

static void an_envelope_is_opened(void **state)
{
    struct envelope e;

    (void)state;
    assert_true(envelope_parse(
        term_of("{msg_envelope, {self, 17}, call, {ref, 'P.Worker', 5}, "
                "{settings, nil, true, nil, nil, nil, 60000}, "
                "{s, ping, #{token => 1}, [{a, b}]}}"),
        &e));
    assert_true(e.has_ref && e.spawn);
    assert_term(e.module, "'P.Worker'");
    assert_term(e.id, "5");
    assert_term(e.call, "ping");
    assert_term(e.context, "#{token => 1}");
    assert_term(e.options, "[{a,b}]");
    assert_term(e.message, "{s,ping,#{token => 1},[{a,b}]}");
}

static void a_link_around_a_ref_is_a_ref(void **state)
{
    struct envelope e;

    (void)state;
    assert_true(envelope_parse(
        term_of("{msg_envelope, nil, cast, {link, n@h, nil, {ref, "
                "'P.Worker', x}}, nil, {s, a, b, c}}"),
        &e));
    assert_true(e.has_ref);
    assert_false(e.spawn);
    assert_term(e.id, "x");
}

static void a_module_may_be_one_we_never_heard_of(void **state)
{
    struct envelope e;

    (void)state;
    assert_true(envelope_parse(
        term_of("{msg_envelope, nil, nil, {ref, 'nobody knows this', 1}, nil, "
                "x}"),
        &e));
    assert_true(e.has_ref);
    assert_int_equal(term_atom(e.module), ATOM_NONE);
}

static void anything_may_be_inside(void **state)
{
    struct envelope e;

    (void)state;
    assert_true(envelope_parse(
        term_of("{msg_envelope, nil, nil, {ref, 'P.Worker', 1}, nil, [1]}"),
        &e));
    assert_term(e.call, "[1]");
    assert_term(e.message, "[1]");
    assert_term(e.context, "undefined");
    assert_term(e.options, "undefined");
}

static void recipients_of_other_shapes_are_no_refs(void **state)
{
    static const char *const recipients[] = {
        "nil",
        "{pool, x}",
        "{ref, 1, 2}",
        "{ref, a}",
        "{ref, a, b, c}",
        "{link, a, b, {link, a, b, {ref, 'P.Worker', 1}}}",
        "{link, a, b, c}",
        "[ref, a, b]",
        "#{}",
        "<<\"ref\">>",
    };
    struct envelope e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recipients); i++) {
        char text[256];

        snprintf(text, sizeof(text), "{msg_envelope, nil, nil, %s, nil, x}",
                 recipients[i]);
        assert_true(envelope_parse(term_of(text), &e));
        assert_false(e.has_ref);
    }
}

static void other_shapes_are_no_envelopes(void **state)
{
    static const char *const terms[] = {
        "msg_envelope",
        "{}",
        "{msg_envelope}",
        "{msg_envelope, 1, 2, 3, 4}",
        "{msg_envelope, 1, 2, 3, 4, 5, 6}",
        "{other, 1, 2, 3, 4, 5}",
        "[msg_envelope, 1, 2, 3, 4, 5]",
        "{<<\"msg_envelope\">>, 1, 2, 3, 4, 5}",
    };
    struct envelope e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        assert_false(envelope_parse(term_of(terms[i]), &e));
    }
}

static void options_come_as_keywords_or_map(void **state)
{
    (void)state;
    assert_false(envelope_option(term_of("[{restart, false}]"), "restart", 1));
    assert_false(
        envelope_option(term_of("#{restart => false}"), "restart", true));
    assert_true(
        envelope_option(term_of("[restart, {restart, 7}]"), "restart", true));
    assert_true(envelope_option(term_of("nil"), "restart", true));
    assert_true(envelope_option(term_of("[]"), "restart", true));
    assert_true(envelope_option(term_of("[a | b]"), "restart", true));
    assert_true(envelope_option(term_of("#{a => false}"), "restart", true));
}

/* --- child specs */

static void the_spec_of_advanced_pool_is_understood(void **state)
{
    struct child_spec spec;

    (void)state;
    assert_true(child_spec_parse(
        term_of("{{'Elixir.Noizu.AdvancedPool.Worker.Server', start_link, "
                "[{ref, 'P.Worker', 9}, [[]], ctx]}, permanent, 5000, worker, "
                "[m]}"),
        &spec));
    assert_true(spec.has_ref);
    assert_term(spec.ref_module, "'P.Worker'");
    assert_term(spec.id, "9");
    assert_term(spec.args, "[]");
    assert_term(spec.context, "ctx");
}

static void a_map_is_a_spec_as_well(void **state)
{
    struct child_spec spec;

    (void)state;
    assert_true(child_spec_parse(
        term_of("#{id => x, type => supervisor, start => {m, f, [pool, {ref, "
                "'P.Worker', 1}, [#{a => 1}, 2]]}}"),
        &spec));
    assert_term(spec.module, "m");
    assert_term(spec.id, "1");
    assert_term(spec.args, "#{a => 1}");
    assert_term(spec.context, "undefined");
}

static void a_list_of_bytes_is_a_list_of_arguments(void **state)
{
    struct child_spec spec;

    (void)state;
    assert_true(child_spec_parse(
        term_of("{{m, f, [{ref, 'P.Worker', 1}, [7, 8]]}, t}"), &spec));
    assert_term(spec.args, "7");
}

static void a_spec_without_a_ref_has_none(void **state)
{
    struct child_spec spec;

    (void)state;
    assert_true(child_spec_parse(term_of("{{m, f, [1, 2]}, x}"), &spec));
    assert_false(spec.has_ref);
    assert_true(child_spec_parse(term_of("{{m, f, none}, x}"), &spec));
    assert_false(spec.has_ref);
}

static void other_shapes_are_no_specs(void **state)
{
    static const char *const terms[] = {
        "nil",
        "{}",
        "{a, b}",
        "{{m, f}, x}",
        "{{1, f, []}, x}",
        "#{}",
        "#{start => 1}",
        "[]",
        "{{m, f, [], 1}, x}",
    };
    struct child_spec spec;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        assert_false(child_spec_parse(term_of(terms[i]), &spec));
    }
}

static void requests_are_told_apart(void **state)
{
    struct cnode_term argument = TERM_NONE;

    (void)state;
    assert_int_equal(child_request(term_of("which_children"), &argument),
                     CHILD_WHICH);
    assert_int_equal(child_request(term_of("count_children"), &argument),
                     CHILD_COUNT);
    assert_int_equal(child_request(term_of("{start_child, x}"), &argument),
                     CHILD_START);
    assert_term(argument, "x");
    assert_int_equal(child_request(term_of("{terminate_child, 1}"), &argument),
                     CHILD_TERMINATE);
    assert_int_equal(child_request(term_of("{delete_child, 1}"), &argument),
                     CHILD_DELETE);
    assert_int_equal(child_request(term_of("{restart_child, 1}"), &argument),
                     CHILD_RESTART);
    assert_int_equal(child_request(term_of("{get_childspec, 1}"), &argument),
                     CHILD_SPEC);
    assert_int_equal(child_request(term_of("{hello, 1}"), &argument),
                     CHILD_OTHER);
    assert_int_equal(child_request(term_of("{start_child, 1, 2}"), &argument),
                     CHILD_OTHER);
    assert_int_equal(child_request(term_of("1"), &argument), CHILD_OTHER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_envelope_is_opened),
        TEST(a_link_around_a_ref_is_a_ref),
        TEST(a_module_may_be_one_we_never_heard_of),
        TEST(anything_may_be_inside),
        TEST(recipients_of_other_shapes_are_no_refs),
        TEST(other_shapes_are_no_envelopes),
        TEST(options_come_as_keywords_or_map),
        TEST(the_spec_of_advanced_pool_is_understood),
        TEST(a_map_is_a_spec_as_well),
        TEST(a_list_of_bytes_is_a_list_of_arguments),
        TEST(a_spec_without_a_ref_has_none),
        TEST(other_shapes_are_no_specs),
        TEST(requests_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
