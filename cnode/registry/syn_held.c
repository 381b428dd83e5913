/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages that wait behind a merge or a snapshot; see syn_parts.h.
 */
#include <cnode/error.h>

#include "base/limits.h"
#include "base/mem.h"
#include "registry/syn_parts.h"

static size_t size_of(const struct syn_held *held)
{
    return sizeof(*held) + sizeof(*held->block) + held->block->size;
}

int syn_held_put(struct syn_scope *scope, struct list *queue,
                 struct block *block, struct cnode_term term)
{
    struct syn_held *held;

    if (block == NULL) {
        return CNODE_NOMEM;
    }
    held = mem_alloc(sizeof(*held));
    *held = (struct syn_held){.block = block, .term = term};
    if (scope->held_bytes + size_of(held) > limits.syn_held_bytes) {
        block_unref(block);
        mem_free(held);
        return CNODE_LIMIT;
    }
    scope->held_bytes += size_of(held);
    list_push_back(queue, &held->in_queue);
    return 0;
}

bool syn_held_take(struct syn_scope *scope, struct list *queue,
                   struct block **block, struct cnode_term *term)
{
    struct list *it = list_pop(queue);
    struct syn_held *held;

    if (it == NULL) {
        return false;
    }
    held = CONTAINER_OF(it, struct syn_held, in_queue);
    scope->held_bytes -= size_of(held);
    *block = held->block;
    *term = held->term;
    mem_free(held);
    return true;
}

void syn_held_drop(struct syn_scope *scope, struct list *queue)
{
    struct cnode_term term;
    struct block *block;

    while (syn_held_take(scope, queue, &block, &term)) {
        block_unref(block);
    }
}
