/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls functions on other nodes for the services of this one, as erpc:call/5
 * does. One process makes all calls; the result comes to a callback. Belongs to
 * scheduler 0.
 */
#ifndef CNODE_CLUSTER_ERPC_H
#define CNODE_CLUSTER_ERPC_H

#include "base/list.h"
#include "node/erpc_wire.h"
#include "node/node.h"

struct erpc {
    struct node *node;
    struct process process;
    struct map calls; /* struct erpc_call by its reference */
    struct buf buf;
};

struct erpc_call;

/* Exactly once, never before erpc_call() has returned; the term dies on return.
 * A timeout is error:{erpc, timeout}, a lost or unreachable node error:{erpc,
 * noconnection}. */
typedef void (*erpc_done_fn)(void *owner, const struct erpc_result *result);

MUST_USE int erpc_start(struct erpc *erpc, struct node *node); /* CNODE_LIMIT */
/* No callback runs any more. */
void erpc_stop(struct erpc *erpc);

/* Dials the node when it is not connected. CNODE_EINVALID, CNODE_LIMIT,
 * CNODE_NOMEM. *call may be NULL, and is valid until `done`. */
MUST_USE int erpc_call(struct erpc *erpc, atom_t where,
                       struct cnode_term module, struct cnode_term function,
                       struct cnode_term args, uint64_t timeout_ms,
                       erpc_done_fn done, void *owner, struct erpc_call **call);
/* `done` does not run. */
void erpc_cancel(struct erpc_call *call);

#endif
