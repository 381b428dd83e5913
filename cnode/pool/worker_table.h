/* SPDX-License-Identifier: Apache-2.0
 *
 * The workers of one segment by the id of their ref: open addressing with
 * linear probing, 4 bytes a slot. A slot holds the number of the worker in its
 * slab and 8 bits of its hash, so that a look-up touches the worker itself only
 * when it is (nearly always) the right one. One scheduler.
 */
#ifndef CNODE_POOL_WORKER_TABLE_H
#define CNODE_POOL_WORKER_TABLE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/check.h"
#include "pool/worker_key.h"
#include "pool/worker_slab.h"

struct cnode_worker;

struct worker_table {
    const struct worker_slab *slab;
    uint32_t *slots;        /* 0: free; else tag << 24 | number + 1 */
    uint32_t mask;          /* slots - 1; 0 while there is no memory */
    _Atomic uint32_t count; /* written by its scheduler, read by any */
};

void worker_table_init(struct worker_table *table,
                       const struct worker_slab *slab);
void worker_table_fini(struct worker_table *table);

/* The part of a key's hash that a worker keeps (worker->hash). */
static inline uint32_t worker_table_hash(const struct worker_key *key)
{
    return (uint32_t)(key->hash >> 32);
}

/* From any scheduler. */
static inline uint32_t worker_table_count(const struct worker_table *table)
{
    return atomic_load_explicit(&table->count, memory_order_relaxed);
}

struct cnode_worker *worker_table_get(const struct worker_table *table,
                                      const struct worker_key *key);

/* Adds the worker of that number, whose id and hash are set. 0, CNODE_NOMEM. */
MUST_USE int worker_table_add(struct worker_table *table, uint32_t number);

/* Takes it out; returns its number in the slab. */
uint32_t worker_table_remove(struct worker_table *table,
                             const struct cnode_worker *worker);

/* Slots to walk with worker_table_at(); 0 while it is empty. */
static inline uint32_t worker_table_slots(const struct worker_table *table)
{
    return table->slots == NULL ? 0 : table->mask + 1;
}

/* The worker in a slot, or NULL. Adding moves workers to other slots; removing
 * one may move another into its slot. */
struct cnode_worker *worker_table_at(const struct worker_table *table,
                                     uint32_t slot);

/* The next worker from slot *at on, NULL at the end; nothing may be added or
 * removed meanwhile. */
struct cnode_worker *worker_table_next(const struct worker_table *table,
                                       uint32_t *at);

#endif
