/* SPDX-License-Identifier: Apache-2.0
 *
 * Another node and what it says, in order. Long work is cut into slices; what
 * comes meanwhile waits:
 *
 *             +---------------------------------------------+
 *             v                                             |
 *     QUIET --+-- ack_sync --> MERGE --> SWEEP --> QUIET ---+-- what waits
 *     any of them -- it is lost --> PURGE --> QUIET
 */
#include <cnode/error.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/metric.h"
#include "registry/syn_parts.h"

static const uint32_t in_moves[] = {
    [SYN_IN_QUIET] = BIT(SYN_IN_PURGE) | BIT(SYN_IN_MERGE),
    [SYN_IN_PURGE] = BIT(SYN_IN_QUIET),
    [SYN_IN_MERGE] = BIT(SYN_IN_SWEEP) | BIT(SYN_IN_PURGE),
    [SYN_IN_SWEEP] = BIT(SYN_IN_QUIET) | BIT(SYN_IN_PURGE),
};

static void in_move(struct syn_remote *remote, enum syn_in to)
{
    CHECK(in_moves[remote->in] & BIT(to));
    remote->in = to;
}

static void run(struct syn_scope *scope, struct syn_remote *remote);
static bool slice(struct syn_scope *scope, struct syn_remote *remote,
                  uint32_t *budget);

/* --- the nodes */

struct syn_remote *syn_remote_find(const struct syn_scope *scope, atom_t node)
{
    return map_get(&scope->remotes, hash_u64(node), &node);
}

struct syn_remote *syn_remote_open(struct syn_scope *scope, atom_t node)
{
    struct syn_remote *remote = syn_remote_find(scope, node);

    if (remote != NULL) {
        return remote;
    }
    remote = mem_zalloc(sizeof(*remote));
    syn_owner_init(&remote->owner, false);
    remote->node = node;
    list_init(&remote->in_jobs);
    list_init(&remote->held);
    list_init(&remote->rivals);
    map_add(&scope->remotes, hash_u64(node), remote);
    return remote;
}

struct syn_remote *syn_remote_of(const struct syn_entry *entry)
{
    return CONTAINER_OF(entry->owner, struct syn_remote, owner);
}

bool syn_remote_owns(const struct syn_remote *remote, struct pid pid)
{
    return pid.node == remote->node && pid.creation == remote->pid.creation;
}

/* Its list, and where in it we are. */
static void end_merge(struct syn_remote *remote)
{
    if (remote->in == SYN_IN_SWEEP) {
        syn_walk_end(&remote->walk);
    }
    block_unref(remote->list);
    remote->list = NULL;
}

/* Its entries stay with the table, which goes too. */
void syn_remote_free(struct syn_scope *scope, struct syn_remote *remote)
{
    end_merge(remote);
    syn_held_drop(scope, &remote->held);
    while (!list_is_empty(&remote->rivals)) {
        syn_rival_drop(scope, CONTAINER_OF(remote->rivals.next,
                                           struct syn_rival, in_remote));
    }
    list_remove(&remote->in_jobs);
    mem_free(remote);
}

static void trim(struct syn_scope *scope, struct syn_remote *remote)
{
    if (!remote->is_connected && !syn_remote_is_member(remote) &&
        remote->in == SYN_IN_QUIET) {
        syn_remote_ask_in(scope, remote, 0);
        map_remove(&scope->remotes, hash_u64(remote->node), &remote->node);
        syn_remote_free(scope, remote);
    }
}

/* --- asking it */

void syn_remote_ask_in(struct syn_scope *scope, struct syn_remote *remote,
                       uint32_t ticks)
{
    scope->asks += ticks > 0;
    scope->asks -= remote->ask_in > 0;
    remote->ask_in = ticks;
}

/* Each time it takes twice as long. */
static void ask_again(struct syn_scope *scope, struct syn_remote *remote)
{
    remote->ask_step =
        remote->ask_step == 0 ? SYN_ASK_FIRST : 2 * remote->ask_step;
    if (remote->ask_step > SYN_ASK_MOST) {
        remote->ask_step = SYN_ASK_MOST;
    }
    syn_remote_ask_in(scope, remote, remote->ask_step);
}

void syn_remote_ask(struct syn_scope *scope, struct syn_remote *remote)
{
    buf_clear(&scope->out);
    syn_put_discover(&scope->out, scope->self);
    if (buf_error(&scope->out) == 0) {
        scope->events->send(
            scope->owner, remote->node,
            term_at(buf_data(&scope->out), buf_size(&scope->out)));
    }
    remote->is_awaited = true;
    remote->is_overtaken = false; /* what was missed will be in its list */
    if (syn_remote_is_member(remote) ? !remote->has_listed : scope->is_hidden) {
        ask_again(scope, remote);
    }
}

/* --- member or not */

int syn_remote_join(struct syn_scope *scope, struct syn_remote *remote,
                    struct pid pid)
{
    struct ref monitor;
    int rc = scope->events->monitor(scope->owner, pid, &monitor);

    if (remote->ask_in == 0) {
        ask_again(scope, remote); /* should no ack_sync of its come */
    }
    if (rc != 0) {
        METRIC_INC(syn_refused);
        return rc;
    }
    remote->pid = pid;
    remote->monitor = monitor;
    remote->answered = INT64_MIN;
    return 0;
}

void syn_remote_leave(struct syn_scope *scope, struct syn_remote *remote,
                      bool has_monitor)
{
    if (syn_remote_is_member(remote)) {
        if (has_monitor) {
            scope->events->demonitor(scope->owner, &remote->monitor);
        }
        remote->pid = PID_NONE;
        remote->has_listed = remote->is_awaited = false;
        remote->is_ordered = remote->is_overtaken = false;
        remote->ask_step = 0;
        syn_remote_ask_in(scope, remote, 0);
        syn_out_stop(scope, remote);
        syn_held_drop(scope, &remote->held);
        end_merge(remote);
        if (remote->in != SYN_IN_PURGE) {
            in_move(remote, SYN_IN_PURGE);
            run(scope, remote);
        }
    }
    trim(scope, remote);
}

/* --- its messages */

static void begin_merge(struct syn_scope *scope, struct syn_remote *remote,
                        struct cnode_term list)
{
    in_move(remote, SYN_IN_MERGE);
    syn_table_round(&remote->owner);
    if (!term_get_list(list, &remote->left, &remote->next)) {
        remote->left = 0; /* [] */
        remote->next = list;
    }
    if (remote->left > remote->owner.count) {
        syn_table_reserve(&scope->table, remote->left - remote->owner.count);
    }
}

/* Whether some of it was wrong is counted here: it may be much later. */
static void take_listed(struct syn_scope *scope, struct syn_remote *remote,
                        struct cnode_term term)
{
    struct syn_claim claim;

    if (!syn_claim_parse(term, &claim)) {
        METRIC_INC(syn_ignored);
    } else if (!syn_remote_owns(remote, claim.pid)) {
        METRIC_INC(syn_refused); /* of a third node, or of an earlier life */
    } else {
        (void)!syn_claim_take(scope, remote, &claim);
    }
}

static int change(struct syn_scope *scope, struct syn_remote *remote,
                  const struct syn_message *message)
{
    if (!syn_remote_owns(remote, message->claim.pid)) {
        METRIC_INC(syn_refused);
        return CNODE_EINVALID;
    }
    if (message->what == SYN_ADD) {
        return syn_claim_take(scope, remote, &message->claim);
    }
    syn_claim_withdraw(scope, remote, &message->claim);
    return 0;
}

static bool is_busy(const struct syn_remote *remote)
{
    return remote->in != SYN_IN_QUIET || !list_is_empty(&remote->held);
}

/* In order behind what waits; without room the whole list is needed again. */
static int hold(struct syn_scope *scope, struct syn_remote *remote,
                struct block *block, struct cnode_term term)
{
    int rc = syn_held_put(scope, &remote->held, block, term);

    if (rc != 0) {
        METRIC_INC(syn_refused);
        remote->is_overtaken = true;
        if (remote->ask_in == 0) {
            ask_again(scope, remote);
        }
    }
    return rc;
}

/* A long list, or one that must wait: what it lies in is kept. */
static int keep_list(struct syn_scope *scope, struct syn_remote *remote,
                     struct cnode_term list, struct cnode_term term)
{
    size_t offset = (size_t)(list.at - term.at);
    struct block *block = scope->events->keep(scope->owner, &term);
    int rc;

    if (block != NULL && remote->in == SYN_IN_QUIET) {
        remote->list = block;
        begin_merge(scope, remote, term_behind(term, offset));
        run(scope, remote);
        return 0;
    }
    rc = hold(scope, remote, block, term);
    remote->has_listed = rc == 0;
    return rc;
}

static int hear_list(struct syn_scope *scope, struct syn_remote *remote,
                     const struct syn_message *message, struct cnode_term term)
{
    struct cnode_term list = message->list, first;
    uint32_t count = 0;

    if (term_type(list) != CNODE_TYPE_NIL &&
        !term_get_list(list, &count, &first)) {
        return CNODE_EINVALID;
    }
    remote->has_listed = true;
    remote->is_awaited = false;
    syn_held_drop(scope, &remote->held); /* it is older than the list */
    if (remote->in != SYN_IN_QUIET || count > scope->slice) {
        return keep_list(scope, remote, list, term);
    }
    begin_merge(scope, remote, list); /* and done at once */
    run(scope, remote);
    return 0;
}

int syn_remote_hear(struct syn_scope *scope, struct syn_remote *remote,
                    const struct syn_message *message, struct cnode_term term)
{
    struct block *block;

    if (message->what == SYN_ACK_SYNC) {
        return hear_list(scope, remote, message, term);
    }
    if (!remote->has_listed) {
        remote->is_overtaken = true; /* what it overtook was older */
        if (!syn_remote_is_member(remote)) {
            return CNODE_EINVALID;
        }
    }
    if (remote->is_awaited && !remote->is_ordered) {
        remote->is_overtaken = true;
    }
    if (!is_busy(remote)) {
        return change(scope, remote, message);
    }
    block = scope->events->keep(scope->owner, &term);
    return hold(scope, remote, block, term);
}

bool syn_remote_hold(struct syn_scope *scope, struct syn_remote *remote,
                     struct cnode_term term)
{
    size_t size = cnode_term_size(term);
    struct block *block;

    if (!is_busy(remote)) {
        return false;
    }
    block = block_copy(term.at, size);
    (void)!hold(scope, remote, block,
                block == NULL ? TERM_NONE : term_at(block->bytes, size));
    return true;
}

/* --- long work */

static bool purge(struct syn_scope *scope, struct syn_remote *remote,
                  uint32_t *budget)
{
    for (; *budget > 0; --*budget) {
        if (!list_is_empty(&remote->rivals)) {
            syn_rival_drop(scope, CONTAINER_OF(remote->rivals.next,
                                               struct syn_rival, in_remote));
        } else if (!list_is_empty(&remote->owner.entries)) {
            syn_claim_drop(scope, CONTAINER_OF(remote->owner.entries.next,
                                               struct syn_entry, in_owner));
        } else {
            in_move(remote, SYN_IN_QUIET);
            return true;
        }
    }
    return false;
}

static bool merge(struct syn_scope *scope, struct syn_remote *remote,
                  uint32_t *budget)
{
    for (; remote->left > 0; remote->left--) {
        struct cnode_term term = remote->next;

        if (*budget == 0) {
            return false;
        }
        --*budget;
        remote->next = cnode_next(term);
        take_listed(scope, remote, term);
    }
    if (term_type(remote->next) != CNODE_TYPE_NIL) {
        METRIC_INC(syn_ignored); /* an improper list */
    }
    in_move(remote, SYN_IN_SWEEP);
    syn_walk_begin(&remote->walk, &scope->table, &remote->owner);
    return true;
}

/* What its list did not have is gone. */
static bool sweep(struct syn_scope *scope, struct syn_remote *remote,
                  uint32_t *budget)
{
    struct syn_entry *entry;
    struct syn_rival *rival;

    for (; *budget > 0; --*budget) {
        rival = list_is_empty(&remote->rivals)
                    ? NULL
                    : CONTAINER_OF(remote->rivals.next, struct syn_rival,
                                   in_remote);
        if (rival != NULL && rival->round != remote->owner.round) {
            syn_rival_drop(scope, rival);
            continue;
        }
        entry = syn_walk_next(&remote->walk);
        if (entry == NULL) {
            end_merge(remote);
            in_move(remote, SYN_IN_QUIET);
            return true;
        }
        if (entry->round != remote->owner.round) {
            syn_claim_drop(scope, entry);
        }
    }
    return false;
}

/* All that it listed is here. */
static void merged(struct syn_scope *scope, struct syn_remote *remote)
{
    if (remote->out == SYN_OUT_NOTHING) {
        syn_out_list(scope, remote);
    }
    if (remote->is_overtaken) { /* by what came behind it, or was missed */
        ask_again(scope, remote);
    } else {
        remote->ask_step = 0;
        syn_remote_ask_in(scope, remote, 0);
    }
}

static void take_held(struct syn_scope *scope, struct syn_remote *remote)
{
    struct syn_message message;
    struct cnode_term term;
    struct block *block;
    int rc;

    if (!syn_held_take(scope, &remote->held, &block, &term)) {
        return;
    }
    rc = syn_message_parse(scope->kind, term, &message);
    if (rc == 0 && message.what == SYN_ACK_SYNC) {
        remote->list = block;
        begin_merge(scope, remote, message.list);
        return;
    }
    if (rc == 0) {
        rc = change(scope, remote, &message);
    }
    if (rc != 0) {
        METRIC_INC(syn_ignored);
    }
    block_unref(block);
}

/* True: nothing is left. */
static bool slice(struct syn_scope *scope, struct syn_remote *remote,
                  uint32_t *budget)
{
    while (*budget > 0) {
        switch (remote->in) {
        case SYN_IN_PURGE:
            (void)purge(scope, remote, budget);
            break;
        case SYN_IN_MERGE:
            (void)merge(scope, remote, budget);
            break;
        case SYN_IN_SWEEP:
            if (sweep(scope, remote, budget)) {
                merged(scope, remote);
            }
            break;
        case SYN_IN_QUIET:
            if (list_is_empty(&remote->held)) {
                return true;
            }
            --*budget;
            take_held(scope, remote);
            break;
        }
    }
    return !is_busy(remote);
}

/* What can be done at once, the rest soon. */
static void run(struct syn_scope *scope, struct syn_remote *remote)
{
    uint32_t budget = scope->slice;

    if (slice(scope, remote, &budget)) {
        list_remove(&remote->in_jobs);
    } else if (list_is_empty(&remote->in_jobs)) {
        list_push_back(&scope->jobs, &remote->in_jobs);
        scope->events->wake(scope->owner);
    }
}

bool syn_remote_work(struct syn_scope *scope)
{
    struct list *it = list_pop(&scope->jobs);
    uint32_t budget = scope->slice;
    struct syn_remote *remote;

    if (it != NULL) {
        remote = CONTAINER_OF(it, struct syn_remote, in_jobs);
        if (slice(scope, remote, &budget)) {
            trim(scope, remote);
        } else {
            list_push_back(&scope->jobs, it); /* after all others */
        }
    }
    return !list_is_empty(&scope->jobs);
}
