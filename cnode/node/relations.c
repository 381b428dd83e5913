/* SPDX-License-Identifier: Apache-2.0
 *
 * See relations.h.
 */
#include "node/relations.h"

#include "node/node.h"

struct relations *relations_of(struct node *node, struct process *process)
{
    struct relations *relations = process->relations;

    if (relations == NULL) {
        relations = slab_alloc(&node->relations_slab);
        list_init(&relations->watchers);
        list_init(&relations->watching);
        list_init(&relations->links);
        relations->link_count = 0;
        process->relations = relations;
    }
    return relations;
}

void relations_trim(struct node *node, struct process *process)
{
    struct relations *relations = process->relations;

    if (relations != NULL && list_is_empty(&relations->watchers) &&
        list_is_empty(&relations->watching) &&
        list_is_empty(&relations->links)) {
        slab_free(&node->relations_slab, relations);
        process->relations = NULL;
    }
}
