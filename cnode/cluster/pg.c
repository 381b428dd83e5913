/* SPDX-License-Identifier: Apache-2.0
 *
 * See pg.h.
 */
#include "cluster/pg.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "cluster/pg_wire.h"
#include "node/gen.h"
#include "term/build.h"

/* The scope process of another node. */
struct pg_remote {
    struct pg_owner owner;
    struct pid pid;
    struct ref monitor;
    bool speaks_1; /* it announced version 1 */
    bool is_told;  /* it has our members: changes may follow */
};

/* A process of ours that is in some group. */
struct pg_local {
    struct pg_owner owner;
    struct pid pid;
    struct ref monitor;
};

static bool remote_equal(const void *item, const void *key)
{
    return ((const struct pg_remote *)item)->pid.node == *(const atom_t *)key;
}

static bool local_equal(const void *item, const void *key)
{
    return pid_equal(((const struct pg_local *)item)->pid,
                     *(const struct pid *)key);
}

static uint64_t local_hash(struct pid pid)
{
    return hash_u64((uint64_t)pid.serial << 32 | pid.id);
}

void pg_init(struct pg *pg, atom_t scope, struct pid self,
             const struct pg_events *events, void *owner)
{
    *pg = (struct pg){
        .scope = scope, .self = self, .events = events, .owner = owner};
    pg_view_init(&pg->view);
    map_init(&pg->remotes, remote_equal);
    map_init(&pg->locals, local_equal);
    buf_init(&pg->out, 0);
    buf_init(&pg->names, 0);
}

void pg_fini(struct pg *pg)
{
    struct pg_remote *remote;
    struct pg_local *local;

    MAP_EACH(remote, &pg->remotes) {
        mem_free(remote);
    }
    MAP_EACH(local, &pg->locals) {
        mem_free(local);
    }
    map_fini(&pg->remotes);
    map_fini(&pg->locals);
    pg_view_fini(&pg->view);
    buf_fini(&pg->out);
    buf_fini(&pg->names);
}

/* --- out */

static int send(struct pg *pg, const struct dest *to)
{
    int rc = buf_error(&pg->out);

    return rc != 0 ? rc
                   : pg->events->send(
                         pg->owner, to,
                         term_at(buf_data(&pg->out), buf_size(&pg->out)));
}

static void set_told(struct pg *pg, struct pg_remote *remote, bool is_told)
{
    pg->untold += remote->is_told && !is_told;
    pg->untold -= !remote->is_told && is_told;
    remote->is_told = is_told;
}

static void send_all(struct pg *pg, struct pg_remote *remote)
{
    struct dest to = dest_pid(remote->pid);

    buf_clear(&pg->out);
    pg_put_all(&pg->out, pg->self, remote->speaks_1, &pg->view);
    set_told(pg, remote, send(pg, &to) == 0);
}

static int send_discover(struct pg *pg, const struct dest *to, bool speaks_1)
{
    buf_clear(&pg->out);
    pg_put_discover(&pg->out, pg->self, speaks_1);
    return send(pg, to);
}

/* Each version is written once, if there is somebody to read it. */
static void tell(struct pg *pg, const struct pg_change *change, bool speaks_1)
{
    struct pg_remote *remote;
    bool is_written = false;

    MAP_EACH(remote, &pg->remotes) {
        struct dest to = dest_pid(remote->pid);

        if (remote->speaks_1 != speaks_1 || !remote->is_told) {
            continue;
        }
        if (!is_written) {
            buf_clear(&pg->out);
            pg_put_change(&pg->out, pg->self, speaks_1, change);
            is_written = true;
        }
        set_told(pg, remote, send(pg, &to) == 0);
    }
}

static void tell_all(struct pg *pg, const struct pg_change *change)
{
    tell(pg, change, false);
    tell(pg, change, true);
}

void pg_resync(struct pg *pg)
{
    struct pg_remote *remote;

    MAP_EACH(remote, &pg->remotes) {
        if (!remote->is_told) {
            send_all(pg, remote);
        }
    }
}

/* --- other scopes */

static struct pg_remote *find_remote(const struct pg *pg, atom_t node)
{
    return map_get(&pg->remotes, hash_u64(node), &node);
}

static void drop_remote(struct pg *pg, struct pg_remote *remote)
{
    atom_t node = remote->pid.node;

    set_told(pg, remote, true); /* wants nothing any more */
    pg_view_drop(&pg->view, &remote->owner);
    map_remove(&pg->remotes, hash_u64(node), &node);
    mem_free(remote);
}

/* The scope process `pid`, which may be new to us; or NULL. It misses our
 * members until it asks for them, or pg_resync() comes first. */
static struct pg_remote *meet(struct pg *pg, struct pid pid, bool *is_new)
{
    struct pg_remote *remote = find_remote(pg, pid.node);
    struct ref monitor;

    *is_new = remote == NULL || !pid_equal(remote->pid, pid);
    if (!*is_new) {
        return remote;
    }
    pg_nodedown(pg, pid.node);
    if (pg->events->monitor(pg->owner, pid, &monitor) != 0) {
        return NULL;
    }
    remote = mem_zalloc(sizeof(*remote));
    pg_owner_init(&remote->owner, false);
    remote->pid = pid;
    remote->monitor = monitor;
    remote->is_told = true;
    map_add(&pg->remotes, hash_u64(pid.node), remote);
    set_told(pg, remote, false);
    return remote;
}

/* The first error counts. */
static void note(int *rc, int error)
{
    if (*rc == 0) {
        *rc = error;
    }
}

static int change_one(struct pg *pg, struct pg_remote *remote,
                      struct pg_group *group, struct cnode_term term, bool add)
{
    struct pid pid;

    if (!term_get_pid(term, &pid) || pid.node != remote->pid.node ||
        pid.creation != remote->pid.creation) {
        return CNODE_EINVALID;
    }
    if (add) {
        return pg_view_add(&pg->view, group, &remote->owner, pid);
    }
    return pg_view_remove(&pg->view, group, &remote->owner, pid)
               ? 0
               : CNODE_EINVALID;
}

/* `pids`: one, or a list of them. */
static int change_members(struct pg *pg, struct pg_remote *remote,
                          struct cnode_term name, struct cnode_term pids,
                          bool add)
{
    struct pg_group *group = pg_view_find(&pg->view, name);
    struct cnode_list list;
    struct cnode_term pid;
    int rc = 0;

    if (group == NULL && add) {
        rc = pg_view_open(&pg->view, name, &group);
    } else if (group == NULL) {
        rc = CNODE_EINVALID;
    }
    if (rc != 0) {
        return rc;
    }
    if (cnode_list(pids, &list)) {
        while (cnode_list_next(&list, &pid)) {
            note(&rc, change_one(pg, remote, group, pid, add));
        }
    } else {
        rc = change_one(pg, remote, group, pids, add);
    }
    pg_view_trim(&pg->view, group);
    return rc;
}

/* --- what they say */

static int on_discover(struct pg *pg, struct pid peer, bool speaks_1)
{
    bool is_new;
    struct pg_remote *remote = meet(pg, peer, &is_new);
    struct dest to = dest_pid(peer);

    if (remote == NULL) {
        return CNODE_LIMIT;
    }
    remote->speaks_1 = remote->speaks_1 || speaks_1;
    send_all(pg, remote);
    if (is_new) { /* should it be lost, then it has ours, and will tell */
        (void)send_discover(pg, &to, remote->speaks_1);
    }
    return 0;
}

/* [{Group, Pids}] replaces what it told before. */
static int on_sync(struct pg *pg, struct pid peer, struct cnode_term groups)
{
    bool is_new;
    struct pg_remote *remote;
    struct cnode_term item, parts[2];
    struct cnode_list list;
    int rc = 0;

    if (!cnode_list(groups, &list)) {
        return CNODE_EINVALID;
    }
    remote = meet(pg, peer, &is_new);
    if (remote == NULL) {
        return CNODE_LIMIT;
    }
    pg_view_drop(&pg->view, &remote->owner);
    while (cnode_list_next(&list, &item)) {
        note(&rc, term_get_tuple(item, 2, parts)
                      ? change_members(pg, remote, parts[0], parts[1], true)
                      : CNODE_EINVALID);
    }
    return rc;
}

/* #{Group => Pids}: the same in version 1. */
static int on_local_data(struct pg *pg, struct pid peer, struct cnode_term map)
{
    bool is_new;
    struct pg_remote *remote;
    struct cnode_term group;
    uint32_t pairs;
    int rc = 0;

    if (!cnode_get_map(map, &pairs, &group)) {
        return CNODE_EINVALID;
    }
    remote = meet(pg, peer, &is_new);
    if (remote == NULL) {
        return CNODE_LIMIT;
    }
    pg_view_drop(&pg->view, &remote->owner);
    for (uint32_t i = 0; i < pairs; i++) {
        struct cnode_term pids = cnode_next(group);

        note(&rc, change_members(pg, remote, group, pids, true));
        group = cnode_next(pids);
    }
    return rc;
}

/* [{Group, Add, Remove}] */
static int on_update(struct pg *pg, struct pg_remote *remote,
                     struct cnode_term updates)
{
    struct cnode_term item, parts[3];
    struct cnode_list list;
    int rc = 0;

    if (!cnode_list(updates, &list)) {
        return CNODE_EINVALID;
    }
    while (cnode_list_next(&list, &item)) {
        if (!term_get_tuple(item, 3, parts)) {
            note(&rc, CNODE_EINVALID);
            continue;
        }
        if (cnode_type(parts[1]) != CNODE_TYPE_NIL) {
            note(&rc, change_members(pg, remote, parts[0], parts[1], true));
        }
        if (cnode_type(parts[2]) != CNODE_TYPE_NIL) {
            note(&rc, change_members(pg, remote, parts[0], parts[2], false));
        }
    }
    return rc;
}

static int on_leave(struct pg *pg, struct pg_remote *remote,
                    struct cnode_term pids, struct cnode_term groups)
{
    struct cnode_list list;
    struct cnode_term group;
    int rc = 0;

    if (!cnode_list(groups, &list)) {
        return CNODE_EINVALID;
    }
    while (cnode_list_next(&list, &group)) {
        note(&rc, change_members(pg, remote, group, pids, false));
    }
    return rc;
}

/* A change by a scope that we know. One that we do not know any more may have
 * sent it before the connection was lost. */
static int on_change(struct pg *pg, struct pid peer, atom_t what,
                     struct cnode_term third, struct cnode_term fourth)
{
    struct pg_remote *remote = find_remote(pg, peer.node);

    if (remote == NULL || !pid_equal(remote->pid, peer)) {
        return CNODE_EINVALID;
    }
    switch (what) {
    case A_join:
        return change_members(pg, remote, third, fourth, true);
    case A_leave:
        return on_leave(pg, remote, third, fourth);
    default:
        return on_update(pg, remote, third);
    }
}

int pg_nodeup(struct pg *pg, atom_t node)
{
    struct dest to = dest_name(pg->scope, node);

    return send_discover(pg, &to, false);
}

void pg_nodedown(struct pg *pg, atom_t node)
{
    struct pg_remote *remote = find_remote(pg, node);

    if (remote != NULL) {
        pg->events->demonitor(pg->owner, &remote->monitor);
        drop_remote(pg, remote);
    }
}

/* --- our own members */

static struct pg_local *find_local(const struct pg *pg, struct pid pid)
{
    return map_get(&pg->locals, local_hash(pid), &pid);
}

static struct pg_local *find_or_add_local(struct pg *pg, struct pid pid)
{
    struct pg_local *local = find_local(pg, pid);
    struct ref monitor;

    if (local == NULL && pg->events->monitor(pg->owner, pid, &monitor) == 0) {
        local = mem_zalloc(sizeof(*local));
        pg_owner_init(&local->owner, true);
        local->pid = pid;
        local->monitor = monitor;
        map_add(&pg->locals, local_hash(pid), local);
    }
    return local;
}

static void free_local(struct pg *pg, struct pg_local *local)
{
    map_remove(&pg->locals, local_hash(local->pid), &local->pid);
    mem_free(local);
}

static void trim_local(struct pg *pg, struct pg_local *local)
{
    if (list_is_empty(&local->owner.members)) {
        pg->events->demonitor(pg->owner, &local->monitor);
        free_local(pg, local);
    }
}

int pg_join(struct pg *pg, struct cnode_term name, struct pid pid)
{
    struct pg_change change = {
        .is_join = true, .pid = pid, .first = name, .count = 1};
    struct pg_group *group;
    struct pg_local *local;
    int rc;

    if (pid.node != pg->self.node || pid.creation != pg->self.creation) {
        return CNODE_EINVALID;
    }
    rc = pg_view_open(&pg->view, name, &group);
    if (rc != 0) {
        return rc;
    }
    local = find_or_add_local(pg, pid);
    if (local == NULL) {
        pg_view_trim(&pg->view, group);
        return CNODE_LIMIT;
    }
    rc = pg_view_add(&pg->view, group, &local->owner, pid);
    if (rc != 0) {
        pg_view_trim(&pg->view, group);
        trim_local(pg, local);
        return rc;
    }
    tell_all(pg, &change);
    return 0;
}

int pg_leave(struct pg *pg, struct cnode_term name, struct pid pid)
{
    struct pg_change change = {.pid = pid, .first = name, .count = 1};
    struct pg_group *group = pg_view_find(&pg->view, name);
    struct pg_local *local = find_local(pg, pid);

    if (group == NULL || local == NULL ||
        !pg_view_remove(&pg->view, group, &local->owner, pid)) {
        return CNODE_NOT_FOUND;
    }
    pg_view_trim(&pg->view, group);
    trim_local(pg, local);
    tell_all(pg, &change);
    return 0;
}

/* Its groups, as often as it is in each. */
static void put_names(struct pg *pg, const struct pg_local *local,
                      struct pg_change *change)
{
    buf_clear(&pg->names);
    LIST_EACH(it, &local->owner.members) {
        const struct pg_member *member =
            CONTAINER_OF(it, struct pg_member, in_owner);

        for (uint32_t i = 0; i < member->times; i++) {
            term_put_copy(&pg->names, term_key_term(&member->group->key));
            change->count++;
        }
    }
    change->first = term_at(buf_data(&pg->names), buf_size(&pg->names));
}

static void local_down(struct pg *pg, struct pg_local *local)
{
    struct pg_change change = {.pid = local->pid};

    put_names(pg, local, &change);
    pg_view_drop(&pg->view, &local->owner);
    free_local(pg, local);
    tell_all(pg, &change);
}

/* A watched process ended: the scope of another node, or a member of ours. The
 * reference tells that from what somebody made up. */
static int on_down(struct pg *pg, struct pid pid, const struct ref *monitor)
{
    struct pg_local *local = find_local(pg, pid);
    struct pg_remote *remote = find_remote(pg, pid.node);

    if (local != NULL && ref_equal(&local->monitor, monitor)) {
        local_down(pg, local);
        return 0;
    }
    if (remote != NULL && ref_equal(&remote->monitor, monitor)) {
        drop_remote(pg, remote);
        return 0;
    }
    return CNODE_EINVALID;
}

/* --- messages */

static int dispatch(struct pg *pg, struct pid peer, atom_t what, uint32_t arity,
                    struct cnode_term third)
{
    int64_t version;

    if (what == A_discover && arity == 2) {
        return on_discover(pg, peer, false);
    }
    if (what == A_discover && arity == 3) {
        return cnode_get_int(third, &version)
                   ? on_discover(pg, peer, version >= PG_VERSION)
                   : CNODE_EINVALID;
    }
    if (what == A_sync && arity == 3) {
        return on_sync(pg, peer, third);
    }
    if (what == A_local_data && arity == 4) {
        return on_local_data(pg, peer, cnode_next(third));
    }
    if (what == A_update && arity == 3) {
        return on_change(pg, peer, what, third, TERM_NONE);
    }
    if ((what == A_join || what == A_leave) && arity == 4) {
        return on_change(pg, peer, what, third, cnode_next(third));
    }
    return CNODE_UNHANDLED;
}

int pg_message(struct pg *pg, struct pid from, struct cnode_term message)
{
    struct gen_message gen;
    struct cnode_term head, second;
    struct pid peer;
    struct ref monitor;
    uint32_t arity;

    if (term_match(message, "{'DOWN', ~r, process, ~p, _}", &monitor, &peer)) {
        return on_down(pg, peer, &monitor);
    }
    gen_parse(message, &gen);
    if (gen.kind == GEN_CALL || !cnode_get_tuple(gen.body, &arity, &head) ||
        arity < 2 || arity > 4) {
        return CNODE_UNHANDLED;
    }
    second = cnode_next(head);
    if (!term_get_pid(second, &peer)) {
        return CNODE_UNHANDLED;
    }
    if (peer.node == ATOM_NONE || peer.node == pg->self.node ||
        (!pid_is_none(from) && from.node != peer.node)) {
        return CNODE_EINVALID;
    }
    return dispatch(pg, peer, term_atom(head), arity,
                    arity > 2 ? cnode_next(second) : TERM_NONE);
}
