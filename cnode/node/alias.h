/* SPDX-License-Identifier: Apache-2.0
 *
 * Aliases of local processes (erlang:alias/1, monitor/3 with {alias, _}): a
 * reference that messages may be sent to as long as it is active. What comes to
 * an inactive one vanishes, which is what makes late replies harmless.
 */
#ifndef CNODE_NODE_ALIAS_H
#define CNODE_NODE_ALIAS_H

#include "base/map.h"
#include "base/mem.h"
#include "node/dest.h"

struct node;
struct process;
struct signal;

/* What deactivates it, besides alias_stop() and the end of its process. */
enum alias_kind {
    ALIAS_EXPLICIT,        /* nothing */
    ALIAS_REPLY,           /* the first message */
    ALIAS_DEMONITOR,       /* the end of its monitor, either way */
    ALIAS_REPLY_DEMONITOR, /* both; a message ends the monitor too */
};

struct aliases {
    struct map by_ref;
    struct slab slab;
};

void aliases_init(struct aliases *aliases);
void aliases_fini(struct aliases *aliases);

/* CNODE_LIMIT: limits.aliases_per_process, limits.aliases_per_node. */
MUST_USE int alias_start(struct node *node, struct process *process,
                         enum alias_kind kind, struct ref *ref);
/* The same for a reference that is there already, if alias_has_room(), which
 * counts a refusal. */
bool alias_has_room(const struct node *node, const struct process *process);
void alias_start_at(struct node *node, struct process *process,
                    enum alias_kind kind, const struct ref *ref);
/* A monitor whose reference is an alias too. */
MUST_USE int alias_start_monitor(struct node *node, struct process *process,
                                 const struct dest *dest, enum alias_kind kind,
                                 struct ref *ref);
/* False: it is not an active alias of this process. */
bool alias_stop(struct node *node, struct process *process,
                const struct ref *ref);

/* A pid of the scheduler that has the alias: for signal->to. */
struct pid alias_home(const struct node *node, const struct ref *ref);

/* --- what the router and others call */

/* One of this scheduler that is active. */
bool alias_is_active(const struct node *node, const struct ref *ref);

/* SIGNAL_ALIAS, SIGNAL_ALIAS_EXIT: becomes a signal for its process, whose pid
 * is then in signal->to. False: it is not active. */
bool alias_resolve(struct node *node, struct signal *signal);
/* The monitor of that reference has ended. */
void alias_monitor_ends(struct node *node, struct process *process,
                        const struct ref *ref);
void alias_process_ends(struct node *node, struct process *process);

#endif
