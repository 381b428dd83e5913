/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes of this node that a registry on scheduler 0 knows: they are marked,
 * and the end of a marked one is told there (node->ended). That costs a process
 * nothing, where a monitor would cost an entry in two lists.
 */
#ifndef CNODE_NODE_REGISTERED_H
#define CNODE_NODE_REGISTERED_H

#include "node/node.h"

/* All schedulers; before the others run. */
void registered_init(struct node *node, node_ended_fn ended, void *owner);

/* A process of this scheduler. */
static inline void registered_mark(struct process *process)
{
    process->flags |= PROCESS_REGISTERED;
}

/* Is there a process with that pid on this scheduler? If so it is marked. */
bool registered_find(struct node *node, struct pid pid);
/* The same for any pid of this node. `done` runs once on the scheduler that
 * asks: at once when the pid is its own; otherwise ahead of anything that the
 * process does later; with `home` NULL when the node ends first, only to free
 * `arg`. */
void registered_ask(struct node *node, struct pid pid,
                    void (*done)(struct node *home, void *arg, bool is_alive),
                    void *arg);

/* For node_exit(): told behind what the process sent to scheduler 0 before. */
void registered_process_ends(struct node *node, const struct process *process,
                             struct cnode_term reason);

#endif
