/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys, numbers and the table of a segment, against a plain list.
 */
#include "pool/worker_table.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "pool/worker.h"
#include "support/random.h"
#include "term/build.h"

static struct worker_slab slab;
static struct worker_table table;
static struct buf text, scratch;

static int setup(void **state)
{
    (void)state;
    atom_init();
    worker_slab_init(&slab, sizeof(struct cnode_worker) + 8, 0);
    worker_table_init(&table, &slab);
    buf_init(&text, 0);
    buf_init(&scratch, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    worker_table_fini(&table);
    worker_slab_fini(&slab);
    buf_fini(&text);
    buf_fini(&scratch);
    return 0;
}

static struct worker_key key_of(const char *format, ...)
{
    struct worker_key key;
    va_list args;

    buf_clear(&text);
    va_start(args, format);
    term_vformat(&text, format, args);
    va_end(args);
    assert_int_equal(buf_error(&text), 0);
    assert_int_equal(worker_key_make(&key,
                                     term_at(buf_data(&text), buf_size(&text)),
                                     &scratch),
                     0);
    return key;
}

static struct cnode_worker *add(const struct worker_key *key)
{
    struct cnode_worker *w;
    uint32_t number;

    assert_int_equal(worker_slab_alloc(&slab, &number), 0);
    w = worker_slab_at(&slab, number);
    memset(w, 0, sizeof(*w));
    w->hash = worker_table_hash(key);
    w->id_is_integer = key->is_integer;
    if (key->is_integer) {
        w->id.integer = key->integer;
    } else {
        w->id.heap = worker_id_copy(key);
    }
    assert_int_equal(worker_table_add(&table, number), 0);
    return w;
}

static void del(struct cnode_worker *w)
{
    struct worker_id *heap = w->id_is_integer ? NULL : w->id.heap;

    worker_slab_free(&slab, worker_table_remove(&table, w));
    mem_free(heap);
}

static void integers_are_kept_inline(void **state)
{
    struct worker_key key = key_of("~i", (int64_t)-5);

    (void)state;
    assert_true(key.is_integer);
    assert_int_equal(key.integer, -5);
    key = key_of("18446744073709551616");
    assert_false(key.is_integer); /* larger than 64 bits */
    key = key_of("<<\"a\">>");
    assert_false(key.is_integer);
}

/* As other programs may write them: a wide integer, map keys in another order.
 */
static void equal_ids_have_one_key(void **state)
{
    static const uint8_t wide[] = {98, 0, 0, 0, 7};
    static const uint8_t ab[] = {116, 0, 0, 0, 2, 97, 1, 97, 1, 97, 2, 97, 2};
    static const uint8_t ba[] = {116, 0, 0, 0, 2, 97, 2, 97, 2, 97, 1, 97, 1};
    struct worker_key one = key_of("7"), other;

    (void)state;
    assert_int_equal(worker_key_make(&other, term_at(wide, 5), &scratch), 0);
    assert_true(one.hash == other.hash);
    assert_true(other.is_integer && other.integer == 7);
    assert_int_equal(worker_key_make(&one, term_at(ab, 13), &text), 0);
    assert_int_equal(worker_key_make(&other, term_at(ba, 13), &scratch), 0);
    assert_true(one.hash == other.hash);
    assert_int_equal(one.size, other.size);
    assert_memory_equal(one.bytes, other.bytes, one.size);
}

static void a_large_id_is_refused(void **state)
{
    struct worker_key key;
    uint64_t before = limits.id_bytes;

    (void)state;
    buf_clear(&text);
    term_format(&text, "[1000, 2000, 3000, 4000]");
    limits.id_bytes = 16;
    assert_int_equal(worker_key_make(&key,
                                     term_at(buf_data(&text), buf_size(&text)),
                                     &scratch),
                     CNODE_TOO_LARGE);
    limits.id_bytes = before;
}

static void what_was_added_is_found(void **state)
{
    struct worker_key key = key_of("{user, 1}");
    struct cnode_worker *w;

    (void)state;
    assert_null(worker_table_get(&table, &key));
    w = add(&key);
    assert_ptr_equal(worker_table_get(&table, &key), w);
    key = key_of("{user, 2}");
    assert_null(worker_table_get(&table, &key));
    del(w);
    key = key_of("{user, 1}");
    assert_null(worker_table_get(&table, &key));
}

enum { MODEL = 2000 };

/* Adds and removes at random; the table always agrees with the list. */
static void table_agrees_with_a_list(void **state)
{
    static struct cnode_worker *model[MODEL];
    uint64_t random = random_seed();
    uint32_t count = 0, at = 0, seen = 0;

    (void)state;
    for (int round = 0; round < 40000; round++) {
        int64_t id = random_below(&random, MODEL);
        struct worker_key key =
            id % 3 == 0 ? key_of("{k, ~i}", id) : key_of("~i", id * 1000003);

        assert_ptr_equal(worker_table_get(&table, &key), model[id]);
        if (model[id] == NULL) {
            model[id] = add(&key);
            count++;
        } else {
            del(model[id]);
            model[id] = NULL;
            count--;
        }
        assert_int_equal(table.count, count);
    }
    while (worker_table_next(&table, &at) != NULL) {
        seen++;
    }
    assert_int_equal(seen, count);
    assert_int_equal(slab.used, count);
    for (int64_t id = 0; id < MODEL; id++) {
        if (model[id] != NULL) {
            del(model[id]);
            model[id] = NULL;
        }
    }
    assert_int_equal(table.count, 0);
}

static void numbers_are_used_again(void **state)
{
    uint32_t first, second, third;

    (void)state;
    assert_int_equal(worker_slab_alloc(&slab, &first), 0);
    assert_int_equal(worker_slab_alloc(&slab, &second), 0);
    worker_slab_free(&slab, first);
    assert_int_equal(worker_slab_alloc(&slab, &third), 0);
    assert_int_equal(third, first);
    assert_int_equal(slab.used, 2);
}

static void objects_of_any_size_are_aligned_and_apart(void **state)
{
    static const size_t sizes[] = {1, 88, 97, 4096, 70000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct worker_slab s;

        worker_slab_init(&s, sizes[i], 0);
        for (uint32_t n = 0; n < 300; n++) {
            uint32_t number;

            assert_int_equal(worker_slab_alloc(&s, &number), 0);
            assert_int_equal((uintptr_t)worker_slab_at(&s, number) % 8, 0);
            memset(worker_slab_at(&s, number), (int)n, sizes[i]);
        }
        for (uint32_t n = 0; n < 300; n++) {
            const uint8_t *bytes = worker_slab_at(&s, n);

            assert_int_equal(bytes[0], (uint8_t)n);
            assert_int_equal(bytes[sizes[i] - 1], (uint8_t)n);
        }
        worker_slab_fini(&s);
    }
}

static void no_memory_is_an_error(void **state)
{
    uint32_t number = 0;

    (void)state;
    mem_fail_after(1);
    assert_int_equal(worker_slab_alloc(&slab, &number), CNODE_NOMEM);
    assert_int_equal(worker_slab_alloc(&slab, &number), 0);
    mem_fail_after(1);
    assert_int_equal(worker_table_add(&table, number), CNODE_NOMEM);
    mem_fail_after(0);
    assert_int_equal(table.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(integers_are_kept_inline, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(equal_ids_have_one_key, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_large_id_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_added_is_found, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(table_agrees_with_a_list, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(numbers_are_used_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            objects_of_any_size_are_aligned_and_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(no_memory_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
