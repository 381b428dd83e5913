/* SPDX-License-Identifier: Apache-2.0
 *
 * A slot is one word: 16 bits of hash and a pointer, 0 when it was never used,
 * GONE when its item was taken out or has moved. A probe goes on behind GONE
 * and ends at 0. So one read says whether an item is worth looking at.
 *
 * An item never moves within its table. When that is too full (of items or of
 * GONE), or much too empty, another one is put behind it, and each change moves
 * a few items into the newest: there it is stored first, and then GONE from
 * where it was. A reader goes from the oldest to the newest, so that it cannot
 * miss an item that was there all the time: what it does not find in the one
 * any more is in the next. What is added goes into the newest.
 *
 * Readers acquire what the writer releases: a table with its size, a slot with
 * what its item points to, GONE with the place where the item is now.
 */
#include "base/shared_map.h"

#include <cnode/error.h>

#include "base/huge.h"
#include "base/mem.h"

enum {
    SLOTS_FIRST = 8,
    SLOTS_MAX = 1 << 30,
    SLOTS_SHRINK = 4096, /* smaller tables stay as they are */
    /* Visited with each change. A table of n slots doubles after 3/4 n items
     * and has to be empty before 3/4 n more are added; 2 would do. */
    SLOTS_STEP = 16,
    LINE_BYTES = 64,
};

#define GONE     UINT64_C(1)
#define TAG_BITS (UINT64_C(0xffff) << 48)
#define TAG_ONE  (UINT64_C(1) << 48)

struct shared_table {
    _Atomic(struct shared_table *) next;
    uint32_t mask;                /* slots - 1 */
    char end_of_line[LINE_BYTES]; /* what follows changes often */
    /* --- the writer's */
    uint32_t live;
    uint32_t used;    /* live and GONE */
    uint32_t visited; /* slots before this one are empty or GONE */
    _Atomic uint64_t slots[];
};

void shared_map_init(struct shared_map *map, const struct shared_map_kind *kind,
                     retire_fn retire, void *owner)
{
    *map = (struct shared_map){.kind = kind, .retire = retire, .owner = owner};
}

/* The writer sees what it wrote. */
static inline struct shared_table *own_oldest(const struct shared_map *map)
{
    return atomic_load_explicit(&map->table, memory_order_relaxed);
}

static inline struct shared_table *own_next(const struct shared_table *table)
{
    return atomic_load_explicit(&table->next, memory_order_relaxed);
}

static inline uint64_t own_slot(const struct shared_table *table, uint32_t at)
{
    return atomic_load_explicit(&table->slots[at], memory_order_relaxed);
}

static inline void set_slot(struct shared_table *table, uint32_t at,
                            uint64_t slot)
{
    atomic_store_explicit(&table->slots[at], slot, memory_order_release);
}

/* Never 0: no empty or GONE slot has it. */
static inline uint64_t tag_of(uint64_t hash)
{
    return (hash & TAG_BITS) | TAG_ONE;
}

static inline bool has_tag(uint64_t slot, uint64_t tag)
{
    return (slot & TAG_BITS) == tag;
}

static inline void *item_of(uint64_t slot)
{
    return (void *)(uintptr_t)(slot & ~TAG_BITS);
}

/* --- readers */

static inline void *look(const struct shared_map *map,
                         const struct shared_table *table, uint64_t hash,
                         const void *key)
{
    uint32_t at = (uint32_t)hash & table->mask;
    uint64_t tag = tag_of(hash), slot;

    for (;; at = (at + 1) & table->mask) {
        slot = atomic_load_explicit(&table->slots[at], memory_order_acquire);
        if (has_tag(slot, tag) && map->kind->equal(item_of(slot), key)) {
            return item_of(slot);
        }
        if (slot == 0) {
            return NULL;
        }
    }
}

void *shared_map_get(const struct shared_map *map, uint64_t hash,
                     const void *key)
{
    const struct shared_table *table =
        atomic_load_explicit(&map->table, memory_order_acquire);
    void *item = NULL;

    while (table != NULL && item == NULL) {
        item = look(map, table, hash, key);
        table = atomic_load_explicit(&table->next, memory_order_acquire);
    }
    return item;
}

static void expect_items(const struct shared_map *map,
                         const struct shared_table *table,
                         const uint64_t hashes[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)hashes[i] & table->mask;
        uint64_t tag = tag_of(hashes[i]), slot;

        do {
            slot =
                atomic_load_explicit(&table->slots[at], memory_order_acquire);
            at = (at + 1) & table->mask;
        } while (slot != 0 && !has_tag(slot, tag));
        if (slot != 0) {
            const char *key = (char *)item_of(slot) + map->kind->key_at;
            __builtin_prefetch(key);
            __builtin_prefetch(key + map->kind->key_bytes - 1);
        }
    }
}

void shared_map_expect(const struct shared_map *map, const uint64_t hashes[],
                       size_t count)
{
    const struct shared_table *table =
        atomic_load_explicit(&map->table, memory_order_acquire);

    for (; table != NULL;
         table = atomic_load_explicit(&table->next, memory_order_acquire)) {
        for (size_t i = 0; i < count; i++) {
            __builtin_prefetch(
                (const void *)&table->slots[(uint32_t)hashes[i] & table->mask]);
        }
        expect_items(map, table, hashes, count);
    }
}

/* --- the writer: tables */

static size_t table_bytes(uint32_t slots)
{
    return sizeof(struct shared_table) + slots * sizeof(uint64_t);
}

static struct shared_table *table_new(uint32_t slots)
{
    struct shared_table *table = huge_try_zalloc(table_bytes(slots));

    if (table != NULL) {
        table->mask = slots - 1;
    }
    return table;
}

static void table_free(void *memory)
{
    struct shared_table *table = memory;

    huge_free(table, table_bytes(table->mask + 1));
}

void shared_map_fini(struct shared_map *map)
{
    struct shared_table *table = own_oldest(map), *next;

    for (; table != NULL; table = next) {
        next = own_next(table);
        table_free(table);
    }
    shared_map_init(map, map->kind, map->retire, map->owner);
}

static int put_behind(struct shared_map *map, uint64_t slots)
{
    struct shared_table *table =
        slots > SLOTS_MAX ? NULL : table_new((uint32_t)slots);

    if (table == NULL) {
        return CNODE_NOMEM;
    }
    if (map->newest == NULL) {
        atomic_store_explicit(&map->table, table, memory_order_release);
    } else {
        atomic_store_explicit(&map->newest->next, table, memory_order_release);
    }
    map->newest = table;
    return 0;
}

/* Into the first slot of its run that is free. */
static void place(struct shared_table *table, uint64_t hash, void *item)
{
    uint32_t at = (uint32_t)hash & table->mask;
    uint64_t slot;

    while ((slot = own_slot(table, at)) > GONE) {
        at = (at + 1) & table->mask;
    }
    table->live++;
    table->used += slot == 0;
    set_slot(table, at, tag_of(hash) | (uint64_t)(uintptr_t)item);
}

/* Its items will be read with the next change. */
static void expect_slots(const struct shared_map *map,
                         const struct shared_table *table, uint32_t from)
{
    for (uint32_t at = from; at < from + SLOTS_STEP && at <= table->mask;
         at++) {
        uint64_t slot = own_slot(table, at);
        if (slot > GONE) {
            __builtin_prefetch((char *)item_of(slot) + map->kind->key_at);
        }
    }
}

/* Some items of the oldest table move, unless it is the newest. */
static void step(struct shared_map *map)
{
    struct shared_table *table = own_oldest(map);

    if (table == map->newest) {
        return;
    }
    for (int i = 0; i < SLOTS_STEP && table->live > 0; i++) {
        uint32_t at = table->visited++;
        uint64_t slot = own_slot(table, at);
        if (slot > GONE) {
            place(map->newest, map->kind->hash(item_of(slot)), item_of(slot));
            set_slot(table, at, GONE);
            table->live--;
        }
    }
    if (table->live > 0) {
        expect_slots(map, table, table->visited);
        return;
    }
    atomic_store_explicit(&map->table, own_next(table), memory_order_release);
    map->retire(map->owner, table, table_free);
}

static inline uint64_t slots_of(const struct shared_table *table)
{
    return table == NULL ? 0 : (uint64_t)table->mask + 1;
}

/* How many slots may be in use. */
static inline uint64_t room_of(uint64_t slots)
{
    return slots - 1 - (slots - 1) / 4;
}

static int make_room(struct shared_map *map)
{
    const struct shared_table *table = map->newest;
    uint64_t used;

    if (table == NULL) {
        return put_behind(map, SLOTS_FIRST);
    }
    used = (uint64_t)table->used + (map->count - table->live);
    if (used < room_of(slots_of(table))) {
        return 0;
    }
    return put_behind(map, map->count >= slots_of(table) / 2
                               ? slots_of(table) * 2
                               : slots_of(table)); /* many are GONE */
}

void shared_map_reserve(struct shared_map *map, uint32_t more)
{
    uint64_t slots = SLOTS_FIRST;

    while ((uint64_t)map->count + more >= room_of(slots)) {
        slots *= 2;
    }
    if (slots > slots_of(map->newest)) {
        int rc = put_behind(map, slots);
        (void)rc; /* no memory: it grows as they come */
    }
}

/* --- the writer: items */

/* The table with the key, or NULL, and the slot in it. */
static struct shared_table *find(const struct shared_map *map, uint64_t hash,
                                 const void *key, uint32_t *slot_at)
{
    struct shared_table *table = own_oldest(map);
    uint64_t tag = tag_of(hash), slot;

    for (; table != NULL; table = own_next(table)) {
        uint32_t at = (uint32_t)hash & table->mask;
        for (; (slot = own_slot(table, at)) != 0; at = (at + 1) & table->mask) {
            if (has_tag(slot, tag) && map->kind->equal(item_of(slot), key)) {
                *slot_at = at;
                return table;
            }
        }
    }
    return NULL;
}

int shared_map_add(struct shared_map *map, uint64_t hash, void *item)
{
    int rc;

    CHECK(item != NULL && ((uint64_t)(uintptr_t)item & (TAG_BITS | GONE)) == 0);
    rc = make_room(map);
    if (rc == 0) {
        step(map);
        place(map->newest, hash, item);
        map->count++;
    }
    return rc;
}

void *shared_map_replace(struct shared_map *map, uint64_t hash, const void *key,
                         void *item)
{
    uint32_t at;
    struct shared_table *table = find(map, hash, key, &at);
    void *old;

    CHECK(table != NULL);
    old = item_of(own_slot(table, at));
    set_slot(table, at, tag_of(hash) | (uint64_t)(uintptr_t)item);
    return old;
}

/* Nothing that is found by way of this slot lies behind it when the next one is
 * empty: then it need not be GONE, nor need those before it. */
static void empty_slot(struct shared_table *table, uint32_t at)
{
    table->live--;
    if (own_slot(table, (at + 1) & table->mask) != 0) {
        set_slot(table, at, GONE);
        return;
    }
    do {
        set_slot(table, at, 0);
        table->used--;
        at = (at - 1) & table->mask;
    } while (own_slot(table, at) == GONE);
}

void *shared_map_remove(struct shared_map *map, uint64_t hash, const void *key)
{
    uint32_t at;
    struct shared_table *table = find(map, hash, key, &at);
    uint64_t slots = slots_of(map->newest);
    void *item;

    if (table == NULL) {
        return NULL;
    }
    item = item_of(own_slot(table, at));
    empty_slot(table, at);
    map->count--;
    if (slots > SLOTS_SHRINK && own_oldest(map) == map->newest &&
        map->count < slots / 8) {
        int rc = put_behind(map, slots / 2);
        (void)rc; /* no memory: it stays large */
    }
    step(map);
    return item;
}

void *shared_map_next(const struct shared_map *map, uint64_t *pos)
{
    const struct shared_table *table = own_oldest(map);
    uint64_t before = 0; /* slots of the tables before this one */

    for (; table != NULL; table = own_next(table)) {
        while (*pos - before <= table->mask) {
            uint64_t slot = own_slot(table, (uint32_t)((*pos)++ - before));
            if (slot > GONE) {
                return item_of(slot);
            }
        }
        before += slots_of(table);
    }
    return NULL;
}
