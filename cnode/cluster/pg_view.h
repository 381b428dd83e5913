/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is in which group of one pg scope, as this node knows it: groups, their
 * members, and who told us of each (a process of ours for itself, the scope
 * process of another node for all of its). A pid may be in a group many times.
 * Pure. Bounded by limits.pg_groups, pg_members and pg_group_bytes.
 */
#ifndef CNODE_CLUSTER_PG_VIEW_H
#define CNODE_CLUSTER_PG_VIEW_H

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "term/ident.h"
#include "term/key.h"

/* Who a membership hangs on. First member of what the caller makes of it. */
struct pg_owner {
    struct list members;
    bool is_local;
};

struct pg_group {
    struct term_key key;
    struct list members;  /* struct pg_member.in_group, newest first */
    struct list in_local; /* view.local_groups, while it has local members */
    uint32_t count, local_count; /* memberships */
};

struct pg_member {
    struct pg_group *group;
    struct pg_owner *owner;
    struct pid pid;
    uint32_t times;
    struct list in_group, in_owner;
};

struct pg_view {
    struct map groups;        /* struct pg_group by key */
    struct map members;       /* struct pg_member by group, owner and pid */
    struct list local_groups; /* struct pg_group.in_local */
    uint64_t memberships;
    struct slab slab;
    struct buf scratch;
};

void pg_view_init(struct pg_view *view);
void pg_view_fini(struct pg_view *view); /* owners are the caller's */

void pg_owner_init(struct pg_owner *owner, bool is_local);

/* The group, or NULL when nobody is in it. */
struct pg_group *pg_view_find(struct pg_view *view, struct cnode_term name);
/* The group, made if need be: what is still empty ends with pg_view_trim().
 * CNODE_TOO_LARGE, CNODE_LIMIT, CNODE_NOMEM. */
MUST_USE int pg_view_open(struct pg_view *view, struct cnode_term name,
                          struct pg_group **group);
void pg_view_trim(struct pg_view *view, struct pg_group *group);

/* One membership more. CNODE_LIMIT. */
MUST_USE int pg_view_add(struct pg_view *view, struct pg_group *group,
                         struct pg_owner *owner, struct pid pid);
/* One less; false when there was none. The group stays, even if empty. */
bool pg_view_remove(struct pg_view *view, struct pg_group *group,
                    struct pg_owner *owner, struct pid pid);
/* All that hang on an owner. */
void pg_view_drop(struct pg_view *view, struct pg_owner *owner);

/* Appends a list of pids, newest first; [] when there is no such group. */
void pg_view_put_members(struct pg_view *view, struct cnode_term name,
                         bool only_local, struct buf *buf);
/* Appends a list of group names. */
void pg_view_put_groups(const struct pg_view *view, struct buf *buf);
/* Appends the local members: [{Group, [Pid]}], or as a map. */
void pg_view_put_local(const struct pg_view *view, bool as_map,
                       struct buf *buf);

#endif
