/* SPDX-License-Identifier: Apache-2.0
 *
 * Terms to keep and terms built piece by piece: the public face.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/term/terms.h"

static void kept_term_outlives_its_message(void **state)
{
    struct buf buf = bytes_of_text("{a,[1,2],b}");
    struct cnode_term parts[3];
    struct cnode_kept *kept;

    (void)state;
    assert_true(term_get_tuple(term_in(&buf), 3, parts));
    kept = cnode_term_copy(parts[1]);
    buf_fini(&buf);
    assert_term_text(cnode_kept_term(kept), "[1,2]");
    assert_null(cnode_next(cnode_kept_term(kept)).at);
    cnode_term_free(kept);
    cnode_term_free(NULL);
    assert_null(cnode_term_copy(TERM_NONE));
    assert_true(term_is_none(cnode_kept_term(NULL)));
}

static void equal_keys_have_equal_canonical_bytes(void **state)
{
    struct buf a = bytes_of_text("#{x => 1, y => [a]}");
    struct buf b = bytes_of_text("#{y => [a], x => 1}");
    struct cnode_kept *one = cnode_term_canonical(term_in(&a));
    struct cnode_kept *two = cnode_term_canonical(term_in(&b));

    (void)state;
    assert_true(term_same_bytes(cnode_kept_term(one), cnode_kept_term(two)));
    cnode_term_free(one);
    cnode_term_free(two);
    mem_fail_after(1);
    assert_null(cnode_term_canonical(term_in(&a)));
    mem_fail_after(1);
    assert_null(cnode_term_canonical(term_in(&b)));
    mem_fail_after(0);
    buf_fini(&a);
    buf_fini(&b);
}

static void pieces_become_one_term(void **state)
{
    struct cnode_build build;

    (void)state;
    cnode_build_init(&build);
    cnode_build_tuple(&build, 3);
    cnode_build_add(&build, "ok");
    assert_null(cnode_build_term(&build).at); /* not complete */
    cnode_build_list(&build, 2);
    cnode_build_add(&build, "~i, {two}", (int64_t)1);
    cnode_build_add(&build, "[]");
    cnode_build_map(&build, 1);
    cnode_build_add(&build, "key, <<\"value\">>");
    assert_term_text(cnode_build_term(&build),
                     "{ok,[1,{two}],#{key => <<\"value\">>}}");
    cnode_build_add(&build, "more");
    assert_null(cnode_build_term(&build).at); /* more than one */
    cnode_build_fini(&build);
    cnode_build_fini(&build);
}

static void build_with_a_map_key_twice_is_no_term(void **state)
{
    struct cnode_build build;

    (void)state;
    cnode_build_init(&build);
    cnode_build_map(&build, 2);
    cnode_build_add(&build, "key, 1, key");
    assert_null(cnode_build_term(&build).at);
    cnode_build_add(&build, "2");
    assert_int_equal(build.error, 0);
    assert_null(cnode_build_term(&build).at);
    cnode_build_fini(&build);
}

static void first_error_of_a_build_stays(void **state)
{
    struct cnode_build build;

    (void)state;
    cnode_build_init(&build);
    assert_null(cnode_build_term(&build).at);
    cnode_build_add(&build, "{a");
    assert_int_equal(build.error, CNODE_SYNTAX);
    cnode_build_add(&build, "a");
    cnode_build_tuple(&build, 0);
    assert_null(cnode_build_term(&build).at);
    assert_int_equal(build.error, CNODE_SYNTAX);
    cnode_build_fini(&build);
    mem_fail_after(1);
    cnode_build_map(&build, 0);
    mem_fail_after(0);
    assert_int_equal(build.error, CNODE_NOMEM);
    cnode_build_fini(&build);
    cnode_build_map(&build, 0);
    assert_term_text(cnode_build_term(&build), "#{}");
    cnode_build_fini(&build);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_term_outlives_its_message),
        cmocka_unit_test(equal_keys_have_equal_canonical_bytes),
        cmocka_unit_test(pieces_become_one_term),
        cmocka_unit_test(build_with_a_map_key_twice_is_no_term),
        cmocka_unit_test(first_error_of_a_build_stays),
    };

    atom_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
