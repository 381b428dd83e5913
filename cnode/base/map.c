/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing with linear probing. Items and hashes lie in one allocation,
 * items first; a probe reads the hashes only and touches an item when 32 bits
 * agree.
 *
 * Deletion shifts the rest of the run back instead of leaving a tombstone, so
 * that a map in which entries come and go for weeks stays as fast as a new one.
 *
 * While it grows an item is in the old slots or in those of now. Whole runs
 * move, so that what is left in the old ones is found as before.
 */
#include "base/map.h"

#include "base/mem.h"

enum {
    MAP_FIRST = 8,
    MAP_SLOTS_MAX = 1 << 30,
    /* Visited with each change. n slots are 3/4 full when they become old, and
     * 3/4 n more items fill those of now; 2 would do. */
    MAP_STEP = 16,
};

void map_init(struct map *map, map_equal_fn equal)
{
    *map = (struct map){.equal = equal};
}

void map_fini(struct map *map)
{
    mem_free(map->now.items);
    mem_free(map->old.items);
    map_init(map, map->equal);
}

static inline uint32_t fold(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}

/* The slot of the key, or of the free slot that ends its run. */
static inline uint32_t find(const struct map *map,
                            const struct map_slots *slots, uint32_t hash,
                            const void *key)
{
    uint32_t at = hash & slots->mask;

    for (; slots->items[at] != NULL; at = (at + 1) & slots->mask) {
        if (slots->hashes[at] == hash && map->equal(slots->items[at], key)) {
            break;
        }
    }
    return at;
}

void *map_get(const struct map *map, uint64_t hash, const void *key)
{
    void *item;

    if (map->count == 0) {
        return NULL;
    }
    item = map->now.items[find(map, &map->now, fold(hash), key)];
    if (item == NULL && map->old_count > 0) {
        item = map->old.items[find(map, &map->old, fold(hash), key)];
    }
    return item;
}

/* --- growing */

static struct map_slots slots_new(uint32_t count)
{
    struct map_slots slots = {.mask = count - 1};

    slots.items =
        mem_zalloc(count * (sizeof(*slots.items) + sizeof(*slots.hashes)));
    slots.hashes = (uint32_t *)(void *)(slots.items + count);
    return slots;
}

/* Puts an item into the first free slot of its run. */
static void place(struct map_slots *slots, uint32_t hash, void *item)
{
    uint32_t at = hash & slots->mask;

    while (slots->items[at] != NULL) {
        at = (at + 1) & slots->mask;
    }
    slots->items[at] = item;
    slots->hashes[at] = hash;
}

/* Some of the old items move, up to the end of a run. The run that wraps around
 * the end is two: who looks from the second finds no more than that. */
static void step(struct map *map)
{
    struct map_slots *old = &map->old;

    for (int i = 0; map->old_count > 0 &&
                    (i < MAP_STEP || old->items[map->visited] != NULL);
         i++) {
        uint32_t at = map->visited++;
        if (old->items[at] != NULL) {
            place(&map->now, old->hashes[at], old->items[at]);
            old->items[at] = NULL;
            map->old_count--;
        }
    }
    if (map->old_count == 0 && old->items != NULL) {
        mem_free(old->items);
        *old = (struct map_slots){0};
    }
}

static void make_room(struct map *map)
{
    if (map->now.mask == 0) {
        map->now = slots_new(MAP_FIRST);
    } else if (map->count >= map->now.mask - map->now.mask / 4) {
        CHECK(map->now.mask < MAP_SLOTS_MAX - 1 && map->old_count == 0);
        map->old = map->now;
        map->old_count = map->count;
        map->visited = 0;
        map->now = slots_new((map->old.mask + 1) * 2);
    }
}

void map_add(struct map *map, uint64_t hash, void *item)
{
    CHECK(item != NULL);
    make_room(map);
    step(map);
    place(&map->now, fold(hash), item);
    map->count++;
}

/* --- taken out */

/* An item further on in the run may fill the hole unless its own first slot
 * lies behind the hole: it would not be found from there. */
static void close_hole(struct map_slots *slots, uint32_t hole)
{
    uint32_t mask = slots->mask;

    for (uint32_t at = (hole + 1) & mask; slots->items[at] != NULL;
         at = (at + 1) & mask) {
        uint32_t home = slots->hashes[at] & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            slots->items[hole] = slots->items[at];
            slots->hashes[hole] = slots->hashes[at];
            hole = at;
        }
    }
    slots->items[hole] = NULL;
}

static void *take(const struct map *map, struct map_slots *slots, uint32_t hash,
                  const void *key)
{
    uint32_t at = find(map, slots, hash, key);
    void *item = slots->items[at];

    if (item != NULL) {
        close_hole(slots, at);
    }
    return item;
}

void *map_remove(struct map *map, uint64_t hash, const void *key)
{
    void *item;

    if (map->count == 0) {
        return NULL;
    }
    item = take(map, &map->now, fold(hash), key);
    if (item == NULL && map->old_count > 0) {
        item = take(map, &map->old, fold(hash), key);
        map->old_count -= item != NULL;
    }
    map->count -= item != NULL;
    step(map);
    return item;
}

/* --- walked */

static void *next_of(const struct map_slots *slots, uint32_t before,
                     uint32_t *pos)
{
    while (slots->items != NULL && *pos - before <= slots->mask) {
        void *item = slots->items[(*pos)++ - before];
        if (item != NULL) {
            return item;
        }
    }
    return NULL;
}

void *map_next(const struct map *map, uint32_t *pos)
{
    uint32_t before = map->old.items == NULL ? 0 : map->old.mask + 1;
    void *item = *pos < before ? next_of(&map->old, 0, pos) : NULL;

    return item != NULL ? item : next_of(&map->now, before, pos);
}
