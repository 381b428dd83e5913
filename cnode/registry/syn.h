/* SPDX-License-Identifier: Apache-2.0
 *
 * The scopes of syn on this node: for each two processes, syn_registry_S and
 * syn_pg_S, as on every BEAM that has it. Started by the configuration
 * (syn.scopes), or by the first process here that uses one. On scheduler 0;
 * names may be looked up from all.
 *
 * Processes of this node use them by calls to the process `cnode_syn`, from
 * whatever scheduler; the answers are what syn returns, and {error, Reason}
 * where it raises:
 *
 *     {register, Scope, Name, Pid, Meta}   {unregister, Scope, Name}
 *     {lookup, Scope, Name}                {count, Scope}  {count, Scope, Node}
 *     {join, Scope, Group, Pid, Meta}      {leave, Scope, Group, Pid}
 *     {member, Scope, Group, Pid}          {members, Scope, Group}
 *     {local_members, Scope, Group}        {publish, Scope, Group, Message}
 *     {local_publish, Scope, Group, Message}
 *     {multi_call, Scope, Group, Message, Ms}
 *     {subcluster_nodes, registry | pg, Scope}
 *     {dump, registry | pg, Scope}         [{Name, Pid, Meta}]
 *
 * A pid of another node: its owner there is asked, as syn does. A process that
 * acts for itself is named by its own pid.
 */
#ifndef CNODE_REGISTRY_SYN_H
#define CNODE_REGISTRY_SYN_H

#include "node/node.h"
#include "registry/syn_scope.h"

struct syn {
    struct node *node;
    struct process process; /* cnode_syn */
    struct list all;        /* struct syn_pair.in_all */
    uint32_t count;
    bool is_strict; /* a process registers itself only: {error, not_self} */
    /* .c: what readers of other schedulers find scopes by; what is to be freed
     * once they are past it; calls to other owners under way */
};

struct syn_config {
    const char *const *scopes;
    size_t scope_count;
    bool is_strict;
};

/* CNODE_LIMIT, CNODE_EXISTS: a name is taken, CNODE_EINVALID: no scope's name
 */
MUST_USE int syn_start(struct syn *syn, struct node *node,
                       const struct syn_config *config);
void syn_stop(struct syn *syn);
void syn_nodeup(struct syn *syn, const struct peer *peer);
void syn_nodedown(struct syn *syn, const struct peer *peer);

/* From any scheduler: who has the name. Terms live until the callback in which
 * this is called returns. CNODE_NOT_FOUND; CNODE_NO_SCOPE: there is no such
 * scope here. */
MUST_USE int syn_lookup(const struct syn *syn, atom_t scope,
                        struct cnode_term name, struct buf *scratch,
                        struct pid *pid, struct cnode_term *meta);

#endif
