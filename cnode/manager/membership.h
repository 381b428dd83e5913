/* SPDX-License-Identifier: Apache-2.0
 *
 * The pools of this node as an AdvancedPool cluster sees them: the entries of
 * their supervisors in syn, with true counts and health, said again when they
 * have changed (said.h). Belongs to scheduler 0, as the heads of pools do.
 *
 * A BEAM locks or releases a pool by writing another status for our process:
 * the lock is taken over, and what else it wrote is put right. A pool that has
 * worker.max workers says {locked, online}, so that it is asked for no more.
 */
#ifndef CNODE_MANAGER_MEMBERSHIP_H
#define CNODE_MANAGER_MEMBERSHIP_H

#include "base/timer.h"
#include "manager/entries.h"
#include "manager/said.h"
#include "pool/pools.h"
#include "registry/syn_local.h"

/* One pool of ours that is in syn. */
struct member {
    struct pool *pool; /* its head */
    struct said said;
    struct said *faces; /* by index */
    uint32_t face_count;
    bool is_refused; /* an entry could not be put; it was logged */
};

struct membership {
    struct node *node;
    struct syn *syn;
    struct member *members;
    size_t count;
    struct timer tick;
};

/* After pools_start(). With no pool in syn it has no members and does nothing.
 * CNODE_LIMIT, CNODE_EXISTS: a scope could not be started. */
MUST_USE int membership_start(struct membership *membership,
                              struct pools *pools, struct syn *syn);
/* Says that all are offline, and no more after that; `stop` may come twice. */
void membership_leave(struct membership *membership);
void membership_stop(struct membership *membership);
void membership_fini(struct membership *membership);

/* The member of a pool, or NULL. */
struct member *membership_find(const struct membership *membership,
                               atom_t pool);
/* How it stands, as it is told to others. */
void membership_status(const struct member *member,
                       struct service_status *status);
/* Whatever has changed is said now. */
void membership_refresh(struct membership *membership);

/* Puts a row of entries of one process: from `first` up to, not including
 * `end`. The first error; the rest is tried all the same. */
int membership_put(struct syn *syn, enum entry first, enum entry end,
                   atom_t pool, struct pid pid, struct cnode_term meta);

/* Starts the scopes of a pool: its own and that of its workers' names. */
MUST_USE int membership_open_pool(struct syn *syn, atom_t pool);

/* Another node has written an entry of a process of ours: syn_local.h. */
void membership_told(struct membership *membership, enum syn_kind kind,
                     atom_t scope, const struct syn_request *request);

#endif
