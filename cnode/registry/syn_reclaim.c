/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_reclaim.h. A task visits every scheduler, one after the other: each
 * is between two callbacks then, and whatever it looks up from there on cannot
 * be what was taken out before. When it is back, the batch is freed; what was
 * retired meanwhile is the next one.
 */
#include "registry/syn_reclaim.h"

#include "base/mem.h"

enum { LEAST_CAPACITY = 64 };

struct retired {
    void *memory;
    retired_free_fn free_it;
};

struct batch {
    struct syn_reclaim *reclaim;
    struct retired *items;
    uint32_t count;
};

static void begin(struct syn_reclaim *reclaim);

void syn_reclaim_init(struct syn_reclaim *reclaim, struct node *node)
{
    *reclaim = (struct syn_reclaim){.node = node};
}

static void free_items(struct retired *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        items[i].free_it(items[i].memory);
    }
    mem_free(items);
}

void syn_reclaim_fini(struct syn_reclaim *reclaim)
{
    free_items(reclaim->items, reclaim->count);
    reclaim->items = NULL;
    reclaim->count = reclaim->capacity = 0;
}

static void visit(struct node *here, void *arg)
{
    (void)here, (void)arg; /* to have been here is all */
}

static void done(struct node *home, void *arg)
{
    struct batch *batch = arg;

    if (home != NULL) {
        batch->reclaim->is_under_way = false;
        begin(batch->reclaim);
    }
    free_items(batch->items, batch->count);
    mem_free(batch);
}

static void begin(struct syn_reclaim *reclaim)
{
    struct batch *batch;

    if (reclaim->is_under_way || reclaim->count == 0) {
        return;
    }
    batch = mem_alloc(sizeof(*batch));
    *batch = (struct batch){
        .reclaim = reclaim, .items = reclaim->items, .count = reclaim->count};
    reclaim->items = NULL;
    reclaim->count = reclaim->capacity = 0;
    reclaim->is_under_way = true;
    node_go_round(reclaim->node, visit, done, batch);
}

void syn_reclaim_retire(struct syn_reclaim *reclaim, void *memory,
                        retired_free_fn free_it)
{
    if (reclaim->node->count == 1) {
        free_it(memory);
        return;
    }
    if (reclaim->count == reclaim->capacity) {
        reclaim->capacity =
            reclaim->capacity > 0 ? 2 * reclaim->capacity : LEAST_CAPACITY;
        reclaim->items = mem_realloc(
            reclaim->items, reclaim->capacity * sizeof(reclaim->items[0]));
    }
    reclaim->items[reclaim->count++] = (struct retired){memory, free_it};
    begin(reclaim);
}
