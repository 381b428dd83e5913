/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing with linear probing. Items and hashes lie in one allocation,
 * items first; a probe reads the hashes only and touches an item when 32 bits
 * agree.
 *
 * Deletion shifts the rest of the run back instead of leaving a tombstone, so
 * that a map in which entries come and go for weeks stays as fast as a new one.
 */
#include "base/map.h"

#include <string.h>

#include "base/mem.h"

enum { MAP_FIRST = 8, MAP_SLOTS_MAX = 1 << 30 };

static void map_resize(struct map *map, uint32_t slots);

void map_init(struct map *map, map_equal_fn equal)
{
    *map = (struct map){.equal = equal};
}

void map_fini(struct map *map)
{
    mem_free(map->items);
    map_init(map, map->equal);
}

static inline uint32_t fold(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}

/* The slot of the key, or of the free slot that ends its run. */
static inline uint32_t map_find(const struct map *map, uint32_t hash,
                                const void *key)
{
    uint32_t at = hash & map->mask;

    for (; map->items[at] != NULL; at = (at + 1) & map->mask) {
        if (map->hashes[at] == hash && map->equal(map->items[at], key)) {
            break;
        }
    }
    return at;
}

void *map_get(const struct map *map, uint64_t hash, const void *key)
{
    if (map->count == 0) {
        return NULL;
    }
    return map->items[map_find(map, fold(hash), key)];
}

/* Puts an item into the first free slot of its run. */
static void map_place(struct map *map, uint32_t hash, void *item)
{
    uint32_t at = hash & map->mask;

    while (map->items[at] != NULL) {
        at = (at + 1) & map->mask;
    }
    map->items[at] = item;
    map->hashes[at] = hash;
}

void map_add(struct map *map, uint64_t hash, void *item)
{
    CHECK(item != NULL);
    if (map->mask == 0) {
        map_resize(map, MAP_FIRST);
    } else if (map->count >= map->mask - map->mask / 4) {
        CHECK(map->mask < MAP_SLOTS_MAX - 1);
        map_resize(map, (map->mask + 1) * 2);
    }
    map_place(map, fold(hash), item);
    map->count++;
}

static void map_resize(struct map *map, uint32_t slots)
{
    struct map old = *map;

    map->items =
        mem_zalloc(slots * (sizeof(*map->items) + sizeof(*map->hashes)));
    map->hashes = (uint32_t *)(void *)(map->items + slots);
    map->mask = slots - 1;
    if (old.items == NULL) {
        return;
    }
    for (uint32_t i = 0; i <= old.mask; i++) {
        if (old.items[i] != NULL) {
            map_place(map, old.hashes[i], old.items[i]);
        }
    }
    mem_free(old.items);
}

void *map_remove(struct map *map, uint64_t hash, const void *key)
{
    uint32_t hole, at;
    void *item;

    if (map->count == 0) {
        return NULL;
    }
    hole = map_find(map, fold(hash), key);
    item = map->items[hole];
    if (item == NULL) {
        return NULL;
    }
    /* An item further on in the run may fill the hole unless its own first slot
     * lies behind the hole: it would not be found from there. */
    for (at = (hole + 1) & map->mask; map->items[at] != NULL;
         at = (at + 1) & map->mask) {
        uint32_t home = map->hashes[at] & map->mask;
        if (((at - home) & map->mask) >= ((at - hole) & map->mask)) {
            map->items[hole] = map->items[at];
            map->hashes[hole] = map->hashes[at];
            hole = at;
        }
    }
    map->items[hole] = NULL;
    map->count--;
    return item;
}

void *map_next(const struct map *map, uint32_t *pos)
{
    if (map->items == NULL) {
        return NULL;
    }
    while (*pos <= map->mask) {
        void *item = map->items[(*pos)++];
        if (item != NULL) {
            return item;
        }
    }
    return NULL;
}
