/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dist/flags.h"

/* What visible nodes send, as recorded from them. */
static const uint64_t otp25 = UINT64_C(0xD07DF7FBD);
static const uint64_t otp29 = UINT64_C(0x6D07DF7FBD);
static const uint64_t ei = UINT64_C(0x407074F9C);

static const uint64_t mandatory = UINT64_C(0x403070F94);

static void offers_what_was_tried_against_real_nodes(void **state)
{
    (void)state;
    assert_int_equal(dist_flags_offered(false), UINT64_C(0x2D07DF5FBD));
}

static void a_hidden_node_does_not_publish_itself(void **state)
{
    (void)state;
    assert_int_equal(dist_flags_offered(true),
                     dist_flags_offered(false) & ~UINT64_C(1));
}

static void our_own_flags_are_enough_for_us(void **state)
{
    (void)state;
    assert_int_equal(dist_flags_missing(dist_flags_offered(false)), 0);
    assert_int_equal(dist_flags_missing(dist_flags_offered(true)), 0);
}

static void real_nodes_miss_nothing(void **state)
{
    (void)state;
    assert_int_equal(dist_flags_missing(dist_flags_expand(otp25)), 0);
    assert_int_equal(dist_flags_missing(dist_flags_expand(otp29)), 0);
    assert_int_equal(dist_flags_missing(dist_flags_expand(ei)), 0);
}

static void the_digest_stands_for_the_set_of_otp_25(void **state)
{
    uint64_t flags = DIST_MANDATORY_25_DIGEST | DIST_V4_NC | DIST_UNLINK_ID;

    (void)state;
    assert_int_not_equal(dist_flags_missing(flags), 0);
    assert_int_equal(dist_flags_missing(dist_flags_expand(flags)), 0);
}

static void the_digest_alone_lacks_what_otp_26_added(void **state)
{
    (void)state;
    assert_int_equal(
        dist_flags_missing(dist_flags_expand(DIST_MANDATORY_25_DIGEST)),
        DIST_V4_NC | DIST_UNLINK_ID);
}

static void expanding_without_the_digest_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(dist_flags_expand(0), 0);
    assert_int_equal(dist_flags_expand(DIST_PUBLISHED), DIST_PUBLISHED);
}

static void each_mandatory_flag_is_missed_when_absent(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        uint64_t bit = UINT64_C(1) << i;
        uint64_t missing = dist_flags_missing(mandatory & ~bit);

        assert_int_equal(missing, mandatory & bit);
    }
}

static void flags_have_names(void **state)
{
    struct buf names;

    (void)state;
    buf_init(&names, 0);
    dist_flags_put_names(&names, 0);
    assert_int_equal(buf_size(&names), 0);
    dist_flags_put_names(&names, DIST_V4_NC | DIST_UNLINK_ID);
    buf_put_u8(&names, 0);
    assert_string_equal(buf_data(&names), "UNLINK_ID V4_NC");
    buf_fini(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_what_was_tried_against_real_nodes),
        cmocka_unit_test(a_hidden_node_does_not_publish_itself),
        cmocka_unit_test(our_own_flags_are_enough_for_us),
        cmocka_unit_test(real_nodes_miss_nothing),
        cmocka_unit_test(the_digest_stands_for_the_set_of_otp_25),
        cmocka_unit_test(the_digest_alone_lacks_what_otp_26_added),
        cmocka_unit_test(expanding_without_the_digest_changes_nothing),
        cmocka_unit_test(flags_have_names),
        cmocka_unit_test(each_mandatory_flag_is_missed_when_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
