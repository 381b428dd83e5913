/* SPDX-License-Identifier: Apache-2.0
 *
 * The map against a plain array that says what must be in it.
 */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

enum { KEYS = 3000 };

struct item {
    uint32_t key;
    bool is_in;
};

static struct item items[KEYS];

static bool item_equal(const void *item, const void *key)
{
    return ((const struct item *)item)->key == *(const uint32_t *)key;
}

/* xorshift: random enough, the same in every run */
static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* The whole map agrees with `items`. */
static void assert_consistent(const struct map *map, uint64_t (*hash)(uint64_t))
{
    uint32_t in = 0, walked = 0;
    struct item *item;

    for (uint32_t i = 0; i < KEYS; i++) {
        void *found = map_get(map, hash(i), &i);
        assert_ptr_equal(found, items[i].is_in ? &items[i] : NULL);
        in += items[i].is_in;
    }
    assert_int_equal(map->count, in);
    MAP_EACH(item, map) {
        assert_true(item->is_in);
        walked++;
    }
    assert_int_equal(walked, in);
}

static void random_operations(uint64_t (*hash)(uint64_t), unsigned steps,
                              uint32_t keys)
{
    struct map map;
    uint32_t seed = 12345;

    memset(items, 0, sizeof(items));
    map_init(&map, item_equal);
    for (unsigned step = 0; step < steps; step++) {
        uint32_t key = next_random(&seed) % keys;
        struct item *item = &items[key];
        item->key = key;
        if (item->is_in) {
            assert_ptr_equal(map_remove(&map, hash(key), &key), item);
        } else {
            assert_null(map_remove(&map, hash(key), &key));
            map_add(&map, hash(key), item);
        }
        item->is_in = !item->is_in;
        if (step % 997 == 0) {
            assert_consistent(&map, hash);
        }
    }
    assert_consistent(&map, hash);
    map_fini(&map);
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
    random_operations(hash_u64, 100000, KEYS);
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

static void empty_map_allocates_nothing_and_finds_nothing(void **state)
{
    struct map map;
    uint32_t key = 1, pos = 0;

    (void)state;
    map_init(&map, item_equal);
    assert_null(map.now.items);
    assert_null(map_get(&map, 1, &key));
    assert_null(map_remove(&map, 1, &key));
    assert_null(map_next(&map, &pos));
    map_fini(&map);
}

static void map_is_at_most_three_quarters_full(void **state)
{
    struct map map;

    (void)state;
    map_init(&map, item_equal);
    for (uint32_t i = 0; i < KEYS; i++) {
        items[i].key = i;
        map_add(&map, hash_u64(i), &items[i]);
        assert_true(map.count * 4 <= (map.now.mask + 1) * 3);
        if (i == 0) {
            assert_int_equal(map.now.mask + 1, 8);
        }
    }
    assert_int_equal(map.now.mask + 1, 4096);
    map_fini(&map);
}

static void a_map_grows_in_steps_and_is_whole_after_each(void **state)
{
    enum { FULL = 1536 }; /* of 2048 slots */
    struct map map;
    uint32_t steps = 0;

    (void)state;
    memset(items, 0, sizeof(items));
    map_init(&map, item_equal);
    for (uint32_t i = 0; i < KEYS; i++) {
        items[i].key = i;
        items[i].is_in = i < FULL;
        if (i < FULL) {
            map_add(&map, hash_u64(i), &items[i]);
        }
    }
    assert_int_equal(map.now.mask + 1, 2048);
    for (; map.now.mask + 1 == 2048 || map.old_count > 0; steps++) {
        uint32_t comes = FULL + steps, goes = steps / 2;
        items[comes].is_in = true;
        map_add(&map, hash_u64(comes), &items[comes]);
        if (steps % 2 == 0) { /* from old slots or from new ones */
            items[goes].is_in = false;
            assert_ptr_equal(map_remove(&map, hash_u64(goes), &goes),
                             &items[goes]);
        }
        assert_consistent(&map, hash_u64);
    }
    assert_in_range(steps, 2048 / 64, 2048 / 16); /* it removes as well */
    map_fini(&map);
}

static void a_map_may_end_while_it_grows(void **state)
{
    struct map map;

    (void)state;
    map_init(&map, item_equal);
    for (uint32_t i = 0; i <= 1536; i++) {
        items[i].key = i;
        map_add(&map, hash_u64(i), &items[i]);
    }
    assert_true(map.old_count > 0);
    map_fini(&map); /* asan sees what is left */
    assert_int_equal(map.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_adds_and_removes_agree_with_an_array),
        cmocka_unit_test(colliding_hashes_are_told_apart),
        cmocka_unit_test(runs_wrap_around_the_end),
        cmocka_unit_test(empty_map_allocates_nothing_and_finds_nothing),
        cmocka_unit_test(map_is_at_most_three_quarters_full),
        cmocka_unit_test(a_map_grows_in_steps_and_is_whole_after_each),
        cmocka_unit_test(a_map_may_end_while_it_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
