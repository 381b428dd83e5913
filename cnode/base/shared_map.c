/* SPDX-License-Identifier: Apache-2.0
 *
 * A slot is 32 bits of hash, 0 when it is free, and a pointer; they lie in two
 * arrays, and a probe reads the hashes only. Both are atomics.
 *
 * What readers need of the order of things: an item is stored before its hash
 * (release, and acquire when they are read), so that who sees the hash sees the
 * item and what it points to. An item that moves is in both slots for a moment;
 * a reader that has passed the one and then finds the other empty misses it. So
 * a miss counts only if nothing moved meanwhile (`moves` is even and the same
 * as before, as the sequence of a seqlock), else it looks again. A hit is a
 * hit.
 *
 * A table that grows or shrinks is a new one; readers of the old one see what
 * was there when it was left.
 */
#include "base/shared_map.h"

#include <sched.h>

#include <cnode/error.h>

#include "base/mem.h"

enum {
    SLOTS_FIRST = 8,
    SLOTS_MAX = 1 << 30,
    SLOTS_SHRINK = 4096, /* smaller tables stay as they are */
    LOOKS_AT_ONCE = 100,
};

struct shared_table {
    uint32_t mask; /* slots - 1 */
    _Atomic uint32_t *hashes;
    _Atomic(void *) items[]; /* the hashes follow them */
};

void shared_map_init(struct shared_map *map, shared_map_equal_fn equal,
                     void (*retire)(void *owner, void *memory), void *owner)
{
    *map =
        (struct shared_map){.equal = equal, .retire = retire, .owner = owner};
}

void shared_map_fini(struct shared_map *map)
{
    mem_free(atomic_load_explicit(&map->table, memory_order_relaxed));
    shared_map_init(map, map->equal, map->retire, map->owner);
}

static inline uint32_t fold(uint64_t hash)
{
    uint32_t folded = (uint32_t)(hash ^ hash >> 32);

    return folded == 0 ? 1 : folded;
}

/* The writer sees what it wrote. */
static inline struct shared_table *own_table(const struct shared_map *map)
{
    return atomic_load_explicit(&map->table, memory_order_relaxed);
}

static inline uint32_t own_hash(const struct shared_table *table, uint32_t at)
{
    return atomic_load_explicit(&table->hashes[at], memory_order_relaxed);
}

static inline void *own_item(const struct shared_table *table, uint32_t at)
{
    return atomic_load_explicit(&table->items[at], memory_order_relaxed);
}

static inline void fill(struct shared_table *table, uint32_t at, uint32_t hash,
                        void *item)
{
    atomic_store_explicit(&table->items[at], item, memory_order_release);
    atomic_store_explicit(&table->hashes[at], hash, memory_order_release);
}

/* --- readers */

static inline void *look(const struct shared_map *map,
                         const struct shared_table *table, uint32_t hash,
                         const void *key)
{
    uint32_t at = hash & table->mask, found;
    void *item;

    __builtin_prefetch((const void *)&table->items[at]);
    for (;; at = (at + 1) & table->mask) {
        found = atomic_load_explicit(&table->hashes[at], memory_order_acquire);
        if (found == 0) {
            return NULL;
        }
        if (found == hash) {
            item =
                atomic_load_explicit(&table->items[at], memory_order_acquire);
            if (map->equal(item, key)) {
                return item;
            }
        }
    }
}

void *shared_map_get(const struct shared_map *map, uint64_t hash,
                     const void *key)
{
    const struct shared_table *table;
    uint32_t before;
    void *item;

    for (unsigned looks = 1;; looks++) {
        before = atomic_load_explicit(&map->moves, memory_order_acquire);
        table = atomic_load_explicit(&map->table, memory_order_acquire);
        if (table == NULL) {
            return NULL;
        }
        item = look(map, table, fold(hash), key);
        if (item != NULL ||
            ((before & 1) == 0 &&
             atomic_load_explicit(&map->moves, memory_order_relaxed) ==
                 before)) {
            return item;
        }
        if (looks % LOOKS_AT_ONCE == 0) {
            sched_yield(); /* the writer was interrupted */
        }
    }
}

/* --- the writer: other tables */

static struct shared_table *table_new(uint32_t slots)
{
    struct shared_table *table;
    size_t slot = sizeof(table->items[0]) + sizeof(table->hashes[0]);

    table = mem_try_zalloc(sizeof(*table) + slots * slot);
    if (table != NULL) {
        table->mask = slots - 1;
        table->hashes = (_Atomic uint32_t *)(void *)(table->items + slots);
    }
    return table;
}

/* The first free slot of its run. */
static void place(struct shared_table *table, uint32_t hash, void *item)
{
    uint32_t at = hash & table->mask;

    while (own_hash(table, at) != 0) {
        at = (at + 1) & table->mask;
    }
    fill(table, at, hash, item);
}

static int resize(struct shared_map *map, uint32_t slots)
{
    struct shared_table *old = own_table(map), *table = table_new(slots);

    if (table == NULL) {
        return CNODE_NOMEM;
    }
    for (uint32_t at = 0; old != NULL && at <= old->mask; at++) {
        if (own_hash(old, at) != 0) {
            place(table, own_hash(old, at), own_item(old, at));
        }
    }
    atomic_store_explicit(&map->table, table, memory_order_release);
    if (old != NULL) {
        map->retire(map->owner, old);
    }
    return 0;
}

static int make_room(struct shared_map *map)
{
    const struct shared_table *table = own_table(map);

    if (table == NULL) {
        return resize(map, SLOTS_FIRST);
    }
    if (map->count < table->mask - table->mask / 4) {
        return 0;
    }
    return table->mask >= SLOTS_MAX - 1 ? CNODE_NOMEM
                                        : resize(map, (table->mask + 1) * 2);
}

void shared_map_reserve(struct shared_map *map, uint32_t more)
{
    const struct shared_table *table = own_table(map);
    uint64_t slots = table == NULL ? SLOTS_FIRST : table->mask + 1;

    while (slots < SLOTS_MAX &&
           (uint64_t)map->count + more >= slots - 1 - (slots - 1) / 4) {
        slots *= 2;
    }
    if (table == NULL || slots > (uint64_t)table->mask + 1) {
        (void)resize(map, (uint32_t)slots); /* else it grows as they come */
    }
}

/* --- the writer: items */

/* The slot of the key, or a free one. */
static uint32_t find(const struct shared_map *map,
                     const struct shared_table *table, uint32_t hash,
                     const void *key)
{
    uint32_t at = hash & table->mask;

    for (; own_hash(table, at) != 0; at = (at + 1) & table->mask) {
        if (own_hash(table, at) == hash &&
            map->equal(own_item(table, at), key)) {
            break;
        }
    }
    return at;
}

int shared_map_add(struct shared_map *map, uint64_t hash, void *item)
{
    int rc;

    CHECK(item != NULL);
    rc = make_room(map);
    if (rc == 0) {
        place(own_table(map), fold(hash), item);
        map->count++;
    }
    return rc;
}

void *shared_map_replace(struct shared_map *map, uint64_t hash, const void *key,
                         void *item)
{
    struct shared_table *table = own_table(map);
    uint32_t at;
    void *old;

    CHECK(table != NULL);
    at = find(map, table, fold(hash), key);
    CHECK(own_hash(table, at) != 0);
    old = own_item(table, at);
    atomic_store_explicit(&table->items[at], item, memory_order_release);
    return old;
}

static inline uint32_t own_moves(const struct shared_map *map)
{
    return atomic_load_explicit(&map->moves, memory_order_relaxed);
}

/* The items behind a hole in a run move up, those excepted whose first slot
 * lies behind the hole: they would not be found from there. Returns the slot
 * that is free in the end. The slots are stored after `moves` is odd, since
 * they are stored with release, and before it is even again. */
static uint32_t close_hole(struct shared_map *map, struct shared_table *table,
                           uint32_t hole)
{
    uint32_t mask = table->mask, hash;

    for (uint32_t at = (hole + 1) & mask; (hash = own_hash(table, at)) != 0;
         at = (at + 1) & mask) {
        if (((at - hash) & mask) >= ((at - hole) & mask)) {
            if ((own_moves(map) & 1) == 0) {
                atomic_store_explicit(&map->moves, own_moves(map) + 1,
                                      memory_order_relaxed);
            }
            fill(table, hole, hash, own_item(table, at));
            hole = at;
        }
    }
    return hole;
}

void *shared_map_remove(struct shared_map *map, uint64_t hash, const void *key)
{
    struct shared_table *table = own_table(map);
    uint32_t at;
    void *item;

    if (table == NULL) {
        return NULL;
    }
    at = find(map, table, fold(hash), key);
    if (own_hash(table, at) == 0) {
        return NULL;
    }
    item = own_item(table, at);
    at = close_hole(map, table, at);
    atomic_store_explicit(&table->hashes[at], 0, memory_order_release);
    if ((own_moves(map) & 1) != 0) {
        atomic_store_explicit(&map->moves, own_moves(map) + 1,
                              memory_order_release);
    }
    map->count--;
    if (table->mask >= SLOTS_SHRINK && map->count < table->mask / 8) {
        (void)resize(map, (table->mask + 1) / 2); /* else it stays large */
    }
    return item;
}

void *shared_map_next(const struct shared_map *map, uint32_t *pos)
{
    const struct shared_table *table = own_table(map);

    while (table != NULL && *pos <= table->mask) {
        uint32_t at = (*pos)++;
        if (own_hash(table, at) != 0) {
            return own_item(table, at);
        }
    }
    return NULL;
}
