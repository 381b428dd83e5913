/* SPDX-License-Identifier: Apache-2.0
 *
 * A round of questions. */
#include "manager/round.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/metric.h"
#include "term/build.h"
#include "term/text.h"

static struct round round_;
static struct buf term_bytes, text;
static atom_t a, b;

static int setup(void **state)
{
    (void)state;
    atom_init();
    a = atom_intern("a@h", 3);
    b = atom_intern("b@h", 3);
    buf_init(&term_bytes, 0);
    buf_init(&text, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    round_end(&round_);
    buf_fini(&term_bytes);
    buf_fini(&text);
    return 0;
}

static struct cnode_term term(const char *format)
{
    buf_clear(&term_bytes);
    term_format(&term_bytes, format);
    assert_int_equal(buf_error(&term_bytes), 0);
    return term_at(buf_data(&term_bytes), buf_size(&term_bytes));
}

static const char *put(void)
{
    buf_clear(&term_bytes);
    round_put(&round_, &term_bytes);
    buf_clear(&text);
    term_print(&text, term_at(buf_data(&term_bytes), buf_size(&term_bytes)), 0);
    buf_put_u8(&text, '\0');
    return (const char *)buf_data(&text);
}

static struct round_node *asked(atom_t name, uint32_t number)
{
    struct round_node *node = round_add(&round_, name);

    assert_non_null(node);
    node->ref = (struct ref){.node = A_node, .len = 3, .words = {number, 0, 0}};
    return node;
}

static void it_is_over_when_all_have_answered(void **state)
{
    struct ref ref = {.node = A_node, .len = 3, .words = {2, 0, 0}};

    (void)state;
    round_begin(&round_, false, 1);
    asked(a, 1);
    asked(b, 2);
    assert_null(round_add(&round_, a));
    round_answer(&round_, round_find_ref(&round_, &ref), term("{ok, well}"));
    assert_false(round_is_over(&round_));
    assert_null(round_find_ref(&round_, &ref)); /* no second answer */
    ref.words[0] = 1;
    round_answer(&round_, round_find_ref(&round_, &ref), term("{ok, ill}"));
    assert_true(round_is_over(&round_));
    assert_string_equal(put(), "#{a@h => ill,b@h => well}");
}

static void who_does_not_answer_is_unavailable(void **state)
{
    (void)state;
    round_begin(&round_, false, 1);
    asked(a, 1);
    asked(b, 2);
    round_lose(&round_, &round_.nodes[0]);
    round_lose(&round_, &round_.nodes[0]);
    round_answer(&round_, &round_.nodes[1], term("{error, badarg}"));
    assert_true(round_is_over(&round_));
    assert_string_equal(
        put(), "#{a@h => {error,unavailable},b@h => {error,unavailable}}");
}

static void a_rebuild_waits_for_what_was_promised(void **state)
{
    (void)state;
    round_begin(&round_, true, 1);
    asked(a, 1);
    round_answer(&round_, &round_.nodes[0], term("{ok, initializing}"));
    assert_false(round_is_over(&round_));
    round_report(&round_, b, term("of_nobody"));
    round_report(&round_, a, term("report"));
    round_report(&round_, a, term("another"));
    assert_true(round_is_over(&round_));
    assert_string_equal(put(), "#{a@h => report}");
}

static void a_report_may_come_before_its_answer(void **state)
{
    (void)state;
    round_begin(&round_, true, 1);
    asked(a, 1);
    round_report(&round_, a, term("report"));
    assert_true(round_is_over(&round_));
}

static void a_plain_round_takes_no_reports(void **state)
{
    (void)state;
    round_report(&round_, a, term("early"));
    round_begin(&round_, false, 1);
    asked(a, 1);
    round_report(&round_, a, term("report"));
    assert_false(round_is_over(&round_));
}

static void a_large_report_is_none(void **state)
{
    uint64_t refused = metric_read(METRIC_reports_refused);
    struct limits before = limits;

    (void)state;
    limits.report_bytes = 20;
    round_begin(&round_, false, 1);
    asked(a, 1);
    round_answer(&round_, &round_.nodes[0],
                 term("{ok, <<\"much more than twenty bytes\">>}"));
    assert_true(round_is_over(&round_));
    assert_string_equal(put(), "#{a@h => {error,unavailable}}");
    assert_int_equal(metric_read(METRIC_reports_refused), refused + 1);
    limits = before;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_is_over_when_all_have_answered),
        TEST(who_does_not_answer_is_unavailable),
        TEST(a_rebuild_waits_for_what_was_promised),
        TEST(a_report_may_come_before_its_answer),
        TEST(a_plain_round_takes_no_reports),
        TEST(a_large_report_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
