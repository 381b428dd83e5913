/* SPDX-License-Identifier: Apache-2.0
 *
 * See pg_view.h. A membership is found by group, owner and pid in one table, so
 * that leaving a large group costs no walk.
 */
#include "cluster/pg_view.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/metric.h"
#include "term/build.h"

/* As bytes without holes: it is hashed. */
struct member_key {
    const struct pg_group *group;
    const struct pg_owner *owner;
    struct pid pid;
};

static bool group_equal(const void *item, const void *key)
{
    const struct pg_group *group = item;

    return term_key_equal(&group->key, key);
}

static bool member_equal(const void *item, const void *key)
{
    const struct pg_member *member = item;
    const struct member_key *k = key;

    return member->group == k->group && member->owner == k->owner &&
           pid_equal(member->pid, k->pid);
}

static uint64_t member_hash(const struct member_key *key)
{
    return hash_bytes(key, sizeof(*key));
}

void pg_view_init(struct pg_view *view)
{
    *view = (struct pg_view){.memberships = 0};
    map_init(&view->groups, group_equal);
    map_init(&view->members, member_equal);
    list_init(&view->local_groups);
    slab_init(&view->slab, sizeof(struct pg_member));
    buf_init(&view->scratch, 0);
}

static void group_free(struct pg_group *group)
{
    term_key_free(&group->key);
    mem_free(group);
}

void pg_view_fini(struct pg_view *view)
{
    struct pg_group *group;

    MAP_EACH(group, &view->groups) {
        group_free(group);
    }
    map_fini(&view->groups);
    map_fini(&view->members);
    slab_fini(&view->slab);
    buf_fini(&view->scratch);
}

void pg_owner_init(struct pg_owner *owner, bool is_local)
{
    list_init(&owner->members);
    owner->is_local = is_local;
}

/* --- groups */

static int key_of(struct pg_view *view, struct cnode_term name,
                  struct term_key *key)
{
    int rc = term_key_make(key, name, limits.pg_group_bytes, &view->scratch);

    if (rc == CNODE_TOO_LARGE) {
        METRIC_INC(pg_refused);
    }
    return rc;
}

struct pg_group *pg_view_find(struct pg_view *view, struct cnode_term name)
{
    struct term_key key;

    return key_of(view, name, &key) == 0
               ? map_get(&view->groups, key.hash, &key)
               : NULL;
}

int pg_view_open(struct pg_view *view, struct cnode_term name,
                 struct pg_group **group)
{
    struct term_key key, copy;
    int rc = key_of(view, name, &key);

    if (rc != 0) {
        return rc;
    }
    *group = map_get(&view->groups, key.hash, &key);
    if (*group != NULL) {
        return 0;
    }
    if (view->groups.count >= limits.pg_groups) {
        METRIC_INC(pg_refused);
        return CNODE_LIMIT;
    }
    rc = term_key_copy(&copy, &key);
    if (rc != 0) {
        return rc;
    }
    *group = mem_zalloc(sizeof(**group));
    (*group)->key = copy;
    list_init(&(*group)->members);
    list_init(&(*group)->in_local);
    map_add(&view->groups, copy.hash, *group);
    return 0;
}

void pg_view_trim(struct pg_view *view, struct pg_group *group)
{
    if (group->count == 0) {
        map_remove(&view->groups, group->key.hash, &group->key);
        group_free(group);
    }
}

/* --- members */

int pg_view_add(struct pg_view *view, struct pg_group *group,
                struct pg_owner *owner, struct pid pid)
{
    struct member_key key = {.group = group, .owner = owner, .pid = pid};
    uint64_t hash = member_hash(&key);
    struct pg_member *member = map_get(&view->members, hash, &key);

    if (view->memberships >= limits.pg_members) {
        METRIC_INC(pg_refused);
        return CNODE_LIMIT;
    }
    if (member == NULL) {
        member = slab_alloc(&view->slab);
        *member =
            (struct pg_member){.group = group, .owner = owner, .pid = pid};
        list_push_back(group->members.next, &member->in_group);
        list_push_back(&owner->members, &member->in_owner);
        map_add(&view->members, hash, member);
    }
    member->times++;
    view->memberships++;
    group->count++;
    if (owner->is_local && group->local_count++ == 0) {
        list_push_back(&view->local_groups, &group->in_local);
    }
    return 0;
}

static void forget(struct pg_view *view, struct pg_member *member,
                   uint32_t times)
{
    struct pg_group *group = member->group;
    struct member_key key = {
        .group = group, .owner = member->owner, .pid = member->pid};

    view->memberships -= times;
    group->count -= times;
    if (member->owner->is_local) {
        group->local_count -= times;
        if (group->local_count == 0) {
            list_remove(&group->in_local);
        }
    }
    member->times -= times;
    if (member->times == 0) {
        list_remove(&member->in_group);
        list_remove(&member->in_owner);
        map_remove(&view->members, member_hash(&key), &key);
        slab_free(&view->slab, member);
    }
}

bool pg_view_remove(struct pg_view *view, struct pg_group *group,
                    struct pg_owner *owner, struct pid pid)
{
    struct member_key key = {.group = group, .owner = owner, .pid = pid};
    struct pg_member *member = map_get(&view->members, member_hash(&key), &key);

    if (member == NULL) {
        return false;
    }
    forget(view, member, 1);
    return true;
}

void pg_view_drop(struct pg_view *view, struct pg_owner *owner)
{
    while (!list_is_empty(&owner->members)) {
        struct pg_member *member =
            CONTAINER_OF(owner->members.next, struct pg_member, in_owner);
        struct pg_group *group = member->group;

        forget(view, member, member->times);
        pg_view_trim(view, group);
    }
}

/* --- written */

static void put_group(const struct pg_group *group, bool only_local,
                      struct buf *buf)
{
    term_put_list(buf, only_local ? group->local_count : group->count);
    LIST_EACH(it, &group->members) {
        const struct pg_member *member =
            CONTAINER_OF(it, struct pg_member, in_group);

        if (only_local && !member->owner->is_local) {
            continue;
        }
        for (uint32_t i = 0; i < member->times; i++) {
            term_put_pid(buf, member->pid);
        }
    }
    term_put_nil(buf);
}

void pg_view_put_members(struct pg_view *view, struct cnode_term name,
                         bool only_local, struct buf *buf)
{
    const struct pg_group *group = pg_view_find(view, name);

    if (group == NULL) {
        term_put_nil(buf);
    } else {
        put_group(group, only_local, buf);
    }
}

void pg_view_put_groups(const struct pg_view *view, struct buf *buf)
{
    const struct pg_group *group;

    term_put_list(buf, view->groups.count);
    MAP_EACH(group, &view->groups) {
        term_put_copy(buf, term_key_term(&group->key));
    }
    term_put_nil(buf);
}

void pg_view_put_local(const struct pg_view *view, bool as_map, struct buf *buf)
{
    uint32_t count = 0;

    LIST_EACH(it, &view->local_groups) {
        count++;
    }
    if (as_map) {
        term_put_map(buf, count);
    } else {
        term_put_list(buf, count);
    }
    LIST_EACH(it, &view->local_groups) {
        const struct pg_group *group =
            CONTAINER_OF(it, struct pg_group, in_local);

        if (!as_map) {
            term_put_tuple(buf, 2);
        }
        term_put_copy(buf, term_key_term(&group->key));
        put_group(group, true, buf);
    }
    if (!as_map) {
        term_put_nil(buf);
    }
}
