/* SPDX-License-Identifier: Apache-2.0
 *
 * See alias.h.
 */
#include "node/alias.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/metric.h"
#include "node/node.h"

struct alias {
    struct ref ref;
    struct pid owner;
    enum alias_kind kind;
    struct list in_owner; /* relations.aliases */
};

static bool equal(const void *item, const void *key)
{
    const struct alias *alias = item;

    return ref_equal(&alias->ref, key);
}

static uint64_t hash(const struct ref *ref)
{
    return hash_u64((uint64_t)ref->words[0] << 32 | ref->words[1]);
}

void aliases_init(struct aliases *aliases)
{
    map_init(&aliases->by_ref, equal);
    slab_init(&aliases->slab, sizeof(struct alias));
}

void aliases_fini(struct aliases *aliases)
{
    map_fini(&aliases->by_ref);
    slab_fini(&aliases->slab);
}

static struct alias *find(const struct node *node, const struct ref *ref)
{
    return map_get(&node->aliases.by_ref, hash(ref), ref);
}

static void discard(struct node *node, struct process *owner,
                    struct alias *alias)
{
    map_remove(&node->aliases.by_ref, hash(&alias->ref), &alias->ref);
    list_remove(&alias->in_owner);
    slab_free(&node->aliases.slab, alias);
    owner->relations->alias_count--;
    relations_trim(node, owner);
}

/* --- on */

bool alias_has_room(const struct node *node, const struct process *process)
{
    if (node->aliases.by_ref.count <
            node_share(node, limits.aliases_per_node) &&
        (process->relations == NULL ||
         process->relations->alias_count < limits.aliases_per_process)) {
        return true;
    }
    METRIC_INC(aliases_refused);
    return false;
}

void alias_start_at(struct node *node, struct process *process,
                    enum alias_kind kind, const struct ref *ref)
{
    struct relations *relations = relations_of(node, process);
    struct alias *alias = slab_alloc(&node->aliases.slab);

    *alias = (struct alias){
        .ref = *ref, .owner = node_pid(node, process), .kind = kind};
    list_push_back(&relations->aliases, &alias->in_owner);
    relations->alias_count++;
    map_add(&node->aliases.by_ref, hash(ref), alias);
}

int alias_start(struct node *node, struct process *process,
                enum alias_kind kind, struct ref *ref)
{
    if (!alias_has_room(node, process)) {
        return CNODE_LIMIT;
    }
    *ref = node_make_ref(node);
    alias_start_at(node, process, kind, ref);
    return 0;
}

int alias_start_monitor(struct node *node, struct process *process,
                        const struct dest *dest, enum alias_kind kind,
                        struct ref *ref)
{
    int rc = alias_has_room(node, process) ? 0 : CNODE_LIMIT;

    if (rc == 0) {
        rc = monitor_start(node, process, dest, ref);
    }
    if (rc == 0) {
        alias_start_at(node, process, kind, ref);
    }
    return rc;
}

/* --- off */

bool alias_stop(struct node *node, struct process *process,
                const struct ref *ref)
{
    struct alias *alias = find(node, ref);

    if (alias == NULL || !pid_equal(alias->owner, node_pid(node, process))) {
        return false;
    }
    discard(node, process, alias);
    return true;
}

void alias_monitor_ends(struct node *node, struct process *process,
                        const struct ref *ref)
{
    struct alias *alias;

    if (process->relations == NULL || process->relations->alias_count == 0) {
        return;
    }
    alias = find(node, ref);
    if (alias != NULL && (alias->kind == ALIAS_DEMONITOR ||
                          alias->kind == ALIAS_REPLY_DEMONITOR)) {
        discard(node, process, alias);
    }
}

void alias_process_ends(struct node *node, struct process *process)
{
    while (process->relations != NULL &&
           !list_is_empty(&process->relations->aliases)) {
        discard(node, process,
                CONTAINER_OF(process->relations->aliases.next, struct alias,
                             in_owner));
    }
}

/* --- in between */

struct pid alias_home(const struct node *node, const struct ref *ref)
{
    return (struct pid){.node = node->name,
                        .serial = ref->words[2] & PID_SCHEDULER_MASK,
                        .creation = node->creation};
}

bool alias_is_active(const struct node *node, const struct ref *ref)
{
    return find(node, ref) != NULL;
}

bool alias_resolve(struct node *node, struct signal *signal)
{
    struct alias *alias = find(node, &signal->ref);
    struct process *owner;
    enum alias_kind kind;

    if (alias == NULL) {
        return false;
    }
    signal->to = alias->owner;
    if (signal->kind == SIGNAL_ALIAS_EXIT) {
        return true; /* it is no reply */
    }
    owner = node_find(node, alias->owner);
    kind = alias->kind;
    if (kind == ALIAS_REPLY || kind == ALIAS_REPLY_DEMONITOR) {
        discard(node, owner, alias);
    }
    if (kind == ALIAS_REPLY_DEMONITOR) {
        (void)monitor_stop(node, owner, &signal->ref);
    }
    return true;
}
