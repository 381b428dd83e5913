/* SPDX-License-Identifier: Apache-2.0
 *
 * The scopes of pg on this node: one process each, registered as the scope,
 * started by the configuration or by the first process here that uses it.
 * Belongs to scheduler 0.
 *
 * Processes of this node use them by calls to the process `cnode_pg`, from
 * whatever scheduler; what it answers is what OTP's pg returns, or {error, E}:
 *
 *     {join, Scope, Group}   {join, Scope, Group, Pid}    ok
 *     {leave, Scope, Group}  {leave, Scope, Group, Pid}   ok | not_joined
 *     {members, Scope, Group}  {local_members, Scope, Group}   [Pid]
 *     {which_groups, Scope}                               [Group]
 *
 * Pid must be of this node; without it the caller is meant.
 */
#ifndef CNODE_CLUSTER_PG_SCOPES_H
#define CNODE_CLUSTER_PG_SCOPES_H

#include "node/node.h"

struct pg_scopes {
    struct node *node;
    struct process process; /* cnode_pg */
    struct list all;        /* struct pg_scope */
    uint32_t count;
};

/* With these scopes. CNODE_LIMIT, CNODE_EXISTS: a name is taken. */
MUST_USE int pg_scopes_start(struct pg_scopes *scopes, struct node *node,
                             const char *const *names, size_t count);
void pg_scopes_stop(struct pg_scopes *scopes);

/* A visible peer. */
void pg_scopes_nodeup(struct pg_scopes *scopes, const struct peer *peer);
/* Any peer. */
void pg_scopes_nodedown(struct pg_scopes *scopes, const struct peer *peer);

#endif
