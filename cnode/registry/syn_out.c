/* SPDX-License-Identifier: Apache-2.0
 *
 * What members are told, each in order: our whole list as one ack_sync, then
 * every change. One list is made at a time, for all who ask meanwhile. Entries
 * that come while it is made are walked too, and told again behind it, which
 * harms nobody; so do those who were told some of the changes already.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "registry/syn_parts.h"
#include "term/build.h"

static bool make(struct syn_scope *scope, uint32_t budget);
static void finish(struct syn_scope *scope);

/* --- one at a time */

static void begin(struct syn_scope *scope)
{
    struct syn_snapshot *snapshot = &scope->snapshot;

    snapshot->is_made = true;
    snapshot->count = 0;
    buf_init(&snapshot->buf, 0);
    list_init(&snapshot->changes);
    snapshot->count_at = syn_put_ack_sync(&snapshot->buf, scope->self, 1);
    syn_derived_begin(scope);
    syn_walk_begin(&snapshot->walk, &scope->table, &scope->table.local);
}

static void end(struct syn_scope *scope)
{
    struct syn_snapshot *snapshot = &scope->snapshot;

    if (snapshot->is_made) {
        snapshot->is_made = false;
        syn_walk_end(&snapshot->walk);
        buf_fini(&snapshot->buf);
        syn_held_drop(scope, &snapshot->changes);
    }
}

/* Too much has changed meanwhile, or there is no memory. */
static void begin_again(struct syn_scope *scope)
{
    METRIC_INC(syn_refused);
    end(scope);
    begin(scope);
    scope->events->wake(scope->owner);
}

/* Those who wait for it get none now; syn_scope_tick() tries it again. */
static void give_up(struct syn_scope *scope)
{
    struct syn_remote *remote;

    METRIC_INC(syn_refused);
    end(scope);
    MAP_EACH(remote, &scope->remotes) {
        if (remote->out == SYN_OUT_SNAPSHOT) {
            remote->out = SYN_OUT_NOTHING;
            if (remote->ask_in == 0) {
                syn_remote_ask_in(scope, remote, SYN_ASK_FIRST);
            }
        }
    }
}

void syn_out_list(struct syn_scope *scope, struct syn_remote *remote)
{
    remote->out = SYN_OUT_SNAPSHOT;
    if (scope->snapshot.is_made) {
        return;
    }
    begin(scope);
    if (make(scope, scope->slice)) {
        finish(scope);
    } else if (!scope->snapshot.is_awaited) {
        scope->events->wake(scope->owner);
    }
}

void syn_out_stop(struct syn_scope *scope, struct syn_remote *remote)
{
    struct syn_remote *other;

    remote->out = SYN_OUT_NOTHING;
    if (!scope->snapshot.is_made) {
        return;
    }
    MAP_EACH(other, &scope->remotes) {
        if (other->out == SYN_OUT_SNAPSHOT) {
            return; /* it is still wanted */
        }
    }
    end(scope);
}

void syn_out_fini(struct syn_scope *scope)
{
    end(scope);
}

/* True: it is complete. */
static bool make(struct syn_scope *scope, uint32_t budget)
{
    struct syn_snapshot *snapshot = &scope->snapshot;
    const struct syn_entry *entry;
    struct syn_claim claim;

    if (!syn_derived_make(scope)) {
        return false;
    }
    for (; budget > 0; budget--) {
        entry = syn_walk_next(&snapshot->walk);
        if (entry == NULL) {
            return true;
        }
        claim = syn_claim_of(entry);
        syn_put_claim(&snapshot->buf, &claim);
        snapshot->count++;
    }
    return false;
}

static struct block *close_list(struct syn_scope *scope)
{
    struct syn_snapshot *snapshot = &scope->snapshot;

    if (snapshot->count == 0) {
        buf_clear(&snapshot->buf);
        (void)syn_put_ack_sync(&snapshot->buf, scope->self, 0);
    }
    term_put_nil(&snapshot->buf);
    if (buf_error(&snapshot->buf) != 0) {
        return NULL;
    }
    if (snapshot->count > 0) {
        set_u32(buf_data(&snapshot->buf) + snapshot->count_at, snapshot->count);
    }
    return block_from_buf(&snapshot->buf);
}

static void send_to_waiting(struct syn_scope *scope, struct block *block)
{
    struct syn_remote *remote;

    MAP_EACH(remote, &scope->remotes) {
        if (remote->out == SYN_OUT_SNAPSHOT) {
            scope->events->send_block(scope->owner, remote->node,
                                      block_ref(block));
        }
    }
    block_unref(block);
}

static void finish(struct syn_scope *scope)
{
    struct block *block = close_list(scope);
    struct syn_remote *remote;
    struct cnode_term term;

    if (block == NULL) {
        give_up(scope);
        return;
    }
    send_to_waiting(scope, block);
    while (syn_held_take(scope, &scope->snapshot.changes, &block, &term)) {
        send_to_waiting(scope, block);
    }
    MAP_EACH(remote, &scope->remotes) {
        if (remote->out == SYN_OUT_SNAPSHOT) {
            remote->out = SYN_OUT_CHANGES;
        }
    }
    end(scope);
}

bool syn_out_work(struct syn_scope *scope)
{
    if (scope->snapshot.is_made && make(scope, scope->slice)) {
        finish(scope);
    }
    return scope->snapshot.is_made && !scope->snapshot.is_awaited;
}

/* --- changes */

/* There is no memory for a change: all need the whole list again. */
static void change_lost(struct syn_scope *scope)
{
    struct syn_remote *remote;

    METRIC_INC(syn_refused);
    MAP_EACH(remote, &scope->remotes) {
        if (remote->out == SYN_OUT_CHANGES) {
            remote->out = SYN_OUT_NOTHING;
            if (remote->ask_in == 0) {
                syn_remote_ask_in(scope, remote, SYN_ASK_FIRST);
            }
        }
    }
}

void syn_out_tell(struct syn_scope *scope, atom_t except)
{
    struct cnode_term term =
        term_at(buf_data(&scope->out), buf_size(&scope->out));
    struct syn_remote *remote;

    if (buf_error(&scope->out) != 0) {
        change_lost(scope);
    } else {
        MAP_EACH(remote, &scope->remotes) {
            if (remote->out == SYN_OUT_CHANGES && remote->node != except) {
                scope->events->send(scope->owner, remote->node, term);
            }
        }
    }
    /* Who waits gets all of them, also what it was told in an answer: that has
     * overtaken what waits here. */
    if (scope->snapshot.is_made &&
        syn_held_put(scope, &scope->snapshot.changes,
                     buf_error(&scope->out) == 0
                         ? block_copy(term.at, buf_size(&scope->out))
                         : NULL,
                     TERM_NONE) != 0) {
        begin_again(scope);
    }
}
