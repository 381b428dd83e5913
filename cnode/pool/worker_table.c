/* SPDX-License-Identifier: Apache-2.0
 *
 * See worker_table.h. At most 3/4 full. Removing shifts back what follows, so
 * there are no tombstones.
 */
#include "pool/worker_table.h"

#include <string.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "pool/worker.h"

enum { NUMBER_BITS = 24, FIRST_SLOTS = 8 };

#define NUMBER_MASK ((UINT32_C(1) << NUMBER_BITS) - 1)

void worker_table_init(struct worker_table *table,
                       const struct worker_slab *slab)
{
    *table = (struct worker_table){.slab = slab};
}

void worker_table_fini(struct worker_table *table)
{
    mem_free(table->slots);
    table->slots = NULL;
}

static struct cnode_worker *at_slot(const struct worker_table *table,
                                    uint32_t slot)
{
    return worker_slab_at(table->slab, (table->slots[slot] & NUMBER_MASK) - 1);
}

static uint32_t slot_value(uint32_t hash, uint32_t number)
{
    return (hash & ~NUMBER_MASK) | (number + 1);
}

static bool is_key(const struct cnode_worker *w, const struct worker_key *key)
{
    if (w->id_is_integer != key->is_integer) {
        return false;
    }
    if (w->id_is_integer) {
        return w->id.integer == key->integer;
    }
    return w->id.heap->size == key->size &&
           memcmp(w->id.heap->bytes, key->bytes, key->size) == 0;
}

struct cnode_worker *worker_table_get(const struct worker_table *table,
                                      const struct worker_key *key)
{
    uint32_t hash = worker_table_hash(key);

    if (worker_table_count(table) == 0) {
        return NULL;
    }
    for (uint32_t slot = hash & table->mask; table->slots[slot] != 0;
         slot = (slot + 1) & table->mask) {
        if (((table->slots[slot] ^ hash) & ~NUMBER_MASK) == 0) {
            struct cnode_worker *w = at_slot(table, slot);

            if (w->hash == hash && is_key(w, key)) {
                return w;
            }
        }
    }
    return NULL;
}

/* relaxed: a count orders nothing, and only one thread writes it. */
static void set_count(struct worker_table *table, uint32_t count)
{
    atomic_store_explicit(&table->count, count, memory_order_relaxed);
}

static void put(uint32_t *slots, uint32_t mask, uint32_t hash, uint32_t value)
{
    uint32_t slot = hash & mask;

    while (slots[slot] != 0) {
        slot = (slot + 1) & mask;
    }
    slots[slot] = value;
}

static int grow(struct worker_table *table)
{
    uint32_t n = table->slots == NULL ? FIRST_SLOTS : (table->mask + 1) * 2;
    uint32_t *slots = mem_try(n * sizeof(*slots));

    if (slots == NULL) {
        return CNODE_NOMEM;
    }
    memset(slots, 0, n * sizeof(*slots));
    for (uint32_t i = 0; table->slots != NULL && i <= table->mask; i++) {
        if (table->slots[i] != 0) {
            put(slots, n - 1, at_slot(table, i)->hash, table->slots[i]);
        }
    }
    mem_free(table->slots);
    table->slots = slots;
    table->mask = n - 1;
    return 0;
}

int worker_table_add(struct worker_table *table, uint32_t number)
{
    const struct cnode_worker *w = worker_slab_at(table->slab, number);

    if (table->slots == NULL ||
        worker_table_count(table) + 1 > (table->mask + 1) / 4 * 3) {
        int rc = grow(table);

        if (rc != 0) {
            return rc;
        }
    }
    put(table->slots, table->mask, w->hash, slot_value(w->hash, number));
    set_count(table, worker_table_count(table) + 1);
    return 0;
}

/* Moves back what stands behind a slot that became free, unless it would get in
 * front of its own place. */
static void close_gap(struct worker_table *table, uint32_t gap)
{
    uint32_t slot = gap;

    for (;;) {
        uint32_t home;

        slot = (slot + 1) & table->mask;
        if (table->slots[slot] == 0) {
            break;
        }
        home = at_slot(table, slot)->hash & table->mask;
        if (((slot - home) & table->mask) >= ((slot - gap) & table->mask)) {
            table->slots[gap] = table->slots[slot];
            gap = slot;
        }
    }
    table->slots[gap] = 0;
}

uint32_t worker_table_remove(struct worker_table *table,
                             const struct cnode_worker *worker)
{
    uint32_t slot = worker->hash & table->mask;
    uint32_t number;

    while (at_slot(table, slot) != worker) {
        slot = (slot + 1) & table->mask;
        DCHECK(table->slots[slot] != 0);
    }
    number = (table->slots[slot] & NUMBER_MASK) - 1;
    close_gap(table, slot);
    set_count(table, worker_table_count(table) - 1);
    return number;
}

struct cnode_worker *worker_table_at(const struct worker_table *table,
                                     uint32_t slot)
{
    return table->slots[slot] != 0 ? at_slot(table, slot) : NULL;
}

struct cnode_worker *worker_table_next(const struct worker_table *table,
                                       uint32_t *at)
{
    while (*at < worker_table_slots(table)) {
        struct cnode_worker *w = worker_table_at(table, (*at)++);

        if (w != NULL) {
            return w;
        }
    }
    return NULL;
}
