/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of a source (syn_source.h). While nothing is the matter with one, the
 * table does not have it. When somebody else claims it or asks for it, it is
 * fetched: it becomes an entry of this node like any other, and what was the
 * matter goes on from there.
 *
 * A claim of a member is in the table before the source is asked, and a worker
 * does not start while the table has its name. So of a worker that started all
 * the same either the source says so, or it is told of later, and finds the
 * claim.
 */
#include <cnode/error.h>

#include "base/mem.h"
#include "registry/syn_parts.h"
#include "term/build.h"

void syn_scope_use(struct syn_scope *scope, const struct syn_source *source,
                   void *owner)
{
    CHECK(scope->kind == SYN_REGISTRY && scope->source == NULL);
    scope->source = source;
    scope->source_owner = owner;
}

uint64_t syn_scope_derived(const struct syn_scope *scope)
{
    return scope->source == NULL ? 0
                                 : scope->source->count(scope->source_owner);
}

bool syn_scope_derives(const struct syn_scope *scope, struct cnode_term name)
{
    return scope->source != NULL &&
           scope->source->owns(scope->source_owner, name);
}

void syn_scope_peek(struct syn_scope *scope, struct cnode_term name,
                    syn_found_fn done, void *arg)
{
    scope->source->ask(scope->source_owner, name, false, done, arg);
}

bool syn_scope_may_derive(struct syn_scope *scope, struct cnode_term name)
{
    return syn_scope_derives(scope, name) &&
           syn_table_find(&scope->table, name, PID_NONE) == NULL;
}

/* --- what the source tells */

static void tell_left(struct syn_scope *scope, const struct syn_claim *claim,
                      struct cnode_term reason)
{
    buf_clear(&scope->out);
    syn_put_remove(&scope->out, scope->kind, claim, reason);
    syn_out_tell(scope, ATOM_NONE);
}

bool syn_scope_started(struct syn_scope *scope, const struct syn_claim *claim)
{
    const struct syn_entry *entry =
        syn_claim_holder(scope, claim->name, claim->pid);

    if (entry != NULL && entry->owner->is_local) {
        return true; /* one of ours was faster */
    }
    buf_clear(&scope->out);
    syn_put_add(&scope->out, scope->kind, claim, atom_term(A_normal));
    syn_out_tell(scope, ATOM_NONE);
    return entry != NULL;
}

void syn_scope_left(struct syn_scope *scope, const struct syn_claim *claim,
                    struct cnode_term reason)
{
    tell_left(scope, claim, reason);
}

/* --- fetched */

/* It cannot keep its name: it is told as the loser of a conflict. */
static void drop_ours(struct syn_scope *scope, const struct syn_claim *ours,
                      bool kill)
{
    tell_left(scope, ours, atom_term(A_syn_conflict_resolution));
    if (kill) {
        scope->events->kill(scope->owner, ours->pid, atom_term(A_kill));
    }
}

/* As if theirs came only now. Which list of theirs had it does not change. */
static int claim_again(struct syn_scope *scope, struct syn_remote *remote,
                       const struct syn_claim *theirs, uint32_t round)
{
    int rc = syn_claim_take(scope, remote, theirs);
    struct syn_entry *entry =
        syn_table_find(&scope->table, theirs->name, theirs->pid);
    struct syn_rival *rival = syn_rival_find(scope, theirs->name, remote);

    if (entry != NULL && entry->owner == &remote->owner) {
        entry->round = round;
    }
    if (rival != NULL) {
        syn_rival_set_round(rival, round);
    }
    return rc;
}

/* A member has the name in the table: ours goes there, and theirs is a claim on
 * it. */
static void contest(struct syn_scope *scope, struct syn_entry *held,
                    const struct syn_claim *ours)
{
    struct syn_remote *remote = syn_remote_of(held);
    struct syn_claim theirs = syn_claim_of(held);
    uint32_t round = held->round;
    struct syn_entry *entry;
    struct buf buf;
    struct cnode_term parts[2];
    int rc;

    buf_init(&buf, 0);
    term_format(&buf, "{~t, ~t}", theirs.name, theirs.meta);
    rc = buf_error(&buf);
    if (rc == 0) {
        CHECK(
            term_get_tuple(term_at(buf_data(&buf), buf_size(&buf)), 2, parts));
        theirs.name = parts[0];
        theirs.meta = parts[1];
        rc = syn_table_put(&scope->table, held, &scope->table.local, ours,
                           &entry);
    }
    if (rc == 0) {
        rc = claim_again(scope, remote, &theirs, round);
        (void)rc; /* counted: theirs is not seen here */
    } else {
        drop_ours(scope, ours, true);
    }
    buf_fini(&buf);
}

static void adopt(struct syn_scope *scope, const struct syn_claim *ours)
{
    struct syn_entry *held = syn_claim_holder(scope, ours->name, ours->pid);
    struct syn_entry *entry;

    if (held == NULL) {
        if (syn_table_put(&scope->table, NULL, &scope->table.local, ours,
                          &entry) != 0) {
            drop_ours(scope, ours, false); /* no room: it has no name then */
        }
    } else if (!held->owner->is_local) {
        contest(scope, held, ours);
    } else if (!pid_equal(held->pid, ours->pid)) {
        drop_ours(scope, ours, false); /* {error, taken}, as in syn */
    }
}

struct fetch {
    struct syn_scope *scope;
    void (*done)(void *arg, bool is_over);
    void *arg;
};

static void on_fetched(void *arg, bool is_over, const struct syn_claim *claim)
{
    struct fetch *fetch = arg;

    if (claim != NULL && !is_over) {
        adopt(fetch->scope, claim);
    }
    if (fetch->done != NULL) {
        fetch->done(fetch->arg, is_over);
    }
    mem_free(fetch);
}

void syn_scope_fetch(struct syn_scope *scope, struct cnode_term name,
                     void (*done)(void *arg, bool is_over), void *arg)
{
    struct fetch *fetch = mem_alloc(sizeof(*fetch));

    *fetch = (struct fetch){.scope = scope, .done = done, .arg = arg};
    scope->source->ask(scope->source_owner, name, true, on_fetched, fetch);
}

/* Whoever is not counted yet is told of later. */
void syn_derived_claimed(struct syn_scope *scope, struct cnode_term name)
{
    if (syn_scope_derived(scope) > 0 &&
        scope->source->owns(scope->source_owner, name)) {
        syn_scope_fetch(scope, name, NULL, NULL);
    }
}

/* --- all of them, for a snapshot */

struct slice {
    struct syn_scope *scope;
    uint32_t number; /* of the snapshot */
};

static void on_slice(void *arg, bool is_over, const struct syn_slice *got)
{
    struct slice *slice = arg;
    struct syn_scope *scope = slice->scope;
    struct syn_snapshot *snapshot = &scope->snapshot;
    bool is_stale =
        is_over || !snapshot->is_made || snapshot->number != slice->number;

    mem_free(slice);
    if (is_stale) {
        return;
    }
    snapshot->is_awaited = false;
    if (got->error != 0) {
        snapshot->buf.error = got->error; /* it fails in the end */
    }
    buf_put(&snapshot->buf, got->bytes, got->size);
    snapshot->count += got->count;
    snapshot->source_at = got->next;
    snapshot->has_derived = got->next == 0;
    scope->events->wake(scope->owner);
}

void syn_derived_begin(struct syn_scope *scope)
{
    struct syn_snapshot *snapshot = &scope->snapshot;

    snapshot->number++;
    snapshot->source_at = 0;
    snapshot->is_awaited = false;
    snapshot->has_derived = syn_scope_derived(scope) == 0;
}

bool syn_derived_make(struct syn_scope *scope)
{
    struct syn_snapshot *snapshot = &scope->snapshot;
    struct slice *slice;

    if (snapshot->has_derived || snapshot->is_awaited) {
        return snapshot->has_derived;
    }
    slice = mem_alloc(sizeof(*slice));
    *slice = (struct slice){.scope = scope, .number = snapshot->number};
    snapshot->is_awaited = true;
    scope->source->list(scope->source_owner, snapshot->source_at, on_slice,
                        slice);
    return snapshot->has_derived;
}
