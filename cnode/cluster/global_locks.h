/* SPDX-License-Identifier: Apache-2.0
 *
 * The locks of OTP's global that are set on this node: a resource, who asked
 * for it, and the processes that hold it on that one's behalf. Pure. Bounded by
 * limits.global_locks and global_term_bytes; more are refused, as if taken.
 */
#ifndef CNODE_CLUSTER_GLOBAL_LOCKS_H
#define CNODE_CLUSTER_GLOBAL_LOCKS_H

#include "base/list.h"
#include "base/map.h"
#include "term/ident.h"
#include "term/key.h"

struct global_lock {
    struct term_key resource, requester;
    struct list holders; /* struct global_holder.in_lock */
};

struct global_holder {
    struct global_lock *lock;
    struct pid pid;
    struct ref monitor; /* of the server on pid */
    struct list in_lock;
};

struct global_locks {
    struct map by_resource; /* struct global_lock */
    struct map by_monitor;  /* struct global_holder */
    struct buf scratch, scratch2;
    /* The lock of the resource `global` ended with its holder's process, not by
     * del_lock. */
    bool is_global_down;
};

/* {ResourceId, LockRequesterId} */
struct global_lock_id {
    struct cnode_term resource, requester;
};

void global_locks_init(struct global_locks *locks);
void global_locks_fini(struct global_locks *locks);

/* False: no lock id. */
bool global_lock_id(struct cnode_term term, struct global_lock_id *id);

/* It is free, or that requester's already. */
bool global_locks_can_set(struct global_locks *locks,
                          const struct global_lock_id *id);
struct global_holder *global_locks_find(struct global_locks *locks,
                                        const struct global_lock_id *id,
                                        struct pid pid);
/* After global_locks_can_set(), for a pid that does not hold it. CNODE_LIMIT,
 * CNODE_TOO_LARGE, CNODE_NOMEM. */
MUST_USE int global_locks_add(struct global_locks *locks,
                              const struct global_lock_id *id, struct pid pid,
                              const struct ref *monitor);
/* The lock ends with its last holder; `is_down`: because that ended. */
void global_locks_remove(struct global_locks *locks,
                         struct global_holder *holder, bool is_down);
struct global_holder *global_locks_of_monitor(const struct global_locks *locks,
                                              const struct ref *monitor);
/* Any that a process of that node holds, or NULL. */
struct global_holder *global_locks_of_node(const struct global_locks *locks,
                                           atom_t node);

/* The lock of the resource `global`, or NULL: nobody may change names but who
 * has it. */
const struct global_lock *global_locks_global(struct global_locks *locks);

#endif
