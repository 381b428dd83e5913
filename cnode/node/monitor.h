/* SPDX-License-Identifier: Apache-2.0
 *
 * Monitors, in both directions: a remote process watches one of ours, one of
 * ours watches a remote one, or both are local. One table by reference; a
 * monitor/demonitor pair allocates nothing (slab).
 */
#ifndef CNODE_NODE_MONITOR_H
#define CNODE_NODE_MONITOR_H

#include "base/map.h"
#include "base/mem.h"
#include "node/dest.h"
#include "node/relations.h"

struct remote;

struct monitor {
    struct ref ref;
    struct pid watcher;
    struct pid target; /* PID_NONE when only its name is known */
    atom_t name;       /* monitored by that name; ATOM_NONE: by pid */
    atom_t target_node;
    /* relations.watchers, or remote.watched; by itself: another scheduler */
    struct list in_target;
    struct list in_watcher; /* relations.watching, or remote.watchers */
    struct block *tag;      /* of a local watcher, instead of 'DOWN' */
};

/* A monitor between two schedulers has two entries, one for each side. */
struct monitors {
    struct map by_ref;
    struct slab slab;
};

void monitors_init(struct monitors *monitors);
void monitors_fini(struct monitors *monitors);

/* A local process starts watching `dest`. A target that is not there gives a
 * DOWN later, never an error. CNODE_LIMIT above limits.monitors_per_node. */
MUST_USE int monitor_start(struct node *node, struct process *watcher,
                           const struct dest *dest, struct ref *ref);
/* No DOWN follows. CNODE_NOT_FOUND. */
int monitor_stop(struct node *node, struct process *watcher,
                 const struct ref *ref);

/* The spawned `target` is watched by the one who asked for it, under the ref of
 * the request. A remote one knows; is_lost: its node is gone by now. Takes the
 * tag (NULL: 'DOWN'). */
void monitor_spawned(struct node *node, struct process *watcher,
                     const struct ref *ref, struct pid target,
                     struct block *tag, bool is_lost);

/* --- what the router calls */

/* Somebody (signal->from, remote or local) watches `target`; NULL: it is dead
 * and gets noproc. signal->name: by name. */
void monitor_on_monitor(struct node *node, struct process *target,
                        const struct signal *signal);
void monitor_on_demonitor(struct node *node, const struct signal *signal);
/* A DOWN for a local watcher: removes the monitor, delivers the message. */
void monitor_on_down(struct node *node, const struct signal *signal);

/* `process` ends: everybody who watches it is told, whom it watched forgets. */
void monitor_process_ends(struct node *node, struct process *process,
                          struct cnode_term reason);
/* The monitor `ref` of `watcher` on a local process fires now, as if that had
 * ended: for a call that was passed on to a process which died of it. False:
 * there is no such monitor. */
bool monitor_fire(struct node *node, struct pid watcher, const struct ref *ref,
                  struct cnode_term reason);
/* It has not fired, nor was it stopped. */
bool monitor_is_on(struct node *node, struct pid watcher,
                   const struct ref *ref);
/* The connection is lost. */
void monitor_node_down(struct node *node, struct remote *remote);

#endif
