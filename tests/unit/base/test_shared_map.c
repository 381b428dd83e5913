/* SPDX-License-Identifier: Apache-2.0
 *
 * The map against a plain array that says what must be in it; with readers on
 * threads in tests/loop/test_shared_map.c.
 */
#include "base/shared_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "base/hash.h"
#include "base/mem.h"
#include "support/random.h"

enum { KEYS = 30000 };

struct item {
    uint32_t key;
    bool is_in;
};

static struct item items[KEYS];
static unsigned retired;

static bool item_equal(const void *item, const void *key)
{
    return ((const struct item *)item)->key == *(const uint32_t *)key;
}

static uint64_t (*hash_of)(uint64_t); /* that the test uses */

static uint64_t item_hash(const void *item)
{
    return hash_of(((const struct item *)item)->key);
}

static const struct shared_map_kind kind = {
    .equal = item_equal,
    .hash = item_hash,
    .key_bytes = sizeof(uint32_t),
};

static void retire(void *owner, void *memory, retired_free_fn free_it)
{
    assert_ptr_equal(owner, items);
    retired++;
    free_it(memory);
}

static void init(struct shared_map *map)
{
    memset(items, 0, sizeof(items));
    for (uint32_t i = 0; i < KEYS; i++) {
        items[i].key = i;
    }
    retired = 0;
    hash_of = hash_u64;
    shared_map_init(map, &kind, retire, items);
}

static void *get(const struct shared_map *map, uint32_t key)
{
    return shared_map_get(map, hash_u64(key), &key);
}

static void assert_consistent(const struct shared_map *map,
                              uint64_t (*hash)(uint64_t), uint32_t keys)
{
    uint32_t in = 0, walked = 0;
    uint64_t pos = 0;
    const struct item *item;

    for (uint32_t i = 0; i < keys; i++) {
        void *found = shared_map_get(map, hash(i), &i);
        assert_ptr_equal(found, items[i].is_in ? &items[i] : NULL);
        in += items[i].is_in;
    }
    assert_int_equal(map->count, in);
    while ((item = shared_map_next(map, &pos)) != NULL) {
        assert_true(item->is_in);
        walked++;
    }
    assert_int_equal(walked, in);
}

static void random_operations(uint64_t (*hash)(uint64_t), unsigned steps,
                              uint32_t keys)
{
    struct shared_map map;
    uint64_t state = 12345;

    init(&map);
    hash_of = hash;
    for (unsigned step = 0; step < steps; step++) {
        uint32_t key = random_below(&state, keys);
        struct item *item = &items[key];
        if (item->is_in) {
            assert_ptr_equal(shared_map_remove(&map, hash(key), &key), item);
        } else {
            assert_null(shared_map_remove(&map, hash(key), &key));
            assert_int_equal(shared_map_add(&map, hash(key), item), 0);
        }
        item->is_in = !item->is_in;
        if (step % 997 == 0) {
            assert_consistent(&map, hash, keys);
        }
    }
    assert_consistent(&map, hash, keys);
    shared_map_fini(&map);
}

static uint64_t hash_few(uint64_t value)
{
    return value % 5;
}

static uint64_t hash_last_slots(uint64_t value)
{
    return ~UINT64_C(0) >> 32 ^ value % 3; /* runs wrap around the end */
}

static void random_adds_and_removes_agree_with_an_array(void **state)
{
    (void)state;
    random_operations(hash_u64, 100000, 3000);
}

static void colliding_hashes_are_told_apart(void **state)
{
    (void)state;
    random_operations(hash_few, 20000, 100);
}

static void runs_wrap_around_the_end(void **state)
{
    (void)state;
    random_operations(hash_last_slots, 20000, 50);
}

static void an_empty_map_finds_nothing(void **state)
{
    struct shared_map map;
    uint32_t key = 1;

    (void)state;
    init(&map);
    assert_null(get(&map, 1));
    assert_null(shared_map_remove(&map, 1, &key));
    shared_map_fini(&map);
}

static void a_replaced_item_is_found_no_more(void **state)
{
    struct shared_map map;
    struct item other = {.key = 7};
    uint32_t key = 7;

    (void)state;
    init(&map);
    assert_int_equal(shared_map_add(&map, hash_u64(7), &items[7]), 0);
    assert_ptr_equal(shared_map_replace(&map, hash_u64(7), &key, &other),
                     &items[7]);
    assert_ptr_equal(get(&map, 7), &other);
    assert_int_equal(map.count, 1);
    shared_map_fini(&map);
}

static void tables_that_are_outgrown_are_retired(void **state)
{
    struct shared_map map;

    (void)state;
    init(&map);
    for (uint32_t i = 0; i < KEYS; i++) {
        items[i].is_in = true;
        assert_int_equal(shared_map_add(&map, hash_u64(i), &items[i]), 0);
    }
    assert_int_equal(retired, 13); /* 8 slots became 65536 */
    assert_consistent(&map, hash_u64, KEYS);
    for (uint32_t i = 100; i < KEYS; i++) {
        items[i].is_in = false;
        assert_ptr_equal(shared_map_remove(&map, hash_u64(i), &i), &items[i]);
    }
    assert_int_equal(retired, 13 + 4); /* and 4096 again */
    assert_consistent(&map, hash_u64, KEYS);
    shared_map_fini(&map);
}

/* How many slots there are: a walk visits all. */
static uint64_t slots_of(const struct shared_map *map)
{
    uint64_t pos = 0;

    while (shared_map_next(map, &pos) != NULL) {
    }
    return pos;
}

static void a_table_grows_in_steps_and_is_whole_after_each(void **state)
{
    enum { FULL = 3072 }; /* of 4096 slots */
    struct shared_map map;
    uint32_t steps = 0, next = FULL;

    (void)state;
    init(&map);
    for (uint32_t i = 0; i < FULL; i++) {
        items[i].is_in = true;
        assert_int_equal(shared_map_add(&map, hash_u64(i), &items[i]), 0);
    }
    assert_int_equal(slots_of(&map), 4096);
    retired = 0;
    for (; retired == 0; steps++) {
        uint32_t gone = steps / 2; /* one in old slots goes for two that come */
        items[next].is_in = true;
        assert_int_equal(shared_map_add(&map, hash_u64(next), &items[next]), 0);
        next++;
        assert_true(retired > 0 || slots_of(&map) == 4096 + 8192);
        if (steps % 2 == 0) {
            items[gone].is_in = false;
            assert_ptr_equal(shared_map_remove(&map, hash_u64(gone), &gone),
                             &items[gone]);
        }
        assert_consistent(&map, hash_u64, FULL + 512);
    }
    assert_in_range(steps, 100, 4096 / 16);
    assert_int_equal(slots_of(&map), 8192);
    shared_map_fini(&map);
}

static void a_table_whose_items_come_and_go_does_not_grow(void **state)
{
    enum { IN = 1000 };
    struct shared_map map;

    (void)state;
    init(&map);
    for (uint32_t i = 0; i < 10 * KEYS; i++) {
        uint32_t key = i % KEYS, old = (i - IN) % KEYS;
        assert_int_equal(shared_map_add(&map, hash_u64(key), &items[key]), 0);
        if (i >= IN) {
            assert_ptr_equal(shared_map_remove(&map, hash_u64(old), &old),
                             &items[old]);
        }
    }
    assert_in_range(slots_of(&map), 2048, 4096);
    shared_map_fini(&map);
}

static void expected_items_are_found(void **state)
{
    struct shared_map map;
    uint64_t hashes[32];

    (void)state;
    init(&map);
    shared_map_expect(&map, hashes, 0);   /* there is no table yet */
    for (uint32_t i = 0; i < 3100; i++) { /* two tables now */
        assert_int_equal(shared_map_add(&map, hash_u64(i), &items[i]), 0);
    }
    for (uint32_t i = 0; i < 32; i++) {
        hashes[i] = hash_u64(200 * i); /* half are not there */
    }
    shared_map_expect(&map, hashes, 32);
    for (uint32_t i = 0; i < 32; i++) {
        uint32_t key = 200 * i;
        assert_ptr_equal(shared_map_get(&map, hashes[i], &key),
                         key < 3100 ? &items[key] : NULL);
    }
    shared_map_fini(&map);
}

static void a_table_with_room_reserved_does_not_grow(void **state)
{
    struct shared_map map;

    (void)state;
    init(&map);
    assert_int_equal(shared_map_add(&map, hash_u64(0), &items[0]), 0);
    items[0].is_in = true;
    mem_fail_after(1);
    shared_map_reserve(&map, KEYS - 1); /* then it grows as they come */
    mem_fail_after(0);
    assert_int_equal(retired, 0);
    shared_map_reserve(&map, KEYS - 1);
    for (uint32_t i = 1; i < KEYS; i++) {
        assert_int_equal(shared_map_add(&map, hash_u64(i), &items[i]), 0);
        items[i].is_in = true;
    }
    assert_int_equal(retired, 1);
    shared_map_reserve(&map, 0);
    assert_int_equal(retired, 1);
    assert_consistent(&map, hash_u64, KEYS);
    shared_map_fini(&map);
}

static void without_memory_nothing_changes(void **state)
{
    struct shared_map map;

    (void)state;
    init(&map);
    mem_fail_after(1);
    assert_int_equal(shared_map_add(&map, hash_u64(0), &items[0]), CNODE_NOMEM);
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(shared_map_add(&map, hash_u64(i), &items[i]), 0);
    }
    mem_fail_after(1);
    assert_int_equal(shared_map_add(&map, hash_u64(6), &items[6]), CNODE_NOMEM);
    mem_fail_after(0);
    assert_null(get(&map, 6));
    assert_ptr_equal(get(&map, 5), &items[5]);
    assert_int_equal(shared_map_add(&map, hash_u64(6), &items[6]), 0);
    assert_int_equal(map.count, 7);
    shared_map_fini(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_adds_and_removes_agree_with_an_array),
        cmocka_unit_test(colliding_hashes_are_told_apart),
        cmocka_unit_test(runs_wrap_around_the_end),
        cmocka_unit_test(an_empty_map_finds_nothing),
        cmocka_unit_test(a_replaced_item_is_found_no_more),
        cmocka_unit_test(tables_that_are_outgrown_are_retired),
        cmocka_unit_test(a_table_grows_in_steps_and_is_whole_after_each),
        cmocka_unit_test(a_table_whose_items_come_and_go_does_not_grow),
        cmocka_unit_test(expected_items_are_found),
        cmocka_unit_test(a_table_with_room_reserved_does_not_grow),
        cmocka_unit_test(without_memory_nothing_changes),
    };
    return cmocka_run_group_tests_name("shared_map", tests, NULL, NULL);
}
