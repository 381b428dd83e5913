/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation promises, the fault countdown, and slabs.
 */
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#endif

static void size_zero_gives_a_pointer(void **state)
{
    void *a = mem_alloc(0);
    void *b = mem_zalloc(0);

    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    a = mem_realloc(a, 0);
    assert_non_null(a);
    mem_free(a);
    mem_free(b);
    mem_free(NULL);
}

static void zalloc_fills_with_zeros(void **state)
{
    static const char zeros[500];
    char *p = mem_zalloc(sizeof(zeros));

    (void)state;
    assert_memory_equal(p, zeros, sizeof(zeros));
    mem_free(p);
}

static void strdup_copies(void **state)
{
    char text[] = "abc";
    char *copy = mem_strdup(text);

    (void)state;
    text[0] = 'x';
    assert_string_equal(copy, "abc");
    mem_free(copy);
}

static void nth_try_fails_and_only_that_one(void **state)
{
    void *p[4];

    (void)state;
    mem_fail_after(2);
    p[0] = mem_try(8);
    p[1] = mem_try_realloc(p[0], 100);
    p[2] = mem_try(8);
    mem_fail_after(1);
    p[3] = mem_alloc(8); /* never fails, does not count */
    assert_null(mem_try(8));
    mem_fail_after(1);
    mem_fail_after(0); /* off */
    assert_non_null(p[0]);
    assert_null(p[1]);
    assert_non_null(p[2]);
    mem_free(p[0]); /* still valid: its realloc failed */
    mem_free(p[2]);
    mem_free(p[3]);
    p[0] = mem_try(8);
    assert_non_null(p[0]);
    mem_free(p[0]);
}

#ifndef WITH_ASAN /* there it is an error by itself */
static void impossible_size_is_refused_by_try(void **state)
{
    volatile size_t size = SIZE_MAX / 2;

    (void)state;
    assert_null(mem_try(size));
}
#endif

enum { OBJECTS = 5000 };

static void slab_objects_do_not_overlap(void **state)
{
    static unsigned char *objects[OBJECTS];
    struct slab slab;

    (void)state;
    slab_init(&slab, 100);
    for (unsigned i = 0; i < OBJECTS; i++) {
        objects[i] = slab_alloc(&slab);
        assert_int_equal((uintptr_t)objects[i] % 8, 0);
        memset(objects[i], (int)(i & 0xff), 100);
    }
    assert_int_equal(slab.used, OBJECTS);
    for (unsigned i = 0; i < OBJECTS; i++) {
        assert_int_equal(objects[i][0], i & 0xff);
        assert_int_equal(objects[i][99], i & 0xff);
    }
    slab_fini(&slab);
    assert_int_equal(slab.used, 0);
}

static void slab_reuses_before_it_grows(void **state)
{
    struct slab slab;
    void *a, *b, *c;

    (void)state;
    slab_init(&slab, 24);
    a = slab_alloc(&slab);
    b = slab_alloc(&slab);
    slab_free(&slab, a);
    slab_free(&slab, b);
    slab_free(&slab, NULL);
    assert_int_equal(slab.used, 0);
    assert_ptr_equal(slab_alloc(&slab), b); /* warm ones first */
    assert_ptr_equal(slab_alloc(&slab), a);
    c = slab_alloc(&slab);
    assert_ptr_not_equal(c, a);
    assert_ptr_not_equal(c, b);
    slab_fini(&slab);
}

static void slab_of_sixteens_is_aligned_to_sixteen(void **state)
{
    struct slab slab;

    (void)state;
    slab_init(&slab, 48);
    for (unsigned i = 0; i < OBJECTS; i++) {
        assert_int_equal((uintptr_t)slab_alloc(&slab) % 16, 0);
    }
    slab_fini(&slab);
}

static void slab_takes_tiny_and_huge_objects(void **state)
{
    struct slab tiny, huge;
    char *a, *b;

    (void)state;
    slab_init(&tiny, 1);
    a = slab_alloc(&tiny);
    b = slab_alloc(&tiny);
    assert_int_equal(b - a, 8);
    slab_free(&tiny, a);
    slab_fini(&tiny);

    slab_init(&huge, 1000000);
    for (unsigned i = 0; i < 9; i++) {
        memset(slab_alloc(&huge), 1, 1000000);
    }
    slab_fini(&huge);
}

static void slab_is_usable_again_after_fini(void **state)
{
    struct slab slab;

    (void)state;
    slab_init(&slab, 32);
    memset(slab_alloc(&slab), 0, 32);
    slab_fini(&slab);
    memset(slab_alloc(&slab), 0, 32);
    assert_int_equal(slab.used, 1);
    slab_fini(&slab);
}

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>

static void freed_objects_are_poisoned(void **state)
{
    struct slab slab;
    char *a, *b;

    (void)state;
    slab_init(&slab, 40);
    a = slab_alloc(&slab);
    b = slab_alloc(&slab);
    slab_free(&slab, a);
    assert_true(__asan_address_is_poisoned(a));
    assert_true(__asan_address_is_poisoned(a + 39));
    assert_false(__asan_address_is_poisoned(b));
    assert_true(__asan_address_is_poisoned(b + 40)); /* not handed out yet */
    (void)slab_alloc(&slab);
    assert_false(__asan_address_is_poisoned(a));
    slab_fini(&slab);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_zero_gives_a_pointer),
        cmocka_unit_test(zalloc_fills_with_zeros),
        cmocka_unit_test(strdup_copies),
        cmocka_unit_test(nth_try_fails_and_only_that_one),
#ifndef WITH_ASAN
        cmocka_unit_test(impossible_size_is_refused_by_try),
#endif
        cmocka_unit_test(slab_objects_do_not_overlap),
        cmocka_unit_test(slab_reuses_before_it_grows),
        cmocka_unit_test(slab_of_sixteens_is_aligned_to_sixteen),
        cmocka_unit_test(slab_takes_tiny_and_huge_objects),
        cmocka_unit_test(slab_is_usable_again_after_fini),
#ifdef WITH_ASAN
        cmocka_unit_test(freed_objects_are_poisoned),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
