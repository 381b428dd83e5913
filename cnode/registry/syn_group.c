/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_group.h. Members are found by group and pid, in one map for all
 * groups; a group is a list of them, for who walks it.
 */
#include "registry/syn_group.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

struct member_key {
    struct syn_group *group;
    struct pid pid;
};

static bool group_equal(const void *item, const void *key)
{
    const struct syn_group *group = item;
    const struct term_key *name = key;

    return group->name_bytes == name->size &&
           memcmp(group->name, name->bytes, name->size) == 0;
}

static bool member_equal(const void *item, const void *key)
{
    const struct syn_member *member = item;
    const struct member_key *wanted = key;

    return member->group == wanted->group &&
           pid_equal(member->entry.pid, wanted->pid);
}

static uint64_t member_hash(const struct member_key *key)
{
    return hash_bytes(key, sizeof(*key)); /* it has no padding */
}

void syn_groups_init(struct syn_table *table)
{
    map_init(&table->groups, group_equal);
    map_init(&table->members, member_equal);
}

void syn_groups_fini(struct syn_table *table)
{
    struct syn_group *group;
    struct syn_member *member;

    MAP_EACH(member, &table->members) {
        mem_free(member);
    }
    MAP_EACH(group, &table->groups) {
        mem_free(group);
    }
    map_fini(&table->members);
    map_fini(&table->groups);
}

/* --- groups come and go */

struct syn_group *syn_groups_find(const struct syn_table *table,
                                  const struct term_key *name)
{
    return map_get(&table->groups, name->hash, name);
}

struct syn_group *syn_groups_open(struct syn_table *table,
                                  const struct term_key *name)
{
    struct syn_group *group = syn_groups_find(table, name);

    if (group != NULL) {
        return group;
    }
    group = mem_try(sizeof(*group) + name->size);
    if (group != NULL) {
        *group =
            (struct syn_group){.hash = name->hash, .name_bytes = name->size};
        list_init(&group->members);
        memcpy(group->name, name->bytes, name->size);
        map_add(&table->groups, group->hash, group);
        table->bytes += name->size;
    }
    return group;
}

void syn_groups_close(struct syn_table *table, struct syn_group *group)
{
    struct term_key name = {
        .hash = group->hash, .bytes = group->name, .size = group->name_bytes};

    if (group->count == 0) {
        map_remove(&table->groups, group->hash, &name);
        table->bytes -= group->name_bytes;
        mem_free(group);
    }
}

/* --- members come and go */

struct syn_member *syn_groups_member(const struct syn_table *table,
                                     struct syn_group *group, struct pid pid)
{
    struct member_key key = {group, pid};

    return map_get(&table->members, member_hash(&key), &key);
}

void syn_groups_join(struct syn_table *table, struct syn_member *member)
{
    struct syn_group *group = member->group;
    struct member_key key = {group, member->entry.pid};

    map_add(&table->members, member_hash(&key), member);
    if (member->entry.owner->is_local) {
        list_push_back(group->members.next, &member->in_group); /* in front */
        group->local_count++;
    } else {
        list_push_back(&group->members, &member->in_group);
    }
    group->count++;
}

void syn_groups_leave(struct syn_table *table, struct syn_member *member)
{
    struct syn_group *group = member->group;
    struct member_key key = {group, member->entry.pid};

    map_remove(&table->members, member_hash(&key), &key);
    list_remove(&member->in_group);
    group->count--;
    if (member->entry.owner->is_local) {
        group->local_count--;
    }
}

/* --- reading */

uint32_t syn_group_count(const struct syn_group *group, bool only_local)
{
    return only_local ? group->local_count : group->count;
}

const struct syn_entry *syn_group_next(const struct syn_group *group,
                                       const struct syn_entry *after,
                                       bool only_local)
{
    const struct list *at = &group->members;
    const struct syn_member *member;

    if (after != NULL) {
        member = (const struct syn_member *)after;
        at = &member->in_group;
    }
    if (at->next == &group->members) {
        return NULL;
    }
    member = CONTAINER_OF(at->next, struct syn_member, in_group);
    return only_local && !member->entry.owner->is_local ? NULL : &member->entry;
}
