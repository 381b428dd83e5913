/* SPDX-License-Identifier: Apache-2.0
 *
 * Native records as the tuples they were before.
 */
#include "term/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/term/terms.h"
#include "term/validate.h"
#include <cnode/error.h>

/* #m:r{a = 1, b = [2]}, and {r, 1, [2]} */
#define RECORD "4300000002 00 77016d 770172 770161 770162 6101 6c0000000161026a"
#define TUPLE  "6900000003 770172 6101 6c0000000161026a"
#define EMPTY  "4300000000 00 77016d 770165"
#define FUN_OF(size, free)                                                     \
    "70" size "00 00000000000000000000000000000000 00000000 00000001"          \
    "77016d 6100 6100 58770161 00000001 00000000 00000001" free

static void assert_becomes(const char *hex, const char *expected)
{
    struct buf in = bytes_of_hex(hex), wanted = bytes_of_hex(expected), out;
    struct cnode_term term = term_at(buf_data(&in), buf_size(&in));
    size_t size;

    assert_int_equal(term_validate(buf_data(&in), buf_size(&in), 100, &size),
                     0);
    assert_int_equal(size, buf_size(&in));
    buf_init(&out, 0);
    assert_int_equal(term_put_without_records(&out, term), 0);
    assert_int_equal(buf_size(&out), buf_size(&wanted));
    assert_memory_equal(buf_data(&out), buf_data(&wanted), buf_size(&out));
    assert_true(term_has_records(term) == (buf_size(&in) != buf_size(&out)));
    assert_false(term_has_records(term_at(buf_data(&out), buf_size(&out))));
    buf_fini(&in);
    buf_fini(&out);
    buf_fini(&wanted);
}

static void a_record_becomes_a_tuple_of_its_name_and_values(void **state)
{
    (void)state;
    assert_becomes(RECORD, TUPLE);
    assert_becomes(EMPTY, "6900000001 770165");
}

static void records_are_found_anywhere(void **state)
{
    (void)state;
    assert_becomes("6802 6101" RECORD, "6802 6101" TUPLE);
    assert_becomes("6c00000002" RECORD EMPTY RECORD,
                   "6c00000002" TUPLE "6900000001 770165" TUPLE);
    assert_becomes("7400000001" RECORD EMPTY,
                   "7400000001" TUPLE "6900000001 770165");
    /* in one another */
    assert_becomes("4300000001 00 77016d 770171 770161" RECORD,
                   "6900000002 770171" TUPLE);
}

static void what_has_none_stays_as_it_is(void **state)
{
    static const char *const terms[] = {
        "6a", "6d00000003434343", "6802 7701436143", "71 77016d 770166 6101",
        FUN_OF("00000036", "6143")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        assert_becomes(terms[i], terms[i]);
    }
}

static void a_fun_gets_its_new_length(void **state)
{
    (void)state;
    assert_becomes(FUN_OF("00000040", EMPTY),
                   FUN_OF("0000003c", "6900000001 770165"));
    assert_becomes(
        "6802" FUN_OF("00000075", FUN_OF("00000040", EMPTY)) EMPTY,
        "6802" FUN_OF(
            "00000071",
            FUN_OF("0000003c", "6900000001 770165")) "6900000001 770165");
}

static void two_keys_may_become_one_which_nobody_takes(void **state)
{
    struct buf in = bytes_of_hex("7400000002" EMPTY "6101"
                                 "6801 770165 6102"),
               out;
    size_t size;

    (void)state;
    assert_int_equal(term_validate(buf_data(&in), buf_size(&in), 100, &size),
                     0);
    buf_init(&out, 0);
    assert_int_equal(
        term_put_without_records(&out, term_at(buf_data(&in), buf_size(&in))),
        CNODE_UNSUPPORTED);
    buf_fini(&in);
    buf_fini(&out);
}

static void validating_one_tells_that_they_are_about(void **state)
{
    struct buf in = bytes_of_hex(EMPTY);
    size_t size;

    (void)state;
    atomic_store(&records_are_about, false);
    assert_int_equal(term_validate((const uint8_t *)"j", 1, 100, &size), 0);
    assert_false(records_may_be_about());
    assert_int_equal(term_validate(buf_data(&in), buf_size(&in), 100, &size),
                     0);
    assert_true(records_may_be_about());
    buf_fini(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_becomes_a_tuple_of_its_name_and_values),
        cmocka_unit_test(records_are_found_anywhere),
        cmocka_unit_test(what_has_none_stays_as_it_is),
        cmocka_unit_test(a_fun_gets_its_new_length),
        cmocka_unit_test(two_keys_may_become_one_which_nobody_takes),
        cmocka_unit_test(validating_one_tells_that_they_are_about),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
