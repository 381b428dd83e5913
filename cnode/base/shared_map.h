/* SPDX-License-Identifier: Apache-2.0
 *
 * Hash table of pointers to the caller's objects with one writer and any number
 * of readers on other threads, without locks. Open addressing with linear
 * probing, at most 3/4 full; 8 bytes a slot. It grows and shrinks in steps, a
 * few slots with each change, so that no change takes long.
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

/* To be called once with memory that no reader can hold any more. */
typedef void (*retired_free_fn)(void *memory);
typedef void (*retire_fn)(void *owner, void *memory, retired_free_fn free_it);

struct shared_map_kind {
    bool (*equal)(const void *item, const void *key);
    uint64_t (*hash)(const void *item); /* as it was added */
    uint16_t key_at, key_bytes; /* of an item, what equal() reads first */
};

struct shared_table; /* the slots */

struct shared_map {
    /* NULL: nothing was ever in it. While items move into another table that
     * one is behind it. */
    _Atomic(struct shared_table *) table;
    const struct shared_map_kind *kind;
    /* --- the writer's */
    struct shared_table *newest; /* the last one */
    uint32_t count;
    retire_fn retire;
    void *owner;
};

void shared_map_init(struct shared_map *map, const struct shared_map_kind *kind,
                     retire_fn retire, void *owner);
/* No reader is left. The items stay with their owner. */
void shared_map_fini(struct shared_map *map);

/* Any thread. */
void *shared_map_get(const struct shared_map *map, uint64_t hash,
                     const void *key);

/* Any thread, before a shared_map_get() of each: memory is on its way for all
 * of them at once instead of one after the other. */
void shared_map_expect(const struct shared_map *map, const uint64_t hashes[],
                       size_t count);

/* The writer. CNODE_NOMEM: the table cannot grow. The key is not there yet. */
MUST_USE int shared_map_add(struct shared_map *map, uint64_t hash, void *item);
/* So many more are going to be added: there is one table for all of them. */
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
void *shared_map_next(const struct shared_map *map, uint64_t *pos);

#endif
