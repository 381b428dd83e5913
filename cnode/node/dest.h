/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a message goes: what Erlang allows on the left of `!`.
 */
#ifndef CNODE_NODE_DEST_H
#define CNODE_NODE_DEST_H

#include "term/view.h"

enum dest_kind {
    DEST_PID,   /* pid */
    DEST_NAME,  /* name, on `node` (ATOM_NONE: here) */
    DEST_ALIAS, /* alias: a reference, as bytes; node: its owner */
};

struct dest {
    enum dest_kind kind;
    struct pid pid;
    atom_t name;
    atom_t node; /* where it lives, for all kinds; ATOM_NONE: unknown node */
    struct cnode_term alias;
};

static inline struct dest dest_pid(struct pid pid)
{
    return (struct dest){.kind = DEST_PID, .pid = pid, .node = pid.node};
}

static inline struct dest dest_name(atom_t name, atom_t node)
{
    return (struct dest){.kind = DEST_NAME, .name = name, .node = node};
}

/* A pid, an atom, {Name, Node} or an alias reference. Names and nodes that are
 * not atoms of ours yet are interned (a behaviour chose them). CNODE_EINVALID,
 * CNODE_LIMIT. */
MUST_USE int dest_parse(struct cnode_term term, atom_t self, struct dest *dest);

#endif
