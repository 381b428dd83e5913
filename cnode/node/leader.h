/* SPDX-License-Identifier: Apache-2.0
 *
 * The group leader of what we spawn on a peer. It must be a process of that
 * BEAM, or its io:format would be sent to us: the first request to a peer waits
 * until that has said who its `user` is (erpc erlang:whereis/1), which counts
 * as long as the connection lasts; but not for ever: a peer that does not
 * answer in LEADER_PATIENCE_MS is as one without.
 */
#ifndef CNODE_NODE_LEADER_H
#define CNODE_NODE_LEADER_H

#include "base/timer.h"
#include "node/backlog.h"
#include "runtime/process.h"

struct node;
struct peer;

/* The process that asks. It has a pid once somebody spawned something. */
struct leaders {
    struct process process;
    bool is_there;
};

enum { LEADER_PATIENCE_MS = 1000 };

enum leader_state { LEADER_UNKNOWN, LEADER_ASKED, LEADER_KNOWN };

/* What is known about a peer that is up. */
struct leader {
    enum leader_state state;
    struct pid user;        /* LEADER_KNOWN; PID_NONE: it has none */
    struct ref request;     /* LEADER_ASKED */
    struct backlog backlog; /* LEADER_ASKED: requests that wait */
    struct timer patience;  /* LEADER_ASKED */
};

void leaders_close(struct node *node);

void leader_init(struct leader *leader);
/* The connection is lost. */
void leader_clear(struct node *node, struct leader *leader);

/* True: the request waits, and is routed again when the answer is there. Else
 * *pid is the leader to put in it. */
bool leader_holds(struct node *node, struct peer *peer,
                  const struct signal *request, struct pid *pid, int *rc);

#endif
