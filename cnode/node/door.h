/* SPDX-License-Identifier: Apache-2.0
 *
 * From one scheduler of this node to another. Whatever they do to each other
 * goes through scheduler_post(): signals for a process there, and tasks.
 */
#ifndef CNODE_NODE_DOOR_H
#define CNODE_NODE_DOOR_H

#include "runtime/signal.h"

struct node;

/* A signal for a process of this node, of whatever scheduler: queued. 0;
 * CNODE_NOMEM; for messages CNODE_OVERLOADED (counted), when more than
 * limits.door_bytes wait for that scheduler. */
int door_deliver(struct node *node, const struct signal *signal);

/* The same at the top level of a turn: one of this scheduler is acted on at
 * once. A message that reaches nobody is answered or counted. */
void door_dispatch(struct node *node, const struct signal *signal);

/* Runs on that scheduler, behind all that was posted there before. Once: with
 * `here` NULL when the node ends first, only to free `arg`. */
void node_post_task(struct node *to, void (*run)(struct node *here, void *arg),
                    void *arg);

/* Visits every scheduler, from number 0 on, one after the other, and comes back
 * to the one that sent it: `done` is last. After the end of the node only
 * `done` runs, with NULL. */
void node_go_round(struct node *node,
                   void (*visit)(struct node *here, void *arg),
                   void (*done)(struct node *home, void *arg), void *arg);

#endif
