/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes of this node: their owner says who has which name, and tells all
 * members. The answers are those of syn, to the letter: a BEAM that asked puts
 * what they say into tables of the names that they say.
 */
#include <cnode/error.h>

#include "base/mem.h"
#include "registry/syn_parts.h"
#include "term/build.h"

/* A process that ended with more entries than are removed at once. */
struct syn_ended {
    struct list in_ended;
    struct pid pid;
    struct cnode_kept *reason;
};

/* Of our claims, in this order: members tell a later one by its time. Relaxed:
 * nothing but the number itself is ordered by it. */
int64_t syn_scope_time(struct syn_scope *scope)
{
    int64_t now = scope->events->now(scope->owner);
    int64_t last =
        atomic_load_explicit(&scope->last_time, memory_order_relaxed);
    int64_t time;

    do {
        time = now > last ? now : last + 1;
    } while (!atomic_compare_exchange_weak_explicit(&scope->last_time, &last,
                                                    time, memory_order_relaxed,
                                                    memory_order_relaxed));
    return time;
}

static void put_error(struct buf *answer, atom_t reason)
{
    term_format(answer, "{error, ~A}", reason);
}

/* --- register, join, and new metadata */

static void put_added(struct syn_scope *scope, struct buf *answer,
                      const struct syn_entry *old,
                      const struct syn_claim *claim)
{
    static const atom_t words[2][2] = {
        [SYN_REGISTRY] = {A_on_process_registered,
                          A_on_registry_process_updated},
        [SYN_GROUPS] = {A_on_process_joined, A_on_group_process_updated},
    };

    term_format(answer, "{ok, {~A, ~t, ~t, ~i, ~A, ~A}}",
                words[scope->kind][old != NULL],
                old != NULL ? syn_entry_meta(old) : atom_term(A_undefined),
                claim->meta, claim->time, scope->names.by_name,
                scope->names.by_pid);
}

static void add(struct syn_scope *scope, const struct syn_claim *asked,
                struct syn_entry *old, atom_t except, struct buf *answer)
{
    size_t start = buf_size(answer);
    struct syn_claim claim = *asked;
    struct syn_entry *entry;
    int rc;

    claim.time = syn_scope_time(scope);
    if (old != NULL && claim.time <= old->time) {
        /* a conflict has made it so late */
        claim.time = old->time + (old->time < INT64_MAX);
    }
    put_added(scope, answer, old, &claim);
    buf_clear(&scope->out);
    syn_put_add(&scope->out, scope->kind, &claim, atom_term(A_normal));
    rc = syn_table_put(&scope->table, old, &scope->table.local, &claim, &entry);
    if (rc != 0) {
        buf_truncate(answer, start);
        term_format(answer, "{error, ~a}", cnode_error_atom(rc));
        return;
    }
    syn_out_tell(scope, except);
}

static void request_add(struct syn_scope *scope,
                        const struct syn_request *request, bool is_alive,
                        atom_t except, struct buf *answer)
{
    const struct syn_claim *claim = &request->claim;
    struct syn_entry *old;
    bool is_update = term_type(claim->meta) == CNODE_TYPE_FUN;

    if (!is_alive) {
        put_error(answer, A_not_alive);
        return;
    }
    old = syn_claim_holder(scope, claim->name, claim->pid);
    if (old == NULL && is_update) {
        put_error(answer, A_undefined);
    } else if (old != NULL && !pid_equal(old->pid, claim->pid)) {
        put_error(answer, A_taken);
    } else if (is_update) { /* a function of Erlang cannot run here */
        put_error(answer, A_unsupported);
    } else if (old != NULL &&
               syn_entry_has_meta(&scope->table, old, claim->meta)) {
        term_format(answer, "{noop, ~t}", syn_entry_meta(old));
    } else {
        add(scope, claim, old, except, answer);
    }
}

/* --- unregister, leave */

static void remove_entry(struct syn_scope *scope, struct syn_entry *entry,
                         struct cnode_term reason, atom_t except)
{
    struct syn_claim claim = syn_claim_of(entry);

    buf_clear(&scope->out);
    syn_put_remove(&scope->out, scope->kind, &claim, reason);
    syn_claim_drop(scope, entry);
    syn_out_tell(scope, except);
}

static void request_remove(struct syn_scope *scope,
                           const struct syn_request *request, atom_t except,
                           struct buf *answer)
{
    const struct syn_claim *claim = &request->claim;
    struct syn_entry *entry = syn_claim_holder(scope, claim->name, claim->pid);

    if (entry == NULL) {
        put_error(answer,
                  scope->kind == SYN_REGISTRY ? A_undefined : A_not_in_group);
        return;
    }
    if (!pid_equal(entry->pid, claim->pid) || !entry->owner->is_local) {
        put_error(answer, A_race_condition);
        return;
    }
    if (scope->kind == SYN_REGISTRY) {
        term_format(answer, "{ok, ~A}", scope->names.by_pid);
    } else {
        term_format(answer, "{ok, {~t, ~A}}", syn_entry_meta(entry),
                    scope->names.by_pid);
    }
    remove_entry(scope, entry, atom_term(A_normal), except);
}

void syn_scope_request(struct syn_scope *scope,
                       const struct syn_request *request, bool is_alive,
                       bool is_late, struct buf *answer)
{
    atom_t except = is_late ? ATOM_NONE : request->requester;

    switch (request->ask) {
    case SYN_ASK_ADD:
        request_add(scope, request, is_alive, except, answer);
        break;
    case SYN_ASK_REMOVE:
        request_remove(scope, request, except, answer);
        break;
    case SYN_ASK_NODES:
        syn_scope_put_nodes(scope, answer);
        break;
    }
}

/* --- the end of a process */

/* True: nothing is left of it. */
static bool remove_all(struct syn_scope *scope, struct pid pid,
                       struct cnode_term reason)
{
    uint32_t budget = scope->slice;
    struct syn_entry *entry;

    while ((entry = syn_table_of_pid(&scope->table, pid)) != NULL) {
        if (budget-- == 0) {
            return false;
        }
        remove_entry(scope, entry, reason, ATOM_NONE);
    }
    return true;
}

static struct syn_ended *find_ended(struct syn_scope *scope, struct pid pid)
{
    LIST_EACH(it, &scope->ended) {
        struct syn_ended *ended = CONTAINER_OF(it, struct syn_ended, in_ended);

        if (pid_equal(ended->pid, pid)) {
            return ended;
        }
    }
    return NULL;
}

static struct cnode_term reason_of(const struct syn_ended *ended)
{
    return ended->reason != NULL ? cnode_kept_term(ended->reason)
                                 : atom_term(A_normal);
}

void syn_scope_ended(struct syn_scope *scope, struct pid pid,
                     struct cnode_term reason)
{
    struct syn_ended *ended;

    if (remove_all(scope, pid, reason) || find_ended(scope, pid) != NULL) {
        return;
    }
    ended = mem_alloc(sizeof(*ended));
    *ended = (struct syn_ended){.pid = pid, .reason = cnode_term_copy(reason)};
    list_push_back(&scope->ended, &ended->in_ended);
    scope->events->wake(scope->owner);
}

static void free_ended(struct syn_ended *ended)
{
    list_remove(&ended->in_ended);
    cnode_term_free(ended->reason);
    mem_free(ended);
}

bool syn_request_work(struct syn_scope *scope)
{
    struct syn_ended *ended;

    if (!list_is_empty(&scope->ended)) {
        ended = CONTAINER_OF(scope->ended.next, struct syn_ended, in_ended);
        if (remove_all(scope, ended->pid, reason_of(ended))) {
            free_ended(ended);
        }
    }
    return !list_is_empty(&scope->ended);
}

bool syn_request_has_ended(struct syn_scope *scope,
                           const struct syn_entry *entry)
{
    return !list_is_empty(&scope->ended) &&
           find_ended(scope, entry->pid) != NULL;
}

void syn_request_drop_ended(struct syn_scope *scope, struct syn_entry *entry)
{
    remove_entry(scope, entry, reason_of(find_ended(scope, entry->pid)),
                 ATOM_NONE);
}

void syn_request_fini(struct syn_scope *scope)
{
    while (!list_is_empty(&scope->ended)) {
        free_ended(CONTAINER_OF(scope->ended.next, struct syn_ended, in_ended));
    }
}
