/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and locks as messages change them, each with a monitor of the server.
 *
 * Names change under the lock `global` only. A change may arrive when that lock
 * is gone: its holder's node went down and up again before the message was
 * here. Such a change must not count (lock_still_set/3 of OTP's global).
 *
 * Nor does a name of a stranger, a node that we do not know, whatever it has
 * locked. A BEAM whose connection to us breaks while it registers a name goes
 * on with the nodes that it knew before, and so dials us; but when the name is
 * given up, it does not know us any more and we are not told. We would hand the
 * dead name back to it, and to all, with the session that follows. What it has
 * by then comes with that session. Nodes that a stranger makes known to us have
 * none with us: their names do count.
 */
#include <cnode/error.h>

#include "cluster/global_parts.h"

enum { EXT_MOST = 1000 }; /* names of C nodes of the old kind in one message */

static int watch(struct global *g, struct pid pid, struct ref *ref)
{
    struct dest dest = dest_pid(pid);

    return g->events->monitor(g->owner, GLOBAL_SERVER, &dest, ref);
}

static void unwatch(struct global *g, const struct ref *ref)
{
    g->events->demonitor(g->owner, GLOBAL_SERVER, ref);
}

/* --- locks */

bool global_store_set_lock(struct global *g, const struct global_lock_id *id,
                           struct pid pid)
{
    struct ref ref;

    if (!global_locks_can_set(&g->locks, id)) {
        return false;
    }
    if (global_locks_find(&g->locks, id, pid) != NULL) {
        return true;
    }
    if (watch(g, pid, &ref) != 0) {
        return false;
    }
    if (global_locks_add(&g->locks, id, pid, &ref) != 0) {
        unwatch(g, &ref);
        return false;
    }
    return true;
}

static void drop_holder(struct global *g, struct global_holder *holder,
                        bool is_down)
{
    unwatch(g, &holder->monitor);
    global_locks_remove(&g->locks, holder, is_down);
}

void global_store_del_lock(struct global *g, const struct global_lock_id *id,
                           struct pid pid)
{
    struct global_holder *holder = global_locks_find(&g->locks, id, pid);

    if (holder != NULL) {
        drop_holder(g, holder, false);
    }
}

/* The lock `global` is there, on behalf of whom? */
static bool is_held_by(struct global *g, struct pid pid)
{
    const struct global_lock *lock = global_locks_global(&g->locks);

    if (lock == NULL) {
        return !g->locks.is_global_down;
    }
    LIST_EACH(it, &lock->holders) {
        if (pid_equal(CONTAINER_OF(it, struct global_holder, in_lock)->pid,
                      pid)) {
            return true;
        }
    }
    return false;
}

/* {global, Requester} */
static bool is_held_as(struct global *g, struct cnode_term lock_id)
{
    struct global_lock_id id;

    if (global_locks_global(&g->locks) == NULL) {
        return !g->locks.is_global_down;
    }
    return global_lock_id(lock_id, &id) &&
           term_is_atom(id.resource, A_global) &&
           global_locks_can_set(&g->locks, &id);
}

/* --- names */

static void drop_name(struct global *g, struct global_name *name)
{
    unwatch(g, &name->monitor);
    global_names_remove(&g->names, name);
}

void global_store_unregister(struct global *g, struct cnode_term name)
{
    struct global_name *entry = global_names_find(&g->names, name);

    if (entry != NULL) {
        drop_name(g, entry);
    }
}

static void insert(struct global *g, struct cnode_term name, struct pid pid,
                   struct cnode_term method, atom_t ext_node, bool counts)
{
    struct ref ref;

    global_store_unregister(g, name);
    if (counts && watch(g, pid, &ref) == 0 &&
        global_names_add(&g->names, name, pid, method, ext_node, &ref) != 0) {
        unwatch(g, &ref);
    }
}

void global_store_register(struct global *g, struct cnode_term name,
                           struct pid pid, struct cnode_term method,
                           atom_t ext_node, struct pid by)
{
    if (global_is_known(g, by.node)) {
        insert(g, name, pid, method, ext_node, is_held_by(g, by));
    }
}

/* Where a name of the old kind was registered: [{Name, Pid, RegNode}]. */
static atom_t ext_node_of(struct cnode_term names_ext, struct cnode_term name)
{
    struct cnode_list list;
    struct cnode_term item, parts[3];

    if (!cnode_list(names_ext, &list) || list.left > EXT_MOST) {
        return ATOM_NONE;
    }
    while (cnode_list_next(&list, &item)) {
        if (term_get_tuple(item, 3, parts) && term_same_bytes(parts[0], name)) {
            return term_atom(parts[2]);
        }
    }
    return ATOM_NONE;
}

/* {insert, {Name, Pid, Method}} */
static void apply_insert(struct global *g, const struct global_change *change,
                         struct cnode_term op, bool counts)
{
    struct cnode_term parts[2], what[3];
    struct pid pid;
    atom_t ext_node;

    if (term_get_tuple(op, 2, parts) && term_is_atom(parts[0], A_insert) &&
        term_get_tuple(parts[1], 3, what) && global_pid(what[1], &pid)) {
        ext_node = ext_node_of(change->names_ext, what[0]);
        if (change->stranger == ATOM_NONE ||
            (change->stranger != pid.node && change->stranger != ext_node)) {
            insert(g, what[0], pid, what[2], ext_node, counts);
        }
    }
}

void global_store_apply(struct global *g, const struct global_change *change)
{
    bool counts = is_held_as(g, change->lock_id);
    struct cnode_term op = change->ops, parts[2];

    for (uint32_t i = 0; i < change->count; i++, op = cnode_next(op)) {
        apply_insert(g, change, op, counts);
    }
    op = change->ops;
    for (uint32_t i = 0; i < change->count; i++, op = cnode_next(op)) {
        if (term_get_tuple(op, 2, parts) && term_is_atom(parts[0], A_delete)) {
            global_store_unregister(g, parts[1]);
        }
    }
}

/* --- ends */

bool global_store_down(struct global *g, const struct ref *ref)
{
    struct global_name *name = global_names_of_monitor(&g->names, ref);
    struct global_holder *holder = global_locks_of_monitor(&g->locks, ref);

    if (name != NULL) {
        global_names_remove(&g->names, name);
    }
    if (holder != NULL) {
        global_locks_remove(&g->locks, holder, true);
    }
    return name != NULL || holder != NULL;
}

void global_store_drop_names(struct global *g, atom_t node)
{
    struct pid any = {.node = node};
    struct global_name *name;

    while ((name = global_names_of_pid(&g->names, any)) != NULL) {
        drop_name(g, name);
    }
}

void global_store_drop_node(struct global *g, atom_t node)
{
    struct global_holder *holder;

    while ((holder = global_locks_of_node(&g->locks, node)) != NULL) {
        drop_holder(g, holder, true);
    }
    global_store_drop_names(g, node);
}
