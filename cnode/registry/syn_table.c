/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_table.h. A registry is one shared_map of entries by name; what groups
 * are is in syn_group.c.
 *
 * An entry of this node is also in the ring of its process, so that the end of
 * that finds all of them, and each is taken out at once.
 */
#include "registry/syn_table.h"

#include <string.h>

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "registry/syn_group.h"
#include "term/canonical.h"

enum { USUAL_NAME_BYTES = 24 };

static void forget(struct syn_table *table, struct syn_entry *entry);

_Static_assert(sizeof(struct syn_entry) == 72, "counts at a million of them");

static bool has_name(const void *item, const void *key)
{
    const struct syn_entry *entry = item;
    const struct term_key *name = key;

    return entry->name_bytes == name->size &&
           memcmp(entry + 1, name->bytes, name->size) == 0;
}

static uint64_t name_hash(const void *item)
{
    const struct syn_entry *entry = item;

    return hash_bytes(entry + 1, entry->name_bytes);
}

static const struct shared_map_kind by_name = {
    .equal = has_name,
    .hash = name_hash,
    .key_at = offsetof(struct syn_entry, pid),
    .key_bytes = sizeof(struct syn_entry) - offsetof(struct syn_entry, pid) +
                 USUAL_NAME_BYTES,
};

static bool is_first_of(const void *item, const void *key)
{
    const struct syn_entry *entry = item;
    const struct pid *pid = key;

    return pid_equal(entry->pid, *pid);
}

static uint64_t pid_hash(struct pid pid)
{
    return hash_u64((uint64_t)pid.serial << 32 | pid.id);
}

void syn_table_init(struct syn_table *table, enum syn_kind kind,
                    retire_fn retire, void *owner)
{
    *table = (struct syn_table){.kind = kind, .retire = retire, .owner = owner};
    heap_init(&table->heap);
    shared_map_init(&table->names, &by_name, retire, owner);
    syn_groups_init(table);
    map_init(&table->local_pids, is_first_of);
    syn_owner_init(&table->local, true);
    list_init(&table->walks);
    buf_init(&table->scratch, 0);
}

static void entry_free(void *memory)
{
    const struct syn_entry *entry = memory;

    if (entry->name_bytes == 0) {
        mem_free(memory); /* of a group */
    } else {
        heap_free(memory,
                  sizeof(*entry) + entry->name_bytes + entry->meta_bytes);
    }
}

void syn_table_fini(struct syn_table *table)
{
    struct syn_entry *entry;
    uint64_t pos = 0;

    while ((entry = shared_map_next(&table->names, &pos)) != NULL) {
        entry_free(entry);
    }
    shared_map_fini(&table->names);
    heap_fini(&table->heap);
    syn_groups_fini(table);
    map_fini(&table->local_pids);
    buf_fini(&table->scratch);
}

void syn_owner_init(struct syn_owner *owner, bool is_local)
{
    *owner = (struct syn_owner){.is_local = is_local};
    list_init(&owner->entries);
}

/* --- what an entry holds */

static inline struct syn_member *member_of(struct syn_entry *entry)
{
    return (struct syn_member *)entry; /* of a group */
}

static inline const uint8_t *meta_of(const struct syn_entry *entry)
{
    return entry->name_bytes == 0
               ? (const uint8_t *)((const struct syn_member *)entry + 1)
               : (const uint8_t *)(entry + 1) + entry->name_bytes;
}

struct cnode_term syn_entry_name(const struct syn_entry *entry)
{
    const struct syn_group *group;

    if (entry->name_bytes > 0) {
        return term_at(entry + 1, entry->name_bytes);
    }
    group = ((const struct syn_member *)entry)->group;
    return term_at(group->name, group->name_bytes);
}

struct cnode_term syn_entry_meta(const struct syn_entry *entry)
{
    return term_at(meta_of(entry), entry->meta_bytes);
}

bool syn_entry_has_meta(struct syn_table *table, const struct syn_entry *entry,
                        struct cnode_term meta)
{
    struct cnode_term own = syn_entry_meta(entry);
    size_t size;

    if (term_same_bytes(own, meta)) {
        return true;
    }
    if (term_is_canonical(own) && term_is_canonical(meta)) {
        return false;
    }
    buf_clear(&table->scratch);
    if (term_put_canonical(&table->scratch, own) != 0) {
        return false;
    }
    size = buf_size(&table->scratch);
    return term_put_canonical(&table->scratch, meta) == 0 &&
           buf_size(&table->scratch) == 2 * size &&
           memcmp(buf_data(&table->scratch), buf_data(&table->scratch) + size,
                  size) == 0;
}

/* --- found */

static struct term_key key_of(const struct syn_entry *entry)
{
    struct cnode_term name = syn_entry_name(entry);
    struct term_key key = {.bytes = name.at,
                           .size = (size_t)(name.end - name.at)};

    key.hash = hash_bytes(key.bytes, key.size);
    return key;
}

struct syn_entry *syn_table_find(struct syn_table *table,
                                 struct cnode_term name, struct pid pid)
{
    struct term_key key;
    struct syn_group *group;
    struct syn_member *member;

    if (term_key_make(&key, name, limits.syn_name_bytes, &table->scratch) !=
        0) {
        return NULL;
    }
    if (table->kind == SYN_REGISTRY) {
        return shared_map_get(&table->names, key.hash, &key);
    }
    group = syn_groups_find(table, &key);
    member = group == NULL ? NULL : syn_groups_member(table, group, pid);
    return member == NULL ? NULL : &member->entry;
}

const struct syn_entry *syn_table_lookup(const struct syn_table *table,
                                         struct cnode_term name,
                                         struct buf *scratch)
{
    struct term_key key;

    if (term_key_make(&key, name, limits.syn_name_bytes, scratch) != 0) {
        return NULL;
    }
    return shared_map_get(&table->names, key.hash, &key);
}

void syn_table_lookup_many(const struct syn_table *table,
                           const struct cnode_term names[], size_t count,
                           struct buf *scratch,
                           const struct syn_entry *entries[])
{
    struct term_key keys[SYN_LOOKUPS];
    uint64_t hashes[SYN_LOOKUPS] = {0};

    CHECK(count <= SYN_LOOKUPS);
    for (size_t i = 0; i < count; i++) {
        if (term_key_make(&keys[i], names[i], limits.syn_name_bytes, scratch) !=
            0) {
            keys[i] = (struct term_key){0};
        }
        hashes[i] = keys[i].hash;
    }
    shared_map_expect(&table->names, hashes, count);
    for (size_t i = 0; i < count; i++) {
        entries[i] = keys[i].bytes == names[i].at
                         ? shared_map_get(&table->names, hashes[i], &keys[i])
                         : syn_table_lookup(table, names[i], scratch);
    }
}

struct syn_group *syn_table_group(struct syn_table *table,
                                  struct cnode_term name)
{
    struct term_key key;

    return term_key_make(&key, name, limits.syn_name_bytes, &table->scratch) ==
                   0
               ? syn_groups_find(table, &key)
               : NULL;
}

/* --- in the list of an owner */

static void leave_owner(struct syn_table *table, struct syn_entry *entry)
{
    LIST_EACH(it, &table->walks) {
        struct syn_walk *walk = CONTAINER_OF(it, struct syn_walk, in_table);
        if (walk->at == &entry->in_owner) {
            walk->at = entry->in_owner.prev;
        }
    }
    list_remove(&entry->in_owner);
    entry->owner->count--;
}

/* Behind `old` when that is of the same owner, and takes its place as it goes.
 */
static void join_owner(struct syn_table *table, struct syn_entry *entry,
                       const struct syn_entry *old)
{
    struct syn_owner *owner = entry->owner;

    if (old == NULL || old->owner != owner) {
        list_push_back(&owner->entries, &entry->in_owner);
    } else {
        list_push_back(old->in_owner.next, &entry->in_owner);
        LIST_EACH(it, &table->walks) { /* those behind it are walked */
            struct syn_walk *walk = CONTAINER_OF(it, struct syn_walk, in_table);
            if (walk->at == &old->in_owner) {
                walk->at = &entry->in_owner;
            }
        }
    }
    owner->count++;
}

/* --- in the ring of a process */

struct syn_entry *syn_table_of_pid(const struct syn_table *table,
                                   struct pid pid)
{
    return map_get(&table->local_pids, pid_hash(pid), &pid);
}

struct syn_entry *syn_table_next_of_pid(const struct syn_table *table,
                                        const struct syn_entry *entry)
{
    struct syn_entry *next =
        CONTAINER_OF(entry->of_pid.next, struct syn_entry, of_pid);

    return next == syn_table_of_pid(table, entry->pid) ? NULL : next;
}

static void join_pid(struct syn_table *table, struct syn_entry *entry)
{
    struct syn_entry *first = syn_table_of_pid(table, entry->pid);

    if (first == NULL) {
        list_init(&entry->of_pid);
        map_add(&table->local_pids, pid_hash(entry->pid), entry);
    } else {
        list_push_back(&first->of_pid, &entry->of_pid);
    }
}

static void leave_pid(struct syn_table *table, struct syn_entry *entry)
{
    uint64_t hash = pid_hash(entry->pid);

    if (syn_table_of_pid(table, entry->pid) == entry) {
        map_remove(&table->local_pids, hash, &entry->pid);
        if (!list_is_empty(&entry->of_pid)) {
            map_add(&table->local_pids, hash,
                    CONTAINER_OF(entry->of_pid.next, struct syn_entry, of_pid));
        }
    }
    list_remove(&entry->of_pid);
}

/* --- put */

static void tell_changed(const struct syn_table *table)
{
    if (table->changed != NULL) {
        table->changed(table->owner);
    }
}

static uint64_t bytes_of(const struct syn_entry *entry)
{
    return entry == NULL ? 0 : (uint64_t)entry->name_bytes + entry->meta_bytes;
}

/* The name and the size of the metadata, unless that is too much. */
static int measure(struct syn_table *table, const struct syn_entry *old,
                   const struct syn_claim *claim, struct term_key *name,
                   size_t *meta_bytes)
{
    int rc = 0;

    if (old != NULL) {
        *name = key_of(old);
    } else {
        rc = term_key_make(name, claim->name, limits.syn_name_bytes,
                           &table->scratch);
    }
    *meta_bytes = cnode_term_size(claim->meta);
    if (rc == 0 && (name->size > limits.syn_name_bytes ||
                    *meta_bytes > limits.syn_meta_bytes)) {
        rc = CNODE_TOO_LARGE;
    }
    if (rc == 0 && ((old == NULL && table->count >= limits.syn_entries) ||
                    table->bytes - bytes_of(old) + name->size + *meta_bytes >
                        limits.syn_bytes)) {
        rc = CNODE_LIMIT;
    }
    if (rc != 0 && rc != CNODE_NOMEM) {
        METRIC_INC(syn_refused);
    }
    return rc;
}

static struct syn_entry *entry_new(struct syn_table *table,
                                   const struct term_key *name,
                                   const struct syn_claim *claim,
                                   size_t meta_bytes)
{
    bool is_named = table->kind == SYN_REGISTRY;
    size_t head =
        is_named ? sizeof(struct syn_entry) : sizeof(struct syn_member);
    size_t name_bytes = is_named ? name->size : 0;
    size_t size = head + name_bytes + meta_bytes;
    uint8_t *memory = is_named ? heap_try(&table->heap, size) : mem_try(size);
    struct syn_entry *entry = (struct syn_entry *)(void *)memory;

    if (entry != NULL) {
        *entry = (struct syn_entry){.pid = claim->pid,
                                    .time = claim->time,
                                    .name_bytes = (uint32_t)name_bytes,
                                    .meta_bytes = (uint32_t)meta_bytes};
        memcpy(memory + head, name->bytes, name_bytes);
        memcpy(memory + head + name_bytes, claim->meta.at, meta_bytes);
    }
    return entry;
}

/* Into the tables, in the place of `old`. */
static int take_place(struct syn_table *table, struct syn_entry *entry,
                      struct syn_entry *old, const struct term_key *name)
{
    struct syn_member *member;

    if (table->kind == SYN_REGISTRY) {
        if (old == NULL) {
            return shared_map_add(&table->names, name->hash, entry);
        }
        shared_map_replace(&table->names, name->hash, name, entry);
        return 0;
    }
    member = member_of(entry);
    member->group = syn_groups_open(table, name);
    if (member->group == NULL) {
        return CNODE_NOMEM;
    }
    if (old != NULL) {
        syn_groups_leave(table, member_of(old));
    }
    syn_groups_join(table, member);
    return 0;
}

void syn_table_reserve(struct syn_table *table, uint32_t more)
{
    uint64_t room = limits.syn_entries > table->count
                        ? limits.syn_entries - table->count
                        : 0;

    if (table->kind == SYN_REGISTRY) {
        shared_map_reserve(&table->names, more < room ? more : (uint32_t)room);
    }
}

int syn_table_put(struct syn_table *table, struct syn_entry *old,
                  struct syn_owner *owner, const struct syn_claim *claim,
                  struct syn_entry **result)
{
    struct syn_entry *entry;
    struct term_key name;
    size_t meta_bytes;
    int rc = measure(table, old, claim, &name, &meta_bytes);

    if (rc != 0) {
        return rc;
    }
    entry = entry_new(table, &name, claim, meta_bytes);
    if (entry == NULL) {
        return CNODE_NOMEM;
    }
    entry->owner = owner;
    rc = take_place(table, entry, old, &name);
    if (rc != 0) {
        entry_free(entry);
        return rc;
    }
    join_owner(table, entry, old);
    if (owner->is_local) {
        join_pid(table, entry);
    } else {
        syn_table_mark(entry);
    }
    table->count++;
    table->bytes += bytes_of(entry);
    if (old != NULL) {
        forget(table, old);
    }
    *result = entry;
    tell_changed(table);
    return 0;
}

/* --- taken out */

/* What is in the tables no more. */
static void forget(struct syn_table *table, struct syn_entry *entry)
{
    leave_owner(table, entry);
    if (entry->owner->is_local) {
        leave_pid(table, entry);
    }
    table->count--;
    table->bytes -= bytes_of(entry);
    table->retire(table->owner, entry, entry_free);
}

void syn_table_remove(struct syn_table *table, struct syn_entry *entry)
{
    struct syn_group *group;
    struct term_key name;

    if (table->kind == SYN_REGISTRY) {
        name = key_of(entry);
        shared_map_remove(&table->names, name.hash, &name);
    } else {
        group = member_of(entry)->group;
        syn_groups_leave(table, member_of(entry));
        syn_groups_close(table, group);
    }
    forget(table, entry);
    tell_changed(table);
}

/* --- walked */

void syn_walk_begin(struct syn_walk *walk, struct syn_table *table,
                    struct syn_owner *owner)
{
    *walk = (struct syn_walk){.owner = owner, .at = &owner->entries};
    list_push_back(&table->walks, &walk->in_table);
}

struct syn_entry *syn_walk_next(struct syn_walk *walk)
{
    if (walk->at->next == &walk->owner->entries) {
        return NULL;
    }
    walk->at = walk->at->next;
    return CONTAINER_OF(walk->at, struct syn_entry, in_owner);
}

void syn_walk_end(struct syn_walk *walk)
{
    list_remove(&walk->in_table);
}
