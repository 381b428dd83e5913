/* SPDX-License-Identifier: Apache-2.0
 *
 * What one scope of syn knows: for the registry who has which name, for groups
 * who is in which. An entry belongs to an owner: this node, or another member
 * of the scope, and goes with it. Pure; one writer. In a registry other threads
 * may look names up meanwhile (base/shared_map.h).
 *
 * Names, groups and metadata are any terms, kept as bytes: names in canonical
 * form (so that equality of terms is equality of bytes), metadata as it came.
 * An entry is one piece of memory: 72 bytes, then name and metadata, in huge
 * pages (base/heap.h) when it is of a registry; with its place in the tables at
 * most 160 bytes beyond those.
 */
#ifndef CNODE_REGISTRY_SYN_TABLE_H
#define CNODE_REGISTRY_SYN_TABLE_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/shared_map.h"
#include "term/ident.h"
#include "term/key.h"

enum syn_kind {
    SYN_REGISTRY, /* one pid for each name */
    SYN_GROUPS,   /* any number of pids for each group, each once */
};

enum { SYN_LOOKUPS = 32 }; /* at once */

/* Whose entries: this node's own, or those of another member. First member of
 * what the caller makes of it. */
struct syn_owner {
    struct list entries; /* oldest first: struct syn_entry.in_owner */
    uint32_t count;
    uint32_t round; /* see syn_table_round() */
    bool is_local;
};

/* What readers of other threads see never changes (new metadata is a new
 * entry), and is in one piece with the name, which follows. */
struct syn_entry {
    int64_t time; /* nanoseconds since 1970; what its node said */
    struct syn_owner *owner;
    struct list in_owner;
    union {
        struct list of_pid; /* local ones: a ring of those of one process */
        uint32_t round;     /* those of others: see syn_table_round() */
    };
    /* --- for readers */
    struct pid pid;
    uint32_t name_bytes; /* 0: the name is that of the group */
    uint32_t meta_bytes;
};

struct syn_table {
    enum syn_kind kind;
    struct shared_map names; /* SYN_REGISTRY: struct syn_entry by name */
    struct map groups;       /* SYN_GROUPS: struct syn_group by name */
    struct map members;      /* SYN_GROUPS: struct syn_member by group, pid */
    struct map local_pids;   /* the first local syn_entry of each pid */
    struct syn_owner local;
    uint64_t count;
    uint64_t bytes;    /* of names and metadata */
    struct list walks; /* struct syn_walk.in_table */
    struct heap heap;  /* of the entries of a registry */
    retire_fn retire;
    void (*changed)(void *owner); /* NULL, or hears of every change */
    void *owner;
    struct buf scratch;
};

/* One claim on a name, as somebody made it: terms that live as long as the
 * caller says. */
struct syn_claim {
    struct cnode_term name;
    struct pid pid;
    struct cnode_term meta;
    int64_t time;
};

/* `retire` gets memory that readers may still see; without readers it may free
 * that at once. */
void syn_table_init(struct syn_table *table, enum syn_kind kind,
                    retire_fn retire, void *owner);
void syn_table_fini(struct syn_table *table); /* no reader is left */

void syn_owner_init(struct syn_owner *owner, bool is_local);

struct cnode_term syn_entry_name(const struct syn_entry *entry);
struct cnode_term syn_entry_meta(const struct syn_entry *entry);

/* The same term (=:=), whatever the bytes. */
bool syn_entry_has_meta(struct syn_table *table, const struct syn_entry *entry,
                        struct cnode_term meta);

/* The entry of a name (registry; `pid` does not count), or of a name and a pid
 * (groups); NULL: there is none. */
struct syn_entry *syn_table_find(struct syn_table *table,
                                 struct cnode_term name, struct pid pid);
/* Registry, from any thread: its own scratch. The entry may be read until the
 * thread's callback returns. */
const struct syn_entry *syn_table_lookup(const struct syn_table *table,
                                         struct cnode_term name,
                                         struct buf *scratch);

/* The same for up to SYN_LOOKUPS names, faster than one after the other: the
 * memory of all of them is on its way at once. entries[i] is NULL: nobody has
 * that name. */
void syn_table_lookup_many(const struct syn_table *table,
                           const struct cnode_term names[], size_t count,
                           struct buf *scratch,
                           const struct syn_entry *entries[]);

/* Puts a claim in the place of `old` (NULL: a new entry, there is none of that
 * name, in groups of that name and pid) for an owner. Of the same owner, it
 * also takes its place in the order of entries. CNODE_TOO_LARGE above
 * limits.syn_name_bytes or syn_meta_bytes, CNODE_LIMIT above limits.syn_entries
 * or syn_bytes (both counted: syn_refused), CNODE_NOMEM: nothing has changed
 * then. The terms of the claim may lie in `old`, and its name is that of `old`
 * anyway. */
MUST_USE int syn_table_put(struct syn_table *table, struct syn_entry *old,
                           struct syn_owner *owner,
                           const struct syn_claim *claim,
                           struct syn_entry **entry);
/* So many more entries are about to come. */
void syn_table_reserve(struct syn_table *table, uint32_t more);
/* The same entry with a later time. */
static inline void syn_table_touch(struct syn_entry *entry, int64_t time)
{
    entry->time = time;
}
void syn_table_remove(struct syn_table *table, struct syn_entry *entry);

/* The first entry of a local pid, NULL: none; the one after one of them, NULL:
 * that was the last. */
struct syn_entry *syn_table_of_pid(const struct syn_table *table,
                                   struct pid pid);
struct syn_entry *syn_table_next_of_pid(const struct syn_table *table,
                                        const struct syn_entry *entry);

/* Which entries of another member are in a list of it: since syn_table_round()
 * those put or marked have the round of their owner, all others have not. */
static inline void syn_table_round(struct syn_owner *owner)
{
    owner->round++;
}
static inline void syn_table_mark(struct syn_entry *entry)
{
    DCHECK(!entry->owner->is_local);
    entry->round = entry->owner->round;
}

/* Walks all entries of an owner, each once, while the table changes. What comes
 * meanwhile is walked too, also after the end was met (NULL). */
struct syn_walk {
    struct syn_owner *owner;
    struct list *at; /* the last one, or the owner's list */
    struct list in_table;
};
void syn_walk_begin(struct syn_walk *walk, struct syn_table *table,
                    struct syn_owner *owner);
struct syn_entry *syn_walk_next(struct syn_walk *walk);
void syn_walk_end(struct syn_walk *walk); /* may be called twice */

/* --- groups: who is in one. Those of this node come first. */
struct syn_group; /* lives as long as somebody is in it */
/* NULL: nobody is. */
struct syn_group *syn_table_group(struct syn_table *table,
                                  struct cnode_term name);
uint32_t syn_group_count(const struct syn_group *group, bool only_local);
/* The first member after `after` (NULL: the first of all), NULL at the end. */
const struct syn_entry *syn_group_next(const struct syn_group *group,
                                       const struct syn_entry *after,
                                       bool only_local);

#endif
