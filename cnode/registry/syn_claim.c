/* SPDX-License-Identifier: Apache-2.0
 *
 * What a claim of another member does to the table. In a registry:
 *
 *     nobody has the name     it has it now
 *     the same process        new metadata, new time
 *     a process of ours       a conflict: each of the two nodes decides, by the
 *                             same rule, and tells all others
 *     one of a third node     the later time is shown, the other remembered
 *
 * In a group each node has its own entries: the later time counts.
 */
#include <cnode/error.h>

#include "registry/syn_parts.h"
#include "term/build.h"

static int take_entry(struct syn_scope *scope, struct syn_remote *remote,
                      struct syn_entry *old, const struct syn_claim *claim);
static int take_from(struct syn_scope *scope, struct syn_remote *remote,
                     struct syn_entry *entry, const struct syn_claim *claim);
static int renew(struct syn_scope *scope, struct syn_remote *remote,
                 struct syn_entry *entry, const struct syn_claim *claim);
static int conflict(struct syn_scope *scope, struct syn_remote *remote,
                    struct syn_entry *ours, const struct syn_claim *theirs,
                    bool is_judged);

struct syn_claim syn_claim_of(const struct syn_entry *entry)
{
    return (struct syn_claim){.name = syn_entry_name(entry),
                              .pid = entry->pid,
                              .meta = syn_entry_meta(entry),
                              .time = entry->time};
}

struct syn_entry *syn_claim_holder(struct syn_scope *scope,
                                   struct cnode_term name, struct pid pid)
{
    struct syn_entry *entry;

    while ((entry = syn_table_find(&scope->table, name, pid)) != NULL) {
        if (entry->owner->is_local && syn_request_has_ended(scope, entry)) {
            syn_request_drop_ended(scope, entry);
        } else if (!entry->owner->is_local &&
                   syn_remote_of(entry)->in == SYN_IN_PURGE) {
            syn_claim_drop(scope, entry);
        } else {
            break;
        }
    }
    return entry;
}

void syn_claim_drop(struct syn_scope *scope, struct syn_entry *entry)
{
    struct syn_rival *rival = syn_rival_best(scope, syn_entry_name(entry));
    struct syn_claim claim;
    struct syn_entry *next;

    syn_table_remove(&scope->table, entry);
    if (rival == NULL) {
        return;
    }
    claim = syn_rival_claim(rival);
    if (syn_table_put(&scope->table, NULL, &rival->remote->owner, &claim,
                      &next) == 0) {
        next->round = rival->round;
    }
    syn_rival_drop(scope, rival);
}

/* --- a member's claim */

static int take_member(struct syn_scope *scope, struct syn_remote *remote,
                       struct syn_entry *entry, const struct syn_claim *claim)
{
    if (entry == NULL || entry->time < claim->time) {
        return take_entry(scope, remote, entry, claim);
    }
    syn_table_mark(entry);
    return 0;
}

int syn_claim_take(struct syn_scope *scope, struct syn_remote *remote,
                   const struct syn_claim *claim)
{
    struct syn_entry *entry = syn_claim_holder(scope, claim->name, claim->pid);
    struct syn_rival *earlier;
    bool is_judged = false;
    int rc;

    if (scope->kind == SYN_GROUPS) {
        return take_member(scope, remote, entry, claim);
    }
    earlier = syn_rival_find(scope, claim->name, remote);
    if (earlier != NULL) {
        is_judged = earlier->is_judged && pid_equal(earlier->pid, claim->pid);
        syn_rival_drop(scope, earlier);
    }
    if (entry == NULL || pid_equal(entry->pid, claim->pid)) {
        rc = renew(scope, remote, entry, claim);
        if (entry == NULL && rc == 0) {
            syn_derived_claimed(scope, claim->name);
        }
        return rc;
    }
    if (entry->owner->is_local) {
        return conflict(scope, remote, entry, claim, is_judged);
    }
    return take_from(scope, remote, entry, claim);
}

/* In the place of `old`, which may be the same but for its time. */
static int take_entry(struct syn_scope *scope, struct syn_remote *remote,
                      struct syn_entry *old, const struct syn_claim *claim)
{
    struct syn_entry *entry;

    if (old != NULL && old->owner == &remote->owner &&
        pid_equal(old->pid, claim->pid) &&
        syn_entry_has_meta(&scope->table, old, claim->meta)) {
        syn_table_touch(old, claim->time);
        syn_table_mark(old);
        return 0;
    }
    return syn_table_put(&scope->table, old, &remote->owner, claim, &entry);
}

/* The same process, which its node has told of later: unless that was in an
 * answer to us, which may overtake what was sent to all before. */
static int renew(struct syn_scope *scope, struct syn_remote *remote,
                 struct syn_entry *entry, const struct syn_claim *claim)
{
    if (entry != NULL && claim->time < entry->time &&
        entry->time <= remote->answered) {
        syn_table_mark(entry);
        return 0;
    }
    return take_entry(scope, remote, entry, claim);
}

/* syn 3.3.0 does not tell when it loses a conflict: what it claimed cannot be
 * remembered. */
static int remember(struct syn_scope *scope, struct syn_remote *remote,
                    const struct syn_claim *claim, uint32_t round)
{
    return remote->is_ordered
               ? syn_rival_put(scope, remote, claim, round, false)
               : 0;
}

/* From another member, or from another process of the same one. */
static int take_from(struct syn_scope *scope, struct syn_remote *remote,
                     struct syn_entry *entry, const struct syn_claim *claim)
{
    struct syn_remote *other = syn_remote_of(entry);
    struct syn_claim old = syn_claim_of(entry);

    if (other == remote) {
        return take_entry(scope, remote, entry, claim);
    }
    if (entry->time >= claim->time) {
        return remember(scope, remote, claim, remote->owner.round);
    }
    (void)remember(scope, other, &old, entry->round);
    return take_entry(scope, remote, entry, claim);
}

void syn_claim_withdraw(struct syn_scope *scope, struct syn_remote *remote,
                        const struct syn_claim *claim)
{
    struct syn_entry *entry =
        syn_table_find(&scope->table, claim->name, claim->pid);
    struct syn_rival *rival;

    if (entry != NULL && pid_equal(entry->pid, claim->pid)) {
        syn_claim_drop(scope, entry);
        return;
    }
    rival = syn_rival_find(scope, claim->name, remote);
    if (rival != NULL && pid_equal(rival->pid, claim->pid)) {
        syn_rival_drop(scope, rival);
    }
}

/* --- conflicts */

/* Ours stays, with a time later than theirs, and all members hear of it. Real
 * syn takes the time of day, which is later than what others have just said,
 * too: three nodes with one name may go on like that for ever. */
static void keep_ours(struct syn_scope *scope, struct syn_entry *ours,
                      int64_t their_time)
{
    struct syn_claim claim;

    if (ours->time <= their_time && their_time < INT64_MAX) {
        syn_table_touch(ours, their_time + 1);
    }
    claim = syn_claim_of(ours);
    buf_clear(&scope->out);
    syn_put_add(&scope->out, scope->kind, &claim,
                atom_term(A_syn_conflict_resolution));
    syn_out_tell(scope, ATOM_NONE);
}

/* Theirs stays. Our process is told by its exit, and all members by us, since
 * some may have heard of it after theirs. */
static int keep_theirs(struct syn_scope *scope, struct syn_remote *remote,
                       struct syn_entry *ours, const struct syn_claim *theirs,
                       bool kill)
{
    struct syn_claim claim = syn_claim_of(ours);
    struct pid loser = ours->pid;
    int rc;

    buf_clear(&scope->reason);
    term_format(&scope->reason, "{syn_resolve_kill, ~t, ~t}", claim.name,
                claim.meta);
    buf_clear(&scope->out);
    syn_put_remove(&scope->out, scope->kind, &claim,
                   atom_term(A_syn_conflict_resolution));
    rc = take_entry(scope, remote, ours, theirs);
    if (rc != 0) {
        syn_claim_drop(scope, ours);
    }
    syn_out_tell(scope, ATOM_NONE);
    if (kill) {
        scope->events->kill(
            scope->owner, loser,
            buf_error(&scope->reason) == 0
                ? term_at(buf_data(&scope->reason), buf_size(&scope->reason))
                : atom_term(A_kill));
    }
    return rc;
}

static bool is_theirs_by_rule(const struct syn_claim *theirs,
                              const struct syn_entry *ours)
{
    return theirs->time != ours->time
               ? theirs->time > ours->time
               : syn_pid_compare(theirs->pid, ours->pid) > 0;
}

/* Theirs is remembered until its owner withdraws it: what we say may be lost on
 * it, and ours be gone when it asks for our list. */
static int by_rule(struct syn_scope *scope, struct syn_remote *remote,
                   struct syn_entry *ours, const struct syn_claim *theirs)
{
    if (is_theirs_by_rule(theirs, ours)) {
        return keep_theirs(scope, remote, ours, theirs, true);
    }
    keep_ours(scope, ours, theirs->time);
    (void)remember(scope, remote, theirs, remote->owner.round);
    return 0;
}

/* `is_judged`: an older claim of theirs on it is; so this one is, too. */
static int conflict(struct syn_scope *scope, struct syn_remote *remote,
                    struct syn_entry *ours, const struct syn_claim *theirs,
                    bool is_judged)
{
    struct syn_conflict both = {.theirs = *theirs, .ours = syn_claim_of(ours)};

    if (!is_judged &&
        scope->events->judge(scope->owner, &both) == SYN_BY_RULE) {
        return by_rule(scope, remote, ours, theirs);
    }
    if (syn_rival_put(scope, remote, theirs, remote->owner.round, true) == 0) {
        return 0; /* syn_scope_decide() */
    }
    return by_rule(scope, remote, ours, theirs);
}

/* The name is free. The other owner decides the same about its own. */
static void keep_none(struct syn_scope *scope, struct syn_entry *ours,
                      struct syn_rival *theirs)
{
    struct syn_claim claim = syn_claim_of(ours);
    atom_t node = theirs->remote->node;

    buf_clear(&scope->out);
    syn_put_remove(&scope->out, scope->kind, &claim,
                   atom_term(A_syn_conflict_resolution));
    syn_rival_drop(scope, theirs);
    syn_claim_drop(scope, ours);
    syn_out_tell(scope, node);
}

static void drop_rival(struct syn_scope *scope, struct syn_remote *remote,
                       struct cnode_term name)
{
    struct syn_rival *rival = syn_rival_find(scope, name, remote);

    if (rival != NULL) {
        syn_rival_drop(scope, rival);
    }
}

/* It was said in that round, and may not be in the list that is merged now. */
static void set_round(struct syn_scope *scope, struct cnode_term name,
                      struct pid pid, uint32_t round)
{
    struct syn_entry *entry = syn_table_find(&scope->table, name, pid);

    if (entry != NULL && pid_equal(entry->pid, pid)) {
        entry->round = round;
    }
}

/* Both still claim it. */
static void decide(struct syn_scope *scope, struct cnode_term name,
                   struct syn_entry *ours, struct syn_rival *rival,
                   enum syn_decision decision)
{
    struct syn_remote *remote = rival->remote;
    struct syn_claim theirs = syn_rival_claim(rival);
    uint32_t round = rival->round;
    bool is_by_rule = decision == SYN_KEEP_BY_RULE;

    if (is_by_rule) {
        decision =
            is_theirs_by_rule(&theirs, ours) ? SYN_KEEP_THEIRS : SYN_KEEP_OURS;
    }
    if (decision == SYN_KEEP_NONE) {
        keep_none(scope, ours, rival);
    } else if (decision == SYN_KEEP_THEIRS) {
        (void)keep_theirs(scope, remote, ours, &theirs, is_by_rule);
        set_round(scope, name, theirs.pid, round);
        drop_rival(scope, remote, name);
    } else {
        rival->is_judged = false;
        keep_ours(scope, ours, theirs.time);
        if (!remote->is_ordered) {
            syn_rival_drop(scope, rival);
        }
    }
}

void syn_scope_decide(struct syn_scope *scope, struct cnode_term name,
                      struct pid theirs, struct pid ours,
                      enum syn_decision decision)
{
    struct syn_remote *remote = syn_remote_find(scope, theirs.node);
    struct syn_entry *entry = syn_claim_holder(scope, name, ours);
    struct syn_rival *rival =
        remote == NULL ? NULL : syn_rival_find(scope, name, remote);

    if (entry != NULL && pid_equal(entry->pid, ours) && rival != NULL &&
        rival->is_judged && pid_equal(rival->pid, theirs)) {
        decide(scope, name, entry, rival, decision);
    }
}
