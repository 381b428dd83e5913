/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes that others start on this node (SPAWN_REQUEST, or a local process
 * by spawn_request()). The layers above say what there is to spawn: handlers
 * are asked in order until one knows the function. For what nobody knows a
 * process is made all the same, which exits at once with {undef, ...}, as on a
 * BEAM.
 *
 * The order is the protocol's: the reply, then link and monitor, then `start`.
 */
#ifndef CNODE_NODE_SPAWN_H
#define CNODE_NODE_SPAWN_H

#include "base/list.h"
#include "term/view.h"

struct node;
struct peer;
struct process;
struct control;
struct signal;

/* What is to be spawned. The terms die when the handler returns. */
struct spawn_call {
    struct cnode_term module, function; /* atoms */
    struct cnode_term args;             /* a proper list of `arity` terms */
    uint64_t arity;
    struct pid from;         /* who asks */
    struct pid group_leader; /* PID_NONE: of a node we never met */
    bool link, monitor;
    uint32_t *elsewhere; /* NULL: it has to be made here */
};

struct spawn_handler {
    /* Makes the process (node_spawn), which may not do anything yet.
     * CNODE_NOT_FOUND: not its function, ask the next. No process:
     * CNODE_UNSUPPORTED (answered notsup) or another error (system_limit).
     * *process NULL: the handlers of scheduler *call->elsewhere are to make it,
     * but for this one it may be made here as well. */
    int (*spawn)(void *owner, struct node *node, const struct spawn_call *call,
                 struct process **process);
    /* It is linked and monitored as asked, and may send or end
     * (node_exit()). May be NULL. */
    void (*start)(void *owner, struct node *node, struct process *process,
                  const struct spawn_call *call);
    void *owner;
    struct list in_node;
};

/* The handler is borrowed until the node ends. Requests come to scheduler 0;
 * the others need only those to which it may be left. */
void node_add_spawn_handler(struct node *node, struct spawn_handler *handler);

/* --- what the router calls */

void spawn_on_control(struct node *node, struct peer *peer,
                      const struct control *control);
/* From a local process; signal->term as spawn_request() made it. */
void spawn_on_signal(struct node *node, const struct signal *signal);

#endif
