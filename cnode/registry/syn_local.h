/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and groups of processes of this node, put by the layers above without a
 * call to cnode_syn, and what other nodes do to them. On scheduler 0, and so
 * are the processes.
 */
#ifndef CNODE_REGISTRY_SYN_LOCAL_H
#define CNODE_REGISTRY_SYN_LOCAL_H

#include "registry/syn.h"

/* Registers or joins, or puts other metadata in the place of the old. The scope
 * is started if it is not there. 0; CNODE_EXISTS: another process has the name;
 * CNODE_NOPROC: that process is not alive; CNODE_LIMIT and the like. */
MUST_USE int syn_local_put(struct syn *syn, enum syn_kind kind, atom_t scope,
                           struct cnode_term name, struct pid pid,
                           struct cnode_term meta);
/* Takes it out again; nothing happens when it is not there. */
void syn_local_remove(struct syn *syn, enum syn_kind kind, atom_t scope,
                      struct cnode_term name, struct pid pid);

/* Starts a scope. */
MUST_USE int syn_local_open(struct syn *syn, atom_t scope);

/* Who is in a group, of all nodes: calls `each` for every member; it must not
 * change the group. */
typedef void (*syn_member_fn)(void *arg, struct pid pid,
                              struct cnode_term meta);
void syn_local_members(struct syn *syn, atom_t scope, struct cnode_term name,
                       syn_member_fn each, void *arg);

/* Called after another node has changed or taken out an entry of a process of
 * this one. At the top level; the terms die when it returns. */
void syn_local_listen(struct syn *syn, syn_told_fn told, void *owner);

#endif
