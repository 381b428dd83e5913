/* SPDX-License-Identifier: Apache-2.0
 *
 * See process_table.h. A free slot is an odd word: next generation << 32 | next
 * free slot << 1 | 1. A slot whose 26-bit generation is used up is never used
 * again, so that no pid comes back.
 */
#include "runtime/process_table.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"

#include <cnode/error.h>

enum { GENERATION_MAX = (1 << (32 - PID_SCHEDULER_BITS)) - 1, FIRST_CAP = 64 };

void process_table_init(struct process_table *table, uint32_t scheduler)
{
    *table = (struct process_table){.scheduler = scheduler, .shares = 1};
}

void process_table_fini(struct process_table *table)
{
    mem_free(table->slots);
    *table = (struct process_table){0};
}

static int take_new_slot(struct process_table *table, uint32_t *slot)
{
    if (table->used >= table->cap) {
        uint32_t cap = table->cap == 0 ? FIRST_CAP : table->cap * 2;
        uint64_t *slots =
            mem_try_realloc(table->slots, (size_t)cap * sizeof(*slots));
        if (slots == NULL) {
            return CNODE_NOMEM;
        }
        table->slots = slots;
        if (table->used == 0) {
            table->slots[table->used++] = 1; /* slot 0 is free for ever */
        }
        table->cap = cap;
    }
    *slot = table->used++;
    return 0;
}

int process_table_add(struct process_table *table, struct process *process)
{
    uint32_t generation = 0;
    uint32_t slot = table->free;
    int rc;

    if (table->count >=
        (limits.processes + table->shares - 1) / table->shares) {
        METRIC_INC(processes_refused);
        return CNODE_LIMIT;
    }
    if (slot != 0) {
        uint64_t word = table->slots[slot];
        generation = (uint32_t)(word >> 32);
        table->free = (uint32_t)word >> 1;
    } else {
        rc = take_new_slot(table, &slot);
        if (rc != 0) {
            return rc;
        }
    }
    table->slots[slot] = (uint64_t)(uintptr_t)process;
    table->count++;
    process->slot = slot;
    process->serial = generation << PID_SCHEDULER_BITS | table->scheduler;
    return 0;
}

void process_table_remove(struct process_table *table, struct process *process)
{
    uint32_t slot = process->slot;
    uint64_t next = (uint64_t)(process->serial >> PID_SCHEDULER_BITS) + 1;

    CHECK(process_table_get(table, slot, process->serial) == process);
    table->count--;
    if ((process->flags & PROCESS_HIDDEN) != 0) {
        table->hidden--;
    }
    if (next > GENERATION_MAX) {
        table->slots[slot] = 1; /* retired */
        return;
    }
    table->slots[slot] = next << 32 | (uint64_t)table->free << 1 | 1;
    table->free = slot;
}

void process_table_hide(struct process_table *table, struct process *process)
{
    CHECK((process->flags & PROCESS_HIDDEN) == 0);
    process->flags |= PROCESS_HIDDEN;
    table->hidden++;
}

/* NULL: the slot is free, or what is in it is hidden. */
static struct process *visible(uint64_t word)
{
    struct process *process;

    if (word == 0 || (word & 1) != 0) {
        return NULL;
    }
    /* A tagged word. NOLINTNEXTLINE(performance-no-int-to-ptr) */
    process = (struct process *)(uintptr_t)word;
    return (process->flags & PROCESS_HIDDEN) == 0 ? process : NULL;
}

struct process *process_table_next(const struct process_table *table,
                                   uint32_t *at)
{
    struct process *process = NULL;

    if (*at == 0) {
        *at = 1; /* slot 0 is free for ever */
    }
    while (*at < table->used && process == NULL) {
        process = visible(table->slots[(*at)++]);
    }
    return process;
}
