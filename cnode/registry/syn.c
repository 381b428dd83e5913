/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn.h. The scopes and what all of them share; what processes of this node
 * ask is answered in syn_service.c.
 */
#include "registry/syn.h"

#include <string.h>

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "node/registered.h"
#include "registry/syn_calls.h"
#include "registry/syn_multi_call.h"
#include "registry/syn_service.h"

static void on_ended(void *owner, struct pid pid, struct cnode_term reason);

/* --- scopes */

static bool pair_has_scope(const void *item, const void *key)
{
    const struct syn_pair *pair = item;
    const atom_t *scope = key;

    return pair->scope == *scope;
}

static uint64_t pair_hash(const void *item)
{
    return hash_u64(((const struct syn_pair *)item)->scope);
}

static const struct shared_map_kind by_scope = {
    .equal = pair_has_scope,
    .hash = pair_hash,
    .key_bytes = sizeof(atom_t),
};

static void retire(void *owner, void *memory, retired_free_fn free_it)
{
    struct syn *syn = owner;

    syn_reclaim_retire(&syn->reclaim, memory, free_it);
}

static struct syn_pair *find(const struct syn *syn, atom_t scope)
{
    return scope == ATOM_NONE
               ? NULL
               : shared_map_get(&syn->by_name, hash_u64(scope), &scope);
}

static int pair_start(struct syn *syn, struct syn_pair *pair)
{
    struct syn_process *registry = &pair->kinds[SYN_REGISTRY];
    int rc = syn_process_start(registry, syn, SYN_REGISTRY, pair->scope);

    if (rc != 0) {
        return rc;
    }
    rc = syn_process_start(&pair->kinds[SYN_GROUPS], syn, SYN_GROUPS,
                           pair->scope);
    if (rc != 0) {
        syn_process_stop(registry);
        syn_process_fini(registry);
    }
    return rc;
}

static void pair_stop(struct syn_pair *pair)
{
    syn_process_stop(&pair->kinds[SYN_REGISTRY]);
    syn_process_stop(&pair->kinds[SYN_GROUPS]);
}

static void pair_free(struct syn_pair *pair)
{
    syn_process_fini(&pair->kinds[SYN_REGISTRY]);
    syn_process_fini(&pair->kinds[SYN_GROUPS]);
    mem_free(pair);
}

static int start_scope(struct syn *syn, atom_t scope, struct syn_pair **out)
{
    struct syn_pair *pair;
    int rc;

    if (scope == ATOM_NONE || syn->count >= limits.syn_scopes) {
        METRIC_INC(syn_refused);
        return CNODE_LIMIT;
    }
    pair = mem_zalloc(sizeof(*pair));
    pair->scope = scope;
    rc = pair_start(syn, pair);
    if (rc != 0) {
        mem_free(pair);
        return rc;
    }
    rc = shared_map_add(&syn->by_name, hash_u64(scope), pair);
    if (rc != 0) {
        pair_stop(pair);
        pair_free(pair);
        return rc;
    }
    list_push_back(&syn->all, &pair->in_all);
    syn->count++;
    LOG_INFO("syn_scope", F_STR("scope", atom_text(scope)));
    *out = pair;
    return 0;
}

int syn_open(struct syn *syn, struct cnode_term name, struct syn_pair **pair)
{
    const char *text;
    size_t len;

    *pair = find(syn, term_atom(name));
    if (*pair != NULL) {
        return 0;
    }
    if (!cnode_get_atom(name, &text, &len)) {
        return CNODE_EINVALID;
    }
    return start_scope(syn, atom_intern(text, len), pair);
}

/* --- all of them */

int syn_start(struct syn *syn, struct node *node,
              const struct syn_config *config)
{
    struct syn_pair *pair;
    int rc;

    *syn = (struct syn){.node = node, .is_strict = config->is_strict};
    list_init(&syn->all);
    shared_map_init(&syn->by_name, &by_scope, retire, syn);
    syn_reclaim_init(&syn->reclaim, node);
    syn_lag_start(&syn->lag, node_loop(node));
    syn_calls_init(syn);
    syn_multi_calls_init(syn);
    registered_init(node, on_ended, syn);
    rc = syn_service_start(syn);
    for (size_t i = 0; i < config->scope_count && rc == 0; i++) {
        const char *name = config->scopes[i];

        rc = start_scope(syn, atom_intern(name, strlen(name)), &pair);
    }
    if (rc != 0) {
        syn_stop(syn);
        syn_fini(syn);
    }
    return rc;
}

void syn_stop(struct syn *syn)
{
    syn->is_over = true;
    syn_lag_stop(&syn->lag);
    syn_multi_calls_stop(syn);
    syn_calls_stop(syn);
    LIST_EACH(it, &syn->all) {
        pair_stop(CONTAINER_OF(it, struct syn_pair, in_all));
    }
    syn_service_stop(syn);
}

void syn_fini(struct syn *syn)
{
    struct list *it;

    shared_map_fini(&syn->by_name);
    while ((it = list_pop(&syn->all)) != NULL) {
        pair_free(CONTAINER_OF(it, struct syn_pair, in_all));
    }
    syn_reclaim_fini(&syn->reclaim);
}

/* --- what happens around them */

void syn_nodeup(struct syn *syn, const struct peer *peer)
{
    LIST_EACH(it, &syn->all) {
        struct syn_pair *pair = CONTAINER_OF(it, struct syn_pair, in_all);

        syn_process_nodeup(&pair->kinds[SYN_REGISTRY], peer);
        syn_process_nodeup(&pair->kinds[SYN_GROUPS], peer);
    }
}

void syn_nodedown(struct syn *syn, const struct peer *peer)
{
    LIST_EACH(it, &syn->all) {
        struct syn_pair *pair = CONTAINER_OF(it, struct syn_pair, in_all);

        syn_process_nodedown(&pair->kinds[SYN_REGISTRY], peer);
        syn_process_nodedown(&pair->kinds[SYN_GROUPS], peer);
    }
}

/* When the node leaves, the loss of the connection says it all in a moment. */
static void on_ended(void *owner, struct pid pid, struct cnode_term reason)
{
    struct syn *syn = owner;

    if (syn->is_over || syn->node->is_leaving) {
        return;
    }
    LIST_EACH(it, &syn->all) {
        struct syn_pair *pair = CONTAINER_OF(it, struct syn_pair, in_all);

        syn_process_ended(&pair->kinds[SYN_REGISTRY], pid, reason);
        syn_process_ended(&pair->kinds[SYN_GROUPS], pid, reason);
    }
}

/* --- from any scheduler */

bool syn_is_dead_here(const struct node *here, struct pid pid)
{
    return node_owns(here, pid) && node_find(here, pid) == NULL;
}

/* What the table says of a name, or else the source. */
static int look_at(const struct syn_scope *registry, const struct node *here,
                   const struct syn_entry *entry, struct cnode_term name,
                   struct pid *pid, struct cnode_term *meta)
{
    if (entry == NULL || syn_is_dead_here(here, entry->pid)) {
        return registry->source == NULL
                   ? CNODE_NOT_FOUND
                   : registry->source->find(registry->source_owner, here, name,
                                            pid, meta);
    }
    *pid = entry->pid;
    *meta = syn_entry_meta(entry);
    return 0;
}

int syn_lookup(const struct syn *syn, const struct node *here, atom_t scope,
               struct cnode_term name, struct buf *scratch, struct pid *pid,
               struct cnode_term *meta)
{
    const struct syn_pair *pair = find(syn, scope);
    const struct syn_scope *registry;

    if (pair == NULL) {
        return CNODE_NO_SCOPE;
    }
    registry = &pair->kinds[SYN_REGISTRY].scope;
    return look_at(registry, here,
                   syn_table_lookup(&registry->table, name, scratch), name, pid,
                   meta);
}

int syn_lookup_many(const struct syn *syn, const struct node *here,
                    atom_t scope, const struct cnode_term names[], size_t count,
                    struct buf *scratch, struct syn_found found[])
{
    const struct syn_pair *pair = find(syn, scope);
    const struct syn_scope *registry;
    const struct syn_entry *entries[SYN_LOOKUPS];

    if (pair == NULL) {
        return CNODE_NO_SCOPE;
    }
    registry = &pair->kinds[SYN_REGISTRY].scope;
    syn_table_lookup_many(&registry->table, names, count, scratch, entries);
    for (size_t i = 0; i < count; i++) {
        found[i].rc = look_at(registry, here, entries[i], names[i],
                              &found[i].pid, &found[i].meta);
    }
    return 0;
}

int syn_send_elsewhere(const struct syn *syn, struct node *here, atom_t scope,
                       struct cnode_term name, struct pid from,
                       struct cnode_term message)
{
    const struct syn_scope *registry =
        &find(syn, scope)->kinds[SYN_REGISTRY].scope;

    return registry->source->send(registry->source_owner, here, from, name,
                                  message);
}

atom_t syn_watched_elsewhere(const struct syn *syn, atom_t scope)
{
    const struct syn_scope *registry =
        &find(syn, scope)->kinds[SYN_REGISTRY].scope;

    return registry->source->watched(registry->source_owner);
}

struct wish {
    struct syn *syn;
    struct cnode_kept *scope;
};

static void run_wish(struct node *home, void *arg)
{
    struct wish *wish = arg;
    struct syn_pair *pair;

    if (home != NULL && !wish->syn->is_over) {
        int rc = syn_open(wish->syn, cnode_kept_term(wish->scope), &pair);
        (void)rc; /* a limit, counted */
    }
    cnode_term_free(wish->scope);
    mem_free(wish);
}

void syn_wish(struct syn *syn, struct node *here, struct cnode_term scope)
{
    struct wish *wish = mem_alloc(sizeof(*wish));

    *wish = (struct wish){.syn = syn, .scope = cnode_term_copy(scope)};
    if (wish->scope == NULL) {
        mem_free(wish);
        return;
    }
    node_post_task(here->all[0], run_wish, wish);
}

struct verdict {
    struct syn *syn;
    atom_t scope;
    struct pid theirs, ours;
    enum syn_decision decision;
    struct cnode_kept *name;
};

static void run_verdict(struct node *home, void *arg)
{
    struct verdict *verdict = arg;

    if (home != NULL && !verdict->syn->is_over) {
        struct syn_pair *pair = find(verdict->syn, verdict->scope);

        syn_process_decide(&pair->kinds[SYN_REGISTRY],
                           cnode_kept_term(verdict->name), verdict->theirs,
                           verdict->ours, verdict->decision);
    }
    cnode_term_free(verdict->name);
    mem_free(verdict);
}

void syn_decide(struct syn *syn, struct node *here, atom_t scope,
                struct cnode_term name, struct pid theirs, struct pid ours,
                enum syn_decision decision)
{
    struct verdict *verdict = mem_alloc(sizeof(*verdict));

    *verdict = (struct verdict){.syn = syn,
                                .scope = scope,
                                .theirs = theirs,
                                .ours = ours,
                                .decision = decision,
                                .name = cnode_term_copy(name)};
    if (verdict->name == NULL) {
        /* no memory: the conflict comes back with the next snapshot */
        mem_free(verdict);
        return;
    }
    node_post_task(here->all[0], run_verdict, verdict);
}
