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
        list_init(&relations->spawns);
        list_init(&relations->aliases);
        relations->alias_count = 0;
        relations->name = relations->routed = ATOM_NONE;
        relations->group_leader = PID_NONE;
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
        list_is_empty(&relations->links) && list_is_empty(&relations->spawns) &&
        list_is_empty(&relations->aliases) &&
        pid_is_none(relations->group_leader) && relations->name == ATOM_NONE &&
        relations->routed == ATOM_NONE) {
        slab_free(&node->relations_slab, relations);
        process->relations = NULL;
    }
}

void group_leader_set(struct node *node, struct process *process,
                      struct pid leader)
{
    relations_of(node, process)->group_leader = leader;
    relations_trim(node, process);
}
