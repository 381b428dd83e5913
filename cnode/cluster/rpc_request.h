/* SPDX-License-Identifier: Apache-2.0
 *
 * What rpc and erpc ask for, and how they want the answer. Pure.
 */
#ifndef CNODE_CLUSTER_RPC_REQUEST_H
#define CNODE_CLUSTER_RPC_REQUEST_H

#include "cluster/functions.h"

enum rpc_form {
    RPC_SPAWN,  /* a function by itself: the process ends with `normal` */
    RPC_CALL,   /* erpc:execute_call/4: the result is the exit reason */
    RPC_CAST,   /* erpc:execute_cast/3 */
    RPC_SERVER, /* a call to rex: the result is the reply */
};

/* All wrapping off. The terms are the caller's. */
struct rpc_request {
    enum rpc_form form;
    struct cnode_term module, function, args; /* args: a proper list */
    struct cnode_term res; /* RPC_CALL: goes into the result */
};

/* What a process was spawned with. erlang:apply/2,3 is taken off as well; what
 * it cannot be taken off from (a fun that is not external) stays as it is and
 * is undef. */
void rpc_request_read(struct cnode_term module, struct cnode_term function,
                      struct cnode_term args, struct rpc_request *request);

/* {call, M, F, Args, GroupLeader} and {block_call, ...} of rpc. */
bool rpc_request_read_server(struct cnode_term term,
                             struct rpc_request *request);

/* The exit reason, or for RPC_SERVER the reply: appends one term. `result`
 * NULL: undef. */
void rpc_request_put_result(struct buf *buf, const struct rpc_request *request,
                            const struct function_result *result);

/* The request as one term, and back from it. */
void rpc_request_put(struct buf *buf, const struct rpc_request *request);
void rpc_request_get(struct cnode_term term, struct rpc_request *request);

#endif
