/* SPDX-License-Identifier: Apache-2.0
 *
 * What all owners of a scope of syn in tests do alike. SYN_EVENTS are the
 * callbacks on_send ... on_now of the file in which it stands, and ours.
 */
#ifndef CNODE_TEST_REGISTRY_SYN_EVENTS_H
#define CNODE_TEST_REGISTRY_SYN_EVENTS_H

#include "registry/syn_scope.h"

/* Nobody else reads: frees it at once. */
static inline void syn_events_retire(void *owner, void *memory,
                                     retired_free_fn free_it)
{
    (void)owner;
    free_it(memory);
}

/* The bytes of the term in a block of their own; it lies there from then on. */
static inline struct block *syn_events_keep(struct cnode_term *term)
{
    size_t size = cnode_term_size(*term);
    struct block *block = block_copy(term->at, size);

    if (block != NULL) {
        *term = term_at(block->bytes, size);
    }
    return block;
}

#define SYN_EVENTS                                                             \
    {                                                                          \
        .send = on_send, .send_block = on_send_block, .monitor = on_monitor,   \
        .demonitor = on_demonitor, .kill = on_kill, .judge = on_judge,         \
        .keep = on_keep, .wake = on_wake, .now = on_now,                       \
        .retire = syn_events_retire,                                           \
    }

#endif
