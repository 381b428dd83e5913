/* SPDX-License-Identifier: Apache-2.0
 *
 * One scope of OTP's pg: the protocol between the scope processes of all nodes.
 * Pure: terms in, messages to send and processes to watch out.
 *
 * Every node tells every other one about its own members, all of them when the
 * two meet, changes from then on. Two versions of it:
 *
 *            version 0 (OTP 25 and newer)       version 1 (OTP 29)
 *     meet   {discover, P}                      {discover, P, 1}
 *     all    cast {sync, P, [{G, [Pid]}]}       cast {local_data, P, 1, #{}}
 *     change {join, P, G, Pids}                 {update, P, [{G, Add, Remove}]}
 *            {leave, P, Pids, [G]}
 *
 * Version 1 is spoken to those only who announced it: a scope of OTP 25 crashes
 * at a message it does not know. It also crashes at a `leave` for a group it
 * was not told of; so changes go to those only who got all members before. Who
 * missed a message, as its queue was full, gets all members again.
 *
 * A node has one scope process: a second one replaces the first, and its
 * members are pids of that node. Everything else is ignored.
 */
#ifndef CNODE_CLUSTER_PG_H
#define CNODE_CLUSTER_PG_H

#include "cluster/pg_view.h"
#include "node/dest.h"

enum { PG_VERSION = 1 };

struct pg_events {
    /* A message to the scope process of a connected node; never dials. Not 0:
     * it was not sent. */
    int (*send)(void *owner, const struct dest *to, struct cnode_term message);
    /* pg_message() gets its 'DOWN'. CNODE_LIMIT. */
    int (*monitor)(void *owner, struct pid pid, struct ref *ref);
    void (*demonitor)(void *owner, const struct ref *ref);
};

struct pg {
    atom_t scope;
    struct pid self;
    const struct pg_events *events;
    void *owner;
    struct pg_view view;
    struct map remotes; /* struct pg_remote by node */
    struct map locals;  /* struct pg_local by pid */
    struct buf out, names;
    uint32_t untold; /* remotes that are to get all members again */
};

void pg_init(struct pg *pg, atom_t scope, struct pid self,
             const struct pg_events *events, void *owner);
void pg_fini(struct pg *pg); /* tells nobody */

/* --- the cluster */

/* A node is connected: is there such a scope? Not 0: it could not be asked; to
 * be tried again. */
MUST_USE int pg_nodeup(struct pg *pg, atom_t node);
/* It is lost: its members are gone at once, before it comes back. */
void pg_nodedown(struct pg *pg, atom_t node);
/* A message from a process `from` (PID_NONE: unknown). 0; or CNODE_UNHANDLED,
 * CNODE_EINVALID (all or some of it is ignored), CNODE_LIMIT. */
int pg_message(struct pg *pg, struct pid from, struct cnode_term message);
/* To be called every PG_RESYNC_MS while pg->untold is not 0. */
enum { PG_RESYNC_MS = 1000 };
void pg_resync(struct pg *pg);

/* --- this node's own members */

/* CNODE_EINVALID: no pid of this node; CNODE_LIMIT, CNODE_TOO_LARGE,
 * CNODE_NOMEM. */
MUST_USE int pg_join(struct pg *pg, struct cnode_term group, struct pid pid);
/* CNODE_NOT_FOUND: not_joined. */
MUST_USE int pg_leave(struct pg *pg, struct cnode_term group, struct pid pid);

#endif
