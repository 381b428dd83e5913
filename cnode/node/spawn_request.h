/* SPDX-License-Identifier: Apache-2.0
 *
 * A local process starts one elsewhere: spawn_request/5. The answer comes as a
 * message, {spawn_reply, ReqId, ok, Pid} or {spawn_reply, ReqId, error, Why};
 * link and monitor hold by then, and with a monitor ReqId is its reference.
 */
#ifndef CNODE_NODE_SPAWN_REQUEST_H
#define CNODE_NODE_SPAWN_REQUEST_H

#include "base/map.h"
#include "base/mem.h"
#include "term/view.h"

struct node;
struct buf;
struct remote;
struct process;
struct signal;

/* Flags of SPAWN_REPLY. */
enum { SPAWN_FLAG_LINK = 1, SPAWN_FLAG_MONITOR = 2 };

/* The term of SIGNAL_SPAWN_REQUEST: a tuple of these. The leader is a pid, or
 * an atom: the one of where it goes. */
enum spawn_term {
    SPAWN_LEADER,
    SPAWN_MFA,
    SPAWN_OPTS,
    SPAWN_ARGS,
    SPAWN_TERMS
};

struct spawn_what {
    struct cnode_term module, function; /* atoms */
    struct cnode_term args, opts;       /* proper lists */
    struct pid leader; /* the group leader; PID_NONE: see node/leader.h */
};

/* Those without an answer yet. */
struct spawn_requests {
    struct map by_ref;
    struct slab slab;
};

void spawn_requests_init(struct spawn_requests *requests);
void spawn_requests_fini(struct spawn_requests *requests);

/* Asks `where`, which may be this node. CNODE_EINVALID: a wrong option or type;
 * CNODE_LIMIT, CNODE_NOMEM. All else comes as the answer. */
MUST_USE int spawn_request(struct node *node, struct process *process,
                           atom_t where, const struct spawn_what *what,
                           struct ref *id);

/* No answer and no DOWN comes any more; what is spawned lives on, but without
 * the one who asked. */
void spawn_request_abandon(struct node *node, struct process *process,
                           const struct ref *id);

/* --- what the router and others call */

/* Appends that term. A leader that is PID_NONE is the atom. */
void spawn_request_put(struct buf *buf, struct pid leader,
                       struct cnode_term mfa, struct cnode_term opts,
                       struct cnode_term args);

void spawn_on_reply(struct node *node, struct process *process,
                    const struct signal *signal);
/* The request did not get there. */
void spawn_request_fail(struct node *node, const struct signal *request,
                        atom_t error);
void spawn_process_ends(struct node *node, struct process *process);
void spawn_node_down(struct node *node, struct remote *remote);

#endif
