/* SPDX-License-Identifier: Apache-2.0
 *
 * What comes to the process of a scope, and who is a member; see syn_scope.h.
 */
#include "registry/syn_scope.h"

#include <string.h>

#include <cnode/error.h>

#include "base/metric.h"
#include "registry/syn_parts.h"
#include "term/build.h"

static bool remote_equal(const void *item, const void *key)
{
    return ((const struct syn_remote *)item)->node == *(const atom_t *)key;
}

int syn_scope_init(struct syn_scope *scope, enum syn_kind kind, atom_t name,
                   struct pid self, const struct syn_scope_events *events,
                   void *owner)
{
    *scope = (struct syn_scope){.kind = kind,
                                .scope = name,
                                .self = self,
                                .events = events,
                                .owner = owner,
                                .slice = SYN_SLICE};
    syn_table_init(&scope->table, kind, events->retire, owner);
    scope->table.changed = kind == SYN_GROUPS ? events->changed : NULL;
    map_init(&scope->remotes, remote_equal);
    syn_rival_init(scope);
    list_init(&scope->jobs);
    list_init(&scope->ended);
    list_init(&scope->snapshot.changes);
    buf_init(&scope->out, 0);
    buf_init(&scope->reason, 0);
    buf_init(&scope->scratch, 0);
    return syn_names_make(&scope->names, kind, name);
}

void syn_scope_fini(struct syn_scope *scope)
{
    struct syn_remote *remote;

    syn_out_fini(scope);
    syn_request_fini(scope);
    MAP_EACH(remote, &scope->remotes) {
        syn_remote_free(scope, remote);
    }
    map_fini(&scope->remotes);
    map_fini(&scope->rivals);
    syn_table_fini(&scope->table);
    buf_fini(&scope->out);
    buf_fini(&scope->reason);
    buf_fini(&scope->scratch);
}

/* --- nodes */

void syn_scope_nodeup(struct syn_scope *scope, atom_t node)
{
    struct syn_remote *remote = syn_remote_open(scope, node);

    remote->is_connected = true;
    syn_remote_ask(scope, remote);
}

void syn_scope_nodedown(struct syn_scope *scope, atom_t node)
{
    struct syn_remote *remote = syn_remote_find(scope, node);

    if (remote != NULL) {
        remote->is_connected = false;
        syn_remote_ask_in(scope, remote, 0);
        syn_remote_leave(scope, remote, true);
    }
}

/* Leaving may free a remote, so it is not done in a walk. */
void syn_scope_restart(struct syn_scope *scope, struct pid self)
{
    struct syn_remote *remote;
    bool is_done;

    scope->self = self;
    do {
        is_done = true;
        MAP_EACH(remote, &scope->remotes) {
            if (syn_remote_is_member(remote)) {
                syn_remote_leave(scope, remote, false);
                is_done = false;
                break;
            }
        }
    } while (!is_done);
    MAP_EACH(remote, &scope->remotes) {
        if (remote->is_connected) {
            syn_remote_ask(scope, remote);
            remote->is_overtaken = true; /* twice, see syn_scope.h */
        }
    }
}

static void tick(struct syn_scope *scope, struct syn_remote *remote)
{
    if (remote->ask_in == 0) {
        return;
    }
    syn_remote_ask_in(scope, remote, remote->ask_in - 1);
    if (remote->ask_in > 0) {
        return;
    }
    if (syn_remote_is_member(remote) && remote->has_listed &&
        remote->out == SYN_OUT_NOTHING && remote->in == SYN_IN_QUIET) {
        syn_out_list(scope, remote); /* there was no memory for it before */
    }
    if (!remote->has_listed || remote->is_overtaken) {
        syn_remote_ask(scope, remote);
    }
}

void syn_scope_tick(struct syn_scope *scope)
{
    struct syn_remote *remote;

    MAP_EACH(remote, &scope->remotes) {
        tick(scope, remote);
    }
}

bool syn_scope_work(struct syn_scope *scope)
{
    bool is_more = syn_remote_work(scope);

    is_more = syn_out_work(scope) || is_more;
    return syn_request_work(scope) || is_more;
}

/* --- messages */

/* A scope process speaks for its node: a second one is the first started again,
 * and its DOWN is no news any more. */
static int meet(struct syn_scope *scope, struct pid peer,
                struct syn_remote **remote)
{
    *remote = syn_remote_open(scope, peer.node);
    (*remote)->is_connected = true;
    if (pid_equal((*remote)->pid, peer)) {
        return 0;
    }
    syn_remote_leave(scope, *remote, true);
    return syn_remote_join(scope, *remote, peer);
}

static int on_discover(struct syn_scope *scope, struct pid peer)
{
    struct syn_remote *remote;
    int rc = meet(scope, peer, &remote);

    if (rc == 0) {
        syn_out_list(scope, remote);
    }
    return rc;
}

/* Real syn 3.3.0 sends its list from its scope process, and changes from
 * another: these may overtake it. */
static int on_ack_sync(struct syn_scope *scope, struct pid from,
                       const struct syn_message *message,
                       struct cnode_term term)
{
    struct syn_remote *remote;
    int rc = meet(scope, message->peer, &remote);

    if (rc != 0) {
        return rc;
    }
    remote->is_ordered = !pid_equal(from, message->peer);
    return syn_remote_hear(scope, remote, message, term);
}

static int on_change(struct syn_scope *scope, struct pid from,
                     const struct syn_message *message, struct cnode_term term)
{
    struct syn_remote *remote = syn_remote_find(scope, from.node);

    if (message->claim.pid.node != from.node) {
        METRIC_INC(syn_refused);
        return CNODE_EINVALID;
    }
    return remote == NULL ? CNODE_EINVALID
                          : syn_remote_hear(scope, remote, message, term);
}

/* A scope process ended. While its node is connected, another one may be
 * started there; a hidden node is not told, and it may take a while. */
static int on_down(struct syn_scope *scope, struct pid pid,
                   const struct ref *monitor, struct cnode_term reason)
{
    struct syn_remote *remote = syn_remote_find(scope, pid.node);

    if (remote == NULL || !pid_equal(remote->pid, pid) ||
        !ref_equal(&remote->monitor, monitor)) {
        return CNODE_EINVALID;
    }
    if (term_is_atom(reason, A_noconnection)) {
        remote->is_connected = false;
    }
    syn_remote_leave(scope, remote, false);
    remote = syn_remote_find(scope, pid.node);
    if (remote != NULL && remote->is_connected) {
        syn_remote_ask(scope, remote);
        if (remote->ask_in == 0) {
            syn_remote_ask_in(scope, remote, SYN_ASK_FIRST);
        }
    }
    return 0;
}

int syn_scope_message(struct syn_scope *scope, struct pid from,
                      struct cnode_term message)
{
    struct syn_message parsed;
    struct cnode_term reason;
    struct ref monitor;
    struct pid pid;
    int rc;

    if (term_match(message, "{'DOWN', ~r, process, ~p, ~t}", &monitor, &pid,
                   &reason)) {
        return on_down(scope, pid, &monitor, reason);
    }
    rc = syn_message_parse(scope->kind, message, &parsed);
    if (rc != 0) {
        return rc;
    }
    if (from.node == scope->self.node || pid_is_none(from)) {
        return CNODE_EINVALID;
    }
    if (parsed.what == SYN_ADD || parsed.what == SYN_REMOVE) {
        return on_change(scope, from, &parsed, message);
    }
    if (parsed.peer.node != from.node ||
        parsed.peer.creation != from.creation) {
        return CNODE_EINVALID;
    }
    return parsed.what == SYN_DISCOVER
               ? on_discover(scope, parsed.peer)
               : on_ack_sync(scope, from, &parsed, message);
}

/* --- reading */

const struct syn_owner *syn_scope_owner(const struct syn_scope *scope,
                                        atom_t node)
{
    const struct syn_remote *remote;

    if (node == scope->self.node) {
        return &scope->table.local;
    }
    remote = syn_remote_find(scope, node);
    return remote != NULL && syn_remote_is_member(remote) ? &remote->owner
                                                          : NULL;
}

static void put_owner(const struct syn_owner *owner, struct buf *buf)
{
    LIST_EACH(it, &owner->entries) {
        const struct syn_entry *entry =
            CONTAINER_OF(it, struct syn_entry, in_owner);

        term_put_tuple(buf, 3);
        term_put_copy(buf, syn_entry_name(entry));
        term_put_pid(buf, entry->pid);
        term_put_copy(buf, syn_entry_meta(entry));
    }
}

void syn_scope_put_all(const struct syn_scope *scope, struct buf *buf)
{
    const struct syn_remote *remote;

    put_owner(&scope->table.local, buf);
    MAP_EACH(remote, &scope->remotes) {
        put_owner(&remote->owner, buf);
    }
}

void syn_scope_put_nodes(const struct syn_scope *scope, struct buf *buf)
{
    const struct syn_remote *remote;
    uint32_t count = 0;

    MAP_EACH(remote, &scope->remotes) {
        count += syn_remote_is_member(remote);
    }
    term_put_list(buf, count);
    MAP_EACH(remote, &scope->remotes) {
        if (syn_remote_is_member(remote)) {
            term_put_atom(buf, remote->node);
        }
    }
    term_put_nil(buf);
}
