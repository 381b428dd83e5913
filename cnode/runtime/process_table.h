/* SPDX-License-Identifier: Apache-2.0
 *
 * Slot and generation to process: 8 bytes a slot. A free slot holds its next
 * generation and the next free slot. One thread.
 */
#ifndef CNODE_RUNTIME_PROCESS_TABLE_H
#define CNODE_RUNTIME_PROCESS_TABLE_H

#include "runtime/process.h"

struct process_table {
    uint64_t *slots;
    uint32_t used; /* slots ever used; slot 0 never is; 0: no memory yet */
    uint32_t cap;
    uint32_t free; /* head of the free list; 0: none */
    uint32_t count;
    uint32_t hidden; /* of these */
    uint32_t scheduler;
    uint32_t shares; /* of limits.processes; this table has one */
};

void process_table_init(struct process_table *table, uint32_t scheduler);
void process_table_fini(struct process_table *table);

/* Gives the process a slot and a serial. 0, or CNODE_LIMIT (limits.processes).
 */
MUST_USE int process_table_add(struct process_table *table,
                               struct process *process);
void process_table_remove(struct process_table *table, struct process *process);
/* From now on until it is removed it is PROCESS_HIDDEN. */
void process_table_hide(struct process_table *table, struct process *process);

/* The process with exactly that slot and serial, or NULL. */
static inline struct process *
process_table_get(const struct process_table *table, uint32_t slot,
                  uint32_t serial)
{
    struct process *process;

    if (slot >= table->used || (table->slots[slot] & 1) != 0) {
        return NULL;
    }
    /* A tagged word. NOLINTNEXTLINE(performance-no-int-to-ptr) */
    process = (struct process *)(uintptr_t)table->slots[slot];
    return process != NULL && process->serial == serial ? process : NULL;
}

/* The next process that is not hidden, from slot *at on, which is moved behind
 * it; NULL at the end. Processes may come and go between calls. */
struct process *process_table_next(const struct process_table *table,
                                   uint32_t *at);

#endif
