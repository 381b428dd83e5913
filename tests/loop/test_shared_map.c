/* SPDX-License-Identifier: Apache-2.0
 *
 * A shared map with one writer and readers on threads of their own: a reader
 * finds every item that was there all the time, however others come and go
 * around it and the table grows and shrinks, and what it found is not freed
 * until it is quiescent.
 */
#include "base/shared_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/hash.h"
#include "base/mem.h"
#include "support/random.h"

enum {
    READERS = 2,
    KEYS = 12000,
    CROWDED = 300,
    STEPS = 200000, /* of the writer */
    TIDE = 20000,   /* steps in which mostly items come, then mostly go */
    RETIRED_MAX = 500,
};

struct item {
    uint32_t key;
    uint32_t same; /* the key once more: dead items have another */
};

/* An even number: between look-ups; it never stays what it is. */
struct reader {
    _Atomic uint32_t looks;
    pthread_t thread;
    uint64_t random;
    uint64_t missed, wrong, hits; /* for the test, after it joined */
};

static struct shared_map map;
static struct reader readers[READERS];
static _Atomic uint32_t changes[KEYS]; /* odd: it is in the map */
static _Atomic bool is_done;
static struct {
    void *memory;
    retired_free_fn free_it;
} retired[RETIRED_MAX];
static unsigned retired_count;

static bool item_equal(const void *item, const void *key)
{
    return ((const struct item *)item)->key == *(const uint32_t *)key;
}

/* Some belong into one slot, in which a long run begins. */
static uint64_t hash_of(uint32_t key)
{
    return key < CROWDED && key % 2 == 0 ? 0 : hash_u64(key);
}

static uint64_t item_hash(const void *item)
{
    return hash_of(((const struct item *)item)->key);
}

static const struct shared_map_kind kind = {
    .equal = item_equal,
    .hash = item_hash,
    .key_bytes = sizeof(struct item),
};

/* --- readers */

/* Those of the long run are met often. */
static uint32_t some_keys(uint64_t *random)
{
    return random_below(random, 4) == 0 ? CROWDED : KEYS;
}

static void look_once(struct reader *reader)
{
    uint32_t key = random_below(&reader->random, some_keys(&reader->random));
    uint64_t hash = hash_of(key);
    uint32_t before = atomic_load(&changes[key]);
    const struct item *item;

    atomic_fetch_add(&reader->looks, 1);
    shared_map_expect(&map, &hash, key % 2);
    item = shared_map_get(&map, hash, &key);
    if (item != NULL) {
        reader->hits++;
        reader->wrong += item->key != key || item->same != key;
    } else if (before % 2 == 1 && atomic_load(&changes[key]) == before) {
        reader->missed++;
    }
    atomic_fetch_add(&reader->looks, 1);
}

static void *read_all_the_time(void *arg)
{
    while (!atomic_load(&is_done)) {
        look_once(arg);
    }
    return NULL;
}

/* --- the writer */

/* All readers have been between two look-ups since now. */
static void wait_for_readers(void)
{
    for (int i = 0; i < READERS; i++) {
        uint32_t seen = atomic_load(&readers[i].looks);
        while ((seen & 1) != 0 && atomic_load(&readers[i].looks) == seen) {
        }
    }
}

static void free_retired(void)
{
    wait_for_readers();
    while (retired_count > 0) {
        retired_count--;
        retired[retired_count].free_it(retired[retired_count].memory);
    }
}

static void on_retire(void *owner, void *memory, retired_free_fn free_it)
{
    (void)owner;
    if (retired_count == RETIRED_MAX) {
        free_retired();
    }
    retired[retired_count].memory = memory;
    retired[retired_count++].free_it = free_it;
}

static struct item *item_new(uint32_t key)
{
    struct item *item = mem_alloc(sizeof(*item));

    *item = (struct item){key, key};
    return item;
}

static void add(uint32_t key)
{
    assert_int_equal(shared_map_add(&map, hash_of(key), item_new(key)), 0);
    atomic_fetch_add(&changes[key], 1);
}

static void remove_one(uint32_t key)
{
    atomic_fetch_add(&changes[key], 1);
    on_retire(NULL, shared_map_remove(&map, hash_of(key), &key), mem_free);
}

static void write_once(uint64_t *random, bool is_rising)
{
    uint32_t key = random_below(random, some_keys(random));
    bool is_in = atomic_load(&changes[key]) % 2 == 1;

    if (is_in && random_below(random, 4) == 0) {
        on_retire(NULL,
                  shared_map_replace(&map, hash_of(key), &key, item_new(key)),
                  mem_free);
    } else if (is_in == is_rising && random_below(random, 10) > 0) {
        return;
    } else if (is_in) {
        remove_one(key);
    } else {
        add(key);
    }
}

static void readers_find_what_is_there(void **state)
{
    uint64_t random = random_seed();

    (void)state;
    shared_map_init(&map, &kind, on_retire, NULL);
    for (int i = 0; i < READERS; i++) {
        readers[i].random = random_u64(&random);
        assert_int_equal(pthread_create(&readers[i].thread, NULL,
                                        read_all_the_time, &readers[i]),
                         0);
    }
    for (int step = 0; step < STEPS; step++) {
        write_once(&random, step / TIDE % 2 == 0);
    }
    atomic_store(&is_done, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_true(readers[i].missed == 0);
        assert_true(readers[i].wrong == 0);
        assert_true(readers[i].hits > 0);
    }
    for (uint32_t key = 0; key < KEYS; key++) {
        if (changes[key] % 2 == 1) {
            remove_one(key);
        }
    }
    free_retired();
    assert_int_equal(map.count, 0);
    shared_map_fini(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_find_what_is_there),
    };
    return cmocka_run_group_tests_name("shared_map", tests, NULL, NULL);
}
