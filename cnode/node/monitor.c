/* SPDX-License-Identifier: Apache-2.0
 *
 * See monitor.h. An entry whose watcher is local lives until its DOWN is
 * delivered or it is stopped, so that a demonitor always wins over a DOWN that
 * is still on its way. An entry of a remote watcher goes with its target.
 */
#include "node/monitor.h"

#include <cnode/error.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/metric.h"
#include "node/node.h"
#include "term/build.h"

static bool equal(const void *item, const void *key)
{
    const struct monitor *monitor = item;

    return ref_equal(&monitor->ref, key);
}

static uint64_t hash(const struct ref *ref)
{
    return hash_u64(((uint64_t)ref->words[0] << 32 | ref->words[1]) ^
                    (uint64_t)ref->words[2] << 13 ^ ref->node);
}

void monitors_init(struct monitors *monitors)
{
    map_init(&monitors->by_ref, equal);
    slab_init(&monitors->slab, sizeof(struct monitor));
}

void monitors_fini(struct monitors *monitors)
{
    map_fini(&monitors->by_ref);
    slab_fini(&monitors->slab);
}

static struct monitor *find(struct node *node, const struct ref *ref)
{
    return map_get(&node->monitors.by_ref, hash(ref), ref);
}

static struct monitor *add(struct node *node, const struct ref *ref,
                           struct pid watcher)
{
    struct monitor *monitor = slab_alloc(&node->monitors.slab);

    *monitor = (struct monitor){.ref = *ref, .watcher = watcher};
    list_init(&monitor->in_target);
    list_init(&monitor->in_watcher);
    map_add(&node->monitors.by_ref, hash(ref), monitor);
    return monitor;
}

static void trim_pid(struct node *node, struct pid pid)
{
    struct process *process = node_find(node, pid);

    if (process != NULL) {
        relations_trim(node, process);
    }
}

static void discard(struct node *node, struct monitor *monitor)
{
    map_remove(&node->monitors.by_ref, hash(&monitor->ref), &monitor->ref);
    list_remove(&monitor->in_target);
    list_remove(&monitor->in_watcher);
    trim_pid(node, monitor->target);
    trim_pid(node, monitor->watcher);
    if (monitor->target_node != node->name) {
        remote_trim(node, monitor->target_node);
    }
    block_unref(monitor->tag);
    slab_free(&node->monitors.slab, monitor);
}

/* Tells the watcher; for local ones the entry stays until that arrives. */
static void send_down(struct node *node, const struct monitor *monitor,
                      struct cnode_term reason)
{
    struct signal signal = {.kind = SIGNAL_DOWN,
                            .to = monitor->watcher,
                            .from = monitor->target,
                            .name = monitor->name,
                            .ref = monitor->ref,
                            .term = reason};

    signal.from.node = monitor->target_node;
    (void)route_signal(node, &signal, monitor->watcher.node);
}

/* Its target's side has an entry of its own, or the DOWN is on its way. */
static bool target_is_elsewhere(const struct node *node,
                                const struct monitor *monitor)
{
    return monitor->target_node != node->name ||
           (!pid_is_none(monitor->target) && !node_owns(node, monitor->target));
}

/* So that it is found when the connection is lost. */
static void join_remote(struct node *node, struct monitor *monitor)
{
    if (monitor->target_node != node->name) {
        list_push_back(&remote_find_or_add(node, monitor->target_node)->watched,
                       &monitor->in_target);
    }
}

static bool is_full(const struct node *node)
{
    return node->monitors.by_ref.count >=
           node_share(node, limits.monitors_per_node);
}

/* --- a local process watches */

int monitor_start(struct node *node, struct process *watcher,
                  const struct dest *dest, struct ref *ref)
{
    struct signal signal = {.kind = SIGNAL_MONITOR};
    struct relations *relations;
    struct monitor *monitor;

    if (dest->kind == DEST_ALIAS) {
        return CNODE_EINVALID;
    }
    if (is_full(node)) {
        METRIC_INC(monitors_refused);
        return CNODE_LIMIT;
    }
    *ref = node_make_ref(node);
    monitor = add(node, ref, node_pid(node, watcher));
    monitor->target_node = dest->node;
    if (dest->kind == DEST_PID) {
        monitor->target = dest->pid;
    } else {
        monitor->name = dest->name;
        if (dest->node != node->name ||
            !names_whereis(node, dest->name, &monitor->target)) {
            monitor->target = PID_NONE;
        }
    }
    relations = relations_of(node, watcher);
    list_push_back(&relations->watching, &monitor->in_watcher);

    signal.from = monitor->watcher;
    signal.to = monitor->target;
    signal.name = monitor->name;
    signal.ref = *ref;
    if (route_signal(node, &signal, dest->node) != 0) {
        send_down(node, monitor, atom_term(A_noconnection));
    } else {
        join_remote(node, monitor);
    }
    return 0;
}

void monitor_spawned(struct node *node, struct process *watcher,
                     const struct ref *ref, struct pid target,
                     struct block *tag, bool is_lost)
{
    struct monitor *monitor = add(node, ref, node_pid(node, watcher));

    monitor->tag = tag;
    monitor->target = target;
    monitor->target_node = target.node;
    list_push_back(&relations_of(node, watcher)->watching,
                   &monitor->in_watcher);
    if (is_lost) {
        send_down(node, monitor, atom_term(A_noconnection));
    } else {
        join_remote(node, monitor);
    }
}

static void send_demonitor(struct node *node, const struct monitor *monitor)
{
    struct signal signal = {.kind = SIGNAL_DEMONITOR,
                            .from = monitor->watcher,
                            .to = monitor->target,
                            .name = monitor->name,
                            .ref = monitor->ref};

    (void)route_signal(node, &signal, monitor->target_node);
}

int monitor_stop(struct node *node, struct process *watcher,
                 const struct ref *ref)
{
    struct monitor *monitor = find(node, ref);

    if (monitor == NULL ||
        !pid_equal(monitor->watcher, node_pid(node, watcher))) {
        return CNODE_NOT_FOUND;
    }
    if (target_is_elsewhere(node, monitor)) {
        send_demonitor(node, monitor);
    }
    alias_monitor_ends(node, watcher, ref);
    discard(node, monitor);
    return 0;
}

static void put_down(struct buf *buf, const struct monitor *monitor,
                     struct cnode_term reason)
{
    struct cnode_term tag = atom_term(A_DOWN);

    if (monitor->tag != NULL) {
        tag = term_at(monitor->tag->bytes, monitor->tag->size);
    }
    buf_clear(buf);
    if (monitor->name != ATOM_NONE) {
        term_format(buf, "{~t, ~r, process, {~A, ~A}, ~t}", tag, &monitor->ref,
                    monitor->name, monitor->target_node, reason);
    } else {
        term_format(buf, "{~t, ~r, process, ~p, ~t}", tag, &monitor->ref,
                    monitor->target, reason);
    }
}

void monitor_on_down(struct node *node, const struct signal *signal)
{
    struct monitor *monitor = find(node, &signal->ref);
    struct signal message = {.kind = SIGNAL_DOWN, .to = signal->to};
    struct buf buf;

    if (monitor == NULL || !pid_equal(monitor->watcher, signal->to) ||
        monitor->target_node != signal->from.node) {
        return; /* stopped meanwhile, or not theirs to end */
    }
    buf_init(&buf, 0);
    put_down(&buf, monitor, signal->term);
    if (buf_error(&buf) != 0) { /* no memory for a long reason */
        put_down(&buf, monitor, atom_term(A_system_limit));
    }
    alias_monitor_ends(node, node_find(node, signal->to), &signal->ref);
    discard(node, monitor);
    if (buf_error(&buf) == 0) {
        message.term = term_at(buf_data(&buf), buf_size(&buf));
        scheduler_become_message(&node->scheduler, &message);
    }
    buf_fini(&buf);
}

/* --- a local process is watched */

static void refuse(struct node *node, const struct signal *signal, atom_t why)
{
    struct monitor none = {.ref = signal->ref,
                           .watcher = signal->from,
                           .target = signal->to,
                           .target_node = node->name,
                           .name = signal->name};

    send_down(node, &none, atom_term(why));
}

void monitor_on_monitor(struct node *node, struct process *target,
                        const struct signal *signal)
{
    struct monitor *monitor = find(node, &signal->ref);
    struct remote *remote = NULL;

    if (node_owns(node, signal->from)) {
        if (monitor == NULL) {
            return; /* stopped before it got here */
        }
    } else if (monitor != NULL) {
        return; /* of a reference used twice the first one counts */
    } else if (signal->from.node != node->name) {
        remote = remote_find(node, signal->from.node);
        if (!remote_is_up(remote)) {
            return;
        }
    }
    if (target == NULL) {
        refuse(node, signal, A_noproc);
        return;
    }
    if (monitor == NULL) {
        if (is_full(node)) {
            METRIC_INC(monitors_refused);
            refuse(node, signal, A_system_limit);
            return;
        }
        monitor = add(node, &signal->ref, signal->from);
        monitor->name = signal->name;
        monitor->target_node = node->name;
        if (remote != NULL) {
            list_push_back(&remote->watchers, &monitor->in_watcher);
        }
    }
    monitor->target = node_pid(node, target);
    list_push_back(&relations_of(node, target)->watchers, &monitor->in_target);
}

void monitor_on_demonitor(struct node *node, const struct signal *signal)
{
    struct monitor *monitor = find(node, &signal->ref);

    if (monitor != NULL) {
        if (pid_equal(monitor->watcher, signal->from)) {
            discard(node, monitor);
        }
    } else if (signal->id > 0) { /* by name: whoever had it when it began */
        struct signal next = *signal;

        next.id--;
        next.to = node_any_pid(node, (node->index + 1) % node->count);
        (void)route_signal(node, &next, node->name);
    }
}

/* --- ends */

void monitor_process_ends(struct node *node, struct process *process,
                          struct cnode_term reason)
{
    struct list *node_it;

    if (process->relations == NULL) {
        return;
    }
    while (process->relations != NULL &&
           (node_it = list_pop(&process->relations->watchers)) != NULL) {
        struct monitor *monitor =
            CONTAINER_OF(node_it, struct monitor, in_target);

        send_down(node, monitor, reason);
        if (!node_owns(node, monitor->watcher)) {
            discard(node, monitor);
        }
    }
    while (process->relations != NULL &&
           (node_it = list_pop(&process->relations->watching)) != NULL) {
        struct monitor *monitor =
            CONTAINER_OF(node_it, struct monitor, in_watcher);

        if (target_is_elsewhere(node, monitor)) {
            send_demonitor(node, monitor);
        }
        discard(node, monitor);
    }
    relations_trim(node, process);
}

bool monitor_fire(struct node *node, struct pid watcher, const struct ref *ref,
                  struct cnode_term reason)
{
    struct monitor *monitor = find(node, ref);

    if (monitor == NULL || target_is_elsewhere(node, monitor) ||
        !pid_equal(monitor->watcher, watcher)) {
        return false;
    }
    send_down(node, monitor, reason);
    if (!node_owns(node, watcher)) {
        discard(node, monitor);
    } else { /* until its DOWN is delivered it stays, but fires only once */
        list_remove(&monitor->in_target);
        trim_pid(node, monitor->target);
    }
    return true;
}

bool monitor_is_on(struct node *node, struct pid watcher, const struct ref *ref)
{
    const struct monitor *monitor = find(node, ref);

    return monitor != NULL && pid_equal(monitor->watcher, watcher);
}

void monitor_node_down(struct node *node, struct remote *remote)
{
    struct list *it;

    while ((it = list_pop(&remote->watchers)) != NULL) {
        discard(node, CONTAINER_OF(it, struct monitor, in_watcher));
    }
    while ((it = list_pop(&remote->watched)) != NULL) {
        send_down(node, CONTAINER_OF(it, struct monitor, in_target),
                  atom_term(A_noconnection));
    }
}
