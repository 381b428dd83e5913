/* SPDX-License-Identifier: Apache-2.0
 *
 * Registered names of this node, which all its schedulers share: a table
 * indexed by atom, with a word for who has the name. A name may have a router:
 * messages to the name then go through that process, which holds them while the
 * named one restarts (services); monitors and whereis see the named one.
 *
 * As on a BEAM a process has at most one name; it may be the router of one.
 */
#ifndef CNODE_NODE_NAMES_H
#define CNODE_NODE_NAMES_H

#include <stdatomic.h>

#include "base/check.h"
#include "term/ident.h"

struct node;
struct process;

/* A process of this node: slot << 32 | serial, which says its scheduler; 0:
 * nobody. */
struct name {
    _Atomic uint64_t holder, router;
};

struct names {
    struct name *by_atom;
    uint32_t capacity;
};

void names_init(struct names *names);
void names_fini(struct names *names);

/* For a process of this scheduler. CNODE_EXISTS when the name is taken or the
 * process has one. */
MUST_USE int names_register(struct node *node, atom_t atom,
                            struct process *process);
/* Whoever has it. CNODE_NOT_FOUND. */
int names_unregister(struct node *node, atom_t atom);
/* Messages to `atom` go through `router` from now on, until that ends. */
void names_set_router(struct node *node, atom_t atom, struct process *router);

/* --- from every scheduler. False: nobody. The process may have just ended. */

/* Who has the name. */
bool names_whereis(const struct node *node, atom_t atom, struct pid *pid);
/* Who gets a message sent to the name. */
bool names_receiver(const struct node *node, atom_t atom, struct pid *pid);

/* The name of a process of this scheduler, or ATOM_NONE. */
atom_t names_of(const struct node *node, const struct process *process);

/* The next name that somebody has, from *at (0 at first) on; ATOM_NONE at the
 * end. From every scheduler. */
atom_t names_next(const struct node *node, atom_t *at);

/* A process ends: its name is free, and no longer routed through it. */
void names_process_ends(struct node *node, struct process *process);

#endif
