/* SPDX-License-Identifier: Apache-2.0
 *
 * Hash table of pointers to the caller's objects with one writer and any number
 * of readers on other threads, without locks. Open addressing with linear
 * probing and backward-shift deletion (no tombstones), at most 3/4 full; 12
 * bytes a slot.
 *
 * A reader sees every object that was there during the whole of its look-up. It
 * may go on reading what it found until its thread is at a quiescent point: the
 * writer hands what it takes out (objects, and tables that it outgrew) to
 * `retire`, which frees it when all readers have passed one.
 */
#ifndef CNODE_BASE_SHARED_MAP_H
#define CNODE_BASE_SHARED_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

typedef bool (*shared_map_equal_fn)(const void *item, const void *key);

struct shared_table; /* the slots */

struct shared_map {
    _Atomic(struct shared_table *) table; /* NULL: nothing was ever in it */
    _Atomic uint32_t moves; /* odd while items move from slot to slot */
    uint32_t count;         /* the writer's */
    shared_map_equal_fn equal;
    /* Frees memory of mem_alloc() once no reader can hold it. */
    void (*retire)(void *owner, void *memory);
    void *owner;
};

void shared_map_init(struct shared_map *map, shared_map_equal_fn equal,
                     void (*retire)(void *owner, void *memory), void *owner);
/* No reader is left. The items stay with their owner. */
void shared_map_fini(struct shared_map *map);

/* Any thread. */
void *shared_map_get(const struct shared_map *map, uint64_t hash,
                     const void *key);

/* The writer. CNODE_NOMEM: the table cannot grow. The key is not there yet. */
MUST_USE int shared_map_add(struct shared_map *map, uint64_t hash, void *item);
/* So many more are going to be added: the table grows now, while it has few
 * items to move, and not in several steps. */
void shared_map_reserve(struct shared_map *map, uint32_t more);
/* Returns what it took out, or NULL. Not freed: that is up to the caller, by
 * way of retire. */
void *shared_map_remove(struct shared_map *map, uint64_t hash, const void *key);
/* Another object takes the place of one with the same key. Returns the old
 * one, which must be there. */
void *shared_map_replace(struct shared_map *map, uint64_t hash, const void *key,
                         void *item);
/* Walks all items: start with *pos = 0, NULL ends it. Adding or removing during
 * the walk is not allowed. */
void *shared_map_next(const struct shared_map *map, uint32_t *pos);

#endif
