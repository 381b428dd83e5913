/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects of many sizes against an array that says what is in each; what goes
 * back to the system.
 */
#include "base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/huge.h"
#include "base/mem.h"
#include "support/random.h"

enum { OBJECTS = 5000, CHUNK = HUGE_BYTES };

struct object {
    uint8_t *at;
    size_t size;
};

static void fill(struct object *object, size_t i)
{
    memset(object->at, (int)(i & 0xff), object->size);
}

static void assert_filled(const struct object *object, size_t i)
{
    for (size_t n = 0; n < object->size; n++) {
        assert_int_equal(object->at[n], i & 0xff);
    }
}

static void objects_of_all_sizes_do_not_touch(void **state)
{
    static struct object objects[OBJECTS];
    uint64_t random = random_seed();
    struct heap heap;

    (void)state;
    heap_init(&heap);
    for (int step = 0; step < 10 * OBJECTS; step++) {
        uint32_t i = random_below(&random, OBJECTS);
        struct object *object = &objects[i];
        if (object->at != NULL) {
            assert_filled(object, i);
            heap_free(object->at, object->size);
            object->at = NULL;
        } else {
            object->size = 1 + random_below(&random, HEAP_OBJECT_MAX + 100);
            object->at = heap_try(&heap, object->size);
            assert_non_null(object->at);
            assert_int_equal((uintptr_t)object->at % HEAP_STEP, 0);
            fill(object, i);
        }
    }
    for (uint32_t i = 0; i < OBJECTS; i++) {
        if (objects[i].at != NULL) {
            assert_filled(&objects[i], i);
            heap_free(objects[i].at, objects[i].size);
        }
    }
    heap_fini(&heap);
    assert_int_equal(huge_mapped(), 0);
}

static void chunks_that_are_empty_go_back_but_for_one(void **state)
{
    enum { COUNT = 3 * CHUNK / 1024 };
    static void *objects[COUNT];
    struct heap heap;

    (void)state;
    heap_init(&heap);
    for (int i = 0; i < COUNT; i++) {
        objects[i] = heap_try(&heap, 1024);
    }
    assert_int_equal(huge_mapped(), 4 * CHUNK); /* they have headers */
    for (int i = 0; i < COUNT; i++) {
        heap_free(objects[i], 1024);
    }
    assert_int_equal(huge_mapped(), CHUNK);
    objects[0] = heap_try(&heap, 16); /* of another size, in the same chunk */
    assert_int_equal(huge_mapped(), CHUNK);
    heap_free(objects[0], 16);
    heap_fini(&heap);
    assert_int_equal(huge_mapped(), 0);
}

static void what_outlives_its_heap_is_freed_later(void **state)
{
    struct heap heap;
    void *a, *b;

    (void)state;
    heap_init(&heap);
    a = heap_try(&heap, 100);
    b = heap_try(&heap, 100);
    heap_free(a, 100);
    heap_fini(&heap);
    assert_int_equal(huge_mapped(), CHUNK);
    heap_free(b, 100);
    assert_int_equal(huge_mapped(), 0);
}

static void without_memory_there_is_no_object(void **state)
{
    struct heap heap;
    void *object;

    (void)state;
    heap_init(&heap);
    for (unsigned nth = 1; nth <= 2; nth++) { /* the object, its chunk */
        mem_fail_after(nth);
        assert_null(heap_try(&heap, 100));
    }
    mem_fail_after(1);
    assert_null(heap_try(&heap, HEAP_OBJECT_MAX + 1));
    mem_fail_after(0);
    object = heap_try(&heap, 100);
    assert_non_null(object);
    heap_free(object, 100);
    heap_free(NULL, 100);
    heap_fini(&heap);
}

static void large_memory_is_zero_and_counted(void **state)
{
    struct mem_use before = mem_use();
    uint8_t *large = huge_try_zalloc(3 * HUGE_BYTES + 1), *small;

    (void)state;
    assert_int_equal((uintptr_t)large % HUGE_BYTES, 0);
    assert_int_equal(huge_mapped(), 3 * HUGE_BYTES + 4096);
    assert_true(mem_use().in_use >= before.in_use + huge_mapped());
    assert_int_equal(large[3 * HUGE_BYTES], 0);
    huge_free(large, 3 * HUGE_BYTES + 1);
    assert_int_equal(huge_mapped(), 0);
    small = huge_try_zalloc(100);
    assert_int_equal(small[99], 0);
    assert_int_equal(huge_mapped(), 0);
    huge_free(small, 100);
    huge_free(NULL, HUGE_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_of_all_sizes_do_not_touch),
        cmocka_unit_test(chunks_that_are_empty_go_back_but_for_one),
        cmocka_unit_test(what_outlives_its_heap_is_freed_later),
        cmocka_unit_test(without_memory_there_is_no_object),
        cmocka_unit_test(large_memory_is_zero_and_counted),
    };
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
