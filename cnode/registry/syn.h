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
 *     {register, Scope, Name, Meta}  {register, Scope, Name, Meta, Pid}
 *     {unregister, Scope, Name}      {unregister, Scope, Name, Pid}
 *     {join, Scope, Group, Meta}     {join, Scope, Group, Meta, Pid}
 *     {leave, Scope, Group}          {leave, Scope, Group, Pid}
 *     {lookup, Scope, Name}          {count, Scope}  {count, Scope, Node}
 *     {member, Scope, Group, Pid}    {members, Scope, Group}
 *     {local_members, Scope, Group}
 *     {publish, Scope, Group, Message}  {local_publish, Scope, Group, Message}
 *     {multi_call, Scope, Group, Message, Ms}
 *     {subcluster_nodes, registry | pg, Scope}
 *     {dump, registry | pg, Scope}   [{Name, Pid, Meta}]
 *     {add_scope, Scope}             ok
 *
 * Without a pid the caller means itself, and has marked itself before it asked
 * (PROCESS_REGISTERED). A pid of another node: its owner there is asked, as syn
 * does. `unregister` without a pid is for whoever has the name.
 */
#ifndef CNODE_REGISTRY_SYN_H
#define CNODE_REGISTRY_SYN_H

#include "node/node.h"
#include "registry/syn_lag.h"
#include "registry/syn_process.h"
#include "registry/syn_reclaim.h"

/* A scope: its registry and its groups. */
struct syn_pair {
    atom_t scope;
    struct list in_all;
    struct syn_process kinds[2]; /* by enum syn_kind */
};

/* A worker that has a say in its conflicts. Set by the pool layer; on scheduler
 * 0. False: it has none. True: syn_decide() follows, whatever happens. The
 * terms of the conflict die when it returns. */
typedef bool (*syn_judge_fn)(void *owner, atom_t scope,
                             const struct syn_conflict *conflict);

/* Another node has changed or taken out an entry of a process of this one: see
 * syn_local.h. */
typedef void (*syn_told_fn)(void *owner, enum syn_kind kind, atom_t scope,
                            const struct syn_request *request);

struct syn {
    struct node *node;
    struct process process;    /* cnode_syn */
    struct list all;           /* struct syn_pair.in_all */
    struct shared_map by_name; /* the same, for every scheduler */
    uint32_t count;
    bool is_strict; /* a process registers itself only: {error, not_self} */
    bool is_over;   /* syn_stop() has run */
    syn_judge_fn judge;
    void *judge_owner;
    syn_told_fn told; /* NULL: nobody listens */
    void *told_owner;
    /* Who is in the groups of a scope has changed; only to take note of it. Set
     * by the pool layer; on scheduler 0. */
    void (*groups_changed)(void *owner, atom_t scope);
    void *groups_owner;
    struct map questions;    /* to owners on other nodes: syn_calls.h */
    struct list multi_calls; /* under way: syn_multi_call.h */
    uint32_t multi_call_count;
    struct syn_reclaim reclaim;
    struct syn_lag lag;
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
/* After the schedulers have ended: readers are gone. */
void syn_fini(struct syn *syn);

/* The scope, started if it is not there: its name comes from a process of ours.
 * CNODE_EINVALID, CNODE_LIMIT, CNODE_EXISTS. */
MUST_USE int syn_open(struct syn *syn, struct cnode_term name,
                      struct syn_pair **pair);
void syn_nodeup(struct syn *syn, const struct peer *peer);
void syn_nodedown(struct syn *syn, const struct peer *peer);

/* From any scheduler, `here`: who has the name. Terms live until the callback
 * in which this is called returns. CNODE_NOT_FOUND; CNODE_NO_SCOPE: there is no
 * such scope here; CNODE_ELSEWHERE: a name of a pool's worker, and only another
 * scheduler knows whether somebody has it. */
MUST_USE int syn_lookup(const struct syn *syn, const struct node *here,
                        atom_t scope, struct cnode_term name,
                        struct buf *scratch, struct pid *pid,
                        struct cnode_term *meta);

/* What became of one of many. */
struct syn_found {
    int rc; /* as syn_lookup() */
    struct pid pid;
    struct cnode_term meta;
};
/* The same for at most SYN_LOOKUPS names at once. CNODE_NO_SCOPE. */
MUST_USE int syn_lookup_many(const struct syn *syn, const struct node *here,
                             atom_t scope, const struct cnode_term names[],
                             size_t count, struct buf *scratch,
                             struct syn_found found[]);

/* After CNODE_ELSEWHERE: a message to whoever has the name, and what its sender
 * may watch when it is a call (syn_source.h). */
MUST_USE int syn_send_elsewhere(const struct syn *syn, struct node *here,
                                atom_t scope, struct cnode_term name,
                                struct pid from, struct cnode_term message);
atom_t syn_watched_elsewhere(const struct syn *syn, atom_t scope);

/* An entry of a process of this scheduler that has just ended, which its scope
 * does not know yet: syn hides it. */
bool syn_is_dead_here(const struct node *here, struct pid pid);

/* From any scheduler: a scope that is not there is to be started. */
void syn_wish(struct syn *syn, struct node *here, struct cnode_term scope);

/* From any scheduler: what a worker said of a conflict. The terms may die when
 * this returns. */
void syn_decide(struct syn *syn, struct node *here, atom_t scope,
                struct cnode_term name, struct pid theirs, struct pid ours,
                enum syn_decision decision);

#endif
