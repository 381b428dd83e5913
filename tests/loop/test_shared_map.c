/* SPDX-License-Identifier: Apache-2.0
 *
 * A shared map with one writer and readers on threads of their own: a reader
 * finds every item that was there all the time, however others come and go
 * around it, and what it found is not freed until it is quiescent.
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
    KEYS = 500,
    STEPS = 50000, /* of the writer */
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
static void *retired[RETIRED_MAX];
static unsigned retired_count;

static bool item_equal(const void *item, const void *key)
{
    return ((const struct item *)item)->key == *(const uint32_t *)key;
}

/* Half of the items belong into one slot, in which a run begins, the others
 * each into its own: where one of the first ends, the next of them moves far.
 */
static uint64_t hash_of(uint32_t key)
{
    uint64_t high = hash_u64(key) & UINT64_C(0xffff0000);

    return high | (key % 2 == 0 ? 0 : key);
}

/* --- readers */

static void look_once(struct reader *reader)
{
    uint32_t key = random_below(&reader->random, KEYS);
    uint32_t before = atomic_load(&changes[key]);
    const struct item *item;

    atomic_fetch_add(&reader->looks, 1);
    item = shared_map_get(&map, hash_of(key), &key);
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
        mem_free(retired[--retired_count]);
    }
}

static void on_retire(void *owner, void *memory)
{
    (void)owner;
    if (retired_count == RETIRED_MAX) {
        free_retired();
    }
    retired[retired_count++] = memory;
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
    on_retire(NULL, shared_map_remove(&map, hash_of(key), &key));
}

static void write_once(uint64_t *random)
{
    uint32_t key = random_below(random, KEYS);

    if (atomic_load(&changes[key]) % 2 == 0) {
        add(key);
    } else if (random_below(random, 4) > 0) {
        remove_one(key);
    } else {
        on_retire(NULL,
                  shared_map_replace(&map, hash_of(key), &key, item_new(key)));
    }
}

static void readers_find_what_is_there(void **state)
{
    uint64_t random = random_seed();

    (void)state;
    shared_map_init(&map, item_equal, on_retire, NULL);
    for (int i = 0; i < READERS; i++) {
        readers[i].random = random_u64(&random);
        assert_int_equal(pthread_create(&readers[i].thread, NULL,
                                        read_all_the_time, &readers[i]),
                         0);
    }
    for (int step = 0; step < STEPS; step++) {
        write_once(&random);
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
