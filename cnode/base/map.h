/* SPDX-License-Identifier: Apache-2.0
 *
 * Open-addressing hash table of pointers to the caller's objects, which hold
 * their own keys. Linear probing, backward-shift deletion (no tombstones), at
 * most 3/4 full; 12 bytes a slot. It grows in steps, some slots with each
 * change, so that no change takes long. One thread.
 *
 * A lookup compares 32 bits of hash first and then calls `equal`.
 */
#ifndef CNODE_BASE_MAP_H
#define CNODE_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

typedef bool (*map_equal_fn)(const void *item, const void *key);

struct map_slots {
    void **items; /* NULL: free slot */
    uint32_t *hashes;
    uint32_t mask; /* slots - 1; 0 while no memory is allocated */
};

struct map {
    struct map_slots now, old; /* old: items that have not moved yet */
    uint32_t old_count;
    uint32_t visited; /* slots of `old` before this one are free */
    uint32_t count;
    map_equal_fn equal;
};

void map_init(struct map *map, map_equal_fn equal);
void map_fini(struct map *map); /* the items stay with their owners */

void *map_get(const struct map *map, uint64_t hash, const void *key);

/* Adds `item`; the caller made sure by map_get that the key is not there. */
void map_add(struct map *map, uint64_t hash, void *item);

/* Removes and returns the item with that key, or NULL. */
void *map_remove(struct map *map, uint64_t hash, const void *key);

/* Walks all items: start with *pos = 0, NULL ends it. Adding or removing during
 * the walk is not allowed. */
void *map_next(const struct map *map, uint32_t *pos);

#define MAP_EACH(it, map)                                                      \
    for (uint32_t it##_pos = 0; ((it) = map_next((map), &it##_pos)) != NULL;)

#endif
