/* SPDX-License-Identifier: Apache-2.0
 *
 * What ties a process to others. Allocated when the first tie is made, freed
 * with the last, so that an idle worker pays one pointer.
 */
#ifndef CNODE_NODE_RELATIONS_H
#define CNODE_NODE_RELATIONS_H

#include "base/list.h"
#include "runtime/process.h"
#include "term/ident.h"

struct node;

struct relations {
    atom_t name, routed;  /* node/names.h; ATOM_NONE */
    struct list watchers; /* struct monitor.in_target: who watches us */
    struct list watching; /* struct monitor.in_watcher: whom we watch */
    struct list links;    /* struct link.in_local */
    struct list spawns;   /* struct spawn_entry.in_process: requests of ours */
    struct pid group_leader; /* PID_NONE: the default */
    struct list aliases;     /* struct alias.in_owner */
    uint32_t link_count, alias_count;
};

struct relations *relations_of(struct node *node, struct process *process);
/* Frees them when there are none. */
void relations_trim(struct node *node, struct process *process);

/* PID_NONE: the default, which costs nothing. */
void group_leader_set(struct node *node, struct process *process,
                      struct pid leader);
static inline struct pid group_leader_of(const struct process *process)
{
    return process->relations != NULL ? process->relations->group_leader
                                      : PID_NONE;
}

#endif
