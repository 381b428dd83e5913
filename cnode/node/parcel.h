/* SPDX-License-Identifier: Apache-2.0
 *
 * A message or signal for a process of another node, on the heap with its
 * bytes: while that node is being connected (backlog.h), or on its way from one
 * of the other schedulers to scheduler 0, which has the connections.
 */
#ifndef CNODE_NODE_PARCEL_H
#define CNODE_NODE_PARCEL_H

#include "base/list.h"
#include "dist/channel.h"
#include "node/dest.h"
#include "runtime/signal.h"

struct node;

struct parcel {
    struct signal_task task; /* while it crosses */
    struct list node;        /* while it waits for a connection */
    uint32_t scheduler;      /* it comes from */
    bool is_signal;
    bool is_reply; /* a message that must not dial */

    struct signal signal; /* is_signal */
    struct pid from;      /* else */
    struct dest dest;
    struct payload payload; /* the message, or the term of the signal */
};

/* Both copy. NULL: out of memory. */
MUST_USE struct parcel *parcel_of_message(struct pid from,
                                          const struct dest *dest,
                                          struct payload message);
MUST_USE struct parcel *parcel_of_signal(const struct signal *signal);
void parcel_free(struct parcel *parcel); /* one that did not cross */
size_t parcel_bytes(const struct parcel *parcel);

/* Scheduler 0: sends it to its node `name`. */
void parcel_send(struct node *node, const struct parcel *parcel, atom_t name);
/* Nothing came of it: a message is a dead letter; who waits for an answer to a
 * signal gets noconnection (rc CNODE_NOCONN) or system_limit. */
void parcel_lost(struct node *node, const struct parcel *parcel, atom_t name,
                 int rc);

/* Another scheduler: to scheduler 0, which sends it there. Takes the parcel. 0;
 * CNODE_NOMEM: it is NULL; CNODE_OVERLOADED: scheduler 0 does not keep up and
 * it is a message (counted; the parcel is freed). */
int parcel_cross(struct node *node, struct parcel *parcel, atom_t name);

#endif
