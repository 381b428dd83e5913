/* SPDX-License-Identifier: Apache-2.0
 *
 * The groups of a table, for syn_table.c only; what others may know of them is
 * in syn_table.h. A group holds the name of all its members. Pure.
 */
#ifndef CNODE_REGISTRY_SYN_GROUP_H
#define CNODE_REGISTRY_SYN_GROUP_H

#include "registry/syn_table.h"

struct syn_group {
    struct list members; /* struct syn_member.in_group; local ones first */
    uint32_t count, local_count;
    uint64_t hash;
    size_t name_bytes;
    uint8_t name[];
};

struct syn_member {
    struct syn_entry entry; /* its bytes are metadata only */
    struct syn_group *group;
    struct list in_group;
};

void syn_groups_init(struct syn_table *table);
void syn_groups_fini(struct syn_table *table); /* members too */

struct syn_group *syn_groups_find(const struct syn_table *table,
                                  const struct term_key *name);
/* The group of that name, a new one when there is none. NULL: no memory. */
struct syn_group *syn_groups_open(struct syn_table *table,
                                  const struct term_key *name);
/* An empty group goes. */
void syn_groups_close(struct syn_table *table, struct syn_group *group);

struct syn_member *syn_groups_member(const struct syn_table *table,
                                     struct syn_group *group, struct pid pid);
/* `member` has its owner, pid and group. */
void syn_groups_join(struct syn_table *table, struct syn_member *member);
void syn_groups_leave(struct syn_table *table, struct syn_member *member);

#endif
