/* SPDX-License-Identifier: Apache-2.0
 *
 * Registered names of this node. A name may have a router: messages to the name
 * then go through that process, which holds them while the named one restarts
 * (services); monitors and whereis see the named one.
 */
#ifndef CNODE_NODE_NAMES_H
#define CNODE_NODE_NAMES_H

#include "base/map.h"
#include "runtime/process.h"

struct name {
    atom_t atom;
    struct process *process; /* NULL: nobody now, but the router waits */
    struct process *router;  /* NULL: the process itself */
};

struct names {
    struct map by_atom;
};

void names_init(struct names *names);
void names_fini(struct names *names);

/* CNODE_EXISTS when the name is taken by a process. Sets PROCESS_NAMED. */
MUST_USE int names_register(struct names *names, atom_t atom,
                            struct process *process);
/* Messages to `atom` go through `router` from now on; NULL ends that. */
void names_set_router(struct names *names, atom_t atom, struct process *router);
/* The process that has the name, or NULL. */
struct process *names_whereis(const struct names *names, atom_t atom);
/* Who gets a message sent to the name, or NULL. */
struct process *names_receiver(const struct names *names, atom_t atom);
/* A name that the process has, or ATOM_NONE. */
atom_t names_of(const struct names *names, const struct process *process);
/* A process ends: all its names are free, and its routers gone. */
void names_process_ends(struct names *names, struct process *process);

#endif
